/** Samples of hooks: of what happened last, as it is sent, and made up before anything has. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { rfc3339 } from '../../core/clock.ts'
import { newId } from '../../core/ids.ts'
import { openDoor } from './door.ts'
import type { Door } from './door.ts'

const FIELDS = [
  { key: 'name', label: 'Your name', type: 'text' },
  { key: 'topics', label: 'Topics', type: 'multi_select', options: ['a', 'b'] },
]
let door: Door
beforeAll(async () => {
  door = await openDoor()
  await door.saveForm('contact', { name: 'Contact us', fields: FIELDS })
})
afterAll(() => door[Symbol.asyncDispose]())

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

test('after an edit a form is sampled as it was told of, a response with the questions of now and its own version', async () => {
  await using own = await openDoor()
  await own.saveForm('edited', { name: 'Before', fields: FIELDS })
  const { body: sent } = await own.call('POST', '/api/v2/forms/edited/responses', { json: { data: { name: 'Ada' } } })
  await own.saveForm('edited', { name: 'After', fields: FIELDS.slice(0, 1) })
  const sample = async (query: string) =>
    ((await own.call('GET', `/api/v2/hooks/sample?form=edited&${query}`)).body as { items: object[] }).items
  expect(await sample('event=form.created')).toMatchObject([{ form_name: 'Before', form_version: 1, field_count: 2 }])
  expect(await sample('event=form.changed')).toMatchObject([
    { form_name: 'After', form_version: 2, field_count: 1 },
    { form_name: 'Before', form_version: 1, field_count: 2 },
  ])
  const [item] = await sample('event=response.submitted')
  expect(item).toMatchObject({ form_name: 'After', form_version: 1, answers: { name: 'Ada' }, choices: {} })
  expect((await own.call('GET', `/api/v2/responses/${String(sent['id'])}?shape=flat`)).body).toEqual(item)
})

test('a sample is what is sent: no dead delivery of the installation that sends, and links as the subscriber reaches them', async () => {
  await using own = await openDoor({
    deps: { hookCarriers: { in: () => ({ id: 'zapier', pii: false }), plugins: ['zapier'] } },
  })
  const died = (installation: string) => ({
    id: newId('event'),
    type: 'delivery.dead',
    at: rfc3339(Date.now()),
    formId: null,
    responseId: null,
    hops: 1,
    data: JSON.stringify({ delivery_id: 'dlv_1', installation, plugin: 'zapier', reason: 'receiver_failed' }),
  })
  const sample = async (query: string) => (await own.call('GET', `/api/v2/hooks/sample?${query}`)).body
  await own.store.appendEvents('default', [died('zapier')])
  expect((await sample('event=delivery.dead'))['made_up']).toBe(true)
  await own.store.appendEvents('default', [died('crm'), died('zapier'), died('zapier')])
  expect(await sample('event=delivery.dead&limit=1&hub_url=https://hub.example')).toMatchObject({
    made_up: false,
    items: [{ installation: 'crm', url: 'https://hub.example/deliveries/dlv_1' }],
  })
  const example = (await sample('event=alert.raised')) as { items: { details: string }[] }
  expect(Object.keys(JSON.parse(example.items[0]!.details) as object)).toEqual([
    'kind',
    'installation',
    'plugin',
    'reason',
    'todo',
  ])
  expect(await sample('event=response.submitted&form=nowhere')).toMatchObject({
    status: 422,
    detail: expect.stringMatching(/^There is no sample: there is no form "nowhere"/) as string,
    errors: [{ pointer: '/form' }],
  })
})

test('samples of what is rare are found behind what is frequent, however much that is', async () => {
  await using quiet = await openDoor()
  const track = (count: number) =>
    quiet.store.appendEvents(
      'default',
      Array.from({ length: count }, () => logged('track.page', {})),
    )
  const logged = (type: string, data: object) => ({
    id: newId('event'),
    type,
    at: rfc3339(Date.now()),
    formId: null,
    responseId: null,
    hops: 0,
    data: JSON.stringify(data),
  })
  const sample = async () =>
    (await quiet.call('GET', '/api/v2/hooks/sample?event=alert.raised&limit=2')).body as { items: { kind: string }[] }
  await quiet.store.appendEvents(
    'default',
    ['a', 'b', 'c'].map((kind) => logged('alert.raised', { kind })),
  )
  await track(2_150)
  expect((await sample()).items.map(({ kind }) => kind)).toEqual(['c', 'b'])
})
