/** What the digest counts, whom it goes to, and what a hub that stood still says. */
import { expect, test } from 'vitest'
import { conformance, testPlugin } from 'manifold/plugin/testing'
import type { TestPluginOptions } from 'manifold/plugin/testing'

const forms = {
  contact: { name: 'Contact', fields: [{ key: 'name', pii: true }, { key: 'topic' }] },
  survey: { name: 'Survey', fields: [{ key: 'n', type: 'number' as const }] },
}
const open = (more: Partial<TestPluginOptions> = {}) =>
  testPlugin({
    dir: import.meta.dirname,
    config: { to: ['team@example.org'] },
    forms,
    now: '2026-01-01T06:00:00Z',
    ...more,
  })

test('every morning: what came since the last one, once', async () => {
  await using plugin = await open({ config: { to: ['team@example.org', 'boss@example.org'], newest: 1 } })
  await plugin.submit('contact', { name: 'Ada', topic: 'Sales' })
  await plugin.submit('survey', { n: 1 })
  await plugin.submit('survey', { n: 2 })
  await plugin.advance('1h')
  expect(plugin.email.sent.map(({ to }) => to)).toEqual(['team@example.org', 'boss@example.org'])
  expect(plugin.email.sent[0]).toMatchObject({
    subject: '3 new responses',
    text: 'Since the beginning: 3 new responses.\n\n1 × Contact\n2 × Survey\n\n2026-01-01T06:00:00.000Z survey: {"n":2}',
  })
  plugin.email.forget()
  await plugin.submit('contact', { name: 'Bob', topic: 'Support' })
  await plugin.advance('24h')
  expect(plugin.email.sent[0]?.text).toBe(
    'Since 2026-01-01T07:00:00.000Z: 1 new response.\n\n1 × Contact\n\n2026-01-01T07:00:00.000Z contact: {"topic":"Support"}',
  )
})

test('nothing new, no e-mail, unless it is wanted', async () => {
  await using quiet = await open()
  await using talkative = await open({ config: { to: ['team@example.org'], quiet: false } })
  for (const plugin of [quiet, talkative]) await plugin.advance('48h')
  expect([quiet.email.sent.length, talkative.email.sent.length]).toEqual([0, 2])
})

test('one address that is refused is no reason to write to the others twice', async () => {
  await using plugin = await open({ config: { to: ['gone@example.org', 'team@example.org'], quiet: false } })
  plugin.email.answer([450, 250, 250])
  await plugin.advance('2h')
  expect(plugin.email.sent.map(({ to }) => to)).toEqual(['gone@example.org', 'team@example.org', 'gone@example.org'])
})

test('a hub that stood still says how many were missed', async () => {
  await using plugin = await open({ config: { to: ['team@example.org'], quiet: false } })
  await plugin.fire('digest', { missed: 3 })
  await plugin.settle()
  expect(plugin.email.sent[0]?.text).toContain('Digests that were not sent because the hub stood still: 3.')
})

test('conforms', async () => {
  await conformance(import.meta.dirname)
})
