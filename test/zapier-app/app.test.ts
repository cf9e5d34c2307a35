/** The Zapier app against a real hub, as Zapier runs it: what a hook brings is, key by key, what the editor showed before. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FIELD_TYPES } from '../../core/model.ts'
import { broken, snapshotOf } from '../../zapier-app/lint/compatibility.ts'
import type { Snapshot } from '../../zapier-app/lint/compatibility.ts'
import type { Definition } from '../../zapier-app/lint/definition.ts'
import { listingFindings } from '../../zapier-app/lint/listing.ts'
import { lint } from '../../zapier-app/lint/rules.ts'
import { ROOT, startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { startReceiver } from '../support/receiver.ts'
import type { Receiver } from '../support/receiver.ts'
import { until } from '../support/wait.ts'
import { APP, installApp } from './installed.ts'

const OPTIONS = [
  { value: 'a', label: 'Apples' },
  { value: 'b', label: 'Pears' },
]
const EVERY = FIELD_TYPES.map((type) => ({
  key: type,
  label: `Your ${type}?`,
  type,
  pii: type === 'email',
  ...(/select|radio/.test(type) ? { options: OPTIONS } : {}),
}))
const ANSWERS: Record<string, unknown> = {
  text: 'Ada',
  long_text: 'A long\nstory',
  email: 'ada@example.com',
  number: 3.5,
  boolean: true,
  date: '2026-03-01',
  datetime: '2026-03-01T09:00:00Z',
  select: 'a',
  multi_select: ['a', 'b'],
  radio: 'b',
  rating: 4,
  file: { url: 'https://files.example/cv.pdf', name: 'cv.pdf' },
  hidden: 'x',
}
const CONFIG = {
  forms: { every: { name: 'Every type', fields: EVERY }, none: { name: 'No fields', fields: [] } },
  network: { allow: ['127.0.0.1/32'] },
  installations: [
    { id: 'zapier', use: 'zapier', pii: true },
    {
      id: 'broken',
      use: 'webhooks',
      when: { form: 'none' },
      with: { url: 'http://127.0.0.1:9/' },
      retry: { schedule: [] },
    },
  ],
}

type Item = Record<string, unknown>
/** What of zapier-platform-core runs an app here; it is installed with the app alone. */
interface Platform {
  createAppTester(app: unknown): Run
  createAppHandler(app: unknown): (event: object) => Promise<{ readonly results: readonly unknown[] }>
}
type Run = (perform: unknown, bundle: object) => Promise<never>

/** The packages may have to come from a slow registry first. */
const INSTALL_MS = 300_000

let core: Platform
let app: Definition & { readonly authentication: { readonly test: unknown } }
let run: Run
let hub: Hub
let receiver: Receiver
let key: string
beforeAll(async () => {
  await installApp()
  const started = Promise.all([startHub({ config: CONFIG }), startReceiver()])
  // Named by paths, since neither can be resolved where the app is not installed.
  core = (await import(`${APP}node_modules/zapier-platform-core/index.mjs`)) as Platform
  app = ((await import(`${APP}src/index.ts`)) as { default: typeof app }).default
  run = core.createAppTester(app)
  ;[hub, receiver] = await started
  key = await newKey(['hooks:write', 'forms:read', 'responses:read', 'responses:write', 'deliveries:write', 'admin'])
}, INSTALL_MS)
afterAll(async () => {
  await hub?.[Symbol.asyncDispose]()
  await receiver?.[Symbol.asyncDispose]()
})

const newKey = async (scopes: readonly string[]): Promise<string> =>
  String((await hub.api('POST', '/api/v2/keys', { name: 'Zapier', scopes })).body['key'])
const bundle = (more: object = {}) => ({ authData: { base_url: `${hub.url}/`, api_key: key }, inputData: {}, ...more })
const trigger = (name: string) => app.triggers[name]!.operation
const submit = async (form: string, data: object, status = 'completed'): Promise<string> =>
  String((await hub.api('POST', `/api/v2/forms/${form}/responses`, { data, status })).body['id'])
const subscribe = (name: string, path: string, inputData: object = {}) =>
  run(
    trigger(name).performSubscribe,
    bundle({ inputData, targetUrl: `${receiver.url}${path}`, meta: { zap: { id: path } } }),
  ) as Promise<{ id: string }>
const unsubscribe = (name: string, subscribeData: object) =>
  run(trigger(name).performUnsubscribe, bundle({ subscribeData }))
const received = (path: string, count = 1) =>
  until(`${count} at ${path}`, () => receiver.requests.filter((request) => request.path === path), {
    accept: (all) => all.length >= count,
  })
/** What a Zap gets of a request. */
const brought = async (name: string, request: { json(): Item }, inputData: object = {}) =>
  ((await run(trigger(name).perform, bundle({ inputData, cleanedRequest: request.json() }))) as Item[])[0]
const listed = (name: string, inputData: object = {}) =>
  run(trigger(name).performList, bundle({ inputData })) as Promise<Item[]>

describe('the definition', () => {
  test('is what the platform takes', async () => {
    expect((await core.createAppHandler(app)({ command: 'validate' })).results).toEqual([])
  })

  test('compiles by its own rules', async () => {
    const tsc = spawn(process.execPath, [`${ROOT}node_modules/typescript/bin/tsc`, '-p', APP, '--noEmit'])
    let said = ''
    tsc.stdout.setEncoding('utf8').on('data', (text: string) => (said += text))
    const code = await new Promise((resolve) => tsc.on('close', resolve))
    expect(code, said).toBe(0)
  })

  test('breaks no publishing rule that can be known here, and nothing that is published', () => {
    const packageJson = JSON.parse(readFileSync(`${APP}package.json`, 'utf8')) as { description: string }
    const { description } = packageJson
    expect([...lint(app), ...listingFindings({ description, logo: readFileSync(`${APP}logo.png`) })]).toEqual([])
    const published = JSON.parse(readFileSync(`${APP}definition.json`, 'utf8')) as Snapshot
    expect(broken(published, snapshotOf(app))).toEqual([])
    // A new step or input is published with the next version: then the snapshot says so.
    expect(snapshotOf(app)).toEqual(published)
  })
})

describe('the connection', () => {
  const tried = (authData: object) => run(app.authentication.test, { authData, inputData: {} })

  test('is labelled with workspace and key; what is wrong is said so that a person can mend it', async () => {
    expect(await tried(bundle().authData)).toMatchObject({ workspace: 'default', key_name: 'Zapier' })
    await expect(tried({ base_url: hub.url, api_key: 'mfk_wrong' })).rejects.toThrow(/API key is not accepted/)
    const weak = await newKey(['forms:read'])
    await expect(tried({ base_url: hub.url, api_key: weak })).rejects.toThrow(
      /lacks hooks:write, responses:read, responses:write/,
    )
    await expect(tried({ base_url: 'http://hub.example', api_key: key })).rejects.toThrow(/https:/)
    await expect(tried({ base_url: 'nonsense', api_key: key })).rejects.toThrow(/not the address of a hub/)
    const answers = { '/old/api/v2/me': { workspace: 'w', version: '0.0.9', key: { name: 'k', scopes: ['admin'] } } }
    receiver.respond(({ path }) => ({
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(answers[path as keyof typeof answers] ?? {}),
    }))
    await expect(tried({ base_url: `${receiver.url}/old`, api_key: key })).rejects.toThrow(/0\.0\.9; the app needs/)
    await expect(tried({ base_url: receiver.url, api_key: key })).rejects.toThrow(/not a Manifold hub/)
    receiver.respond({})
  })

  test('refusals of the hub stop, pause or delay a Zap as they should', async () => {
    const nameOf = (work: Promise<unknown>) =>
      work.then(
        () => 'nothing',
        (error: Error) => error.name,
      )
    const answer = (status: number, headers = {}) => {
      receiver.respond({
        status,
        headers,
        body: '{"detail":"Why.","errors":[{"pointer":"/data/email","detail":"is required"}]}',
      })
      return run(app.authentication.test, { authData: { base_url: receiver.url, api_key: 'k' }, inputData: {} })
    }
    const names = {
      401: 'ExpiredAuthError',
      403: 'ExpiredAuthError',
      404: 'HaltedError',
      409: 'HaltedError',
      422: 'AppError',
      503: 'AppError',
    }
    for (const [status, name] of Object.entries(names)) expect(await nameOf(answer(Number(status))), status).toBe(name)
    await expect(answer(422)).rejects.toThrow(/email: is required/)
    await expect(answer(429, { 'retry-after': '17' })).rejects.toMatchObject({
      name: 'ThrottledError',
      message: expect.stringContaining('17'),
    })
    receiver.respond({})
  })
})

describe('triggers', () => {
  test('before anything has happened the list is empty, and every question is an output field already', async () => {
    expect(await listed('new_response', { form_id: 'every' })).toEqual([])
    const [dynamic] = (trigger('new_response').outputFields ?? []).filter((field) => typeof field === 'function')
    const fields = (await run(dynamic, bundle({ inputData: { form_id: 'every' } }))) as { key: string; label: string }[]
    for (const { key: name, label } of EVERY)
      expect(fields).toContainEqual(expect.objectContaining({ key: `answers__${name}`, label }))
    expect(fields).toContainEqual({
      key: 'choices__multi_select__a',
      label: 'Your multi_select?: Apples',
      type: 'string',
    })
    const forms = (await run(trigger('form').perform, bundle())) as Item[]
    expect(forms).toContainEqual({ id: 'every', name: 'Every type' })
  })

  test('a response with an answer of every type, and one with none, arrive as the list shows them', async () => {
    const inputData = { form_id: 'every' }
    const hook = await subscribe('new_response', '/every', inputData)
    for (const [n, data] of [ANSWERS, {}].entries()) {
      const id = await submit('every', data)
      const requests = await received('/every', n + 1)
      const item = await brought('new_response', requests[n]!, inputData)
      expect(item?.['id']).toBe(id)
      expect((await listed('new_response', inputData))[0]).toEqual(item)
    }
    const [full, none] = (await received('/every', 2)).map((request) => request.json())
    expect(Object.keys(full!['answers'] as Item)).toEqual(Object.keys(none!['answers'] as Item))
    expect(full!['answers']).toMatchObject({ text: 'Ada', email: 'ada@example.com', multi_select: ['a', 'b'] })
    expect(Object.keys(trigger('new_response').sample ?? {}).filter((name) => !(name in full!))).toEqual([])
    await unsubscribe('new_response', hook)
    await unsubscribe('new_response', hook)
    await submit('every', ANSWERS)
    const again = await subscribe('new_response', '/again', inputData)
    expect(again.id).not.toBe(hook.id)
    expect((await subscribe('new_response', '/again', inputData)).id).toBe(again.id)
    const last = await submit('every', ANSWERS)
    expect((await received('/again'))[0]!.json()['id']).toBe(last)
    expect(await received('/every', 2)).toHaveLength(2)
    await unsubscribe('new_response', again)
  })

  test('partial responses, new forms, failed deliveries and alerts', async () => {
    const inputData = { form_id: 'every' }
    await subscribe('new_partial_response', '/partial', inputData)
    await submit('every', { text: 'begun' }, 'partial')
    const partial = await brought('new_partial_response', (await received('/partial'))[0]!, inputData)
    expect(partial).toMatchObject({ status: 'partial', submitted_at: null })
    expect((await listed('new_partial_response', inputData))[0]).toEqual(partial)
    for (const [name, path] of [
      ['new_form', '/form'],
      ['delivery_failed', '/dead'],
      ['alert_raised', '/alert'],
    ] as const)
      await subscribe(name, path)
    await hub.api('POST', '/api/v2/forms', { id: 'fresh', name: 'Fresh', fields: [] })
    await submit('none', {})
    await hub.api('POST', '/api/v2/installations/broken/pause')
    for (const [name, path] of [
      ['new_form', '/form'],
      ['delivery_failed', '/dead'],
      ['alert_raised', '/alert'],
    ] as const) {
      const item = await brought(name, (await received(path))[0]!)
      expect((await listed(name))[0], name).toEqual(item)
      expect(Object.keys(item ?? {}).toSorted(), name).toEqual(Object.keys(trigger(name).sample ?? {}).toSorted())
    }
  })
})

describe('actions and searches', () => {
  const perform = (kind: 'searches' | 'creates', name: string, inputData: object) =>
    run(app[kind][name]!.operation.perform, bundle({ inputData }))

  test('a response is made of the form’s own inputs, found again, and noted on', async () => {
    const [dynamic] = (app.creates['create_response']!.operation.inputFields ?? []).filter(
      (field) => typeof field === 'function',
    )
    const inputs = (await run(dynamic, bundle({ inputData: { form_id: 'every' } }))) as {
      key: string
      label: string
      list?: boolean
    }[]
    expect(inputs.map(({ label }) => label)).toEqual(EVERY.map(({ label }) => label))
    const typed = {
      answer_text: 'Grace',
      answer_number: '4.5',
      answer_boolean: 'yes',
      answer_date: '2026-03-02T00:00:00Z',
      answer_multi_select: 'b',
      answer_email: '',
    }
    const wish = { form_id: 'every', repeat_key: 'once', ...typed }
    const made = (await perform('creates', 'create_response', wish)) as Item
    expect(((await perform('creates', 'create_response', wish)) as Item)['id']).toBe(made['id'])
    const found = (await perform('searches', 'find_response', { form_id: 'every', words: 'grace' })) as Item[]
    expect(found.map(({ id }) => id)).toEqual([made['id']])
    expect(found[0]).toMatchObject({
      url: made['url'],
      answers: { text: 'Grace', number: 4.5, boolean: true, date: '2026-03-02', multi_select: ['b'], email: null },
    })
    expect(await perform('searches', 'find_response', { form_id: 'every', words: 'nobody at all' })).toEqual([])
    expect(await perform('searches', 'find_response', { form_id: 'every', response: String(made['id']) })).toHaveLength(
      1,
    )
    const note = (await perform('creates', 'add_note', { response: made['id'], text: 'Called.' })) as Item
    expect(Object.keys(note).toSorted()).toEqual(
      Object.keys(app.creates['add_note']!.operation.sample ?? {}).toSorted(),
    )
    await expect(perform('creates', 'add_note', { response: 'rsp_none', text: 'x' })).rejects.toMatchObject({
      name: 'HaltedError',
    })
    await expect(
      perform('creates', 'create_response', { form_id: 'every', answer_email: 'no address' }),
    ).rejects.toThrow(/email/)
  })

  test('a form is found by a part of its name, an exact one first', async () => {
    expect(((await perform('searches', 'find_form', { name: 'every' })) as Item[])[0]).toMatchObject({
      id: 'every',
      field_count: 13,
    })
    expect(await perform('searches', 'find_form', { name: 'no such form' })).toEqual([])
  })
})
