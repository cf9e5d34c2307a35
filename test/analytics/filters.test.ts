/**
 * Filters mean what MongoDB's mean: generated responses, events and filters, held against mingo, an implementation of its
 * query language that is not ours. Left out are its four known faults: NaN, `$lte: null` and lists in lists have no place in
 * answers of forms, and time zones none in filters.
 */
import { Query } from 'mingo'
import { expect, test } from 'vitest'
import type { FieldInfo, Json } from '../../core/contract/index.ts'
import { eventColumn } from '../../plugins/analytics/engine/event-columns.ts'
import { filterSql } from '../../plugins/analytics/query/filter.ts'
import type { FilterContext } from '../../plugins/analytics/query/filter.ts'
import type { Mistake } from '../../plugins/analytics/query/refusal.ts'
import { Values } from '../../plugins/analytics/query/sql.ts'
import { NEVER, openProjected, WIDE } from '../support/projected.ts'
import type { Projected } from '../support/projected.ts'
import { seeded } from '../support/seeded.ts'
import { tellEvents } from '../support/tracked.ts'

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
const PROPERTIES = ['properties.a', 'properties.b', 'properties.of.a']
const DOCUMENTS = 100
const FILTERS = 200
/** Pairs of a filter and a response or an event that have to be judged by both. */
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
const NUMBERS = [0, -0, 1, -1, 0.5, 9, 10, 1e15, -1e297, 2 ** 53 - 1]

type Document = { readonly [key: string]: Json }

/** Documents and filters, by chance. */
class Chance {
  readonly #random = seeded(process.env['MANIFOLD_SEED'])
  readonly seed = this.#random.seed

  answers(): Document {
    const data: { [key: string]: Json } = {}
    if (this.#is(0.8)) data['city'] = this.#pick(TEXTS)
    if (this.#is(0.8)) data['City'] = this.#pick(TEXTS)
    if (this.#is(0.8)) data['age'] = this.#pick(NUMBERS)
    if (this.#is(0.7)) data['ok'] = this.#is(0.5)
    if (this.#is(0.8)) data['tags'] = this.#some(() => this.#pick(TEXTS))
    if (this.#is(0.7)) data['day'] = this.#pick(['2026-01-01', '2026-02-01', '2025-12-31'])
    return data
  }

  properties(): Document {
    const value = (): Json => (this.#is(0.4) ? this.#some(() => this.#value()) : this.#value())
    const data: { [key: string]: Json } = {}
    if (this.#is(0.8)) data['a'] = value()
    if (this.#is(0.7)) data['b'] = value()
    if (this.#is(0.6)) data['of'] = this.#is(0.8) ? { a: value() } : this.#scalar()
    return data
  }

  /** `items`: of lists that are compared as a whole. */
  filter(paths: readonly string[], items: 'texts' | 'any', depth = 2): Document {
    if (depth > 0 && this.#is(0.4)) {
      const several = Array.from({ length: 1 + this.#below(3) }, () => this.filter(paths, items, depth - 1))
      return { [this.#pick(['$and', '$or', '$nor'])]: several }
    }
    const named = Array.from({ length: 1 + this.#below(2) }, () => this.#pick(paths))
    return Object.fromEntries(named.map((path) => [path, this.#condition(items, 2)]))
  }

  #condition(items: 'texts' | 'any', depth: number): Json {
    const kind = this.#below(12)
    if (kind === 0) return this.#value()
    if (kind === 1) return this.#some(() => (items === 'texts' ? this.#pick(TEXTS) : this.#value()))
    if (kind === 2) return { $in: Array.from({ length: 3 }, () => this.#value()) }
    if (kind === 3) return { $nin: Array.from({ length: 3 }, () => this.#value()) }
    if (kind === 4) return { $exists: this.#is(0.5) }
    if (kind === 5)
      return {
        $regex: this.#pick(['^a', 'a', 'B$', '.', '^$', '\\d+', '[äb]', "o'c", '^b']),
        ...(this.#is(0.5) ? { $options: this.#pick(['i', 'm', 's', 'im', '']) } : {}),
      }
    if (kind === 6 && depth > 0) {
      const inner = this.#condition(items, depth - 1)
      return { $not: typeof inner === 'object' && inner !== null && !Array.isArray(inner) ? inner : { $eq: inner } }
    }
    if (kind === 7) return { $ne: this.#value() }
    const sign = (): string => this.#pick(['$gt', '$gte', '$lt', '$lte'])
    return this.#is(0.5) ? { [sign()]: this.#scalar() } : { [sign()]: this.#scalar(), [sign()]: this.#scalar() }
  }

  #below(end: number): number {
    return Math.floor(this.#random.next() * end)
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)] as T
  }

  #is(share: number): boolean {
    return this.#random.next() < share
  }

  #some(item: () => Json): Json[] {
    return Array.from({ length: this.#below(4) }, item)
  }

  #scalar(): Json {
    return this.#pick<() => Json>([() => this.#pick(TEXTS), () => this.#pick(NUMBERS), () => this.#is(0.5)])()
  }

  #value(): Json {
    return this.#is(0.25) ? null : this.#scalar()
  }
}

interface Among extends Pick<Projected, 'readers'> {
  readonly documents: readonly Document[]
  readonly table: string
  /** SQL: which of the documents it is, from 0 on. */
  readonly place: string
  readonly column: FilterContext['column']
}

/** Each filter over each document, by us and by mingo. */
async function noDifference(chance: Chance, filter: () => Document, among: Among): Promise<void> {
  const { documents, table, place, column, readers } = among
  let [matched, pairs] = [0, 0]
  for (let n = 0; n < FILTERS; n += 1) {
    const asked = filter()
    const query = new Query(asked)
    const wanted = documents.map((each) => query.test(each))
    const mistakes: Mistake[] = []
    const values = new Values()
    const size = { nodes: 0, items: 0 }
    const sql = filterSql(asked, { column, absent: (path) => path, values, mistakes, access: WIDE, size }, '')
    const rows = await readers.run(NEVER, ({ ask }) =>
      ask(`SELECT ${place} AS place FROM ${table} WHERE ${sql}`, values.list),
    )
    const found = new Set(rows.map((row) => Number(row['place'])))
    const about = `seed ${chance.seed}: ${JSON.stringify(asked)}`
    expect(mistakes, about).toEqual([])
    const differ = documents.filter((_, at) => wanted[at] !== found.has(at))
    expect(differ, about).toEqual([])
    pairs += documents.length
    matched += wanted.filter(Boolean).length
  }
  expect(pairs).toBeGreaterThanOrEqual(PAIRS_MIN)
  // Neither everything nor nothing: the filters have told documents apart.
  expect(matched).toBeGreaterThan(pairs * 0.05)
  expect(matched).toBeLessThan(pairs * 0.95)
}

test('generated filters over generated responses: no difference', async () => {
  const chance = new Chance()
  await using projected = await openProjected(FIELDS)
  const documents = Array.from({ length: DOCUMENTS }, () => ({ data: chance.answers() }))
  const { table, columns } = await projected.tell(documents.map((each, n) => ({ id: `rsp_${n}`, ...each })))
  const paths = FIELDS.map(({ key }) => `data.${key}`)
  await noDifference(chance, () => chance.filter(paths, 'texts'), {
    ...projected,
    documents,
    table,
    place: 'substr(id, 5)',
    column: (path) => columns.get(path),
  })
})

test('generated filters over properties of events, with lists among them: no difference', async () => {
  const chance = new Chance()
  await using projected = await openProjected([])
  const documents = Array.from({ length: DOCUMENTS }, () => ({ properties: chance.properties() }))
  await tellEvents(
    projected,
    documents.map((each, n) => ({ visitor: 'ada', at: n + 1, ...each })),
  )
  await noDifference(chance, () => chance.filter(PROPERTIES, 'any'), {
    ...projected,
    documents,
    table: 'events',
    place: 'seq - 1',
    column: eventColumn,
  })
})
