/** The published figures of two real surveys (`../shared/data/README.md`), asked through the API of a real hub. */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Answer, Hub } from '../support/hub.ts'
import { caughtUp, openSurveys } from '../support/surveys.ts'

let hub: Hub
beforeAll(async () => {
  hub = await openSurveys()
})
afterAll(() => hub?.[Symbol.asyncDispose]())

const ask = (question: object): Promise<Answer> => hub.api('POST', '/api/v2/analytics/query', question)
const answerTo = async (question: object): Promise<unknown> => {
  const { status, body } = await ask(question)
  expect([status, body]).toEqual([200, expect.anything()])
  return body
}
const itemsOf = async (question: object): Promise<unknown> =>
  ((await answerTo(question)) as { readonly items: unknown }).items

test('count by one field, as the first documents ask: a map, the largest first, and how it was got in a header', async () => {
  const question = { form_id: 'thanksgiving-2015', aggregate: 'count', group_by: 'data.main_dish' }
  const { status, body, headers } = await ask(question)
  expect([status, Object.entries(body)]).toEqual([
    200,
    [
      ['Turkey', 859],
      ['null', 84],
      ['Other (please specify)', 35],
      ['Ham/Pork', 29],
      ['Tofurkey', 20],
      ['Chicken', 12],
      ['Roast beef', 11],
      ["I don't know", 5],
      ['Turducken', 3],
    ],
  ])
  expect(headers['server-timing']).toMatch(/^query;dur=[\d.]+;desc="duckdb", cache;desc=miss, log;desc="\d+"$/)
  expect((await ask(question)).headers['server-timing']).toContain('cache;desc=hit')
})

test('multi-select: a response counts for each of its choices', async () => {
  const pies = await answerTo({ form_id: 'thanksgiving-2015', aggregate: 'count', group_by: 'pies' })
  expect(pies).toMatchObject({ Pumpkin: 729, Apple: 514, Pecan: 342, 'Sweet Potato': 152, Chocolate: 133, Cherry: 113 })
})

test.each([
  ['thanksgiving-2015', 'celebrates', { Yes: 980, No: 78 }],
  ['thanksgiving-2015', 'gender', { Female: 544, Male: 481, null: 33 }],
  ['thanksgiving-2015', 'age', { '45 - 59': 286, '60+': 264, '30 - 44': 259, '18 - 29': 216, null: 33 }],
  ['thanksgiving-2015', 'gravy', { Yes: 892, No: 82, null: 84 }],
  ['thanksgiving-2015', 'works_in_retail', { Yes: 70, No: 881, null: 107 }],
  ['comma-survey', 'heard_of_it', { Yes: 655, No: 444, null: 30 }],
])('%s: %s as published', async (form, by, published) => {
  expect(await answerTo({ form_id: form, aggregate: 'count', group_by: by })).toEqual(published)
})

test('the survey about commas: as published, with the sentences that were to choose from', async () => {
  const by = async (field: string): Promise<unknown[]> =>
    Object.entries((await answerTo({ form_id: 'comma-survey', aggregate: 'count', group_by: field })) as object)
  expect((await by('oxford')).map((each) => (each as [string, number])[1])).toEqual([641, 488])
  expect(await by('data_is_or_are')).toEqual([
    [expect.stringContaining(' is '), 865],
    [expect.stringContaining(' are '), 228],
    ['null', 36],
  ])
  expect(await by('grammar_important')).toContainEqual(['Very important', 688])
})

test('what the hub knows of responses is named with or without its prefix', async () => {
  const by = (field: string) => answerTo({ form_id: 'comma-survey', aggregate: 'count', group_by: field })
  expect(await by('status')).toEqual({ completed: 1129 })
  expect(await by('status')).toEqual(await by('response.status'))
})

test('filters, several groups, shares and having', async () => {
  const oxford = "It's important for a person to be honest, kind, and loyal."
  const form_id = 'comma-survey'
  expect(
    await itemsOf({ form_id, aggregates: { share: { fn: 'rate', filter: { oxford } }, all: { fn: 'count' } } }),
  ).toEqual([{ share: 641 / 1129, all: 1129 }])
  const by = { form_id, group_by: 'age', aggregates: { n: { fn: 'count', filter: { oxford } }, of: { fn: 'count' } } }
  expect(await itemsOf({ ...by, filter: { age: { $exists: true } }, order_by: [{ by: 'age' }] })).toEqual([
    { age: '18-29', n: 174, of: 221 },
    { age: '30-44', n: 155, of: 254 },
    { age: '45-60', n: 142, of: 290 },
    { age: '> 60', n: 123, of: 272 },
  ])
  expect(
    await answerTo({ form_id, aggregate: 'count', group_by: 'heard_of_it', filter: { heard_of_it: { $ne: null } } }),
  ).toEqual({
    Yes: 655,
    No: 444,
  })
  expect(
    await itemsOf({
      form_id,
      group_by: ['data_is_or_are'],
      aggregates: { n: { fn: 'count' } },
      having: { n: { $gt: 100 } },
    }),
  ).toHaveLength(2)
})

test('what cannot be asked is told with every place, and nothing is evaluated', async () => {
  const { status, body } = await ask({
    form_id: 'comma-survey',
    aggregates: { n: { fn: 'avg', field: 'age' }, m: { fn: 'sum', field: 'x"; DROP TABLE forms; --' } },
    group_by: ['nope'],
    filter: { $where: 'true', age: { $gt: { a: 1 } } },
  })
  expect([status, body]).toEqual([
    422,
    expect.objectContaining({
      code: 'invalid_query',
      errors: [
        { pointer: '/group_by/0', detail: '"nope" is no field of this form' },
        { pointer: '/aggregates/n/field', detail: '"age" is no number, so it has no avg' },
        { pointer: '/aggregates/m/field', detail: '"x"; DROP TABLE forms; --" is no field of this form' },
        expect.objectContaining({ pointer: '/filter/$where' }),
        expect.objectContaining({ pointer: '/filter/age/$gt' }),
      ],
    }),
  ])
  const pattern = await ask({ form_id: 'comma-survey', aggregate: 'count', filter: { age: { $regex: '(' } } })
  expect([pattern.status, pattern.text]).toEqual([422, expect.stringContaining('that is no pattern: missing )')])
  const day = await ask({ form_id: 'comma-survey', aggregate: 'count', from: '2026-02-30' })
  expect([day.status, day.text]).toEqual([422, expect.stringContaining('such as \\"2026-11-01T00:00:00Z\\"')])
  expect((await ask({ form_id: 'nobody', aggregate: 'count' })).status).toBe(404)
  expect((await hub.api('POST', '/api/v2/analytics/query', {}, { key: null })).status).toBe(401)
  // The door that is open for other plugins is none to this one, and a key alone is not enough.
  const open = await hub.api(
    'POST',
    '/i/analytics/query',
    { form_id: 'comma-survey', aggregate: 'count' },
    { key: null },
  )
  expect(open.status).toBe(404)
  const made = await hub.api<{ key: string }>('POST', '/api/v2/keys', { name: 'other', scopes: ['forms:read'] })
  expect((await hub.api('POST', '/api/v2/analytics/query', {}, { key: made.body.key })).status).toBe(403)
})

test('a response is in the next answer as soon as it is stored, and gone as soon as it is deleted', async () => {
  const question = { form_id: 'comma-survey', aggregate: 'count' }
  const count = async (): Promise<unknown> => await itemsOf(question)
  expect(await count()).toEqual([{ value: 1129 }])
  const { body } = await hub.api<{ id: string }>('POST', '/api/v2/forms/comma-survey/responses', {
    data: { age: '> 60' },
  })
  expect(await count()).toEqual([{ value: 1130 }])
  expect((await hub.api('DELETE', `/api/v2/responses/${body.id}`)).status).toBe(204)
  expect(await count()).toEqual([{ value: 1129 }])
})

test('killed, and with its file gone or damaged: the same answers', async () => {
  const question = { form_id: 'thanksgiving-2015', aggregate: 'count', group_by: 'data.age' }
  const before = await answerTo(question)
  expect(before).toEqual({ '45 - 59': 286, '60+': 264, '30 - 44': 259, '18 - 29': 216, null: 33 })
  await hub.restart()
  await caughtUp(hub)
  expect(await answerTo(question)).toEqual(before)
  const file = join(hub.dataDir, 'native', 'default', 'analytics', 'analytics-1.duckdb')
  await hub.kill()
  await writeFile(file, 'this is no database')
  await hub.restart()
  await caughtUp(hub)
  expect(await answerTo(question)).toEqual(before)
  expect(hub.logs.map(({ msg }) => msg)).toContain('the projection cannot be opened and is made anew')
  await hub.kill()
  await rm(file)
  await hub.restart()
  await caughtUp(hub)
  expect(await answerTo(question)).toEqual(before)
})
