/** Who sees what: a key for numbers alone gets numbers about many, by every road that a question has. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { FieldInfo, Json } from '../../core/contract/index.ts'
import { funnels } from '../../plugins/analytics/behaviour/funnels.ts'
import { experiments } from '../../plugins/analytics/behaviour/experiments-question.ts'
import { answerBehaviour } from '../../plugins/analytics/behaviour/route.ts'
import { segments } from '../../plugins/analytics/behaviour/segments.ts'
import { DATA_SETS } from '../../plugins/analytics/engine/star.ts'
import type { DataSetName } from '../../plugins/analytics/engine/star.ts'
import { openAsker } from '../../plugins/analytics/query/answer.ts'
import type { Asker } from '../../plugins/analytics/query/answer.ts'
import { failure } from '../../plugins/analytics/query/failure.ts'
import type { Shared } from '../../plugins/analytics/query/known-elsewhere.ts'
import { readQuestion } from '../../plugins/analytics/query/question.ts'
import { answerQuery } from '../../plugins/analytics/query/route.ts'
import { dataSetSource, formSource } from '../../plugins/analytics/query/source.ts'
import { answerSaved, behaviourOf } from '../../plugins/analytics/saved/answer.ts'
import type { Kind } from '../../plugins/analytics/saved/saved.ts'
import { NARROW, NEVER, openProjected, WIDE } from '../support/projected.ts'
import type { Projected } from '../support/projected.ts'
import { ask as askBehaviour, tellEvents } from '../support/tracked.ts'

const field = (key: string, type: FieldInfo['type']): FieldInfo => ({
  key,
  label: key,
  type,
  required: false,
  pii: false,
})
const FIELDS = [
  field('dept', 'select'),
  field('tags', 'multi_select'),
  field('stars', 'rating'),
  field('again', 'boolean'),
  field('age', 'number'),
  field('name', 'text'),
  field('mail', 'email'),
  field('born', 'date'),
  field('key', 'hidden'),
]
const OPEN = ['dept', 'tags', 'stars', 'again']
const FREE = ['name', 'mail', 'born', 'key']

let projected: Projected
let asker: ReturnType<typeof openAsker>
beforeAll(async () => {
  projected = await openProjected(FIELDS)
  const data = { dept: 'IT', tags: ['a'], stars: 3, again: true, age: 40, name: 'Ada', mail: 'ada@example.org' }
  await projected.tell([{ id: 'rsp_1', data: { ...data, born: '1990-01-01', key: 'k' } }])
  await tellEvents(projected, [
    { visitor: 'ada', at: 1, type: 'conversion', value: 3, properties: { plan: 'x', variant: 'a' } },
  ])
  asker = openAsker(projected.readers, { timezone: 'UTC' })
})
afterAll(() => projected?.[Symbol.asyncDispose]())

type Body = { readonly detail?: string; readonly errors?: readonly { readonly pointer: string }[] }

/** Status and pointers for a key of numbers alone; the wide one always gets an answer. */
async function narrowly(question: { readonly [part: string]: unknown }): Promise<readonly unknown[]> {
  const read = readQuestion(JSON.stringify(question))
  const source =
    'dataSet' in read.about
      ? dataSetSource(read.about.dataSet, projected.projection)
      : formSource(projected.projection.form('f')!, 0)
  await asker.ask(read, source, { access: WIDE, signal: NEVER })
  try {
    await asker.ask(read, source, { access: NARROW, signal: NEVER })
    return [200]
  } catch (error) {
    const { status, json } = failure(error)
    const { detail, errors = [] } = json as Body
    expect(detail).toContain('responses:read')
    return [status, ...errors.map(({ pointer }) => pointer)]
  }
}
const about = (more: object) => ({ form_id: 'f', aggregate: 'count', ...more })

test('groups: what the form offers to choose from; what was written, numbers one by one and ids only for the wide key', async () => {
  for (const key of OPEN) expect([key, await narrowly(about({ group_by: key }))]).toEqual([key, [200]])
  for (const key of [...FREE, 'age', 'response.id'])
    expect([key, await narrowly(about({ group_by: key }))]).toEqual([key, [403, '/group_by/0']])
  expect(await narrowly(about({ group_by: { field: 'born', bucket: 'day' } }))).toEqual([403, '/group_by/0'])
  expect(await narrowly(about({ group_by: { field: 'response.submitted_at', bucket: 'day' } }))).toEqual([200])
  expect(await narrowly(about({ group_by: ['dept', 'name'] }))).toEqual([403, '/group_by/1'])
})

test('filters: a text is not found out letter by letter, however deep it is asked', async () => {
  for (const key of [...FREE, 'response.id']) {
    expect(await narrowly(about({ filter: { [key]: 'Ada' } }))).toEqual([403, `/filter/${key}`])
    expect(await narrowly(about({ filter: { $or: [{ dept: 'IT' }, { [key]: { $regex: '^A' } }] } }))).toEqual([
      403,
      `/filter/$or/1/${key}`,
    ])
    expect(await narrowly(about({ filter: { [key]: { $ne: null } } }))).toEqual([200])
    expect(await narrowly(about({ filter: { [key]: { $exists: true, $gt: 'A' } } }))).toEqual([403, `/filter/${key}`])
  }
  const rate = { form_id: 'f', aggregates: { hit: { fn: 'rate', filter: { name: { $regex: '^A' } } } } }
  expect(await narrowly(rate)).toEqual([403, '/aggregates/hit/filter/name'])
  expect(await narrowly(about({ filter: { age: { $gte: 18 }, again: true, dept: { $in: ['IT'] } } }))).toEqual([200])
})

test('figures: of numbers all, of texts how many, never the first or the last of them', async () => {
  for (const fn of ['sum', 'avg', 'min', 'max', 'median'])
    expect(await narrowly({ form_id: 'f', aggregate: fn, field: 'age' })).toEqual([200])
  for (const key of FREE) {
    for (const fn of ['min', 'max'])
      expect(await narrowly({ form_id: 'f', aggregate: fn, field: key })).toEqual([403, '/aggregate/field'])
    expect(await narrowly({ form_id: 'f', aggregate: 'count_distinct', field: key })).toEqual([200])
  }
})

test('what a wide key was answered is not kept for a narrow one; a mistake is told beside what may not be asked', async () => {
  const asked = about({ group_by: 'name', limit: 7 })
  expect(await narrowly(asked)).toEqual([403, '/group_by/0'])
  expect(await narrowly(asked)).toEqual([403, '/group_by/0'])
  const read = readQuestion(JSON.stringify(about({ group_by: 'name', filter: { nothing: 1 } })))
  const refused = await asker
    .ask(read, formSource(projected.projection.form('f')!, 0), { access: NARROW, signal: NEVER })
    .catch(failure)
  expect((refused as { status: number }).status).toBe(422)
})

test('a field that was free once stays free, also where it is a choice now', async () => {
  await using other = await openProjected([field('dept', 'text')])
  await other.tell([{ id: 'rsp_1', data: { dept: 'my own words' } }])
  const { projection } = other
  const form = { id: 'f', name: 'A form', version: 2, fields: [{ ...field('dept', 'select'), options: [] }] }
  const response = { id: 'rsp_2', status: 'completed', startedAt: null, submittedAt: '2026-11-27T12:00:00Z' } as const
  const event = { id: 'evt_2', type: 'response.submitted', v: 1, at: '2026-11-27T12:00:00Z', form, response } as const
  await projection.apply([{ ...event, seq: 2, data: { dept: 'IT' } }], 2)
  expect(projection.form('f')?.columns.get('data.dept')).toMatchObject({ isOpen: false })
  const nowMs = Date.parse('2026-11-27T12:00:00Z')
  const { fields } = await other.metrics({ timezone: 'UTC', bucket: 'day', fromMs: nowMs, toMs: nowMs }, nowMs)
  expect(fields).toMatchObject([{ key: 'dept', answered: 2, choices: [] }])
})

test('behaviour: every text of a data set is either open or for wide keys alone, and the second are these', async () => {
  const single: string[] = []
  for (const [name, { fields }] of Object.entries(DATA_SETS) as [DataSetName, (typeof DATA_SETS)[DataSetName]][]) {
    for (const [path, kind] of Object.entries(fields)) {
      if (kind !== 'text') continue
      const [status] = await narrowly({ data_set: name, aggregate: 'count', group_by: path })
      if (status === 403) single.push(`${name}.${path}`)
    }
  }
  expect(single).toEqual([
    'events.event_id',
    'events.user_id',
    'events.anonymous_id',
    'events.visitor',
    'events.session_id',
    'events.title',
    'events.subject',
    'sessions.session',
    'sessions.visitor',
    'sessions.user_id',
    'conversions.event_id',
    'conversions.visitor',
    'conversions.user_id',
    'responses.id',
    'users.visitor',
    'users.user_id',
  ])
  const events = { data_set: 'events', aggregate: 'count' }
  expect(await narrowly({ ...events, group_by: 'properties.plan' })).toEqual([403, '/group_by/0'])
  expect(await narrowly({ ...events, group_by: 'properties.variant' })).toEqual([200])
  expect(await narrowly({ ...events, filter: { visitor: 'ada' } })).toEqual([403, '/filter/visitor'])
})

test('behaviour: breakdowns, filters of steps and examples are held to the same', async () => {
  const status = (behaviour: Parameters<typeof askBehaviour>[1], question: object): Promise<unknown> =>
    askBehaviour(projected, behaviour as typeof funnels, question, { access: NARROW }).then(
      () => 200,
      (error: unknown) => failure(error).status,
    )
  const steps = [{ type: 'conversion' }, { type: 'click' }]
  expect(await status(funnels as never, { steps, breakdown: 'properties.plan' })).toBe(403)
  expect(await status(funnels as never, { steps, breakdown: 'device' })).toBe(200)
  const picked = [{ filter: { visitor: 'ada' } }, { type: 'click' }]
  expect(await status(funnels as never, { steps: picked })).toBe(403)
  const trial = { exposure: { type: 'conversion' }, goal: 'x', variant: 'properties.variant' }
  expect(await status(experiments as never, trial)).toBe(200)
  expect(await status(experiments as never, { ...trial, variant: 'visitor' })).toBe(403)
  const examples = async (access: typeof WIDE): Promise<unknown[]> =>
    (await askBehaviour(projected, segments, { method: 'kmeans', k: 2 }, { access })).segments.map(
      (part: { examples: unknown }) => part.examples,
    )
  expect((await examples(WIDE)).flat()).toEqual(['anonymous:ada'])
  expect((await examples(NARROW)).every((each) => each === null)).toBe(true)
})

test('a link asks nothing of a private field, whatever was granted to the installation and however it is asked', async () => {
  await using other = await openProjected([
    { ...field('dept', 'select'), pii: true },
    { ...field('age', 'number'), pii: true },
    field('stars', 'rating'),
  ])
  await other.tell([{ id: 'rsp_1', data: { dept: 'IT', age: 40, stars: 3 } }])
  await tellEvents(other, [{ visitor: 'ada', at: 1, properties: { age: 40, plan: 3 } }])
  const { projection, forms, readers } = other
  const [signal, timezone] = [NEVER, 'UTC']
  const options = { projection, forms, readers, signal, timezone, openFields: [], metric: () => {} }
  const parts = { ...options, asker: openAsker(readers, { timezone }) }
  const both = async (question: object): Promise<unknown[]> => {
    const asked = { form_id: 'f', aggregate: 'count', ...question }
    const byKey = await answerQuery({ body: JSON.stringify(asked), scopes: ['analytics:read'] }, parts)
    const { status, json } = await answerSaved({ kind: 'query', question: asked }, parts)
    const { errors = [] } = json as Body
    return [byKey.status, status, ...errors.map(({ pointer }) => pointer)]
  }
  const refused = (pointer: string): unknown[] => [undefined, 403, pointer]
  expect(await both({ group_by: 'dept' })).toEqual(refused('/group_by/0'))
  expect(await both({ aggregate: 'max', field: 'age' })).toEqual(refused('/aggregate/field'))
  expect(await both({ aggregate: 'count', field: 'dept' })).toEqual(refused('/aggregate/field'))
  expect(await both({ filter: { $or: [{ stars: 3 }, { age: { $gt: 18 } }] } })).toEqual(refused('/filter/$or/1/age'))
  expect(await both({ filter: { dept: null } })).toEqual(refused('/filter/dept'))
  const oldest = { aggregates: { oldest: { fn: 'max', field: 'age' } }, aggregate: undefined }
  expect(await both({ ...oldest, having: { oldest: { $gt: 1 } } })).toEqual(refused('/aggregates/oldest/field'))
  expect(await both({ group_by: 'stars' })).toEqual([undefined, undefined])
  const ofEvents = { form_id: undefined, data_set: 'events', aggregate: 'max' }
  expect(await both({ ...ofEvents, field: 'properties.age' })).toEqual(refused('/aggregate/field'))
  expect(await both({ ...ofEvents, field: 'properties.plan' })).toEqual([undefined, undefined])
  // Behaviour that the admin opened to keys, by a property of the same name.
  const behaves = async (kind: Exclude<Kind, 'query'>, question: Json): Promise<unknown[]> => {
    const opened = { ...parts, openFields: ['properties.age', 'properties.plan'] }
    const request = { body: JSON.stringify(question), query: {}, params: {}, scopes: ['analytics:read'] }
    const behaviour = behaviourOf(kind)
    const byKey = await answerBehaviour(request, 'body', { behaviour, parts: opened })
    const { status, json } = await answerSaved({ kind, question }, opened)
    const { errors = [] } = json as Body
    return [byKey.status, status, ...errors.map(({ pointer }) => pointer)]
  }
  const steps = ['page_view', 'signup']
  expect(await behaves('funnels', { steps, breakdown: 'properties.age' })).toEqual(refused('/breakdown'))
  expect(await behaves('funnels', { steps, breakdown: 'properties.plan' })).toEqual([undefined, undefined])
  const aged = { event: 'page_view', filter: { 'properties.age': 40 } }
  expect(await behaves('funnels', { steps: [aged, 'signup'] })).toEqual(refused('/steps/0/filter/properties.age'))
  const older = { filter: { 'properties.age': { $gt: 18 } } }
  for (const kind of ['journeys', 'retention', 'cohorts'] as const)
    expect(await behaves(kind, older), kind).toEqual(refused('/filter/properties.age'))
  // The mark taken back, or the field asked for in another way, opens nothing.
  const form = { id: 'f', name: 'A form', version: 2, fields: [field('dept', 'radio'), field('age', 'rating')] }
  const seq = projection.applied() + 1
  await other.hear([{ seq, id: 'evt_f', type: 'form.changed', v: 1, at: '2026-11-27T12:00:00Z', data: {}, form }])
  expect(await both({ group_by: 'dept' })).toEqual(refused('/group_by/0'))
  expect(await both({ aggregate: 'max', field: 'age' })).toEqual(refused('/aggregate/field'))
})

test('what a link was shown before a field became private it is not shown again, whoever kept the answer', async () => {
  await using other = await openProjected([field('age', 'number')])
  await other.tell([{ id: 'rsp_1', data: { age: 41 } }])
  await tellEvents(other, [{ visitor: 'ada', at: 1, properties: { age: 41 } }])
  const { projection, forms, readers } = other
  const elsewhere = new Map<string, unknown>()
  const shared: Shared = {
    get: async (...asked) => {
      const answer = elsewhere.get(JSON.stringify(asked))
      return answer === undefined ? undefined : { answer: answer as never, ageMs: 0 }
    },
    put: (changedBy, asked, answer) => void elsewhere.set(JSON.stringify([changedBy, asked]), answer),
  }
  const [signal, timezone] = [NEVER, 'UTC']
  const options = { projection, forms, readers, signal, timezone, openFields: ['properties.age'], metric: () => {} }
  const [asker, another] = [openAsker(readers, { timezone, shared }), openAsker(readers, { timezone, shared })]
  const counted = { data_set: 'events', aggregate: 'count' }
  const opened = async (by: Asker, question: Json): Promise<unknown> => {
    const { status, json } = await answerSaved({ kind: 'query', question }, { ...options, asker: by })
    return status ?? (json as { readonly answer: unknown }).answer
  }
  const questions = [
    { ...counted, group_by: 'properties.age' },
    { ...counted, group_by: 'type', filter: { 'properties.age': { $gt: 40 } } },
  ]
  expect(await opened(asker, questions[0]!)).toEqual({ '41': 1 })
  expect(await opened(asker, questions[1]!)).toEqual({ custom: 1 })
  expect(elsewhere.size).toBe(2)
  const form = { id: 'f', name: 'A form', version: 2, fields: [{ ...field('age', 'number'), pii: true }] }
  const seq = projection.applied() + 1
  await other.hear([{ seq, id: 'evt_f', type: 'form.changed', v: 1, at: '2026-11-27T12:00:00Z', data: {}, form }])
  // Kept by itself, and by others alone.
  for (const by of [asker, another]) for (const question of questions) expect(await opened(by, question)).toBe(403)
})
