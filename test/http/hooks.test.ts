/** Hooks and notes at the door: who may ask for what, the same subscription twice, what others see of it, and its end. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Scope } from '../../core/model.ts'
import { openDoor } from './door.ts'
import type { Door } from './door.ts'

const TARGET = 'http://127.0.0.1:9/hooks/secret-part'
const FIELDS = [
  { key: 'name', label: 'Your name', type: 'text' },
  { key: 'topics', label: 'Topics', type: 'multi_select', options: ['a', 'b'] },
]
let door: Door
beforeAll(async () => {
  door = await openDoor({ limits: { hooksPerWorkspaceMax: 8, notesPerResponseMax: 2 } })
  await door.saveForm('contact', { name: 'Contact us', fields: FIELDS })
  await door.saveForm('contact', { fields: FIELDS }, 'other')
})
afterAll(() => door[Symbol.asyncDispose]())

const ask = (json: object, key?: string) =>
  door.call('POST', '/api/v2/hooks', {
    json: { target_url: TARGET, event: 'response.submitted', form_id: 'contact', ...json },
    ...(key === undefined ? {} : { key }),
  })
const keyOf = (...scopes: Scope[]) => door.key(['hooks:write', ...scopes])

test('a subscription is made once, and asking again changes it', async () => {
  const key = await keyOf('responses:read')
  const made = await ask({ source: 'zapier', meta: { zap_id: '1', team: 'x' }, hub_url: 'https://hub.example/' }, key)
  expect([made.status, made.headers['location']]).toEqual([201, `/api/v2/hooks/${String(made.body['id'])}`])
  expect(made.body).toMatchObject({
    source: 'zapier',
    event: 'response.submitted',
    form_id: 'contact',
    target_url: TARGET,
    hub_url: 'https://hub.example',
    meta: { zap_id: '1' },
    state: 'active',
    expires_at: null,
    last_success_at: null,
    last_failure_at: null,
    last_reason: null,
  })
  const again = await ask({ source: 'zapier', meta: { zap_id: '1' }, target_url: `${TARGET}/2` }, key)
  expect([again.status, again.body['id'], again.body['target_url']]).toEqual([200, made.body['id'], `${TARGET}/2`])
  const found = await door.call('GET', `/api/v2/hooks?target_url=${encodeURIComponent(`${TARGET}/2`)}`, { key })
  expect(found.body['items']).toEqual([again.body])
  const of = async (query: string) => (await door.call('GET', `/api/v2/hooks?${query}`)).body['items']
  expect(await of('zap_id=1&source=zapier&event=response.submitted&form=contact')).toHaveLength(1)
  expect(await of('source=make')).toEqual([])
})

test('another key sees the host alone, another workspace sees nothing', async () => {
  const made = await ask({ meta: { zap_id: 'mine' } }, await keyOf('responses:read'))
  const path = `/api/v2/hooks/${String(made.body['id'])}`
  expect((await door.call('GET', path, { key: await keyOf() })).body['target_url']).toBe('http://127.0.0.1:9')
  expect((await door.call('GET', path)).body['target_url']).toBe(TARGET)
  const foreign = await door.key(['hooks:write'], 'other')
  expect((await door.call('GET', path, { key: foreign })).status).toBe(404)
  expect((await door.call('DELETE', path, { key: foreign })).status).toBe(204)
  expect((await door.call('GET', path)).status).toBe(200)
})

test('a hook sees what its key may read, and what is wrong is said by its place', async () => {
  for (const [event, scope] of [
    ['response.submitted', 'responses:read'],
    ['response.partial', 'responses:read'],
    ['form.created', 'forms:read'],
    ['form.changed', 'forms:read'],
    ['delivery.dead', 'deliveries:write'],
    ['alert.raised', 'admin'],
  ] as const) {
    const refused = await ask({ event }, await keyOf())
    expect([refused.status, String(refused.body['detail'])]).toEqual([403, expect.stringContaining(scope)])
    const sample = await door.call('GET', `/api/v2/hooks/sample?event=${event}`, { key: await keyOf() })
    expect(sample.status).toBe(403)
    expect((await door.call('GET', `/api/v2/hooks/sample?event=${event}`, { key: await keyOf(scope) })).status).toBe(
      200,
    )
  }
  const places = async (json: object) => {
    const { status, body } = await ask(json)
    return [status, ...(body['errors'] as { pointer: string }[]).map(({ pointer }) => pointer)]
  }
  expect(await places({ target_url: 'ftp://x' })).toEqual([400, '/target_url'])
  expect(await places({ target_url: 'http://10.0.0.1/' })).toEqual([400, '/target_url'])
  expect(await places({ event: 'nothing' })).toEqual([400, '/event'])
  expect(await places({ form_id: 'nowhere' })).toEqual([400, '/form_id'])
  expect(await places({ expires_at: '2020-01-01' })).toEqual([400, '/expires_at'])
  expect(await places({ mata: {} })).toEqual([400, '/mata'])
})

test('nobody is promised what no installation would send', async () => {
  await using bare = await openDoor({ deps: { hookCarriers: { in: () => undefined, plugins: ['zapier'] } } })
  const refused = await bare.call('POST', '/api/v2/hooks', { json: { target_url: TARGET, event: 'alert.raised' } })
  expect([refused.status, refused.body['detail']]).toEqual([
    409,
    expect.stringContaining('{ id: zapier, use: zapier }'),
  ])
})

test('unsubscribing says so in the log, once, and is well when it is gone', async () => {
  const made = await ask({ meta: { zap_id: 'going' }, source: 'zapier' })
  const id = String(made.body['id'])
  const before = door.heard.length
  expect((await door.call('DELETE', `/api/v2/hooks/${id}`)).status).toBe(204)
  expect((await door.call('DELETE', `/api/v2/hooks/${id}`)).status).toBe(204)
  const told = door.heard.slice(before).map(({ type, data }) => [type, JSON.parse(data ?? '') as unknown])
  expect(told).toEqual([
    [
      'hook.removed',
      {
        hook_id: id,
        source: 'zapier',
        zap_id: 'going',
        event: 'response.submitted',
        form_id: 'contact',
        reason: 'unsubscribed',
      },
    ],
  ])
})

test('a key that hooks use is not revoked by accident, and then they stand still', async () => {
  const { row, key } = await door.keys.create({
    workspace: 'default',
    name: 'zapier',
    scopes: ['hooks:write', 'responses:read'],
    expiresAt: null,
  })
  const made = await ask({ meta: { zap_id: 'of a key' } }, key)
  const refused = await door.call('DELETE', `/api/v2/keys/${row.id}`)
  expect([refused.status, refused.body['detail']]).toEqual([409, expect.stringMatching(/^1 hook uses this key/)])
  expect((await door.call('GET', '/api/v2/me', { key })).status).toBe(200)
  expect((await door.call('DELETE', `/api/v2/keys/${row.id}?force=true`)).status).toBe(204)
  const path = `/api/v2/hooks/${String(made.body['id'])}`
  expect((await door.call('GET', path)).body['state']).toBe('key_revoked')
  const again = await ask({ meta: { zap_id: 'of a key' } }, await keyOf('responses:read'))
  expect([again.status, again.body['state']]).toEqual([200, 'active'])
})

test('hooksPerWorkspaceMax bounds how many there are', async () => {
  for (let n = 0; ; n++) {
    const { status, body } = await ask({ meta: { zap_id: `n${n}` } })
    if (status === 201) continue
    expect([status, body['detail']]).toEqual([409, expect.stringContaining('8 hooks already')])
    break
  }
  expect(await door.store.countHooks('default')).toBe(8)
})

test('samples are what happened last, as lists of responses have it; made up before anything has', async () => {
  const sample = async (query: string) => (await door.call('GET', `/api/v2/hooks/sample?${query}`)).body
  const of = 'event=response.submitted&form=contact&hub_url=https://hub.example'
  const before = await sample(of)
  expect(before).toMatchObject({
    made_up: true,
    items: [{ answers: { name: 'Answer to "Your name"', topics: ['a'] }, labels: { name: 'Your name' } }],
  })
  const ids: unknown[] = []
  for (const name of ['Ada', 'Bob'])
    ids.unshift((await door.call('POST', '/api/v2/forms/contact/responses', { json: { data: { name } } })).body['id'])
  const after = (await sample(of)) as { made_up: boolean; items: { id: string; url: string }[] }
  expect([after.made_up, after.items.map(({ id }) => id)]).toEqual([false, ids])
  const list = (await door.call('GET', '/api/v2/forms/contact/responses?shape=flat')).body as typeof after
  expect(list.items.map((item) => ({ ...item, url: `https://hub.example${item.url}` }))).toEqual(after.items)
  expect(await sample('event=form.created&form=contact')).toMatchObject({
    made_up: false,
    items: [{ id: 'contact', form_name: 'Contact us' }],
  })
  expect(await sample('event=alert.raised')).toMatchObject({ made_up: true })
  expect(await sample('event=delivery.dead&limit=11')).toMatchObject({ code: 'invalid_query' })
})

test('notesPerResponseMax and noteCharsMax bound the notes of a response', async () => {
  const sent = await door.call('POST', '/api/v2/forms/contact/responses', { json: { data: { name: 'Cid' } } })
  const path = `/api/v2/responses/${String(sent.body['id'])}/notes`
  const write = (text: string, to = path) => door.call('POST', to, { json: { text } })
  const made = await write(' called back ')
  expect([made.status, made.body]).toEqual([
    201,
    expect.objectContaining({ text: 'called back', author: 'operator', response_id: sent.body['id'] }),
  ])
  expect((await write('x'.repeat(10_001))).status).toBe(400)
  expect((await write('two')).status).toBe(201)
  expect((await write('three')).status).toBe(409)
  expect(((await door.call('GET', path)).body['items'] as { text: string }[]).map(({ text }) => text)).toEqual([
    'called back',
    'two',
  ])
  expect((await write('x', '/api/v2/responses/rsp_none/notes')).status).toBe(404)
  expect((await door.call('GET', path, { key: await door.key(['responses:read'], 'other') })).status).toBe(404)
})
