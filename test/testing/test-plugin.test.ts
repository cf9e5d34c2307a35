/** The test kit itself: real sandbox and rooms, time that stands, a scripted outside. */
import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { testPlugin } from 'manifold/plugin/testing'
import type { TestPluginOptions } from 'manifold/plugin/testing'
import { LIMITS } from '../../core/limits.ts'
import { pluginFiles, PROBE } from './plugins.ts'

const URL = 'https://receiver.example/in'
const TOKEN = 's3cret-token'
const FORMS = {
  contact: {
    name: 'Contact',
    fields: [
      { key: 'name', required: true },
      { key: 'email', type: 'email' as const, pii: true },
    ],
  },
}

const probe = (options: Partial<TestPluginOptions> = {}) =>
  testPlugin({ files: PROBE, config: { url: URL }, secrets: { token: TOKEN }, forms: FORMS, ...options })

test('a handler decides: what it enqueues, remembers, counts, emits and says', async () => {
  await using plugin = await probe()
  const { enqueued, errors } = await plugin.submit('contact', { name: 'Ada', email: 'ada@example.com' })
  expect(errors).toEqual([])
  expect(enqueued).toMatchObject([
    { name: 'post', state: 'pending', attempts: 0, input: { text: 'Hello Ada', at: '2026-01-01T00:00:00.000Z' } },
  ])
  expect(enqueued[0]?.key).toMatch(/^evt_/)
  expect(await plugin.kv.get('seen')).toBe(1)
  expect(await plugin.kv.keys()).toEqual(['seen'])
  expect(await plugin.tallies()).toEqual({ answers: 1 })
  expect(plugin.events()).toEqual([{ name: 'seen', data: { seen: 1 } }])
  expect(plugin.metrics()).toEqual({ greeted: 1 })
  expect(plugin.logs().map(({ message }) => message)).toEqual(['greeting Ada'])
  expect(plugin.http.requests).toEqual([])
})

test('an action acts: the request as it leaves, and the record with its secrets masked', async () => {
  await using plugin = await probe()
  plugin.http.on(`POST ${URL}`, { status: 201, json: { ok: true } })
  await plugin.submit('contact', { name: 'Ada' })
  expect(await plugin.settle()).toMatchObject([{ state: 'delivered', attempts: 1 }])
  const [sent] = plugin.http.requests
  const [delivery] = await plugin.deliveries()
  expect(sent?.json()).toMatchObject({ text: 'Hello Ada' })
  expect(sent?.headers).toMatchObject({
    authorization: `Bearer ${TOKEN}`,
    'idempotency-key': delivery?.id,
    signature: createHmac('sha256', TOKEN)
      .update(sent?.body ?? '')
      .digest('hex'),
  })
  expect(plugin.exchanges()).toMatchObject([{ status: 201, requestHeaders: { authorization: 'Bearer [secret]' } }])
  expect(plugin.logs().at(-1)?.message).toBe('posting with Bearer [secret]')
})

test('a retry waits for its time and carries the same id; the last one buries', async () => {
  await using plugin = await probe({ retryMs: [1_000, 60_000] })
  plugin.http.on(`POST ${URL}`, [503, { error: 'http_reset' }, 500])
  await plugin.submit('contact', { name: 'Ada' })
  expect(await plugin.settle()).toMatchObject([{ state: 'retrying', attempts: 1, errorCode: 'http_503' }])
  expect(await plugin.advance(500)).toMatchObject([{ attempts: 1 }])
  expect(await plugin.advance('2s')).toMatchObject([{ state: 'retrying', attempts: 2, errorCode: 'http_reset' }])
  expect(await plugin.advance('2m')).toMatchObject([{ state: 'dead', attempts: 3, errorCode: 'http_500' }])
  const keys = plugin.http.requests.map(({ headers }) => headers['idempotency-key'])
  expect(new Set(keys)).toEqual(new Set([(await plugin.deliveries())[0]?.id]))
  expect(keys).toHaveLength(3)
})

test('a refused credential stops it; what waited goes out when the test resumes it', async () => {
  const files = pluginFiles(
    {
      on: { 'response.submitted': {} },
      actions: { post: {} },
      permissions: { http: { hosts: ['receiver.example'] } },
      config: { type: 'object', properties: { token: { type: 'string', format: 'secret' } } },
    },
    `import { classify, definePlugin, unauthorized } from 'manifold/plugin'
export default definePlugin<{ token: { $secret: string } }>({
  on: { 'response.submitted': (event, ctx) => ctx.enqueue('post', null, { key: event.id }) },
  actions: { post: { run: async (_items, ctx) => {
    const answer = await ctx.http({ method: 'POST', url: '${URL}', headers: { authorization: ctx.config.token } })
    return answer.status === 401 ? unauthorized('It says: ' + answer.body) : classify(answer)
  } } },
})
`,
  )
  await using plugin = await testPlugin({ files, secrets: { token: TOKEN }, retryMs: [] })
  plugin.http.on('* *', [{ status: 401, body: `no ${TOKEN}` }, 401, 200])
  expect(await plugin.run('post')).toMatchObject([
    { outcome: 'unauthorized', code: 'credential_refused', message: 'It says: no [secret]', disable: false },
  ])
  expect(plugin.state()).toBe('ready')
  await plugin.emit({ type: 'response.submitted', data: {} })
  expect(await plugin.settle()).toMatchObject([{ state: 'pending', attempts: 1, errorCode: 'credential_refused' }])
  expect([plugin.state(), plugin.reason()]).toEqual(['disabled', 'credential: It says: '])
  expect((await plugin.emit({ type: 'response.submitted', data: {} })).enqueued).toEqual([])
  expect(plugin.http.requests).toHaveLength(2)
  plugin.resume()
  expect([plugin.state(), plugin.reason()]).toEqual(['ready', null])
  expect((await plugin.settle()).map(({ state }) => state)).toEqual(['delivered', 'delivered'])
})

test('a check looks, and changes nothing in the hub', async () => {
  const files = pluginFiles(
    {
      check: true,
      permissions: { http: { hosts: ['receiver.example'] }, kv: true, emit: true },
      config: { type: 'object', properties: { token: { type: 'string', format: 'secret' }, how: { type: 'string' } } },
    },
    `import { definePlugin } from 'manifold/plugin'
export default definePlugin<{ token: { $secret: string }; how: string }>({
  check: async (ctx) => {
    const { how } = ctx.config
    if (how === 'leave') (ctx as any).kv.set('a', 1)
    if (how === 'write') await (ctx as any).email({ to: 'a@example.com', subject: 's', text: 't' })
    if (how === 'throw') throw new Error('not like this')
    const seen = await ctx.kv.get('a')
    const answer = await ctx.http({ url: '${URL}', headers: { authorization: ctx.config.token } })
    if (answer.status === 200) return
    return [{ level: 'error', message: 'It says: ' + answer.body, at: '/token' }, { level: 'info', message: String(seen) }]
  },
})
`,
  )
  const checking = (how: string) => testPlugin({ files, config: { how }, secrets: { token: TOKEN } })
  {
    await using plugin = await checking('look')
    plugin.http.on('GET *', [{ status: 401, body: `no ${TOKEN}` }, 200, { error: 'http_reset' }])
    expect(await plugin.check()).toEqual([
      { level: 'error', message: 'It says: no [secret]', at: '/token' },
      { level: 'info', message: 'undefined' },
    ])
    expect(await plugin.check()).toEqual([])
    expect(await plugin.check()).toMatchObject([
      { level: 'warning', code: 'http_reset', message: expect.stringMatching(/^It could not be checked: /) },
    ])
    expect(plugin.state()).toBe('ready')
  }
  for (const [how, code, level] of [
    ['leave', 'capability_denied', 'error'],
    ['write', 'capability_denied', 'error'],
    ['throw', 'plugin_threw', 'warning'],
  ] as const) {
    await using plugin = await checking(how)
    expect(await plugin.check()).toMatchObject([{ level, code }])
    expect(await plugin.kv.keys()).toEqual([])
  }
  await using other = await probe()
  await expect(other.check()).rejects.toThrow('"check": true')
})

test('410 stops the installation', async () => {
  await using plugin = await probe()
  plugin.http.on('* *', 410)
  await plugin.submit('contact', { name: 'Ada' })
  await plugin.settle()
  expect(plugin.state()).toBe('disabled')
  expect((await plugin.submit('contact', { name: 'Bob' })).enqueued).toEqual([])
})

test('time passes: schedules fire, batches fill, and Date says what the test says', async () => {
  await using plugin = await probe({ now: '2026-03-01T08:59:00Z' })
  const listed = await plugin.advance('2m')
  expect(listed.map(({ kind, name, state }) => [kind, name, state])).toEqual([
    ['schedule', 'hourly', 'delivered'],
    ['action', 'note', 'delivered'],
    ['action', 'note', 'delivered'],
  ])
  expect(await plugin.tallies()).toEqual({ ticks: 1, batches: 1, noted: 2 })
  expect(await plugin.request('GET /seen', { query: { who: 'me' } })).toEqual({
    json: { seen: 0, who: 'me', now: Date.parse('2026-03-01T09:01:00Z') },
  })
  expect(plugin.now()).toBe(Date.parse('2026-03-01T09:01:00Z'))
})

test('runs that share a paceBy start at the pace the admin set, retries too; others do not wait', async () => {
  const files = pluginFiles(
    {
      on: { 'response.submitted': { data: ['data'] } },
      actions: { post: { pace: { perS: '@config.perS' } } },
      permissions: { http: { hosts: ['chat.example'] } },
      config: { type: 'object', properties: { perS: { type: 'number', exclusiveMinimum: 0, default: 1 } } },
    },
    `import { definePlugin, send } from 'manifold/plugin'
export default definePlugin({
  on: {
    'response.submitted': (event, ctx) => {
      for (const n of [1, 2, 3]) ctx.enqueue('post', n, { paceBy: String(event.data?.to), key: event.id + n })
    },
  },
  actions: { post: { run: ([item]) => send({ method: 'POST', url: 'https://chat.example/', json: item!.input }) } },
})
`,
  )
  await using plugin = await testPlugin({
    files,
    config: { perS: 0.5 },
    forms: { chat: { name: 'Chat', fields: [{ key: 'to' }] } },
  })
  plugin.http.on('POST https://chat.example/', [500, 200])
  await plugin.submit('chat', { to: 'C1' })
  await plugin.submit('chat', { to: 'C2' })
  const attempts = async () => (await plugin.deliveries()).reduce((sum, delivery) => sum + delivery.attempts, 0)
  await plugin.settle()
  expect(await attempts()).toBe(2)
  await plugin.advance('1s')
  expect(await attempts()).toBe(2)
  await plugin.advance('1s')
  expect(await attempts()).toBe(4)
  const ended = await plugin.advance('4s')
  expect(ended.map(({ state }) => state)).toEqual(Array.from({ length: 6 }, () => 'delivered'))
  expect(await attempts()).toBe(7)
})

test('recorded events keep id, time and form; what is private stays out until it is granted', async () => {
  const event = {
    id: 'evt_recorded',
    type: 'response.submitted',
    at: '2026-02-03T04:05:06.000Z',
    data: { name: 'Ada', email: 'ada@example.com' },
    form: {
      id: 'old',
      name: 'Old',
      version: 4,
      fields: [
        { key: 'name', label: 'Name', type: 'text', required: true, pii: true },
        { key: 'email', label: 'E-mail', type: 'email', required: false, pii: true },
      ],
    },
  }
  await using closed = await probe()
  expect((await closed.emit(event)).enqueued).toMatchObject([
    { key: 'evt_recorded', input: { text: 'Hello undefined' } },
  ])
  await using open = await probe({ grants: { pii: ['name'] } })
  expect((await open.emit(event, { ...event, id: 'evt_2' })).enqueued).toMatchObject([
    { key: 'evt_recorded', input: { text: 'Hello Ada' } },
    { key: 'evt_2' },
  ])
})

test('one run of an action, one firing of a schedule', async () => {
  await using plugin = await probe()
  const events = ['Ada', 'Bob'].map((name) => ({ event: { type: 'response.submitted', data: { name } } }))
  expect(await plugin.run('note', events)).toMatchObject([{ outcome: 'delivered' }, { outcome: 'delivered' }])
  expect(plugin.logs().map(({ message }) => message)).toEqual(['Ada,Bob'])
  plugin.http.on('POST https://receiver.example/*', { status: 429, headers: { 'Retry-After': '7' } })
  expect(await plugin.run('post', [{ input: 'x', delivery: { id: 'dlv_1', attempt: 2 } }])).toEqual([
    { outcome: 'retry', code: 'http_429', message: expect.any(String), afterMs: 7_000, disable: false },
  ])
  expect(plugin.http.requests[0]?.headers['idempotency-key']).toBe('dlv_1')
  expect(plugin.runs.at(-1)).toMatchObject({ kind: 'action', attempt: 2, deliveryId: 'dlv_1' })
  expect(await plugin.fire('hourly', { missed: 3 })).toMatchObject({ outcome: 'delivered' })
  expect((await plugin.deliveries()).map(({ input }) => input)).toEqual(['2026-01-01T00:00:00.000Z', 3])
})

test('what fails says why, with the place in the plugin', async () => {
  await using plugin = await probe()
  const { errors, enqueued } = await plugin.submit('contact', { name: 'trouble' })
  expect(enqueued).toEqual([])
  expect(errors).toEqual([{ code: 'plugin_threw', message: expect.stringMatching(/met trouble \(index\.ts:5:\d+\)$/) }])
  await expect(plugin.submit('contact', {})).rejects.toMatchObject({ code: 'invalid_response' })
  await expect(plugin.submit('nowhere', {})).rejects.toThrow('There is no form "nowhere"')
  const [outcome] = await plugin.run('post')
  expect(outcome).toMatchObject({ outcome: 'retry', code: 'http_connect' })
  expect(outcome?.message).toContain(`plugin.http.on('POST ${URL}', 200)`)
  expect(plugin.http.unanswered).toEqual([`POST ${URL}`])
})

test("a plugin that cannot run is refused in the hub's own words", async () => {
  await expect(probe({ config: {} })).rejects.toThrow('config: "url" is missing')
  await expect(testPlugin({ files: { 'plugin.json': '{}', 'index.ts': '' } })).rejects.toThrow('"id" is missing')
  const other = pluginFiles({ actions: { other: {} } }, 'export default { actions: {} }')
  await expect(testPlugin({ files: other })).rejects.toThrow('plugin.json declares actions "other"')
  const outside = pluginFiles({}, "import 'node:fs'\nexport default {}")
  await expect(testPlugin({ files: outside })).rejects.toThrow('index.ts:1')
})

test('a test that ends in the middle closes everything all the same', async () => {
  const plugin = await probe()
  let asked = (): void => {}
  const sent = new Promise<void>((resolve) => (asked = resolve))
  plugin.http.on('* *', () => {
    asked()
    return new Promise(() => {})
  })
  await plugin.submit('contact', { name: 'Ada' })
  const settling = plugin.settle().then(
    () => 'settled',
    (error: Error) => error.message,
  )
  await sent
  await plugin[Symbol.asyncDispose]()
  expect(await settling).toContain('closed while it worked')
})

/** A plugin whose action has this body, and a route that answers what it got. */
const small = (body: string) =>
  testPlugin({
    files: pluginFiles(
      {
        on: { 'response.submitted': {} },
        actions: { post: {} },
        routes: { 'POST /in': {} },
        permissions: { http: { hosts: ['receiver.example'] } },
      },
      `import { definePlugin, send } from 'manifold/plugin'
export default definePlugin({
  on: { 'response.submitted': () => {} },
  actions: { post: { run: async (_, ctx) => { ${body} } } },
  routes: { 'POST /in': (req) => ({ status: 201, json: { ...req }, headers: { 'Set-Cookie': 'a=b', 'Content-Type': 'x/y' } }) },
})`,
    ),
  })

test('bodies have the sizes that they have outside of tests', async () => {
  const asks = (body: string) =>
    `const { body, truncated } = await ctx.http({ method: 'POST', url: '${URL}', body: ${body} }); ctx.log.info(body.length + ' ' + truncated)`
  await using plugin = await small(asks("'ask'"))
  plugin.http.on('* *', [
    { body: 'x'.repeat(LIMITS.pluginHttpResponseBytesMax + 1) },
    { body: 'not read', headers: { 'Content-Encoding': 'gzip' } },
    { json: 1 },
  ])
  for (let n = 0; n < 3; n++) await plugin.run('post')
  expect(plugin.logs().map(({ message }) => message)).toEqual([
    `${LIMITS.pluginHttpResponseBytesMax} true`,
    '0 false',
    '1 false',
  ])
  await using greedy = await small(asks(`'ü'.repeat(${LIMITS.pluginHttpRequestBytesMax / 2 + 1})`))
  greedy.http.on('* *', 200)
  expect(await greedy.run('post')).toMatchObject([{ outcome: 'dead', code: 'capability_limit' }])
  expect(greedy.http.requests).toEqual([])
})

test('what a reply of the test throws is told by the call that had the request made', async () => {
  await using plugin = await small(`return send({ method: 'POST', url: '${URL}' })`)
  plugin.http.on('* *', () => {
    throw new Error('not the body I want')
  })
  await expect(plugin.run('post')).rejects.toThrow('not the body I want')
  plugin.http.on('* *', 200)
  expect(await plugin.run('post')).toMatchObject([{ outcome: 'delivered' }])
  plugin.http.on('* *', 99)
  await expect(plugin.run('post')).rejects.toThrow('a status from 200 to 599, not 99')
  expect(() => plugin.http.on('* *', [])).toThrow('at least one')
})

test('a route gets and gives headers as over the wire, and its query out of the path', async () => {
  await using plugin = await small('')
  const request = { headers: { 'X-Signature': 'v1', Cookie: 'a=b' }, query: { of: 'all' }, body: 'hi' }
  expect(await plugin.request('POST /in?page=2', request)).toEqual({
    status: 201,
    headers: { 'content-type': 'x/y' },
    json: {
      method: 'POST',
      path: '/in',
      params: {},
      query: { page: '2', of: 'all' },
      headers: { 'x-signature': 'v1' },
      body: 'hi',
      form: [],
      scopes: [],
    },
  })
  const body = 'x'.repeat(LIMITS.pluginRouteBodyBytesMax + 1)
  await expect(plugin.request('POST /in', { body })).rejects.toThrow('at most')
})

test('a slip of the test is told as one', async () => {
  await using plugin = await small('')
  await expect(plugin.run('psot')).rejects.toThrow('The manifest has "psot" not among its actions: post.')
  await expect(plugin.fire('daily')).rejects.toThrow('schedules: none')
  await expect(plugin.request('GET /in')).rejects.toThrow('routes: POST /in')
  await expect(plugin.run('post', [{}, {}])).rejects.toThrow('"post" gets at most 1 at once')
  for (const time of ['soon', Number.NaN, -1]) await expect(plugin.advance(time)).rejects.toThrow('is no time')
  const event = { id: 'evt_twice', type: 'response.submitted' } as const
  await plugin.emit(event)
  await expect(plugin.emit(event)).rejects.toThrow('"evt_twice" is in the log')
  await expect(testPlugin({ files: PROBE, now: 'yesterday' })).rejects.toThrow('"yesterday" is no time')
  await expect(testPlugin({ dir: '/there/is/none' })).rejects.toThrow('There is no folder /there/is/none.')
  await expect(testPlugin({ files: { ...PROBE, '../outside.ts': '' } })).rejects.toThrow("outside the plugin's folder")
})
