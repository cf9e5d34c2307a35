/**
 * Filters mean what MongoDB's mean: generated responses and filters, held against mingo, an implementation of its query
 * language that is not ours. Left out are its four known faults: NaN, `$lte: null` and lists in lists have no place in
 * answers of forms, and time zones none in filters.
 */
import { Query } from 'mingo'
import { expect, test } from 'vitest'
import type { FieldInfo, Json } from '../../core/contract/index.ts'
import { filterSql } from '../../plugins/analytics/query/filter.ts'
import type { Mistake } from '../../plugins/analytics/query/refusal.ts'
import { Values } from '../../plugins/analytics/query/sql.ts'
import { NEVER, openProjected, WIDE } from '../support/projected.ts'
import { seeded } from '../support/seeded.ts'

const field = (key: string, type: FieldInfo['type']): FieldInfo => ({
  key,
  label: key,
  type,
  required: false,
  pii: false,
})
const FIELDS = [
  field('city', 'text'),
  field('City', 'select'),
  field('age', 'number'),
  field('ok', 'boolean'),
  field('tags', 'multi_select'),
  field('day', 'date'),
]
const RESPONSES = 100
const FILTERS = 200
/** Pairs of a filter and a response that have to be judged by both. */
const PAIRS_MIN = 10_000

/** Values that meet each other often, with those that break things. */
const TEXTS = [
  '',
  'a',
  'A',
  'b',
  'ab',
  "o'clock",
  '"',
  '%',
  '_',
  'ä',
  '日本',
  '2026-01-01',
  '2026-02-01',
  '10',
  '9',
  'null',
  '\\',
  'a\nb',
]
const NUMBERS = [0, -0, 1, -1, 0.5, 9, 10, 1e15, -1e300, 2 ** 53 - 1]

test('generated filters over generated responses: no difference', async () => {
  const random = seeded(process.env['MANIFOLD_SEED'])
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.next() * list.length)] as T
  const chance = (p: number): boolean => random.next() < p
  const some = (list: readonly string[]): string[] =>
    Array.from({ length: Math.floor(random.next() * 4) }, () => pick(list))
  const answers = (): { [key: string]: Json } => {
    const data: { [key: string]: Json } = {}
    if (chance(0.8)) data['city'] = pick(TEXTS)
    if (chance(0.8)) data['City'] = pick(TEXTS)
    if (chance(0.8)) data['age'] = pick(NUMBERS)
    if (chance(0.7)) data['ok'] = chance(0.5)
    if (chance(0.8)) data['tags'] = some(TEXTS)
    if (chance(0.7)) data['day'] = pick(['2026-01-01', '2026-02-01', '2025-12-31'])
    return data
  }
  const anyValue = (): Json =>
    pick<() => Json>([() => pick(TEXTS), () => pick(NUMBERS), () => chance(0.5), () => null])()
  const condition = (depth: number): Json => {
    const kind = Math.floor(random.next() * 12)
    if (kind === 0) return anyValue()
    if (kind === 1) return some(TEXTS)
    if (kind === 2) return { $in: Array.from({ length: 3 }, anyValue) }
    if (kind === 3) return { $nin: Array.from({ length: 3 }, anyValue) }
    if (kind === 4) return { $exists: chance(0.5) }
    if (kind === 5)
      return {
        $regex: pick(['^a', 'a', 'B$', '.', '^$', '\\d+', '[äb]', "o'c", '^b']),
        ...(chance(0.5) ? { $options: pick(['i', 'm', 's', 'im', '']) } : {}),
      }
    if (kind === 6 && depth > 0) {
      const inner = condition(depth - 1)
      return { $not: typeof inner === 'object' && inner !== null && !Array.isArray(inner) ? inner : { $eq: inner } }
    }
    if (kind === 7) return { $ne: anyValue() }
    const sign = (): string => pick(['$gt', '$gte', '$lt', '$lte'])
    const value = (): Json => pick<() => Json>([() => pick(TEXTS), () => pick(NUMBERS), () => chance(0.5)])()
    return chance(0.5) ? { [sign()]: value() } : { [sign()]: value(), [sign()]: value() }
  }
  const filter = (depth: number): { [key: string]: Json } => {
    if (depth > 0 && chance(0.4))
      return {
        [pick(['$and', '$or', '$nor'])]: Array.from({ length: 1 + Math.floor(random.next() * 3) }, () =>
          filter(depth - 1),
        ),
      }
    return Object.fromEntries(
      Array.from({ length: 1 + Math.floor(random.next() * 2) }, () => [`data.${pick(FIELDS).key}`, condition(2)]),
    )
  }
  await using projected = await openProjected(FIELDS)
  const told = Array.from({ length: RESPONSES }, (_, n) => ({ id: `rsp_${n}`, data: answers() }))
  const form = await projected.tell(told)
  let [matched, pairs] = [0, 0]
  for (let n = 0; n < FILTERS; n += 1) {
    const asked = filter(2)
    const query = new Query(asked)
    const wanted = told.filter((each) => query.test(each)).map(({ id }) => id)
    const mistakes: Mistake[] = []
    const values = new Values()
    const sql = filterSql(
      asked,
      {
        column: (path) => form.columns.get(path),
        of: 'this form',
        values,
        mistakes,
        access: WIDE,
        size: { nodes: 0, items: 0 },
      },
      '',
    )
    const rows = await projected.readers.run(NEVER, ({ ask }) =>
      ask(`SELECT id FROM ${form.table} WHERE ${sql}`, values.list),
    )
    const found = new Set(rows.map((row) => String(row['id'])))
    const about = `seed ${random.seed}: ${JSON.stringify(asked)}`
    expect(mistakes, about).toEqual([])
    const differ = told.filter(({ id }) => wanted.includes(id) !== found.has(id))
    expect(differ, about).toEqual([])
    pairs += told.length
    matched += wanted.length
  }
  expect(pairs).toBeGreaterThanOrEqual(PAIRS_MIN)
  // Neither everything nor nothing: the filters have told responses apart.
  expect(matched).toBeGreaterThan(RESPONSES * FILTERS * 0.05)
  expect(matched).toBeLessThan(RESPONSES * FILTERS * 0.95)
})
