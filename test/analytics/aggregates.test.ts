/** Aggregates mean what plain SQL says: generated questions over generated responses, held against SQLite, written by hand. */
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import type { FieldInfo, Json } from '../../core/contract/index.ts'
import { openAsker } from '../../plugins/analytics/query/answer.ts'
import { readQuestion } from '../../plugins/analytics/query/question.ts'
import { formSource } from '../../plugins/analytics/query/source.ts'
import { NEVER, openProjected, WIDE } from '../support/projected.ts'
import { seeded } from '../support/seeded.ts'

const field = (key: string, type: FieldInfo['type']): FieldInfo => ({
  key,
  label: key,
  type,
  required: false,
  pii: false,
})
const FIELDS = [field('city', 'select'), field('age', 'number'), field('ok', 'boolean'), field('tags', 'multi_select')]
const RESPONSES = 2_000
const QUESTIONS = 300
const DIGITS = 9

/** An aggregate, and the same for SQLite; `only` is the condition of its own filter. */
type Aggregate = readonly [asked: { readonly [part: string]: Json }, sql: (only: string) => string]

const AGGREGATES: readonly Aggregate[] = [
  [{ fn: 'count' }, (only) => `count(*) FILTER (WHERE ${only})`],
  [{ fn: 'count', field: 'age' }, (only) => `count(age) FILTER (WHERE ${only})`],
  [{ fn: 'count_distinct', field: 'age' }, (only) => `count(DISTINCT age) FILTER (WHERE ${only})`],
  [{ fn: 'count_distinct', field: 'city' }, (only) => `count(DISTINCT city) FILTER (WHERE ${only})`],
  [{ fn: 'sum', field: 'age' }, (only) => `sum(age) FILTER (WHERE ${only})`],
  [{ fn: 'avg', field: 'age' }, (only) => `avg(age) FILTER (WHERE ${only})`],
  [{ fn: 'min', field: 'age' }, (only) => `min(age) FILTER (WHERE ${only})`],
  [{ fn: 'max', field: 'city' }, (only) => `max(city) FILTER (WHERE ${only})`],
  [{ fn: 'median', field: 'age' }, (only) => `median(age) FILTER (WHERE ${only})`],
  [{ fn: 'percentile', field: 'age', q: 0.95 }, (only) => `percentile(age, 95) FILTER (WHERE ${only})`],
]
const FILTERS: readonly (readonly [asked: { readonly [part: string]: Json }, sql: string])[] = [
  [{}, 'true'],
  [{ age: { $gte: 40 } }, 'coalesce(age >= 40, false)'],
  [{ age: { $not: { $gte: 40 } } }, 'NOT coalesce(age >= 40, false)'],
  [{ city: { $in: ['a', 'b', null] } }, "(city IN ('a', 'b') OR city IS NULL)"],
  [{ city: { $ne: 'a' } }, "city IS NOT 'a'"],
  [{ $or: [{ ok: true }, { age: null }] }, '(coalesce(ok, 0) = 1 OR age IS NULL)'],
  [{ tags: 'x' }, "EXISTS (SELECT 1 FROM json_each(tags) WHERE value = 'x')"],
]
const EACH_TAG = `LEFT JOIN (SELECT DISTINCT r.id AS owner, value AS tag FROM r, json_each(r.tags)) ON owner = r.id`
const GROUPS: readonly (readonly [asked: Json, name: string, sql: string])[] = [
  ['city', 'city', 'city'],
  ['ok', 'ok', 'ok'],
  ['tags', 'tags', 'tag'],
  [{ field: 'response.submitted_at', bucket: 'month', as: 'month' }, 'month', 'substr(at, 1, 7)'],
  [{ field: 'response.submitted_at', bucket: 'day', as: 'day' }, 'day', 'substr(at, 1, 10)'],
]

/** Numbers to so many digits, since sums of fractions depend on their order; true and false as SQLite has them. */
const plain = (value: unknown): unknown => {
  if (typeof value === 'boolean') return Number(value)
  return typeof value === 'number' ? Number(value.toPrecision(DIGITS)) : value
}
const sorted = (rows: readonly object[]): readonly string[] =>
  rows.map((row) => JSON.stringify(Object.values(row).map(plain))).toSorted()

test('generated aggregates over generated responses: no difference to SQLite', async () => {
  const random = seeded(process.env['MANIFOLD_TEST_SEED'])
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.next() * list.length)] as T
  const chance = (p: number): boolean => random.next() < p
  const sqlite = new Database(':memory:')
  sqlite.exec('CREATE TABLE r (id TEXT, at TEXT, city TEXT, age REAL, ok INTEGER, tags TEXT)')
  const insert = sqlite.prepare('INSERT INTO r VALUES (?, ?, ?, ?, ?, ?)')
  await using projected = await openProjected(FIELDS)
  const told = Array.from({ length: RESPONSES }, (_, n) => {
    const data: { [key: string]: Json } = {}
    if (chance(0.9)) data['city'] = pick(['a', 'b', 'c', '', 'Ä', 'null'])
    if (chance(0.8)) data['age'] = pick([0, 1, 39.5, 40, 41, 80.25, -3, 1e6])
    if (chance(0.7)) data['ok'] = chance(0.5)
    if (chance(0.6)) data['tags'] = ['x', 'y', 'z'].filter(() => chance(0.4))
    const at = new Date(Date.UTC(2026, 0, 1) + Math.floor(random.next() * 90 * 86_400_000)).toISOString()
    const { city = null, age = null, ok = null, tags = [] } = data
    insert.run(`rsp_${n}`, at, city, age, ok === null ? null : Number(ok), JSON.stringify(tags))
    return { id: `rsp_${n}`, at, data }
  })
  const form = await projected.tell(told)
  const asker = openAsker(projected.readers, { timezone: 'UTC' })
  let [numbers, withNone] = [0, 0]
  for (let n = 0; n < QUESTIONS; n += 1) {
    const by = [...new Set(Array.from({ length: Math.floor(random.next() * 3) }, () => pick(GROUPS)))]
    const named = Array.from({ length: 1 + Math.floor(random.next() * 3) }, (_, at): [string, ...Aggregate, string] => {
      const [filter, only] = pick(FILTERS)
      const [asked, sql] = pick(AGGREGATES)
      return [`a${at}`, Object.keys(filter).length === 0 ? asked : { ...asked, filter }, sql, only]
    })
    const [filter, where] = pick(FILTERS)
    const least = chance(0.3) ? 1 + Math.floor(random.next() * 20) : 0
    const question = {
      form_id: 'f',
      aggregates: { ...Object.fromEntries(named.map(([name, asked]) => [name, asked])), all: { fn: 'count' } },
      group_by: by.map(([asked]) => asked),
      filter,
      ...(least === 0 ? {} : { having: { all: { $gte: least } } }),
      limit: 10_000,
    }
    const columns = [
      ...by.map(([, name, sql]) => `${sql} AS "${name}"`),
      ...named.map(([name, , sql, only]) => `${sql(only)} AS ${name}`),
    ]
    const from = by.some(([asked]) => asked === 'tags') ? `r ${EACH_TAG}` : 'r'
    const grouped = by.length === 0 ? '' : `GROUP BY ${by.map((_, at) => at + 1).join(', ')}`
    const expected = sqlite
      .prepare(
        `SELECT * FROM (SELECT ${[...columns, 'count(*) AS "all"'].join(', ')} FROM ${from} WHERE ${where} ${grouped}) WHERE "all" >= ${least}`,
      )
      .all() as readonly object[]
    const read = readQuestion(JSON.stringify(question))
    const { rows } = await asker.ask(read, formSource(form, 0), { access: WIDE, signal: NEVER })
    expect(sorted(rows), `seed ${random.seed}: ${JSON.stringify(question)}`).toEqual(sorted(expected))
    numbers += expected.length * (named.length + 1)
    if (expected.length === 0) withNone += 1
  }
  sqlite.close()
  // Both have answered, with numbers, and hardly ever with nothing.
  expect(numbers).toBeGreaterThan(QUESTIONS * 10)
  expect(withNone).toBeLessThan(QUESTIONS / 10)
})
