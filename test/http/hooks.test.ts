/** Hooks and notes at the door: who may ask for what, the same subscription twice, what others see of it, and its end. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { rfc3339 } from '../../core/clock.ts'
import { newId } from '../../core/ids.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Scope } from '../../core/model.ts'
import { until } from '../support/wait.ts'
import { openDoor, OPERATOR_KEY } from './door.ts'
import type { Door } from './door.ts'

const TARGET = 'http://127.0.0.1:9/hooks/secret-part'
const MASKED = 'http://127.0.0.1:9/…'
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
/** Who knows an address may look whether a hook is there. */
const isAt = async (id: unknown, url: string): Promise<boolean> => {
  const { body } = await door.call('GET', `/api/v2/hooks?target_url=${encodeURIComponent(url)}`)
  return (body['items'] as { id: string }[]).some((hook) => hook.id === id)
}
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
  expect(found.body['items']).toEqual([{ ...again.body, target_url: MASKED }])
  const of = async (query: string) => (await door.call('GET', `/api/v2/hooks?${query}`)).body['items']
  expect(await of('zap_id=1&source=zapier&event=response.submitted&form=contact')).toHaveLength(1)
  expect(await of('source=make')).toEqual([])
})

test('where a hook is sent to is shown to nobody but whoever gave it, and then once; another workspace sees nothing', async () => {
  const mine = await keyOf('responses:read')
  const made = await ask({ meta: { zap_id: 'mine' } }, mine)
  expect(made.body['target_url']).toBe(TARGET)
  const path = `/api/v2/hooks/${String(made.body['id'])}`
  for (const key of [mine, await keyOf(), OPERATOR_KEY]) {
    const [one, list] = [await door.call('GET', path, { key }), await door.call('GET', '/api/v2/hooks', { key })]
    expect([one.body['target_url'], `${one.text}${list.text}`.includes('secret-part')]).toEqual([MASKED, false])
  }
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
  const unsent = String((await ask({ target_url: 'http://10.0.0.1/' })).body['detail'])
  expect([unsent.includes('network.allow'), /private|10\.0/.test(unsent)]).toEqual([true, false])
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
    expect.stringMatching(/\{ id: zapier, use: zapier, pii: true \}.* stay blank/),
  ])
})

test('hooks that no installation of the file sends to any more are told apart', async () => {
  let carrier: { id: string; pii: boolean } | undefined = { id: 'zapier', pii: false }
  await using own = await openDoor({ deps: { hookCarriers: { in: () => carrier, plugins: ['zapier'] } } })
  await own.call('POST', '/api/v2/hooks', { json: { target_url: TARGET, event: 'form.created' } })
  const states = async (query = '') =>
    ((await own.call('GET', `/api/v2/hooks${query}`)).body['items'] as { state: string }[]).map(({ state }) => state)
  expect([await states(), await states('?state=stopped')]).toEqual([['active'], []])
  carrier = undefined
  expect([await states(), await states('?state=stopped'), await states('?state=active')]).toEqual([
    ['unattended'],
    ['unattended'],
    [],
  ])
})

test('a form that is deleted ends its hooks, which is told before and after; a later form of the id is another one', async () => {
  const saved = () => door.saveForm('jobs', { name: 'Jobs', fields: FIELDS })
  await saved()
  const { body: made } = await ask({ form_id: 'jobs' })
  const dry = await door.call('DELETE', '/api/v2/forms/jobs?dry_run=true')
  expect(dry.body).toEqual({ dry_run: true, responses: 0, hooks: 1 })
  expect((await door.call('DELETE', '/api/v2/forms/jobs')).status).toBe(204)
  expect(JSON.parse(door.heard.at(-1)?.data ?? '')).toMatchObject({
    kind: 'hooks_stopped',
    reason: 'nothing is sent to 1 hook any more (other: its form (jobs) was deleted)',
  })
  await saved()
  const { body } = await door.call('GET', '/api/v2/hooks?state=stopped')
  expect(body['items']).toMatchObject([
    { id: made['id'], state: 'form_gone', last_reason: 'its form (jobs) was deleted' },
  ])
  await door.call('DELETE', `/api/v2/hooks/${String(made['id'])}`)
})

test('what another process ended is told as the store has it, whatever key this one was given', async () => {
  const { body: made } = await ask({ meta: { zap_id: 'of the operator' } })
  const keyId = String(made['key_id'])
  const settle = (inForce: string | null, ended: string[]) => {
    const at = rfc3339(Date.now())
    const event = { id: newId('event'), type: 'alert.raised', at, formId: null, responseId: null, hops: 0, data: '{}' }
    return door.store.settleOperators({ workspace: 'default', inForce, ended, reason: 'replaced', at, event })
  }
  await settle(null, [keyId])
  const path = `/api/v2/hooks/${String(made['id'])}`
  expect((await door.call('GET', path)).body).toMatchObject({
    state: 'key_revoked',
    last_reason: expect.stringContaining('MANIFOLD_ADMIN_KEY') as string,
  })
  expect((await ask({ meta: { zap_id: 'of the operator' } })).status).toBe(403)
  await settle(keyId, [])
  expect((await door.call('GET', path)).body['state']).toBe('active')
  await door.store.noteHooks([{ workspace: 'default', id: String(made['id']), at: rfc3339(Date.now()), reason: 'old' }])
  const brief = { meta: { zap_id: 'of the operator' }, expires_at: new Date(Date.now() + 50).toISOString() }
  expect((await ask(brief)).status).toBe(200)
  await until('its end', () => door.call('GET', path), { accept: ({ body }) => body['state'] === 'expired' })
  expect(await door.deps.hooks.tellStopped()).toBe(1)
  expect(JSON.parse(door.heard.at(-1)?.data ?? '')).toMatchObject({
    reason: expect.stringMatching(/^nothing is sent to 1 hook any more \(other: it was asked for until /) as string,
  })
  await door.call('DELETE', path)
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

test('an unsubscribe of an address that was left meanwhile ends nothing; an address has one spelling', async () => {
  const wish = { meta: { zap_id: 'twice' }, source: 'zapier' }
  const left = await ask({ ...wish, target_url: 'HTTP://127.0.0.1:9/old address' })
  expect(left.body['target_url']).toBe('http://127.0.0.1:9/old%20address')
  const now = await ask(wish)
  expect(now.body['id']).toBe(left.body['id'])
  const path = `/api/v2/hooks/${String(now.body['id'])}`
  const remove = (url: unknown) => door.call('DELETE', `${path}?target_url=${encodeURIComponent(String(url))}`)
  expect((await remove(left.body['target_url'])).status).toBe(204)
  expect(await isAt(now.body['id'], TARGET)).toBe(true)
  expect((await remove(TARGET.replace('http', 'HTTP'))).status).toBe(204)
  expect((await door.call('GET', path)).status).toBe(404)
  const [first, again] = [await ask({}), await ask({ target_url: TARGET.replace('http', 'HTTP') })]
  expect([again.status, again.body['id']]).toEqual([200, first.body['id']])
  await door.call('DELETE', `/api/v2/hooks/${String(first.body['id'])}`)
})

test('why a hook was removed is told in so many words', async () => {
  const made = await ask({ meta: { zap_id: 'talkative' } })
  const before = door.heard.length
  expect(await door.deps.hooks.remove('default', String(made.body['id']), { reason: 'because '.repeat(999) })).toBe(
    true,
  )
  const [told] = door.heard.slice(before).map(({ data }) => JSON.parse(data ?? '') as { reason: string })
  expect(told?.reason).toHaveLength(500)
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
  const before = door.heard.length
  expect((await door.call('DELETE', `/api/v2/keys/${row.id}?force=true`)).status).toBe(204)
  const told = () =>
    door.heard
      .slice(before)
      .flatMap(({ type, data }) => (type === 'alert.raised' ? [JSON.parse(data ?? '') as unknown] : []))
  expect(told()).toEqual([
    expect.objectContaining({
      kind: 'hooks_stopped',
      hooks: 1,
      key_ids: [row.id],
      reason: expect.stringMatching(
        /^nothing is sent to 1 hook any more \(other: its key \(zapier\) was revoked at 2/,
      ) as string,
    }),
  ])
  expect([await door.deps.hooks.tellStopped(), told().length]).toEqual([0, 1])
  const listed = (await door.call('GET', '/api/v2/hooks?state=stopped')).body['items'] as { id: string }[]
  expect(listed.map(({ id }) => id)).toEqual([made.body['id']])
  const path = `/api/v2/hooks/${String(made.body['id'])}`
  expect((await door.call('GET', path)).body).toMatchObject({
    state: 'key_revoked',
    last_reason: expect.stringMatching(/^its key \(zapier\) was revoked at 2/) as string,
  })
  const again = await ask({ meta: { zap_id: 'of a key' } }, await keyOf('responses:read'))
  expect([again.status, again.body['state']]).toEqual([200, 'active'])
  expect((await door.call('GET', '/api/v2/hooks?state=stopped')).body['items']).toEqual([])
  const active = (await door.call('GET', '/api/v2/hooks?state=active')).body['items'] as { id: string }[]
  expect(active.map(({ id }) => id)).toContain(made.body['id'])
})

test('a hook is removed with its own key or by an admin, and its address is not redirected by the id of its Zap', async () => {
  const [mine, other] = [await keyOf('responses:read'), await keyOf('responses:read')]
  const wish = { source: 'zapier', meta: { zap_id: 'guessed' } }
  const made = await ask(wish, mine)
  const path = `/api/v2/hooks/${String(made.body['id'])}`
  const refused = await door.call('DELETE', path, { key: other })
  expect([refused.status, refused.body['code']]).toEqual([403, 'forbidden'])
  const taken = await ask({ ...wish, target_url: `${TARGET}/mine` }, other)
  expect(taken.status).toBe(201)
  expect(await isAt(made.body['id'], TARGET)).toBe(true)
  const again = await ask(wish, mine)
  expect([again.status, again.body['id']]).toEqual([200, made.body['id']])
  expect((await door.call('DELETE', `/api/v2/hooks/${String(taken.body['id'])}`, { key: other })).status).toBe(204)
  expect((await door.call('DELETE', path)).status).toBe(204)
  const brief = await door.keys.create({
    workspace: 'default',
    name: 'brief',
    scopes: ['hooks:write', 'responses:read'],
    expiresAt: new Date(Date.now() + 2_000).toISOString(),
  })
  const left = await ask({ meta: { zap_id: 'of a brief key' } }, brief.key)
  const ended = await until('its end', () => door.call('GET', `/api/v2/hooks/${String(left.body['id'])}`), {
    accept: ({ body }) => body['state'] === 'key_expired',
  })
  expect(ended.body['last_reason']).toMatch(/^its key \(brief\) expired at 2/)
  expect(await door.deps.hooks.tellStopped()).toBe(1)
  expect(JSON.parse(door.heard.at(-1)?.data ?? '')).toMatchObject({
    kind: 'hooks_stopped',
    reason: expect.stringMatching(/1 hook any more \(other: its key \(brief\) expired at 2/) as string,
  })
  await door.call('DELETE', `/api/v2/hooks/${String(left.body['id'])}`)
  const short = await ask({ ...wish, expires_at: new Date(Date.now() + 50).toISOString() }, mine)
  await until('its end', () => door.call('GET', `/api/v2/hooks/${String(short.body['id'])}`), {
    accept: ({ body }) => body['state'] === 'expired',
  })
  const tidied = await door.call('DELETE', `/api/v2/hooks/${String(short.body['id'])}`, { key: other })
  expect(tidied.status).toBe(204)
})

test('endedHooksKeepMs bounds how long hooks stay that nothing is sent to', async () => {
  const nowMs = Date.now()
  const keep = LIMITS.endedHooksKeepMs
  const save = (n: number, expiresAtMs: number | null) =>
    door.store.saveHook({
      id: newId('hook'),
      workspace: 'other',
      keyId: 'key_1',
      source: 'other',
      zapId: null,
      targetUrl: `${TARGET}/${n}`,
      hubUrl: null,
      event: 'response.submitted',
      formId: null,
      expiresAtMs,
      at: rfc3339(nowMs - 2 * keep),
      ofAnyKey: false,
    })
  const [gone] = await Promise.all([
    save(1, nowMs - keep - 1_000),
    save(2, nowMs - keep + 60_000),
    save(3, nowMs + 60_000),
    save(4, null),
  ])
  const before = door.heard.length
  expect(await door.deps.hooks.purge()).toBe(1)
  const told = door.heard.slice(before).map(({ type, data }) => [type, JSON.parse(data ?? '') as unknown])
  expect(told).toEqual([['hook.removed', expect.objectContaining({ hook_id: gone.hook.id })]])
  expect(await door.store.countHooks('other')).toBe(3)
})

test('hooksPerWorkspaceMax bounds how many there are', async () => {
  for (let n = 0; ; n++) {
    const { status, body } = await ask({ meta: { zap_id: `n${n}` } })
    if (status === 201) continue
    expect([status, body['detail']]).toEqual([409, expect.stringContaining('8 hooks already')])
    break
  }
  expect(await door.store.countHooks('default')).toBe(8)
  const short = new Date(Date.now() + 2_000).toISOString()
  expect((await ask({ meta: { zap_id: 'n0' }, expires_at: short })).status).toBe(200)
  await until('its end', () => ask({ meta: { zap_id: 'instead' } }), { accept: ({ status }) => status === 201 })
  expect(await door.store.countHooks('default')).toBe(8)
  expect((await ask({ meta: { zap_id: 'one more' } })).status).toBe(409)
})

test('responses are found by one answer, whole or in part of a pair refused', async () => {
  const { body: sent } = await door.call('POST', '/api/v2/forms/contact/responses', {
    json: { data: { name: 'Dora' } },
  })
  const list = (query: string) => door.call('GET', `/api/v2/forms/contact/responses?shape=flat&${query}`)
  expect((await list('field=name&value=dora')).body['items']).toMatchObject([
    { id: sent['id'], answers: { name: 'Dora' } },
  ])
  expect((await list('field=name&value=dor')).body).toEqual({ items: [], next_cursor: null, searched_to: null })
  const dropped = (await list('field=town&value=x')).body
  expect(dropped).toMatchObject({ code: 'invalid_query', errors: [{ pointer: '/field' }] })
  const town = { key: 'town', label: 'Town', type: 'select', options: [{ value: 'b', label: 'Bonn' }] }
  await door.saveForm('contact', { name: 'Contact us', fields: [...FIELDS, town] })
  const { body: lived } = await door.call('POST', '/api/v2/forms/contact/responses', {
    json: { data: { name: 'Eve', town: 'b' } },
  })
  await door.saveForm('contact', { name: 'Contact us', fields: FIELDS })
  const found = (await list('field=town&value=bonn')).body['items'] as { id: string }[]
  expect(found.map(({ id }) => id)).toEqual([lived['id']])
  expect((await list('field=name')).body).toMatchObject({ code: 'invalid_query', errors: [{ pointer: '/value' }] })
  expect((await list('value=dora')).body).toMatchObject({ code: 'invalid_query', errors: [{ pointer: '/field' }] })
  const one = (await door.call('GET', `/api/v2/responses/${String(sent['id'])}?shape=flat`)).body
  expect((await list('field=name&value=dora')).body['items']).toEqual([one])
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
