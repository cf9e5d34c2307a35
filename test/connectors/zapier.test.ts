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
const FORMS = {
  contact: { name: 'Contact us', fields: FIELDS },
  other: { name: 'Other', fields: FIELDS },
  secret: { name: 'Secret', fields: FIELDS },
}
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

const newKey = async (of: { readonly name?: string; readonly expires_at?: string } = {}): Promise<Key> =>
  (
    await hub.api<Key & Record<string, unknown>>('POST', '/api/v2/keys', {
      name: 'automation',
      scopes: ['hooks:write', 'responses:read', 'forms:read'],
      ...of,
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
/** That hooks stopped, the newest first. */
const alerts = async (as?: { readonly key: string }) => {
  const { body } = await hub.api<{ items: { data: { kind: string; reason: string } }[] }>(
    'GET',
    '/api/v2/events?type=alert.raised',
    undefined,
    as,
  )
  return body.items.flatMap(({ data }) => (data.kind === 'hooks_stopped' ? [data] : []))
}
const expired = async (as?: { readonly key: string }) =>
  (await alerts(as)).filter(({ reason }) => reason.includes('it was asked for until'))
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
    url: `${hubUrl}/responses/${response}`,
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
  expect((await alerts()).map(({ reason }) => reason)).toEqual([
    'nothing is sent to 1 hook any more (zapier: the receiver answered 410 Gone)',
  ])
  const again = await subscribe({ target_url: `${receiver.url}/gone`, form_id: 'other', meta: { zap_id: '2' } }, key)
  expect(again).not.toBe(id)
  const response = await submit('other')
  await until('the second delivery', () => to('/gone'), { accept: (all) => all.length === 2 })
  expect(to('/gone')[1]?.json()['id']).toBe(response)
  expect((await hub.api('DELETE', `/api/v2/hooks/${again}`, undefined, { key: key.key })).status).toBe(204)
})

test('where a hook is stands in nothing that is kept of its deliveries, whatever its receiver says', async () => {
  const key = await newKey()
  const secret = 'part-that-nobody-else-knows'
  receiver.respond(({ path }) => ({
    status: 404,
    headers: { 'x-asked': path },
    body: `No ${receiver.url}${path} here.`,
  }))
  const target = { target_url: `${receiver.url}/${secret}?of=it`, form_id: 'secret' }
  const id = await subscribe({ ...target, meta: { zap_id: 'secret' } }, key)
  await submit('secret')
  const deliveries = await until(
    'its first attempt',
    () => hub.api<{ items: { id: string; attempts: number }[] }>('GET', '/api/v2/deliveries?form=secret'),
    { accept: ({ body }) => (body.items[0]?.attempts ?? 0) > 0 },
  )
  receiver.respond({})
  const delivery = await hub.api('GET', `/api/v2/deliveries/${String(deliveries.body.items[0]?.id)}`)
  expect(delivery.text).toContain(`${receiver.url}/[secret]`)
  const kept: { readonly text: string }[] = [deliveries, delivery]
  for (const path of ['runs', 'events', 'dead-letters', 'installations'])
    kept.push(await hub.api('GET', `/api/v2/${path}?limit=200`))
  for (const path of ['hooks', `hooks/${id}`]) kept.push(await hub.api('GET', `/api/v2/${path}`))
  const late = new URLSearchParams({ target_url: `${target.target_url}#late` })
  expect((await hub.api('DELETE', `/api/v2/hooks/${id}?${late.toString()}`, undefined, { key: key.key })).status).toBe(
    204,
  )
  expect(kept.filter(({ text }) => text.includes(secret))).toEqual([])
  expect(JSON.stringify(hub.logs)).not.toContain(secret)
  expect((await hub.api('DELETE', `/api/v2/hooks/${id}`, undefined, { key: key.key })).status).toBe(204)
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
  const revocations = (await alerts()).map(({ reason }) => reason).filter((reason) => reason.includes('was revoked'))
  expect(revocations).toEqual([expect.stringMatching(/1 hook any more .zapier: its key .automation. was revoked/)])
  const expires = new Date(Date.now() + 5 * 86_400_000).toISOString()
  const ending = await newKey({ name: 'ending', expires_at: expires })
  const brief = await subscribe({ ...wish, meta: { zap_id: 'ending' } }, ending)
  for (const verb of ['status', 'doctor']) {
    const { stdout } = await runCli(hub.dataDir, [verb], { env })
    expect(stdout.includes(`1 hook stops with the key ending at ${expires}`)).toBe(verb === 'doctor')
    expect(stdout).toMatch(/nothing is sent to 1 hook of zapier: its key \(automation\) was revoked/)
  }
  await hub.api('DELETE', `/api/v2/hooks/${brief}`)
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
  const expiresMs = Date.now() + 1_000
  const brief = { form_id: 'other', meta: { zap_id: 'brief' }, expires_at: new Date(expiresMs).toISOString() }
  await subscribe(brief, key)
  await hub.kill('SIGKILL')
  await until('the end of a hook', () => Date.now(), { accept: (nowMs) => nowMs > expiresMs })
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
  await until('the alert of the hook that ended meanwhile', expired, { accept: (all) => all.length === 1 })
})

test('killed while it sends, a hub sends again under one id what may not have arrived', async () => {
  await subscribe(
    { target_url: `${receiver.url}/killed`, form_id: 'contact', meta: { zap_id: 'killed' } },
    await newKey(),
  )
  receiver.respond({ delayMs: 150 })
  const ids: string[] = []
  for (let n = 0; n < 30; n++) ids.push(await submit('contact'))
  await until('some to be on their way', () => to('/killed').length >= 3)
  await hub.kill('SIGKILL')
  const before = new Set(to('/killed').map((request) => request.json()['id']))
  expect(before.size).toBeLessThan(ids.length)
  receiver.respond({})
  await hub.restart()
  const arrived = () => Map.groupBy(to('/killed'), (request) => String(request.json()['id']))
  await until('every response', arrived, { accept: (all) => all.size === ids.length, timeoutMs: 30_000 })
  const named = [...arrived().values()].map((all) => new Set(all.map(({ headers }) => headers['webhook-id'])).size)
  expect([...new Set(named)]).toEqual([1])
})

test('a Zap that is connected anew, with another key and another address, gets all there; the address that it left ends by its 410', async () => {
  const at = (path: string) => ({ target_url: `${receiver.url}${path}`, form_id: 'other', meta: { zap_id: 'anew' } })
  const left = await subscribe(at('/before'), await newKey())
  const first = await submit('other')
  await until('the first', () => to('/before').length === 1)
  // A key cannot redirect what another one asked for.
  expect(await subscribe(at('/after'), await newKey())).not.toBe(left)
  receiver.respond(({ path }) => ({ status: path === '/before' ? 410 : 200 }))
  const sent = [await submit('other'), await submit('other')]
  await until('both', () => to('/after').length === 2)
  await until('the old one to be gone', () => hookOf(left), { accept: ({ status }) => status === 404 })
  expect(to('/before')[0]?.json()['id']).toBe(first)
  expect(to('/after').map((request) => String(request.json()['id']))).toEqual(expect.arrayContaining(sent))
  expect(to('/after')).toHaveLength(2)
  receiver.respond({})
})

test('hooks of an admin key that was replaced stop, which is told, and go on with another key', async () => {
  const wish = { target_url: `${receiver.url}/operator`, form_id: 'other', meta: { zap_id: '5' } }
  const id = await subscribe(wish, { id: '', key: hub.adminKey })
  const { key_id: keyId } = (await hookOf(id)).body
  expect(keyId).toMatch(/^operator:[0-9a-f]{8}$/)
  const next = { id: '', key: 'another-admin-key' }
  const env = { MANIFOLD_ADMIN_KEY: next.key }
  await hub.restart({ env })
  const stopped = async () => (await alerts(next)).filter(({ reason }) => reason.includes('MANIFOLD_ADMIN_KEY'))
  expect(await stopped()).toEqual([
    expect.objectContaining({
      hooks: 1,
      key_ids: [keyId],
      reason: expect.stringMatching(`1 hook any more .made with ${String(keyId)}.`) as string,
    }),
  ])
  await hub.restart({ env })
  const send = () => hub.api('POST', '/api/v2/forms/other/responses', { data: { email: 'a@b.example' } }, next)
  await send()
  const ended = await hub.api('GET', `/api/v2/hooks/${id}`, undefined, next)
  expect(ended.body).toMatchObject({
    state: 'key_revoked',
    last_reason: expect.stringContaining('MANIFOLD_ADMIN_KEY') as string,
  })
  expect(await subscribe(wish, next)).toBe(id)
  const last = String((await send()).body['id'])
  await until('a delivery', () => to('/operator'), { accept: (all) => all.length > 0 })
  expect(to('/operator').map((request) => request.json()['id'])).toEqual([last])
  expect(await stopped()).toHaveLength(1)
  // Of the test before: no start says it again.
  expect(await expired(next)).toHaveLength(1)
})
