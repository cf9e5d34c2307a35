/** What goes together, under which name, and what a repeat does. */
import { expect, test } from 'vitest'
import { conformance, testPlugin } from 'manifold/plugin/testing'

const URL = 'https://archive.example.org/forms/'
const options = {
  dir: import.meta.dirname,
  config: { url: URL },
  secrets: { token: 'archive-token-0123456789' },
  forms: { survey: { name: 'Survey', fields: [{ key: 'n', type: 'number' as const }] } },
  now: '2026-01-31T12:00:00Z',
}
const lines = (body: string) =>
  body
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { data: { n: number } })

test('what comes within half a minute is one object; a repeat overwrites it', async () => {
  await using plugin = await testPlugin(options)
  plugin.http.on('PUT *', [{ error: 'http_timeout' }, 503, 200])
  for (let n = 0; n < 100; n++) await plugin.submit('survey', { n })
  await plugin.advance('2m')
  const bodies = new Map(plugin.http.requests.map(({ url, body }) => [url, body]))
  // 100 are three batches; two requests were repeats.
  expect([plugin.http.requests.length, bodies.size]).toEqual([5, 3])
  const numbers = [...bodies.values()].flatMap(lines).map(({ data }) => data.n)
  expect(numbers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, n) => n))
  const puts = (await plugin.deliveries()).filter(({ name }) => name === 'put')
  expect([...bodies.keys()].toSorted()).toEqual(puts.map(({ id }) => `${URL}2026/01/31/${id}.ndjson`).toSorted())
  expect((await plugin.deliveries()).every(({ state }) => state === 'delivered')).toBe(true)
})

test('what is too much for one request becomes several objects, each line in one of them', async () => {
  const forms = { survey: { name: 'Survey', fields: [{ key: 'n', type: 'number' as const }, { key: 'text' }] } }
  await using plugin = await testPlugin({ ...options, forms })
  plugin.http.on('PUT *', 200)
  // In bytes twice as long as in characters.
  for (let n = 0; n < 40; n++) await plugin.submit('survey', { n, text: '\u00e4'.repeat(30_000) })
  await plugin.advance('1m')
  const bodies = new Map(plugin.http.requests.map(({ url, body }) => [url, body]))
  expect([plugin.http.requests.length, bodies.size]).toEqual([3, 3])
  const numbers = [...bodies.values()].flatMap(lines).map(({ data }) => data.n)
  expect(numbers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, n) => n))
  expect((await plugin.deliveries()).every(({ state }) => state === 'delivered')).toBe(true)
})

test('the object is JSON lines, and the token is not in the log', async () => {
  await using plugin = await testPlugin(options)
  plugin.http.on('PUT *', 201)
  await plugin.submit('survey', { n: 1 })
  await plugin.advance('1m')
  const [request] = plugin.http.requests
  expect(lines(request?.body ?? '')).toEqual([
    expect.objectContaining({
      formId: 'survey',
      status: 'completed',
      data: { n: 1 },
      submittedAt: '2026-01-31T12:00:00.000Z',
    }),
  ])
  expect(request?.headers).toMatchObject({
    'content-type': 'application/x-ndjson',
    authorization: `Bearer ${options.secrets.token}`,
  })
  expect(JSON.stringify(plugin.exchanges())).not.toContain(options.secrets.token)
})

test('conforms', async () => {
  await conformance(import.meta.dirname)
})
