/** The Zapier app against a real hub, as Zapier runs it: what a hook brings is, key by key, what the editor showed before. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FIELD_TYPES } from '../../core/model.ts'
import { dataFields } from '../../zapier-app/lint/definition.ts'
import type { Field } from '../../zapier-app/lint/definition.ts'
import { itemFindings } from '../../zapier-app/lint/items.ts'
import { startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { startReceiver } from '../support/receiver.ts'
import type { Receiver } from '../support/receiver.ts'
import { until } from '../support/wait.ts'
import { INSTALL_MS, loadApp } from './installed.ts'
import type { LoadedApp, Run } from './installed.ts'

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
  hidden: 7,
}
const MUST = { name: 'One that must', fields: [{ key: 'n', label: 'Your name', type: 'text', required: true }] }
const CONFIG = {
  forms: { every: { name: 'Every type', fields: EVERY }, none: { name: 'No fields', fields: [] }, must: MUST },
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
let app: LoadedApp['app']
let run: Run
let hub: Hub
let receiver: Receiver
let key: string
beforeAll(async () => {
  const started = Promise.all([startHub({ config: CONFIG }), startReceiver()])
  ;({ app, run } = await loadApp())
  ;[hub, receiver] = await started
  key = await newKey(['hooks:write', 'forms:read', 'responses:read', 'responses:write', 'deliveries:write', 'admin'])
}, INSTALL_MS)
afterAll(async () => {
  await hub?.[Symbol.asyncDispose]()
  await receiver?.[Symbol.asyncDispose]()
})

const newKey = async (scopes: readonly string[], expires_at: string | null = null): Promise<string> =>
  String((await hub.api('POST', '/api/v2/keys', { name: 'Zapier', scopes, expires_at })).body['key'])
const bundle = (more: object = {}) => ({ authData: { base_url: `${hub.url}/`, api_key: key }, inputData: {}, ...more })
const trigger = (name: string) => app.triggers[name]!.operation
const submit = async (form: string, data: object, status = 'completed'): Promise<string> =>
  String((await hub.api('POST', `/api/v2/forms/${form}/responses`, { data, status })).body['id'])
const subscribe = (name: string, path: string, inputData: object = {}) =>
  run(
    trigger(name).performSubscribe,
    bundle({ inputData, targetUrl: `${receiver.url}${path}`, meta: { zap: { id: path } } }),
  ) as Promise<{ id: string; expiration_date: string }>
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

/** What Zapier would find in what a trigger brought. */
const findings = async (name: string, items: readonly Item[], inputData: object = {}): Promise<readonly string[]> => {
  const { outputFields = [] } = trigger(name)
  const dynamic = outputFields.filter((field) => typeof field === 'function')
  const more = await Promise.all(dynamic.map((field) => run(field, bundle({ inputData })) as Promise<Field[]>))
  return itemFindings(items, [...dataFields(outputFields), ...more.flat()])
}
const keysOf = (item: object | undefined): string[] => Object.keys(item ?? {}).toSorted()

describe('the connection', () => {
  const tried = (authData: object) => run(app.authentication.test, { authData, inputData: {} })

  test('is labelled with workspace and key; what is wrong is said so that a person can mend it', async () => {
    expect(await tried(bundle().authData)).toMatchObject({ workspace: 'default', key_name: 'Zapier' })
    await expect(tried({ base_url: hub.url, api_key: 'mfk_wrong' })).rejects.toThrow(/does not accept the API key/)
    const weak = await newKey(['forms:read'])
    await expect(tried({ base_url: hub.url, api_key: weak })).rejects.toThrow(
      /lacks hooks:write, responses:read, responses:write/,
    )
    await expect(tried({ base_url: 'http://hub.example', api_key: key })).rejects.toThrow(/https:/)
    await expect(tried({ base_url: 'no address', api_key: key })).rejects.toThrow(/not the address of a hub/)
    const answers = { '/old/api/v2/me': { workspace: 'w', version: '0.0.9', key: { name: 'k', scopes: ['admin'] } } }
    receiver.respond(({ path }) => ({
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(answers[path as keyof typeof answers] ?? {}),
    }))
    await expect(tried({ base_url: `${receiver.url}/old`, api_key: key })).rejects.toThrow(/0\.0\.9; the app needs/)
    await expect(tried({ base_url: receiver.url, api_key: key })).rejects.toThrow(/not a Manifold hub/)
    receiver.respond({})
    expect(await tried({ base_url: `https://${hub.url}`, api_key: key })).toMatchObject({ key_name: 'Zapier' })
    // A page of the hub, as it is pasted from a browser; and one that could be where a hub is.
    for (const page of ['/docs', '/docs#hooks', '/dashboard/forms/', '/sign-in?next=%2F', '/api/v2'])
      expect(await tried({ base_url: hub.url + page, api_key: key }), page).toMatchObject({ key_name: 'Zapier' })
    await expect(tried({ base_url: `${hub.url}/keys`, api_key: key })).rejects.toThrow(
      new RegExp(`is not a Manifold hub .*Try ${hub.url}, without .*/keys`),
    )
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
    const days = (at: string) => (Date.parse(at) - Date.now()) / 86_400_000
    expect(Math.round(days(hook.expiration_date))).toBe(30)
    for (const [n, data] of [ANSWERS, {}].entries()) {
      const id = await submit('every', data)
      const requests = await received('/every', n + 1)
      const item = await brought('new_response', requests[n]!, inputData)
      expect(item?.['id']).toBe(id)
      const file = n === 0 ? expect.stringMatching(/^hydrate.*hydrators\.file.*cv\.pdf/) : null
      expect(item?.['files']).toEqual({ file })
      expect((await listed('new_response', inputData))[0]).toEqual(item)
    }
    const requests = await received('/every', 2)
    const both = await Promise.all(requests.map((each) => brought('new_response', each, inputData)))
    expect(await findings('new_response', both as Item[], inputData)).toEqual([])
    const full = requests[0]?.json()
    expect(full!['answers']).toMatchObject({ text: 'Ada', email: 'ada@example.com', multi_select: ['a', 'b'] })
    expect(Object.keys(trigger('new_response').sample ?? {}).filter((name) => !(name in full!))).toEqual([])
    const before = key
    key = await newKey(['hooks:write', 'responses:read'])
    await unsubscribe('new_response', hook)
    key = before
    expect((await hub.api('GET', `/api/v2/hooks/${hook.id}`)).status).toBe(200)
    await unsubscribe('new_response', hook)
    expect((await hub.api('GET', `/api/v2/hooks/${hook.id}`)).status).toBe(404)
    await unsubscribe('new_response', hook)
    await submit('every', ANSWERS)
    const again = await subscribe('new_response', '/again', inputData)
    expect(again.id).not.toBe(hook.id)
    expect((await subscribe('new_response', '/again', inputData)).id).toBe(again.id)
    const last = await submit('every', ANSWERS)
    expect((await received('/again'))[0]!.json()['id']).toBe(last)
    expect(await received('/every', 2)).toHaveLength(2)
    receiver.respond(({ path }) => ({ status: path === '/again' ? 410 : 200 }))
    await submit('every', ANSWERS)
    await until('the hook to be gone', () => hub.api('GET', `/api/v2/hooks/${again.id}`), {
      accept: ({ status }) => status === 404,
    })
    receiver.respond({})
    await unsubscribe('new_response', again)
    const third = await subscribe('new_response', '/again', inputData)
    const next = await submit('every', {})
    await received('/again', 3)
    const ids = receiver.requests.filter(({ path }) => path === '/again').map((request) => request.json()['id'])
    expect([third.id === again.id, ids.length, ids.at(-1)]).toEqual([false, 3, next])
    await unsubscribe('new_response', third)
  })

  test('turning a Zap off late leaves the hook that it has since; without an id of a Zap each address has its own', async () => {
    const inputData = { form_id: 'every' }
    const on = (path: string, id: unknown) =>
      run(
        trigger('new_response').performSubscribe,
        bundle({ inputData, targetUrl: `${receiver.url}${path}`, meta: { zap: { id } } }),
      ) as Promise<{ id: string }>
    const [first, again] = [await on('/first', 5), await on('/second', 5)]
    expect(again.id).toBe(first.id)
    await unsubscribe('new_response', first)
    const there = encodeURIComponent(`${receiver.url}/second`)
    const { body } = await hub.api<{ items: Item[] }>('GET', `/api/v2/hooks?target_url=${there}`)
    expect(body.items.map(({ id }) => id)).toEqual([again.id])
    await unsubscribe('new_response', again)
    const before = key
    const ends = new Date(Date.now() + 5 * 86_400_000).toISOString()
    key = await newKey(['hooks:write', 'responses:read'], ends)
    const ending = await subscribe('new_response', '/ending', inputData)
    expect(Date.parse(ending.expiration_date)).toBe(Date.parse(ends))
    await unsubscribe('new_response', ending)
    key = before
    const nameless = await Promise.all([on('/one', null), on('/two', null), on('/three', '')])
    expect(new Set(nameless.map(({ id }) => id)).size).toBe(3)
    for (const hook of nameless) await unsubscribe('new_response', hook)
    expect((await hub.api('GET', `/api/v2/hooks/${again.id}`)).status).toBe(404)
  })

  test('partial responses, new forms, failed deliveries and alerts', async () => {
    const inputData = { form_id: 'every' }
    await subscribe('new_partial_response', '/partial', inputData)
    await submit('every', { text: 'begun' }, 'partial')
    const partial = await brought('new_partial_response', (await received('/partial'))[0]!, inputData)
    expect(partial).toMatchObject({ status: 'partial', submitted_at: null })
    expect((await listed('new_partial_response', inputData))[0]).toEqual(partial)
    expect(await findings('new_partial_response', [partial!], inputData)).toEqual([])
    for (const [name, path] of [
      ['new_form', '/form'],
      ['delivery_failed', '/dead'],
      ['alert_raised', '/alert'],
    ] as const)
      await subscribe(name, path)
    await hub.api('POST', '/api/v2/forms', { id: 'fresh', name: 'Fresh', fields: [] })
    await submit('none', {})
    // What is paused is not tried, and does not die.
    await received('/dead')
    await hub.api('POST', '/api/v2/installations/broken/pause')
    for (const [name, path] of [
      ['new_form', '/form'],
      ['delivery_failed', '/dead'],
      ['alert_raised', '/alert'],
    ] as const) {
      const item = await brought(name, (await received(path))[0]!)
      expect((await listed(name))[0], name).toEqual(item)
      expect(keysOf(item), name).toEqual(keysOf(trigger(name).sample))
      expect(await findings(name, await listed(name))).toEqual([])
    }
    // What a sample says twice it says alike, as what comes does.
    for (const alert of [(await listed('alert_raised'))[0]!, trigger('alert_raised').sample!]) {
      const details = JSON.parse(String(alert['details'])) as Item
      expect(Object.entries(details).filter(([name, value]) => alert[name] !== value)).toEqual([])
      expect(keysOf(details)).toEqual(expect.arrayContaining(['installation', 'kind', 'reason']))
    }
    const ofForm = ['answers', 'choices', 'files', 'labels', 'texts']
    for (const name of ['new_response', 'new_partial_response'])
      expect(keysOf(partial), name).toEqual([...keysOf(trigger(name).sample), ...ofForm].toSorted())
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
    const before = key
    key = await newKey(['forms:read', 'responses:write'])
    const unread = (await perform('creates', 'create_response', wish)) as Item
    key = before
    expect([unread['id'] === made['id'], unread['url']]).toEqual([true, made['url']])
    const find = (wish: object) =>
      perform('searches', 'find_response', { form_id: 'every', ...wish }) as Promise<Item[]>
    const [question] = (app.searches['find_response']!.operation.inputFields ?? []).filter(
      (field) => typeof field === 'function',
    )
    const [{ choices } = { choices: [] }] = (await run(question, bundle({ inputData: { form_id: 'every' } }))) as {
      choices: { value: string; label: string }[]
    }[]
    expect(choices.map(({ value, label }) => [value, label])).toEqual(
      EVERY.map(({ key: name, label }) => [name, label]),
    )
    const found = await find({ field: 'text', value: 'grace' })
    expect(found.map(({ id }) => id)).toEqual([made['id']])
    expect(found[0]).toMatchObject({
      url: made['url'],
      answers: { text: 'Grace', number: 4.5, boolean: true, date: '2026-03-02', multi_select: ['b'], email: null },
    })
    expect(found[0]).toEqual(made)
    for (const [field, value] of Object.entries({ number: '4.50', boolean: 'Yes', multi_select: 'Pears' }))
      expect((await find({ field, value }))[0]).toEqual(made)
    expect(await find({ response: ` ${String(made['id'])} ` })).toEqual(found)
    const none = [{ response: 'rsp_none' }, { field: 'text', value: 'grac' }, { form_id: 'none', response: made['id'] }]
    for (const nothing of none) expect(await find(nothing)).toEqual([])
    await expect(find({})).rejects.toThrow(/Choose a question/)
    const note = (await perform('creates', 'add_note', { response: made['id'], text: 'Called.' })) as Item
    expect(Object.keys(note).toSorted()).toEqual(
      Object.keys(app.creates['add_note']!.operation.sample ?? {}).toSorted(),
    )
    await expect(perform('creates', 'add_note', { response: 'rsp_none', text: 'x' })).rejects.toMatchObject({
      name: 'HaltedError',
    })
    const wrongs = {
      answer_email: ['no address', 'must be an e-mail address such as ada@example.com'],
      answer_number: ['four', 'has to be a number'],
      answer_boolean: ['maybe', 'has to be yes or no'],
      answer_date: ['soon', 'has to be a date such as 2026-03-01'],
      answer_datetime: ['noon', 'has to be a date and time such as 2026-03-01T10:00:00Z'],
      answer_select: ['Plums', 'has to be one of: Apples, Pears'],
      answer_multi_select: ['Apples, Plums', 'has to be some of: Apples, Pears'],
      answer_rating: ['6', 'must be a whole number from 1 to 5'],
      answer_file: ['cv.pdf', 'has to be a link to a file, beginning with https://'],
    }
    const told = (wish: object) =>
      perform('creates', 'create_response', wish).then(
        () => 'nothing',
        ({ message }: Error) => (JSON.parse(message) as { message: string }).message,
      )
    for (const [input, [answer, words]] of Object.entries(wrongs))
      expect(await told({ form_id: 'every', [input]: answer })).toBe(
        `"Your ${input.slice('answer_'.length)}?" ${String(words)}.`,
      )
    const all = Object.fromEntries(Object.entries(wrongs).map(([input, [answer]]) => [input, answer]))
    const lines = (await told({ form_id: 'every', ...all })).split('\n')
    expect([lines.length, lines.filter((line) => /\/|answer_|data/.test(line.replace('https://', '')))]).toEqual([
      9,
      [],
    ])
    expect(await told({ form_id: 'must' })).toBe('"Your name" has to be answered.')
    await expect(perform('creates', 'create_response', { form_id: 'gone' })).rejects.toMatchObject({
      name: 'HaltedError',
      message: 'The form that is chosen in this step is not in the hub any more. Choose a form again.',
    })
    const byLabel = { answer_select: 'pears', answer_multi_select: 'Apples, Pears' }
    expect(await perform('creates', 'create_response', { form_id: 'every', ...byLabel })).toMatchObject({
      answers: { select: 'b', multi_select: ['a', 'b'] },
    })
    const gone = { form_id: 'gone' }
    for (const work of [subscribe('new_response', '/gone', gone), listed('new_response', gone)])
      await expect(work).rejects.toThrow(/The form that is chosen in this step/)
    key = await newKey(['hooks:write'])
    await expect(subscribe('new_response', '/weak', { form_id: 'every' })).rejects.toThrow(
      /may not do this: it lacks responses:read\. Connect/,
    )
    key = before
  })

  test('a form is found by a part of its name, an exact one first', async () => {
    expect(((await perform('searches', 'find_form', { name: 'every' })) as Item[])[0]).toMatchObject({
      id: 'every',
      field_count: 13,
    })
    expect(await perform('searches', 'find_form', { name: 'no such form' })).toEqual([])
    expect(((await perform('searches', 'find_form', { name: 'every' })) as Item[])[0]!['url']).toBe(
      `${hub.url}/forms/every`,
    )
  })
})

test('the dropdown of forms has all of them, the newest first, a page at a time', async () => {
  for (let n = 0; n <= 200; n++)
    await hub.api('POST', '/api/v2/forms', { id: `many-${n}`, name: `Form ${n}`, fields: [] })
  const pages = [0, 1, 2].map((page) => run(trigger('form').perform, bundle({ meta: { page } })) as Promise<Item[]>)
  const [first, second, third] = (await Promise.all(pages)).map((forms) => forms.map(({ id }) => id))
  expect([first?.length, first?.[0], first?.at(-1)]).toEqual([200, 'many-200', 'many-1'])
  expect(second).toEqual(expect.arrayContaining(['many-0', 'every', 'none']))
  expect(third).toEqual([])
  expect((trigger('form') as { canPaginate?: boolean }).canPaginate).toBe(true)
})
