/** The issue as JIRA gets it, and what its answers lead to. */
import { expect, test } from 'vitest'
import { conformance, testPlugin } from 'manifold/plugin/testing'
import type { TestPluginOptions } from 'manifold/plugin/testing'

const SITE = 'https://example.atlassian.net'
const CREATE = `POST ${SITE}/rest/api/3/issue`
const SEARCH = `POST ${SITE}/rest/api/3/search/jql`
const config = { site: SITE, email: 'bot@example.org', project: 'SALES' }
const forms = {
  contact: {
    name: 'Contact',
    fields: [{ key: 'budget', label: 'Your budget', type: 'number' as const }, { key: 'note' }],
  },
}
const when = { filter: { 'data.budget': { $gte: 1000 } } }
const secrets = { token: 'jira-token-0123456789' }
const open = (more: Partial<TestPluginOptions> = {}) =>
  testPlugin({ dir: import.meta.dirname, config, secrets, forms, when, ...more })

test('a response that the filter matches becomes an issue; the token stays with the hub', async () => {
  await using plugin = await open()
  plugin.http.on(CREATE, { status: 201, json: { key: 'SALES-1' } })
  await plugin.submit('contact', { budget: 10, note: 'small' })
  await plugin.submit('contact', { budget: 5000, note: 'line one\nline {{two}} & <b>' })
  const [delivery, ...others] = await plugin.settle()
  expect([delivery?.state, others]).toEqual(['delivered', []])
  const [request] = plugin.http.requests
  const paragraph = (text: string) => ({ type: 'paragraph', content: [{ type: 'text', text }] })
  expect(request?.json()).toEqual({
    fields: {
      project: { key: 'SALES' },
      issuetype: { name: 'Task' },
      summary: 'New response to Contact',
      labels: ['manifold', delivery?.id],
      description: {
        type: 'doc',
        version: 1,
        content: ['Your budget: 5000', 'note: line one', 'line {{two}} & <b>'].map(paragraph),
      },
    },
  })
  const login = Buffer.from(`bot@example.org:${secrets.token}`).toString('base64')
  expect(request?.headers['authorization']).toBe(`Basic ${login}`)
  expect(JSON.stringify(plugin.exchanges())).not.toMatch(new RegExp(`${secrets.token}|${login}`))
})

test('before a further attempt the issue is looked for by its label', async () => {
  await using plugin = await open()
  plugin.http.on(CREATE, { error: 'http_reset' })
  plugin.http.on(SEARCH, [{ json: { issues: [] } }, { json: { issues: [{ key: 'SALES-7' }] } }])
  await plugin.submit('contact', { budget: 1000 })
  const [first] = await plugin.settle()
  expect(first?.state).toBe('retrying')
  await plugin.advance('1s')
  expect((await plugin.advance('5s'))[0]?.state).toBe('delivered')
  expect(plugin.http.requests.map(({ method, url }) => `${method} ${url}`)).toEqual([CREATE, SEARCH, CREATE, SEARCH])
  expect(plugin.http.requests[3]?.json()).toMatchObject({ jql: `project = "SALES" AND labels = "${first?.id}"` })
})

test('an attempt that a kill cut short counts as the first again, and is looked for all the same', async () => {
  await using plugin = await open()
  plugin.http.on(SEARCH, { json: { issues: [{ key: 'SALES-7' }] } })
  const event = { type: 'response.submitted', data: { note: 'x' } }
  const [got] = await plugin.run('create', [{ event, delivery: { attempt: 1, repeat: true } }])
  expect(got).toMatchObject({ outcome: 'delivered' })
  expect(plugin.http.requests).toHaveLength(1)
})

test.each([
  [201, {}, { outcome: 'delivered' }],
  [400, {}, { outcome: 'dead', code: 'rejected' }],
  [401, {}, { outcome: 'dead', code: 'config_invalid' }],
  [403, {}, { outcome: 'dead', code: 'config_invalid' }],
  [429, { 'retry-after': '7' }, { outcome: 'retry', code: 'http_429', afterMs: 7_000 }],
  [503, {}, { outcome: 'retry', code: 'http_503' }],
] as const)('%i', async (status, headers, outcome) => {
  await using plugin = await open()
  plugin.http.on(CREATE, { status, headers, json: { key: 'SALES-1' } })
  const [got] = await plugin.run('create', [{ event: { type: 'response.submitted', data: { note: 'x' } } }])
  expect(got).toMatchObject(outcome)
})

test('conforms', async () => {
  await conformance(import.meta.dirname)
})
