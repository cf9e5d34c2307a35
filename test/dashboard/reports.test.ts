/** What browsers report against the policy of a page: read, bounded, and at nobody's cost. */
import { expect, test } from 'vitest'
import { startHub } from '../support/hub.ts'
import { visitorOf } from '../support/visitor.ts'
import { until } from '../support/wait.ts'

const BURST = 10

test('a report is a line of the log; another site reports nothing, and reports without end keep nobody out', async () => {
  await using hub = await startHub({
    config: { forms: { contact: { name: 'Contact', fields: [{ key: 'note' }], access: 'public' } } },
  })
  const { signIn } = visitorOf(() => hub)
  const report = async (directive: string, headers: Readonly<Record<string, string>>): Promise<number> => {
    const { status } = await fetch(`${hub.url}/csp-reports`, {
      method: 'POST',
      headers: { 'content-type': 'application/csp-report', ...headers },
      body: JSON.stringify({ 'csp-report': { 'document-uri': `${hub.url}/`, 'violated-directive': directive } }),
    })
    return status
  }
  const reported = () =>
    hub.logs
      .filter(({ msg }) => msg === 'A browser kept something from running on a page')
      .map((line) => line['violated-directive'])
  const elsewhere = { origin: 'https://elsewhere.example', 'sec-fetch-site': 'cross-site' }
  for (let n = 0; n < 2 * BURST; n += 1) expect(await report('another site', elsewhere)).toBe(403)
  expect(await report('script-src', { origin: hub.url })).toBe(204)
  expect(await until('the line', () => reported().at(-1))).toBe('script-src')
  const own = { origin: hub.url, 'sec-fetch-site': 'same-origin' }
  for (let n = 0; n < 30 * BURST; n += 1) expect(await report('without end', own)).toBe(204)
  expect(reported().length).toBeLessThan(10 * BURST)
  await signIn(hub.adminKey)
  const sent = await hub.api('POST', '/api/v2/forms/contact/responses', { data: { note: 'hi' } }, { key: null })
  expect([sent.status, reported().includes('another site')]).toEqual([201, false])
})
