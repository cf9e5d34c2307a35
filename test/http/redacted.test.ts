/** An installation's settings as any key with `deliveries:write` may read them. */
import { expect, test } from 'vitest'
import { redacted } from '../../core/registry/views.ts'

test('credentials are not shown, whether they are sealed, in headers, in URLs or told by their name', () => {
  const shown = redacted({
    url: 'https://user:plain-credential@example.com/in?token=plain-credential&tag=news#top',
    headers: {
      Authorization: 'Bearer plain-credential',
      'X-API-Key': 'plain-credential',
      'X-Signature': 'v1',
      'Content-Type': 'text/plain',
    },
    secretHeaders: { 'X-Other': { $secret: 'a' } },
    secrets: [{ secret: { $secret: 'b' }, until: '2026-12-01T00:00:00Z' }],
    password: 'plain-credential',
    keyField: 'email',
    template: { text: 'a?token={{data.token}}', n: 1, none: null },
  })
  expect(shown).toEqual({
    url: 'https://***@example.com/in?token=***&tag=news#top',
    headers: { Authorization: 'Bearer ***', 'X-API-Key': '***', 'X-Signature': 'v1', 'Content-Type': 'text/plain' },
    secretHeaders: { 'X-Other': '***' },
    secrets: [{ secret: '***', until: '2026-12-01T00:00:00Z' }],
    password: '***',
    keyField: 'email',
    template: { text: 'a?token={{data.token}}', n: 1, none: null },
  })
})
