/** What answers look like and how long they stay: keys of maps, lists of choices, moments, bounds, and what is kept. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { FieldInfo, Json, RouteResponse } from '../../core/contract/index.ts'
import { Kept } from '../../plugins/analytics/query/kept.ts'
import { failure } from '../../plugins/analytics/query/failure.ts'
import { openAsker } from '../../plugins/analytics/query/answer.ts'
import { readQuestion } from '../../plugins/analytics/query/question.ts'
import { answerQuery } from '../../plugins/analytics/query/route.ts'
import { formSource } from '../../plugins/analytics/query/source.ts'
import { NEVER, openProjected, WIDE } from '../support/projected.ts'
import type { Projected } from '../support/projected.ts'

const field = (key: string, type: FieldInfo['type']): FieldInfo => ({
  key,
  label: key,
  type,
  required: false,
  pii: false,
})
const FIELDS = [
  field('code', 'select'),
  field('tags', 'multi_select'),
  field('topics', 'multi_select'),
  field('n', 'number'),
]

let projected: Projected
const counted: string[] = []
let ask: (question: object) => Promise<RouteResponse>
beforeAll(async () => {
  projected = await openProjected(FIELDS)
  const { readers, projection, forms } = projected
  const asker = openAsker(readers, { timezone: 'UTC' })
  ask = (question) => {
    const request = {
      method: 'POST',
      path: '',
      params: {},
      query: {},
      headers: {},
      form: [],
      scopes: ['responses:read'],
    }
    const body = JSON.stringify({ form_id: 'f', ...question })
    return answerQuery(
      { ...request, body },
      { asker, projection, forms, signal: NEVER, openFields: [], metric: (name) => void counted.push(name) },
    )
  }
  const answers: { [key: string]: Json }[] = [
    { code: '10', tags: ['a', 'b', 'a'], topics: ['x', 'y'], n: 1 },
    { code: '10', tags: ['a'], topics: [], n: 2 },
    { code: '10' },
    { code: '9' },
    { code: '9' },
    { code: 'null' },
    {},
  ]
  await projected.tell(answers.map((data, n) => ({ id: `rsp_${n}`, data })))
})
afterAll(() => projected?.[Symbol.asyncDispose]())

test('a map keeps the order of its rows, and nobody is taken for somebody who wrote "null"', async () => {
  const { body, headers } = await ask({ aggregate: 'count', group_by: 'code' })
  expect(body).toBe(String.raw`{"10":3,"9":2,"\"null\"":1,"null":1}`)
  expect(headers).toMatchObject({
    'content-type': 'application/json',
    'server-timing': expect.stringMatching(/log;desc="7"/),
  })
})

test('of a map that has more groups than were asked for the header says where the next begin', async () => {
  const byCode = { aggregate: 'count', group_by: 'code', limit: 2 }
  const nextOf = async (question: object) =>
    /next_offset;desc="(\d+)"/.exec((await ask(question)).headers?.['server-timing'] ?? '')?.[1]
  expect((await ask(byCode)).body).toBe('{"10":3,"9":2}')
  expect([await nextOf(byCode), await nextOf({ ...byCode, offset: 2 }), await nextOf({ ...byCode, limit: 4 })]).toEqual(
    ['2', undefined, undefined],
  )
})

test('a response counts once for each of its choices, and once for each pair of two lists', async () => {
  const one = await ask({ aggregate: 'count', group_by: 'tags' })
  expect(JSON.parse(one.body ?? '')).toEqual({ a: 2, b: 1, null: 5 })
  const two = await ask({
    aggregates: { many: { fn: 'count' }, sum: { fn: 'sum', field: 'n' } },
    group_by: ['tags', 'topics'],
  })
  expect((two.json as { items: unknown }).items).toEqual([
    { tags: null, topics: null, many: 5, sum: null },
    { tags: 'a', topics: 'x', many: 1, sum: 1 },
    { tags: 'a', topics: 'y', many: 1, sum: 1 },
    { tags: 'a', topics: null, many: 1, sum: 2 },
    { tags: 'b', topics: 'x', many: 1, sum: 1 },
    { tags: 'b', topics: 'y', many: 1, sum: 1 },
  ])
})

test('an answer says as of which place of the log it is, also when it was kept and the log went on', async () => {
  const asked = { aggregates: { many: { fn: 'count' } } }
  const meta = async () => ((await ask(asked)).json as { meta: Json }).meta
  expect(await meta()).toMatchObject({ as_of: 7, cached: false, age_ms: null })
  await projected.hear([
    { seq: 8, id: 'evt_8', type: 'track.click', v: 1, at: '2026-11-27T12:00:00.000Z', meta: {}, data: {} },
  ])
  counted.length = 0
  expect(await meta()).toMatchObject({ as_of: 8, cached: true, age_ms: expect.any(Number) })
  expect(counted).toEqual(['analytics_query_cache_hits', 'analytics_query_cache_age_seconds'])
})

test('an earlier period stands beside: weeks by weekday over a change of the clock, months by month, groups of either', async () => {
  await using shop = await openProjected(FIELDS)
  const { readers, projection, forms } = shop
  const asker = openAsker(readers, { timezone: 'Europe/Berlin' })
  const sold = (at: string, code: string, n: number) => ({ id: `${at}${code}`, at, data: { code, n } })
  await shop.tell([
    sold('2026-03-16T08:00:00.000Z', 'a', 5), // Monday, nine o'clock, winter
    sold('2026-03-17T08:30:00.000Z', 'b', 7),
    sold('2026-03-30T07:00:00.000Z', 'a', 1), // Monday, nine o'clock, summer
    sold('2026-03-30T07:20:00.000Z', 'c', 2),
    sold('2026-04-06T21:59:00.000Z', 'c', 2), // Monday, a minute before midnight
  ])
  const compared = async (question: object): Promise<{ items: object[]; meta: { compare: object } }> => {
    const request = {
      method: 'POST',
      path: '',
      params: {},
      query: {},
      headers: {},
      form: [],
      scopes: ['responses:read'],
    }
    const times = { from: '2026-03-30T00:00:00+02:00', to: '2026-04-07T00:00:00+02:00', compare: 'previous' }
    const body = JSON.stringify({
      form_id: 'f',
      aggregates: { many: { fn: 'count' }, sum: { fn: 'sum', field: 'n' } },
      ...times,
      ...question,
    })
    const parts = { asker, projection, forms, signal: NEVER, openFields: [], metric: () => {} }
    return (await answerQuery({ ...request, body }, parts)).json as never
  }
  const byCode = await compared({ group_by: 'code' })
  // Eight days are two weeks back.
  expect(byCode.meta.compare).toEqual({ from: '2026-03-15T23:00:00.000Z', to: '2026-03-23T23:00:00.000Z' })
  expect(byCode.items).toEqual([
    { code: 'c', many: 2, sum: 4, compare: { many: 0, sum: null } },
    { code: 'a', many: 1, sum: 1, compare: { many: 1, sum: 5 } },
    { code: 'b', many: 0, sum: null, compare: { many: 1, sum: 7 } },
  ])
  // Along the time, as nothing else is said.
  const at = (bucket: string) => ({ group_by: { field: 'response.submitted_at', bucket, as: 'at' } })
  expect((await compared(at('hour'))).items).toEqual([
    { at: '2026-03-30T09:00', many: 2, sum: 3, compare: { many: 1, sum: 5 } },
    { at: '2026-03-31T09:00', many: 0, sum: null, compare: { many: 1, sum: 7 } },
    { at: '2026-04-06T23:00', many: 1, sum: 2, compare: { many: 0, sum: null } },
  ])
  const months = { from: '2026-04-01T00:00:00+02:00', to: '2026-05-01T00:00:00+02:00', compare: '1mo' }
  expect((await compared({ ...months, ...at('month') })).items).toEqual([
    { at: '2026-04', many: 1, sum: 2, compare: { many: 4, sum: 15 } },
  ])
  const some = { filter: { code: { $ne: 'b' } }, having: { many: { $gte: 2 } } }
  expect((await compared({ ...some, group_by: 'code' })).items).toMatchObject([{ code: 'c' }])
  expect((await compared({ from: undefined })) as object).toMatchObject({ errors: [{ pointer: '/compare' }] })
})

test('a question is bounded as a whole, whatever it is made of', async () => {
  const errors = async (question: object): Promise<string> => JSON.stringify((await ask(question)).json)
  const count = { fn: 'count' }
  const named = (many: number, aggregate: object): object =>
    Object.fromEntries(Array.from({ length: many }, (_, n) => [`a${n}`, aggregate]))
  expect(await errors({ aggregates: named(51, count) })).toContain('more than 50 aggregates')
  const some = { $or: Array.from({ length: 15 }, () => ({ n: 1 })) }
  expect(await errors({ aggregates: named(40, { fn: 'rate', filter: some }) })).toContain('more than 500 conditions')
  expect(await errors({ aggregate: 'count', filter: { $and: Array.from({ length: 600 }, () => ({})) } })).toContain(
    'more than 500',
  )
  const among = { n: { $in: Array.from({ length: 900 }, (_, n) => n) } }
  expect(await errors({ aggregate: 'count', filter: { $or: Array.from({ length: 6 }, () => among) } })).toContain(
    'more than 5000 items',
  )
  const mistaken = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`no${n}`, 1]))
  expect(((await ask({ aggregate: 'count', filter: mistaken })).json as { errors: unknown[] }).errors).toHaveLength(100)
})

test('a form that is deleted while a question waits is told as that', async () => {
  await using shop = await openProjected(FIELDS)
  const form = await shop.tell([{ id: 'rsp_1', data: { n: 1 } }])
  await shop.hear([
    { seq: 2, id: 'evt_2', type: 'form.deleted', v: 1, at: '2026-11-27T12:00:00.000Z', data: { id: 'f' } },
  ])
  const read = readQuestion(JSON.stringify({ form_id: 'f', aggregate: 'count' }))
  const asked = openAsker(shop.readers, { timezone: 'UTC' }).ask(read, formSource(form, 1), {
    access: WIDE,
    signal: NEVER,
  })
  await expect(asked).rejects.toThrow('/form_id: was deleted')
})

test('an answer of more text than anybody can want is refused', async () => {
  const { readers } = projected
  const long = (rows: number) =>
    readers.run(NEVER, ({ ask: one }) => one(`SELECT x, repeat('x', 100000) AS t FROM range(${rows}) r(x)`))
  expect(await long(100)).toHaveLength(100)
  const refused = await long(100_000).catch(failure)
  expect(refused).toMatchObject({
    status: 422,
    json: { code: 'invalid_query', detail: expect.stringContaining('fewer rows') },
  })
})

test('what is kept is bounded by what it takes; those asked for last stay', () => {
  const kept = new Kept<{ rows: string }>(10_000)
  const answer = (chars: number) => ({ rows: 'x'.repeat(chars) })
  kept.set('much', answer(6_000), { nowMs: 0 })
  expect([kept.get('much', 1), kept.bytes]).toEqual([undefined, 0])
  for (const key of ['a', 'b', 'c']) kept.set(key, answer(1_000), { nowMs: 10 })
  expect(kept.get('a', 25)).toMatchObject({ ageMs: 15 })
  kept.set('d', answer(1_000), { nowMs: 30 })
  expect(['a', 'b', 'c', 'd'].filter((key) => kept.get(key, 40) !== undefined)).toEqual(['a', 'c', 'd'])
  kept.set('d', answer(10), { nowMs: 50 })
  expect(kept.bytes).toBeLessThan(10_000)
  expect(kept.get('d', 60)?.ageMs).toBe(10)
})
