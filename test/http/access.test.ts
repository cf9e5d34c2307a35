/** Who may do what: every route with no key, a wrong key, the wrong scope and another workspace's key. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { allRoutes } from '../../core/http/app.ts'
import { openAddressBook } from '../../core/http/address.ts'
import { pageRoutes } from '../../core/http/pages.ts'
import type { Route } from '../../core/http/route.ts'
import { newId } from '../../core/ids.ts'
import { SCOPES } from '../../core/model.ts'
import type { Scope } from '../../core/model.ts'
import { submission } from '../contract/store/fixtures.ts'
import { runRecord } from '../contract/store/runs.ts'
import { openDoor } from './door.ts'
import type { Answer, Door } from './door.ts'

const SECRET = 'only-the-default-workspace-may-see-this'
let door: Door
let routes: readonly Route[]
/** One thing of each collection, by its name in paths. */
let ids: Record<string, string>
beforeAll(async () => {
  // Each wrong key counts against the address, and there are more routes than a burst has tokens.
  door = await openDoor({ limits: { publicRateBurst: 1_000 } })
  routes = allRoutes(door.deps)
  await door.saveForm('private', { name: SECRET, access: 'key', fields: [{ key: 'a' }] })
  const sent = await door.call('POST', '/api/v2/forms/private/responses', { json: { data: { a: SECRET } } })
  const key = await door.keys.create({ workspace: 'default', name: SECRET, scopes: ['forms:read'], expiresAt: null })
  await seedDelivery(door)
  const delivery = (await door.store.listDeliveries('default', { limit: 1 })).items[0]
  ids = {
    forms: 'private',
    f: 'private',
    responses: String(sent.body['id']),
    events: String(sent.body['event_id']),
    keys: key.row.id,
    deliveries: delivery?.id ?? '',
    quarantine: await seedQuarantine(door),
    runs: await seedRun(door),
    hooks: await seedHook(door),
    installations: 'crm',
    plugins: 'webhooks',
  }
})
afterAll(() => door[Symbol.asyncDispose]())

/** A response of the default workspace in quarantine. */
async function seedQuarantine(at: Door): Promise<string> {
  const aside = {
    verdict: 'flagged',
    code: 'flagged',
    message: SECRET,
    installation: 'spam',
    plugin: 'spam',
    eventId: newId('event'),
  } as const
  const sent = { ...submission({ formId: 'private', data: JSON.stringify({ a: SECRET }) }), aside }
  await at.store.accept([sent])
  return sent.responseId
}

/** A dead delivery of the default workspace, so that there is one to look at with a foreign key. */
async function seedDelivery(at: Door): Promise<void> {
  const now = new Date().toISOString()
  await at.store.syncInstallations([{ workspace: 'default', id: 'crm', plugin: 'webhooks', cursor: 0, at: now }])
  const delivery = {
    id: newId('delivery'),
    kind: 'action' as const,
    name: 'post',
    key: 'k1',
    eventSeq: 1,
    eventId: null,
    formId: 'private',
    responseId: null,
    orderKey: null,
    input: JSON.stringify({ SECRET }),
    dueAtMs: 0,
  }
  await at.store.commitHandled({
    workspace: 'default',
    installation: 'crm',
    plugin: 'webhooks',
    fromCursor: 0,
    toCursor: 1,
    effects: { deliveries: [delivery], kv: [], events: [], tallies: [] },
  })
}

/** A hook of the default workspace; answers its id. */
async function seedHook(at: Door): Promise<string> {
  const { hook } = await at.store.saveHook({
    id: newId('hook'),
    workspace: 'default',
    keyId: 'key',
    source: 'other',
    zapId: null,
    targetUrl: `https://receiver.example/${SECRET}`,
    hubUrl: null,
    event: 'response.submitted',
    formId: null,
    expiresAtMs: null,
    at: new Date().toISOString(),
    ofAnyKey: false,
  })
  return hook.id
}

/** A run of the default workspace with something to hide; answers its id. */
async function seedRun(at: Door): Promise<string> {
  const run = runRecord({ logs: [{ level: 'info', message: SECRET }] })
  await at.store.appendRuns({ runs: [run], more: [] })
  return run.id
}

/** The route's path with ids of things of the default workspace. */
function pathOf({ path }: Route): string {
  const [, collection = ''] = /\/([a-z-]+)\/\{id\}/.exec(path) ?? []
  return path.replace('{id}', ids[collection] ?? `nothing-of-${collection}`)
}
/** Each event stands for itself: what may not come in without a key is refused as an event, like one that says too little. */
const takesEvents = ({ access, path }: Route): boolean => access === 'submit' && path.startsWith('/api/v2/events/')
/** A body with which the route would do something, if it let the caller in. */
const bodyOf = (route: Route): object | undefined => {
  if (route.method === 'GET' || route.method === 'DELETE') return undefined
  if (route.path.endsWith('/responses') || route.path.endsWith('/batch'))
    return { form_id: 'private', data: { a: 'x' } }
  if (takesEvents(route))
    return {
      form_id: 'private',
      name: 'x',
      anonymous_id: 'v-1',
      page: { path: '/' },
      ...(route.path.endsWith('/track') ? { type: 'conversion' } : {}),
    }
  if (route.path.endsWith('/replay') && !route.path.includes('{id}')) return { since: '2020-01-01T00:00:00Z' }
  if (route.path === '/api/v2/installations/{id}/replay') return { last: 1 }
  if (route.path.endsWith('/approve')) return { hash: 'c'.repeat(64) }
  if (route.path.endsWith('/backfill')) return { from: 'beginning' }
  if (route.path.endsWith('/discard')) return { installation: 'crm' }
  if (route.path.endsWith('/notes')) return { text: 'x' }
  if (route.path.endsWith('/keys')) return { name: 'x', scopes: ['admin'] }
  return route.path.includes('/forms') ? { name: 'x', fields: [] } : {}
}
const knock = (route: Route, key: string | null) =>
  door.call(route.method, pathOf(route), { key, ...(bodyOf(route) === undefined ? {} : { json: bodyOf(route) }) })
const keyed = () => routes.filter(({ access }) => !['open', 'stranger', 'local'].includes(access))
const scopeOf = (route: Route): Scope | null =>
  route.access === 'submit'
    ? 'responses:write'
    : (SCOPES as readonly string[]).includes(route.access)
      ? (route.access as Scope)
      : null

/** What a plugin keeps may hold answers. */
const besides = (route: Route): readonly Scope[] => (route.path.endsWith('/kv') ? ['responses:read'] : [])

test('what changed in the sources of a plugin is for whoever approves it', async () => {
  const shown = async (key: string) => [
    (await door.call('GET', '/api/v2/plugins', { key })).body['items'] as readonly object[],
    [(await door.call('GET', '/api/v2/plugins/webhooks', { key })).body],
  ]
  for (const [plugin] of await shown(await door.key(['deliveries:write'])))
    expect(plugin).toMatchObject({ needs_approval: { diff: ['+ kv'], sources: null } })
  for (const [plugin] of await shown(await door.key(['admin'])))
    expect(plugin).toMatchObject({ needs_approval: { sources: { diff: '-a\n+b\n', whole: true } } })
})

test('only these routes, and pages that ask for a session themselves, need no key at all', () => {
  const pages = new Set(pageRoutes(door.deps, openAddressBook([])).map(({ method, path }) => `${method} ${path}`))
  const open = routes
    .filter(({ method, path }) => !pages.has(`${method} ${path}`))
    .filter(({ access }) => access === 'open' || access === 'stranger' || access === 'local')
    .map(({ method, path, access }) => `${access} ${method} ${path}`)
  expect(open).toEqual([
    'open GET /f/{id}',
    'open GET /m.js',
    'stranger POST /api/v2/sessions/follow',
    'open GET /healthz',
    'open GET /readyz',
    'local GET /metrics',
    'open GET /openapi.json',
    'open GET /docs',
  ])
})

describe('every route that needs a key', () => {
  test('answers 401 without one, with a wrong one, and with a malformed header', async () => {
    for (const route of keyed()) {
      for (const key of [...(takesEvents(route) ? [] : [null]), `mfk_${'x'.repeat(43)}_aaaaaa`, 'nonsense']) {
        const answer = await knock(route, key)
        expect([answer.status, answer.text.includes(SECRET)], `${route.method} ${route.path} ${String(key)}`).toEqual([
          401,
          false,
        ])
        expect(answer.headers['www-authenticate'] ?? answer.headers['content-type']).toMatch(/^Bearer|^text\/html/)
      }
      const basic = await door.call(route.method, pathOf(route), {
        key: null,
        headers: { authorization: 'Basic YTpi' },
      })
      expect(basic.status).toBe(401)
    }
  })

  test('but events without one are refused each by itself, unless they are about a public form', async () => {
    const before = await door.store.headSeq()
    const doors = keyed().filter(takesEvents)
    expect(doors.map(({ path }) => path.slice('/api/v2/events/'.length))).toEqual([
      'track',
      'page',
      'conversion',
      'custom',
    ])
    for (const route of doors) {
      const { status, body, text } = await knock(route, null)
      expect([status, body['code'], text.includes(SECRET)], route.path).toEqual([422, 'invalid_event', false])
      expect(text).toMatch(/must name a public form: other events are taken only with an API key/)
    }
    expect(await door.store.headSeq()).toBe(before)
  })

  test('answers 403 to a key that has every other scope', async () => {
    for (const route of keyed()) {
      const scope = scopeOf(route)
      if (scope === null) continue
      const key = await door.key(SCOPES.filter((one) => one !== scope && one !== 'admin'))
      const answer = await knock(route, key)
      expect([answer.status, answer.text.includes(SECRET)], `${route.method} ${route.path}`).toEqual([403, false])
    }
  })

  test('lets a key in that has just its scope', async () => {
    for (const route of keyed()) {
      if (route.method === 'DELETE' || route.method === 'PUT') continue
      const key = await door.key([scopeOf(route) ?? 'forms:read', ...besides(route)])
      const { status } = await knock(route, key)
      expect([401, 403], `${route.method} ${route.path} answered ${status}`).not.toContain(status)
    }
  })

  test('shows nothing of another workspace and changes nothing there, even to its admin', async () => {
    const foreign = await door.key(['admin'], 'other-workspace')
    const before = JSON.stringify([
      await door.store.countResponses('default'),
      await door.store.getForm('default', 'private'),
      await door.store.listKeys('default'),
      await door.store.getDelivery('default', ids['deliveries'] ?? ''),
      await door.store.getQuarantined('default', ids['quarantine'] ?? ''),
      await door.store.getHook('default', ids['hooks'] ?? ''),
    ])
    const calls = door.engineCalls.length
    for (const route of keyed()) {
      const answer = await knock(route, foreign)
      expect(answer.text.includes(SECRET), `${route.method} ${route.path}`).toBe(false)
      const sharedThing = route.path === '/api/v2/plugins/{id}'
      // Plugins are seen by all, and are the hub's: no tenant says what runs for the others.
      // Somebody who stops asking is told that nothing is sent any more, whether or not anything was.
      const unsubscribes = route.path === '/api/v2/hooks/{id}' && route.method === 'DELETE'
      const status = unsubscribes ? 204 : route.path.endsWith('/approve') ? 403 : 404
      if (route.path.includes('{id}') && !sharedThing)
        expect(answer.status, `${route.method} ${route.path}`).toBe(status)
    }
    const engineArguments = JSON.stringify(door.engineCalls.slice(calls))
    expect(engineArguments).not.toContain('"default"')
    const after = JSON.stringify([
      await door.store.countResponses('default'),
      await door.store.getForm('default', 'private'),
      await door.store.listKeys('default'),
      await door.store.getDelivery('default', ids['deliveries'] ?? ''),
      await door.store.getQuarantined('default', ids['quarantine'] ?? ''),
      await door.store.getHook('default', ids['hooks'] ?? ''),
    ])
    expect(after).toBe(before)
  })
})

describe('keys', () => {
  test('are shown once, listed by prefix, and kept only as a hash', async () => {
    const made = await door.call('POST', '/api/v2/keys', { json: { name: 'website', scopes: ['responses:write'] } })
    const key = String(made.body['key'])
    expect(made.status).toBe(201)
    expect(key).toMatch(/^mfk_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$/)
    const list = await door.call('GET', '/api/v2/keys')
    expect(list.text).toContain(String(made.body['id']))
    expect(list.text).not.toContain(key.slice(12))
    expect(list.text).not.toContain('hash')
    expect((await door.call('GET', '/api/v2/me', { key })).body).toMatchObject({
      workspace: 'default',
      key: { name: 'website', scopes: ['responses:write'] },
    })
  })

  test('stop working the moment they are revoked here', async () => {
    const made = await door.call('POST', '/api/v2/keys', { json: { name: 'x', scopes: ['forms:read'] } })
    const key = String(made.body['key'])
    expect((await door.call('GET', '/api/v2/forms', { key })).status).toBe(200)
    expect((await door.call('DELETE', `/api/v2/keys/${String(made.body['id'])}`)).status).toBe(204)
    expect((await door.call('GET', '/api/v2/forms', { key })).status).toBe(401)
    expect((await door.call('DELETE', `/api/v2/keys/${String(made.body['id'])}`)).status).toBe(404)
  })

  test('stop working when they expire', async () => {
    const key = await door.key(['forms:read'], 'default', new Date(Date.now() + 300).toISOString())
    expect((await door.call('GET', '/api/v2/forms', { key })).status).toBe(200)
    await expect.poll(() => door.call('GET', '/api/v2/forms', { key }).then(({ status }) => status)).toBe(401)
    const past = await door.call('POST', '/api/v2/keys', {
      json: { name: 'x', scopes: ['admin'], expires_at: '2020-01-01' },
    })
    expect([past.status, past.body['errors']]).toEqual([
      400,
      [{ pointer: '/expires_at', detail: 'must be in the future' }],
    ])
  })

  test('remember when they were last used', async () => {
    const made = await door.keys.create({ workspace: 'default', name: 'used', scopes: ['forms:read'], expiresAt: null })
    await door.call('GET', '/api/v2/forms', { key: made.key })
    await door.keys.flush()
    expect((await door.keys.list('default')).find(({ id }) => id === made.row.id)?.lastUsedAt).toMatch(/^20/)
  })

  test('with a made-up scope are not made', async () => {
    expect((await door.call('POST', '/api/v2/keys', { json: { name: 'x', scopes: ['everything'] } })).status).toBe(400)
  })
})

test('metrics need a key as soon as anybody stands between', async () => {
  expect((await door.call('GET', '/metrics', { key: null })).text).toContain('manifold_up 1')
  expect((await door.call('GET', '/metrics', { key: null, headers: { 'x-forwarded-for': '127.0.0.1' } })).status).toBe(
    401,
  )
  expect((await door.call('GET', '/metrics', { headers: { 'x-forwarded-for': '127.0.0.1' } })).status).toBe(200)
})

test('wrong keys are counted against their address, valid ones from there go on', async () => {
  await using tight = await openDoor({ limits: { publicRatePerSecond: 1, publicRateBurst: 5 } })
  const made = await tight.key(['forms:read'])
  const knockAt = (key: string) => tight.call('GET', '/api/v2/forms', { key })
  const wrong = [`mfk_${'x'.repeat(43)}_aaaaaa`, 'nonsense', 'x'.repeat(600)]
  const answers: Answer[] = []
  for (let n = 0; n < 15; n++) answers.push(await knockAt(wrong[n % wrong.length] as string))
  expect(answers.slice(0, 5).map(({ status }) => status)).toEqual([401, 401, 401, 401, 401])
  const limited = answers.filter(({ status }) => status === 429)
  expect(limited.length).toBeGreaterThan(0)
  for (const { body, headers } of limited)
    expect([body['code'], Number(headers['retry-after'])]).toEqual(['rate_limited', 1])
  expect((await knockAt(made)).status).toBe(200)
})

test('what a browser does wrong is counted against its own address, not against the pages that ask for it', async () => {
  await using tight = await openDoor({
    limits: { publicRatePerSecond: 1, publicRateBurst: 5 },
    trustedProxies: ['127.0.0.1/32'],
  })
  const { body } = await tight.call('POST', '/api/v2/sessions/links')
  const from = (address: string, method: string, path: string, headers = {}) =>
    tight.call(method, path, { key: null, headers: { 'x-forwarded-for': address, accept: 'text/html', ...headers } })
  const junk = { cookie: `manifold_session=mfs_${'x'.repeat(43)}_aaaaaa` }
  const statuses: number[] = []
  for (let n = 0; n < 9; n++) statuses.push((await from('203.0.113.6', 'GET', '/', junk)).status)
  expect(statuses.slice(0, 5)).toEqual([303, 303, 303, 303, 303])
  expect(statuses).toContain(429)
  const entered = await from('203.0.113.7', 'POST', `/sign-in/${String(body['token'])}`, {
    'sec-fetch-site': 'same-origin',
  })
  expect([entered.status, entered.headers['location']]).toEqual([303, '/'])
  // Whoever makes the header up is who they are.
  const made = { 'x-manifold-on-behalf-of': `${'A'.repeat(43)} 203.0.113.8` }
  const again = await tight.call('GET', '/api/v2/forms', {
    key: 'nonsense',
    headers: { 'x-forwarded-for': '203.0.113.6', ...made },
  })
  expect(again.status).toBe(429)
})
