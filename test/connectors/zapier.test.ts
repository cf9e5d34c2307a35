/** Hooks on a real hub: asked for, sent, ended by their receivers, with rotated keys, and over a time when the hub was down. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runCli } from '../cli/run-cli.ts'
import { startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { startReceiver } from '../support/receiver.ts'
import type { Receiver } from '../support/receiver.ts'
import { until } from '../support/wait.ts'

const FIELDS = [
  { key: 'email', label: 'Your e-mail', type: 'email', pii: true },
  { key: 'topics', label: 'Topics', type: 'multi_select', options: [{ value: 'a', label: 'Apples' }, 'b'] },
  { key: 'when', label: 'When?', type: 'datetime' },
]
const FORMS = { contact: { name: 'Contact us', fields: FIELDS }, other: { name: 'Other', fields: FIELDS } }
const CONFIG = {
  forms: FORMS,
  network: { allow: ['127.0.0.1/32'] },
  installations: [{ id: 'zapier', use: 'zapier', pii: true, retry: { schedule: ['100ms', '1s', '1s', '2s', '5s'] } }],
}

let hub: Hub
let receiver: Receiver
beforeAll(async () => {
  ;[hub, receiver] = await Promise.all([startHub({ config: CONFIG }), startReceiver()])
})
afterAll(async () => {
  await hub?.[Symbol.asyncDispose]()
  await receiver?.[Symbol.asyncDispose]()
})

interface Key {
  readonly id: string
  readonly key: string
}

const newKey = async (): Promise<Key> =>
  (
    await hub.api<Key & Record<string, unknown>>('POST', '/api/v2/keys', {
      name: 'automation',
      scopes: ['hooks:write', 'responses:read', 'forms:read'],
    })
  ).body
const subscribe = async (wish: object, { key }: Key): Promise<string> => {
  const asked = { target_url: `${receiver.url}/zap`, event: 'response.submitted', source: 'zapier', ...wish }
  const { status, body, text } = await hub.api('POST', '/api/v2/hooks', asked, { key })
  expect([200, 201], text).toContain(status)
  return String(body['id'])
}
const submit = async (form: string, data: object = { email: 'ada@example.com' }): Promise<string> =>
  String((await hub.api('POST', `/api/v2/forms/${form}/responses`, { data })).body['id'])
const hookOf = (id: string) => hub.api('GET', `/api/v2/hooks/${id}`)
const to = (path: string) => receiver.requests.filter((request) => request.path === path)

test('what is sent is what the sample shows, and the hook tells how it went', async () => {
  const key = await newKey()
  const hubUrl = hub.url
  const id = await subscribe({ form_id: 'contact', hub_url: hubUrl, meta: { zap_id: '1' } }, key)
  await submit('other')
  const answers = { email: 'ada@example.com', topics: ['a'], when: '2026-03-01T09:00:00+02:00', extra: 1 }
  const response = await submit('contact', answers)
  const [sent] = await receiver.received(1)
  const sample = await hub.api<{ items: object[] }>(
    'GET',
    `/api/v2/hooks/sample?event=response.submitted&form=contact&hub_url=${hubUrl}`,
    undefined,
    { key: key.key },
  )
  expect(sent?.json()).toEqual(sample.body.items[0])
  expect(sent?.json()).toMatchObject({
    id: response,
    url: `${hubUrl}/api/v2/responses/${response}`,
    answers: { email: 'ada@example.com', topics: ['a'] },
    texts: { topics: 'Apples' },
    choices: { topics: { a: 'Apples', b: null } },
    other_answers: '{"extra":1}',
  })
  await until('the health of the hook', async () => (await hookOf(id)).body['last_success_at'], {
    accept: (at) => at !== null,
  })
  expect(receiver.requests).toHaveLength(1)
})

test('410 ends a hook with a line in the log; asked for again it is another one', async () => {
  const key = await newKey()
  receiver.respond({ status: 410 })
  const id = await subscribe({ target_url: `${receiver.url}/gone`, form_id: 'other', meta: { zap_id: '2' } }, key)
  await submit('other')
  await until('the hook to be gone', () => hookOf(id), { accept: ({ status }) => status === 404 })
  receiver.respond({})
  const events = await hub.api<{ items: { data: object }[] }>('GET', '/api/v2/events?type=hook.removed')
  expect(events.body.items.map(({ data }) => data)).toEqual([
    expect.objectContaining({ hook_id: id, zap_id: '2', reason: 'the receiver answered 410 Gone' }),
  ])
  expect(hub.logs.find(({ hook_id: hook }) => hook === id)).toMatchObject({ msg: 'hook removed' })
  const again = await subscribe({ target_url: `${receiver.url}/gone`, form_id: 'other', meta: { zap_id: '2' } }, key)
  expect(again).not.toBe(id)
  const response = await submit('other')
  await until('the second delivery', () => to('/gone'), { accept: (all) => all.length === 2 })
  expect(to('/gone')[1]?.json()['id']).toBe(response)
  expect((await hub.api('DELETE', `/api/v2/hooks/${again}`, undefined, { key: key.key })).status).toBe(204)
})

test('a rotated key loses nothing; a revoked one is asked for first, and stops its hooks', async () => {
  const [old, fresh] = [await newKey(), await newKey()]
  const wish = { target_url: `${receiver.url}/rotated`, form_id: 'other', meta: { zap_id: '3' } }
  const id = await subscribe(wish, old)
  const env = { MANIFOLD_URL: hub.url, MANIFOLD_KEY: hub.adminKey }
  const refused = await runCli(hub.dataDir, ['keys', 'revoke', old.id], { env })
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('1 hook uses this key and stops')])
  expect(await subscribe(wish, fresh)).toBe(id)
  const revoked = await runCli(hub.dataDir, ['keys', 'revoke', old.id], { env })
  expect(revoked.code, revoked.stderr).toBe(0)
  await submit('other')
  await until('a delivery', () => to('/rotated'), { accept: (all) => all.length === 1 })
  expect((await runCli(hub.dataDir, ['keys', 'revoke', fresh.id, '--yes'], { env })).code).toBe(0)
  expect((await hookOf(id)).body['state']).toBe('key_revoked')
  await submit('other')
  const next = await newKey()
  expect(await subscribe(wish, next)).toBe(id)
  const last = await submit('other')
  await until('the next delivery', () => to('/rotated'), { accept: (all) => all.length === 2 })
  expect(to('/rotated')[1]?.json()['id']).toBe(last)
})

test('a hub that is down for a while loses nothing and sends nothing twice', async () => {
  const key = await newKey()
  await subscribe({ target_url: `${receiver.url}/down`, form_id: 'contact', meta: { zap_id: '4' } }, key)
  receiver.respond({ status: 503 })
  const ids: string[] = []
  for (let n = 0; n < 20; n++) ids.push(await submit('contact'))
  await hub.kill('SIGKILL')
  receiver.respond({})
  const failed = to('/down').length
  await hub.restart()
  ids.push(await submit('contact'))
  await until('every response', () => to('/down').slice(failed), {
    accept: (all) => new Set(all.map((request) => request.json()['id'])).size === ids.length,
  })
  await until('all deliveries to end', () => hub.api<{ items: object[] }>('GET', '/api/v2/deliveries?state=retrying'), {
    accept: ({ body }) => body.items.length === 0,
  })
  const taken = to('/down')
    .slice(failed)
    .map((request) => String(request.json()['id']))
  expect(taken.toSorted()).toEqual(ids.toSorted())
})
