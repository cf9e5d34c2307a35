/** The plugin that carries out hooks, in the real sandbox: who gets what, what ends a hook, and who waits for whom. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { testPlugin } from 'manifold/plugin/testing'
import type { TestPlugin } from 'manifold/plugin/testing'

const DIR = import.meta.dirname
const FORMS = Object.fromEntries(
  ['contact', 'ending', 'gone', 'failing', 'paced', 'many', 'other'].map((id) => [
    id,
    { name: `Form ${id}`, fields: [{ key: 'name', label: 'Name', type: 'text' as const }] },
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
    url: `https://hub.example/api/v2/responses/${response.id}`,
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
  expect(fresh.map(({ errorCode }) => errorCode).toSorted()).toEqual([
    'hook_gone',
    'http_404',
    'http_429',
    'http_reset',
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

test('what waited for a hook that is gone is not sent', async () => {
  await submitted('gone', 'gone')
  plugin.http.on(`POST ${urlOf('gone')}`, [503, 410, 200])
  const { response } = await plugin.submit('gone', { name: 'Ada' })
  await plugin.settle()
  await plugin.submit('gone', { name: 'Bob' })
  await plugin.settle()
  expect(response.verdict).toBeNull()
  const ended = (await plugin.advance('1m')).slice(-2)
  expect(ended.map(({ state, errorCode }) => [state, errorCode])).toEqual([
    ['dead', 'hook_gone'],
    ['dead', 'hook_gone'],
  ])
  expect(sentTo('gone')).toBe(2)
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
    const hook = async (ctx) => (await ctx.hooks.list({ event: 'response.submitted' })).items[0].url
    const tries = {
      list: (ctx) => ctx.hooks.list({ event: 'response.submitted' }),
      guess: (ctx) => ctx.http({ method: 'POST', url: { $hook: 'hok_1' } }),
      post: async (ctx) => ctx.http({ method: 'POST', url: await hook(ctx) }),
      get: async (ctx) => ctx.http({ method: 'GET', url: await hook(ctx) }),
      address: (ctx) => ctx.http({ method: 'POST', url: '${urlOf('1')}' }),
      remove: (ctx) => ctx.hooks.remove('hok_1', 'because'),
    }
    const result = async (ctx) => {
      const codes = {}
      for (const [name, run] of Object.entries(tries))
        codes[name] = await Promise.resolve().then(() => run(ctx)).then(() => 'done', (error) => error.code ?? error.message)
      ctx.log.info(JSON.stringify(codes))
    }
    export default definePlugin({
      on: { 'response.submitted': async (_event, ctx) => { await result(ctx); ctx.enqueue('look', {}) } },
      actions: { look: { run: (_items, ctx) => result(ctx) } },
    })`,
})

test('only a plugin with the permission learns of hooks, and it sends to them and nowhere else, by POST', async () => {
  const results = async (permissions: object) => {
    await using other = await testPlugin({ files: nosy(permissions), forms: FORMS })
    await other.hooks.add({ event: 'response.submitted', url: urlOf('1') })
    other.http.on(`POST ${urlOf('1')}`, 200)
    await other.submit('contact', {})
    await other.settle()
    return other.logs().map(({ message }) => JSON.parse(message) as Record<string, string>)
  }
  const denied = 'capability_denied'
  const [handler, action] = await results({ hooks: true })
  expect(action).toEqual({ list: 'done', guess: denied, post: 'done', get: denied, address: denied, remove: 'done' })
  expect(handler).toEqual({ ...action, remove: denied })
  const [stranger] = await results({})
  expect(stranger).toMatchObject({ list: denied, guess: denied, address: denied, remove: denied })
})
