/** The plugin that carries out hooks, in the real sandbox: who gets what, what ends a hook, and who waits for whom. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { testPlugin } from 'manifold/plugin/testing'
import type { TestPlugin } from 'manifold/plugin/testing'

const DIR = import.meta.dirname
const FORMS = Object.fromEntries(
  ['contact', 'ending', 'gone', 'renewed', 'late', 'failing', 'paced', 'many', 'large', 'other'].map((id) => [
    id,
    { name: `Form ${id}`, fields: ['name', 'story'].map((key) => ({ key, label: key, type: 'text' as const })) },
  ]),
)
let plugin: TestPlugin
let before = 0
beforeAll(async () => {
  plugin = await testPlugin({ dir: DIR, forms: FORMS, config: { perS: 1 } })
})
beforeEach(() => {
  before = plugin.http.requests.length
})
afterAll(() => plugin[Symbol.asyncDispose]())

const urlOf = (path: string): string => `https://hooks.example/${path}`
const requests = () => plugin.http.requests.slice(before)
const sentTo = (path: string) => requests().filter(({ url }) => url === urlOf(path)).length
const submitted = (form: string, path: string) =>
  plugin.hooks.add({ event: 'response.submitted', form, url: urlOf(path) })
const hooksOf = async (form: string) =>
  (await plugin.hooks.list()).filter(({ formId }) => formId === form).map(({ targetUrl }) => targetUrl)

test('each hook that wants an event of this form gets it, with the answers laid flat and one id on every attempt', async () => {
  const all = await plugin.hooks.add({
    event: 'response.submitted',
    url: urlOf('all'),
    hubUrl: 'https://hub.example',
    expiresAtMs: plugin.now() + 3_600_000,
  })
  await submitted('contact', 'contact')
  await submitted('other', 'other')
  await plugin.hooks.add({ event: 'response.partial', url: urlOf('partial') })
  plugin.http.on(`POST ${urlOf('all')}`, [503, 200])
  plugin.http.on(`POST ${urlOf('contact')}`, 200)
  const { response } = await plugin.submit('contact', { name: 'Ada' })
  await plugin.settle()
  expect([sentTo('all'), sentTo('contact'), requests().length]).toEqual([1, 1, 2])
  await plugin.advance('1m')
  const [first, again] = requests().filter(({ url }) => url === urlOf('all'))
  expect(requests()).toHaveLength(3)
  expect(JSON.parse(first?.body ?? '')).toMatchObject({
    id: response.id,
    form_name: 'Form contact',
    url: `https://hub.example/responses/${response.id}`,
    answers: { name: 'Ada' },
  })
  expect(again?.body).toBe(first?.body)
  expect(again?.headers['webhook-id']).toBe(first?.headers['webhook-id'])
  expect(first?.headers).toMatchObject({ 'x-manifold-event': 'response.submitted' })
  const health = (await plugin.hooks.list()).find(({ id }) => id === all)
  expect(health).toMatchObject({ lastReason: 'The receiver answered 503.' })
  expect(Date.parse(health?.lastSuccessAt ?? '')).toBeGreaterThan(Date.parse(health?.lastFailureAt ?? ''))
  await plugin.advance('1h')
  await plugin.submit('contact', { name: 'Bob' })
  await plugin.settle()
  expect([sentTo('all'), sentTo('contact')]).toEqual([2, 2])
})

test('410 ends a hook, and nothing else does; 429 is waited for and uses up no attempt', async () => {
  for (const path of ['410', '429', '404', 'reset']) await submitted('ending', path)
  plugin.http.on(`POST ${urlOf('410')}`, 410)
  plugin.http.on(`POST ${urlOf('429')}`, [{ status: 429, headers: { 'retry-after': '7' } }, 200])
  plugin.http.on(`POST ${urlOf('404')}`, 404)
  plugin.http.on(`POST ${urlOf('reset')}`, { error: 'http_reset' })
  const known = new Set((await plugin.deliveries()).map(({ id }) => id))
  await plugin.submit('ending', { name: 'Ada' })
  const fresh = (await plugin.settle()).filter(({ id }) => !known.has(id))
  expect(fresh.map(({ errorCode }) => errorCode ?? 'none').toSorted()).toEqual([
    'http_404',
    'http_429',
    'http_reset',
    'none',
  ])
  const reasons = (await plugin.hooks.list()).filter(({ formId }) => formId === 'ending').map((hook) => hook.lastReason)
  expect(reasons).toEqual(['The receiver answered 429.', 'The receiver answered 404.', expect.stringMatching(/\S/)])
  await plugin.advance('6s')
  expect(sentTo('429')).toBe(1)
  await plugin.advance('3s')
  expect(sentTo('429')).toBe(2)
  await plugin.advance('7d')
  expect(await hooksOf('ending')).toEqual([urlOf('429'), urlOf('404'), urlOf('reset')])
  expect(plugin.state()).toBe('ready')
})

test('what waited for a hook that was removed is not sent, and fails nothing; for one that stands still it is a dead letter', async () => {
  await submitted('gone', 'gone')
  plugin.http.on(`POST ${urlOf('gone')}`, [503, 410, 200])
  const { response } = await plugin.submit('gone', { name: 'Ada' })
  await plugin.settle()
  await plugin.submit('gone', { name: 'Bob' })
  await plugin.settle()
  expect(response.verdict).toBeNull()
  const ended = (await plugin.advance('1m')).slice(-2)
  expect(ended.map(({ state, errorCode }) => [state, errorCode])).toEqual([
    ['delivered', null],
    ['delivered', null],
  ])
  expect(sentTo('gone')).toBe(2)
  await plugin.hooks.add({
    event: 'response.submitted',
    form: 'gone',
    url: urlOf('brief'),
    expiresAtMs: plugin.now() + 1_000,
  })
  plugin.http.on(`POST ${urlOf('brief')}`, 503)
  await plugin.submit('gone', { name: 'Cid' })
  await plugin.settle()
  const late = (await plugin.advance('1m')).at(-1)
  expect([late?.state, late?.errorCode, sentTo('brief')]).toEqual(['dead', 'hook_gone', 1])
})

test('a 410 from an address that the subscriber has left ends nothing; what it no longer asks for is not sent', async () => {
  const wish = { event: 'response.submitted', form: 'renewed', zapId: 'zap' } as const
  const id = await plugin.hooks.add({ ...wish, url: urlOf('left') })
  plugin.http.on(`POST ${urlOf('left')}`, async () => {
    await plugin.hooks.add({ ...wish, url: urlOf('renewed') })
    return { status: 410 }
  })
  plugin.http.on(`POST ${urlOf('renewed')}`, [503, 200])
  await plugin.submit('renewed', { name: 'Ada' })
  await plugin.settle()
  expect((await plugin.hooks.list()).find((hook) => hook.id === id)?.targetUrl).toBe(urlOf('renewed'))
  await plugin.submit('renewed', { name: 'Bob' })
  await plugin.settle()
  expect(sentTo('renewed')).toBe(1)
  expect(await plugin.hooks.add({ ...wish, form: 'other', url: urlOf('renewed') })).toBe(id)
  const ended = (await plugin.advance('1m')).at(-1)
  expect([ended?.state, ended?.errorCode, sentTo('renewed')]).toEqual(['dead', 'hook_gone', 1])
})

test('a response as large as the hub takes reaches its hooks, whole', async () => {
  await submitted('large', 'large')
  plugin.http.on(`POST ${urlOf('large')}`, 200)
  const long = 'ü"'.repeat(120_000)
  await plugin.submit('large', { name: long, story: long })
  await plugin.settle()
  const sent = requests().filter(({ url }) => url === urlOf('large'))
  expect(sent).toHaveLength(1)
  const { answers, texts } = JSON.parse(sent[0]?.body ?? '') as Record<string, object>
  for (const part of [answers, texts]) expect(Object.values(part ?? {}).every((text) => text === long)).toBe(true)
})

test('a hook is sent what happens from then on', async () => {
  plugin.http.on(`POST ${urlOf('late')}`, 200)
  await plugin.submit('late', { name: 'Ada' })
  await submitted('late', 'late')
  await plugin.settle()
  expect(sentTo('late')).toBe(0)
  await plugin.submit('late', { name: 'Bob' })
  await plugin.settle()
  expect(sentTo('late')).toBe(1)
})

test('hooks of one host have a breaker each', async () => {
  await submitted('failing', 'failing')
  plugin.http.on(`POST ${urlOf('failing')}`, 500)
  plugin.http.on(`POST ${urlOf('working')}`, 200)
  for (let n = 0; n < 6; n++) await plugin.submit('failing', { name: 'Ada' })
  await plugin.settle()
  const failed = sentTo('failing')
  await submitted('failing', 'working')
  await plugin.submit('failing', { name: 'Bob' })
  await plugin.settle()
  expect([sentTo('failing'), sentTo('working')]).toEqual([failed, 1])
})

test('each hook has its own pace', async () => {
  await submitted('paced', 'paced')
  await submitted('many', 'unpaced')
  plugin.http.on(`POST ${urlOf('*paced')}`, 200)
  for (let n = 0; n < 12; n++) await plugin.submit('paced', { name: 'Ada' })
  await plugin.submit('many', {})
  await plugin.settle()
  expect([sentTo('paced'), sentTo('unpaced')]).toEqual([10, 1])
  await plugin.advance('2s')
  expect(sentTo('paced')).toBe(12)
})

test('more hooks than one run can serve all get it, once', async () => {
  for (let n = 0; n < 95; n++) await submitted('many', `many/${n}`)
  plugin.http.on(`POST ${urlOf('many/*')}`, 200)
  await plugin.submit('many', { name: 'Ada' })
  await plugin.settle()
  const sent = requests().filter(({ url }) => url.includes('/many/'))
  expect([sent.length, new Set(sent.map(({ url }) => url)).size]).toEqual([95, 95])
})

test('a new form reaches all that want new forms and all that want changed ones', async () => {
  await using many = await testPlugin({ dir: DIR, forms: FORMS })
  many.http.on('POST https://hooks.example/*', 200)
  for (let n = 0; n < 30; n++)
    for (const event of ['form.created', 'form.changed'] as const)
      await many.hooks.add({ event, url: urlOf(`${event}/${n}`) })
  await many.emit({ type: 'form.changed', data: { form_id: 'contact', version: 1, created: true } })
  await many.settle()
  const urls = many.http.requests.map(({ url }) => url)
  expect([urls.length, new Set(urls).size]).toEqual([60, 60])
})

test('new forms, changed forms, dead deliveries and alerts; none of its own dead letters', async () => {
  for (const event of ['form.created', 'form.changed', 'delivery.dead', 'alert.raised'] as const)
    await plugin.hooks.add({ event, url: urlOf(event) })
  plugin.http.on(`POST ${urlOf('*.*')}`, 200)
  const data = { form_id: 'contact', version: 1 }
  await plugin.emit({ type: 'form.changed', data: { ...data, created: true } })
  await plugin.emit({ type: 'form.changed', data: { ...data, version: 2, created: false } })
  await plugin.emit({ type: 'delivery.dead', data: { delivery_id: 'dlv_1', installation: 'crm' } })
  await plugin.emit({ type: 'delivery.dead', data: { delivery_id: 'dlv_2', installation: 'zapier' } })
  await plugin.emit({ type: 'alert.raised', data: { kind: 'installation_paused' } })
  await plugin.settle()
  expect(['form.created', 'form.changed', 'delivery.dead', 'alert.raised'].map(sentTo)).toEqual([1, 2, 1, 1])
})

/** A plugin that tries these, one after the other, and says what came of each. */
const nosy = (permissions: object) => ({
  'plugin.json': JSON.stringify({
    id: 'nosy',
    name: 'Nosy',
    version: '1.0.0',
    hub: '^1.0',
    main: 'index.ts',
    on: { 'response.submitted': {} },
    actions: { look: { input: { type: 'object' } } },
    permissions,
  }),
  'index.ts': `import { definePlugin } from 'manifold/plugin'
    const hook = async (ctx, eventId) => (await ctx.hooks.list({ event: 'response.submitted', eventId })).items[0].url
    const tries = {
      list: (ctx, eventId) => ctx.hooks.list({ event: 'response.submitted', eventId }),
      early: (ctx) => ctx.hooks.remove('hok_1', 'because'),
      guess: (ctx) => ctx.http({ method: 'POST', url: { $hook: 'hok_1' } }),
      get: async (ctx, eventId) => ctx.http({ method: 'GET', url: await hook(ctx, eventId) }),
      post: async (ctx, eventId) => (await ctx.http({ method: 'POST', url: await hook(ctx, eventId) })).body,
      address: (ctx) => ctx.http({ method: 'POST', url: '${urlOf('1')}' }),
      remove: async (ctx, eventId) => ctx.hooks.remove((await hook(ctx, eventId)).$hook, 'because '.repeat(999)),
    }
    const result = async (ctx, eventId) => {
      const codes = {}
      for (const [name, run] of Object.entries(tries))
        codes[name] = await Promise.resolve().then(() => run(ctx, eventId)).then((answer) => typeof answer === 'string' ? answer : 'done', (error) => error.code ?? error.message)
      ctx.log.info(JSON.stringify(codes))
    }
    export default definePlugin({
      on: { 'response.submitted': async ({ id }, ctx) => { await result(ctx, id); ctx.enqueue('look', { id }) } },
      actions: { look: { run: ([{ input }], ctx) => result(ctx, input.id) } },
    })`,
})

test('only a plugin with the permission learns of hooks, and it sends to them and nowhere else, by POST', async () => {
  const results = async (permissions: object) => {
    await using other = await testPlugin({ files: nosy(permissions), forms: FORMS })
    await other.hooks.add({ event: 'response.submitted', url: urlOf('its-secret') })
    other.http.on(`POST ${urlOf('its-secret')}`, { status: 200, body: `There is ${urlOf('its-secret')}, /its-secret.` })
    await other.submit('contact', {})
    await other.settle()
    expect(JSON.stringify(other.exchanges())).not.toContain('its-secret')
    expect(other.exchanges().every(({ url }) => url === 'https://hooks.example/[secret]')).toBe(true)
    return other.logs().map(({ message }) => JSON.parse(message) as Record<string, string>)
  }
  const denied = 'capability_denied'
  const [handler, action] = await results({ hooks: true })
  const post = 'There is [secret], [secret].'
  expect(action).toEqual({
    list: 'done',
    early: denied,
    guess: denied,
    post,
    get: denied,
    address: denied,
    remove: 'done',
  })
  expect(handler).toEqual({ ...action, remove: denied })
  const [stranger] = await results({})
  expect(stranger).toMatchObject({ list: denied, guess: denied, address: denied, remove: denied })
})
