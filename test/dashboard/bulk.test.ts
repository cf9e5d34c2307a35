/** Much at once: its count first, steps that go on by themselves, and a page that says how far they are. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ApiProblem } from '../../core/dashboard/api.ts'
import { SCREENS } from '../../core/dashboard/screens.ts'
import type { Answer, Visit } from '../../core/dashboard/visit.ts'
import { startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { startReceiver } from '../support/receiver.ts'
import type { Receiver } from '../support/receiver.ts'
import { visitorOf } from '../support/visitor.ts'
import { until } from '../support/wait.ts'

/** More than two steps take. */
const COUNT = 1_050
let hub: Hub
let receiver: Receiver

beforeAll(async () => {
  receiver = await startReceiver({ status: 404 })
  hub = await startHub({
    config: {
      network: { allow: ['127.0.0.1/32'] },
      forms: { contact: { name: 'Contact' } },
      installations: [
        { id: 'crm', use: 'webhooks', with: { url: `${receiver.url}/crm` }, retry: { schedule: [] }, concurrency: 50 },
        { id: 'hooks', use: 'zapier' },
      ],
      limits: { breakerFailuresMax: 1_000, batchRowsMax: 2_000 },
    },
  })
})
afterAll(async () => {
  await hub?.[Symbol.asyncDispose]()
  await receiver?.[Symbol.asyncDispose]()
})

const counts = async () => {
  const { body } = await hub.api<{ deliveries: { dead: number; delivered: number } }>(
    'GET',
    '/api/v2/installations/crm',
  )
  return body.deliveries
}

test('more than one step takes are replayed after one click', async () => {
  const responses = Array.from({ length: COUNT }, (_row, at) => ({ data: { n: at } }))
  const sent = await hub.api('POST', '/api/v2/forms/contact/responses/batch', responses)
  expect(sent.status).toBe(200)
  await until('dead letters', counts, { accept: ({ dead }) => dead === COUNT, timeoutMs: 60_000 })
  receiver.respond({})
  const signedIn = await fetch(`${hub.url}/sign-in`, {
    method: 'POST',
    redirect: 'manual',
    headers: { origin: hub.url },
    body: new URLSearchParams({ key: hub.adminKey }),
  })
  const headers = { cookie: String(signedIn.headers.getSetCookie()[0]), origin: hub.url }
  const asked = await (await fetch(`${hub.url}/dead-letters/replay?installation=crm`, { headers })).text()
  expect(asked).toContain('<strong>1,050 deliveries</strong>')
  const fields = [...asked.matchAll(/type="hidden" name="(\w+)" value="([^"]*)"/g)]
  const body = new URLSearchParams(Object.fromEntries(fields.map(([, name = '', value = '']) => [name, value])))
  const begun = await fetch(`${hub.url}/dead-letters/replay`, { method: 'POST', redirect: 'manual', headers, body })
  expect(begun.headers.get('location')).toMatch(/^\/dead-letters(\/replay\/[\w-]+)?$/)
  expect(await until('all to arrive', counts, { accept: ({ dead }) => dead === 0, timeoutMs: 60_000 })).toBeDefined()
  await until('all to arrive', counts, { accept: ({ delivered }) => delivered === COUNT, timeoutMs: 60_000 })
}, 180_000)

/** A screen's answer to somebody whose API answers like this. */
function ask(
  path: string,
  how: { method?: 'POST'; key?: string; form?: object; send?: (...asked: readonly unknown[]) => Promise<object> },
): Promise<Answer> {
  const method = how.method ?? 'GET'
  const shape = (each: string): RegExp => new RegExp(`^${each.replaceAll(/\{\w+\}/g, '([^/]+)')}$`)
  const screen = SCREENS.find((each) => each.method === method && shape(each.path).test(path))
  if (screen === undefined) throw new Error(`There is no screen at ${path}`)
  return screen.answer({
    me: { workspace: 'default', key: { id: how.key ?? 'key_1', name: 'x', scopes: [] }, version: '0' },
    form: new URLSearchParams(how.form as Record<string, string>),
    param: () => shape(screen.path).exec(path)?.[1] ?? '',
    api: { send: how.send, get: async () => ({ items: [] }) },
  } as unknown as Visit)
}

test('progress advances by itself, with and without a script, until it is over; it is seen by whoever began it alone', async () => {
  const gates = [Promise.withResolvers<object>(), Promise.withResolvers<object>()]
  gates[0]?.resolve({ replayed: 500, next_cursor: 'more' })
  let steps = 0
  const send = () => gates[steps++]?.promise ?? Promise.reject(new Error('a step too many'))
  const begun = await ask('/dead-letters/replay', { method: 'POST', form: { of: '700' }, send })
  const path = 'redirect' in begun ? begun.redirect : ''
  expect(path).toMatch(/^\/dead-letters\/replay\/[\w-]+$/)
  const shown = async (key?: string) => {
    const answer = await ask(path, key === undefined ? {} : { key })
    return 'view' in answer ? answer.view : null
  }
  expect(await shown()).toMatchObject({ refreshMs: 1_000, reloads: true })
  expect((await shown())?.body.text).toMatch(/<strong>500<\/strong> of 700[\s\S]*<progress max="700" value="500"/)
  expect((await shown('key_2'))?.status).toBe(404)
  // A second click begins nothing: it leads to what is under way.
  for (const second of ['/dead-letters/replay', '/dead-letters/discard'])
    expect(await ask(second, { method: 'POST', form: { of: '200' }, send })).toEqual({
      redirect: path,
      flash: expect.stringContaining('still under way'),
    })
  const elsewhere = await ask(path.replace('replay', 'discard'), {})
  expect('view' in elsewhere ? elsewhere.view.status : null).toBe(404)
  // Behind another process of the hub nothing is known of it, which is no end.
  const other = path.replace(/[^/]+$/, 'another-process')
  const there = await ask(other, {})
  expect('view' in there ? there.view : null).toMatchObject({ refreshMs: 2_000, reloads: true })
  expect(await ask(`${other}/stop`, { method: 'POST' })).toMatchObject({
    redirect: other,
    flash: expect.stringContaining('It was not stopped'),
  })
  gates[1]?.resolve({ replayed: 200, next_cursor: null })
  const over = await until('the end', shown, { accept: (view) => view?.refreshMs === undefined })
  expect(over?.body.text).toContain('700 deliveries due now.')
})

test('it can be stopped, and a step that fails says what was done', async () => {
  const gate = Promise.withResolvers<object>()
  const begun = await ask('/dead-letters/discard', { method: 'POST', form: { of: '9' }, send: () => gate.promise })
  const path = 'redirect' in begun ? begun.redirect : ''
  await ask(`${path}/stop`, { method: 'POST' })
  gate.resolve({ discarded: 4, next_cursor: 'more' })
  const text = async () => {
    const answer = await ask(path, {})
    return 'view' in answer ? answer.view.body.text : ''
  }
  expect(await until('the end', text, { accept: (all) => all.includes('Stopped.') })).toContain('4 deliveries deleted.')
  const why = { detail: 'The body is not valid.', errors: [{ pointer: '/since', detail: 'is no time' }] }
  const send = () => Promise.reject(new ApiProblem(422, why))
  const failed = await ask('/dead-letters/discard', { method: 'POST', form: { of: '9' }, send })
  const answer = await ask('redirect' in failed ? failed.redirect : '', {})
  expect('view' in answer ? answer.view.body.text : '').toMatch(
    /The body is not valid\. \/since is no time[\s\S]*0 deliveries deleted/,
  )
})

test('a quarantine is released by steps, and one that stops half-way says how far it came and why', async () => {
  const asked: object[] = []
  const answers = [
    { matched: 300, released: 100, next_cursor: 'again' },
    { matched: 200, released: 40, next_cursor: null, stopped: { detail: 'The database is busy.' } },
  ]
  const send = async (...[, , body]: readonly unknown[]) => {
    asked.push(body as object)
    return answers[asked.length - 1] as object
  }
  const form = { of: '300', verdict: 'flagged', until: '2026-01-01' }
  const begun = await ask('/quarantine/release', { method: 'POST', form, key: 'key_3', send })
  const answer = await ask('redirect' in begun ? begun.redirect : '', { key: 'key_3' })
  expect('view' in answer ? answer.view.body.text : '').toMatch(
    /<strong>140<\/strong> of 300[\s\S]*The database is busy\.[\s\S]*140 responses released/,
  )
  const step = { verdict: 'flagged', until: '2026-01-01', limit: 100 }
  expect(asked).toEqual([step, { ...step, cursor: 'again' }])
})

test('whoever is about to revoke a key sees how many hooks stop, however many they are', async () => {
  const { ask: visit, signIn } = visitorOf(() => hub)
  const many = 203
  const key = { name: 'Zapier', scopes: ['hooks:write', 'forms:read'] }
  const made = await hub.api<{ id: string; key: string }>('POST', '/api/v2/keys', key)
  for (let n = 0; n < many; n += 1) {
    const wish = { target_url: `${receiver.url}/hook/${n}`, event: 'form.created' }
    expect((await hub.api('POST', '/api/v2/hooks', wish, { key: made.body.key })).status).toBe(201)
  }
  const cookie = await signIn(hub.adminKey)
  const { text } = await visit(`/keys/${made.body.id}/revoke`, { cookie })
  expect(text).toContain(`<strong>${many} hooks use it and stop</strong>`)
  const refused = await hub.api('DELETE', `/api/v2/keys/${made.body.id}`)
  expect([refused.status, refused.text]).toEqual([409, expect.stringContaining(`${many} hooks use this key`)])
  expect((await visit('/keys/key_of_nobody/revoke', { cookie })).status).toBe(404)
})
