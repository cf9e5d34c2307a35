/** Examples that talk HTTP, in the real hub: JIRA issues and archived JSON lines. */
import { expect, test } from 'vitest'
import { settled, startHub } from '../support/hub.ts'
import { startReceiver } from '../support/receiver.ts'
import type { Received } from '../support/receiver.ts'
import { DECK, sceneConfig } from '../support/scene.ts'

const PATH = `/api/v2/forms/${DECK}/responses`
const TOKEN = 'token-0123456789-abcdef'

test('jira-ticket: one issue for what the filter matches; after a lost answer it is found again', async () => {
  const issues = new Map<string, string>()
  const answer = ({ path, json }: Received) => {
    if (path.endsWith('/search/jql')) {
      const label = /labels = "([^"]+)"/.exec(json<{ jql: string }>().jql)?.[1] ?? ''
      return { body: JSON.stringify({ issues: issues.has(label) ? [{ key: issues.get(label) }] : [] }) }
    }
    const { fields } = json<{ fields: { labels: string[] } }>()
    issues.set(fields.labels.at(-1) ?? '', `DECK-${issues.size + 1}`)
    // Made, but the answer is lost.
    return { reset: true }
  }
  await using jira = await startReceiver(answer)
  const installation = {
    id: 'tickets',
    use: 'jira-ticket',
    when: { form: DECK, filter: { 'data.key': { $regex: '^urgent' } } },
    with: { site: jira.url, email: 'bot@example.org', token: TOKEN, project: 'DECK', summary: 'New: {{data.key}}' },
    retry: { schedule: ['10ms', '10ms'] },
  }
  await using hub = await startHub({ config: sceneConfig({ installations: [installation] }) })
  for (const key of ['calm', 'urgent: roof']) await hub.api('POST', PATH, { data: { key } })
  await jira.received(2)
  await settled(hub)
  expect([...issues.values()]).toEqual(['DECK-1'])
  const [create, search, ...more] = jira.requests
  expect(create?.json()).toMatchObject({ fields: { summary: 'New: urgent: roof', project: { key: 'DECK' } } })
  const login = Buffer.from(`bot@example.org:${TOKEN}`).toString('base64')
  expect([create, search].map((request) => request?.headers['authorization'])).toEqual([
    `Basic ${login}`,
    `Basic ${login}`,
  ])
  expect(more).toEqual([])
  const { text, body } = await hub.api<{ items: { id: string; state: string }[] }>('GET', '/api/v2/deliveries')
  expect(body.items.map(({ state }) => state)).toEqual(['delivered'])
  const detail = await hub.api('GET', `/api/v2/deliveries/${body.items[0]?.id}`)
  for (const secret of [TOKEN, login]) expect(text + detail.text + hub.stderr).not.toContain(secret)
})

test('jsonl-archiver: every response is in an object once, though the store fails at first and the hub is killed', async () => {
  const objects = new Map<string, string>()
  let puts = 0
  await using store = await startReceiver(({ method, path, body }) => {
    expect(method).toBe('PUT')
    objects.set(path, body)
    // Written down, and not said.
    return (puts += 1) % 2 === 1 ? { reset: true } : { status: 201 }
  })
  const installation = {
    id: 'archive',
    use: 'jsonl-archiver',
    with: { url: `${store.url}/forms/`, token: TOKEN },
    retry: { schedule: ['50ms', '50ms', '50ms'] },
  }
  await using hub = await startHub({ config: sceneConfig({ installations: [installation] }) })
  const keys = Array.from({ length: 90 }, (_, n) => `k${n}`)
  const submit = (list: readonly string[]) =>
    hub.api(
      'POST',
      `${PATH}/batch`,
      list.map((key) => ({ data: { key } })),
    )
  await submit(keys.slice(0, 50))
  await hub.restart()
  await submit(keys.slice(50))
  await settled(hub, 60_000)
  const lines = [...objects.values()].flatMap((body) => body.trimEnd().split('\n'))
  const archived = lines.map((line) => JSON.parse(line) as { id: string; data: { key: string } })
  expect(archived.map(({ data }) => data.key).toSorted()).toEqual(keys.toSorted())
  expect(objects.size).toBeLessThan(10)
  expect([...objects.keys()].every((path) => /^\/forms\/\d{4}\/\d\d\/\d\d\/dlv_[\w-]+\.ndjson$/.test(path))).toBe(true)
  expect(puts).toBeGreaterThan(objects.size)
}, 120_000)
