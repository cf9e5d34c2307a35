/** Counts in memory: whatever happens to responses and forms, they come to what the rows and a plain list of responses say. */
import { expect, test } from 'vitest'
import type { FieldInfo, Json, LoggedEvent } from '../../core/contract/index.ts'
import { ExactSum } from '../../plugins/analytics/metrics/exact-sum.ts'
import { Keeper } from '../../plugins/analytics/metrics/keeper.ts'
import { Ordered } from '../../plugins/analytics/metrics/ordered.ts'
import { openProjected } from '../support/projected.ts'
import { seeded } from '../support/seeded.ts'

test('numbers in order: counts and quantiles of a plain sorted list, while numbers come and go', () => {
  const random = seeded(process.env['SEED'])
  const ordered = new Ordered()
  const plain: number[] = []
  for (let n = 0; n < 12_000; n += 1) {
    if (plain.length > 0 && random.next() < (n < 8_000 ? 0.2 : 0.8)) {
      const [gone = 0] = plain.splice(Math.floor(random.next() * plain.length), 1)
      ordered.remove(gone)
    } else {
      const value = random.next() < 0.5 ? n : Math.floor(random.next() * 4_000) - 500
      plain.push(value)
      ordered.add(value)
    }
    if (n % 1_500 !== 0) continue
    const sorted = plain.toSorted((a, b) => a - b)
    const at = (q: number): number => {
      const rank = (sorted.length - 1) * q
      const low = sorted[Math.floor(rank)] ?? 0
      const part = rank - Math.floor(rank)
      return low * (1 - part) + (sorted[Math.ceil(rank)] ?? 0) * part
    }
    const qs = [0, 0.25, 0.5, 0.95, 1]
    expect(
      qs.map((q) => ordered.quantile(q)),
      `seed ${random.seed}`,
    ).toEqual(qs.map(at))
    const [from, to] = [random.next() * 4_000, random.next() * 8_000]
    expect(ordered.between(from, to)).toBe(sorted.filter((value) => value >= from && value < to).length)
    expect([ordered.min, ordered.max, ordered.size]).toEqual([sorted[0], sorted.at(-1), sorted.length])
    expect([...ordered.entries()].flatMap(([value, count]) => Array.from({ length: count }, () => value))).toEqual(
      sorted,
    )
  }
  expect(() => ordered.remove(-1e9)).toThrow('is not among the numbers')
})

test('a sum is the same in any order, and what was taken away again leaves nothing behind', () => {
  const numbers = [0.1, 0.2, 0.3, 1e16, -1e16, 1e-7, 3.3, 1e100, 1, -1e100]
  const sums = [numbers, numbers.toReversed(), numbers.toSorted()].map((list) => {
    const sum = new ExactSum()
    for (const value of list) sum.addTimes(value, 3)
    return sum
  })
  expect(new Set(sums.map(({ value }) => value)).size).toBe(1)
  for (const sum of sums) for (const value of numbers) for (let n = 0; n < 3; n += 1) sum.add(-value)
  expect(sums.map(({ value }) => value)).toEqual([0, 0, 0])
})

const OPTIONS = ['A', 'B', '2.0', 'null'].map((value) => ({ value, label: value }))
const field = (key: string, type: FieldInfo['type']): FieldInfo => ({
  key,
  label: key,
  type,
  required: false,
  pii: false,
  ...(type === 'select' || type === 'multi_select' ? { options: OPTIONS } : {}),
})

/** What the form asked, version by version. */
const VERSIONS: readonly (readonly FieldInfo[])[] = [
  [field('a', 'select'), field('n', 'number'), field('r', 'rating'), field('t', 'text')],
  [field('t', 'text'), field('a', 'multi_select'), field('n', 'number'), field('b', 'boolean')],
  [field('a', 'select'), field('n', 'text'), field('b', 'boolean')],
  [field('a', 'select'), field('n', 'number'), field('r', 'rating'), field('t', 'text'), field('b', 'boolean')],
]
const START_MS = Date.parse('2026-03-01T00:00:00Z')

class History {
  readonly #random: ReturnType<typeof seeded>
  readonly responses = new Map<string, { isCompleted: boolean; data: Record<string, Json>; version: number }>()
  version = 0
  #seq = 0
  #count = 0

  constructor(random: ReturnType<typeof seeded>) {
    this.#random = random
  }

  next(): LoggedEvent {
    const draw = this.#random.next()
    if (draw < 0.01 && this.version < VERSIONS.length - 1) this.version += 1
    const partial = [...this.responses].find(([, { isCompleted }]) => !isCompleted)?.[0]
    if (draw < 0.15 && this.responses.size > 0) return this.#deleted(this.#pick([...this.responses.keys()]))
    if (draw < 0.3 && partial !== undefined) return this.#told(partial, draw < 0.28)
    this.#count += 1
    return this.#told(`rsp_${this.#count}`, draw < 0.7)
  }

  #told(id: string, isCompleted: boolean): LoggedEvent {
    const fields = VERSIONS[this.version] ?? []
    const data: Record<string, Json> = {}
    for (const each of fields) if (this.#random.next() < 0.7) data[each.key] = this.#answer(each)
    this.responses.set(id, { isCompleted, data, version: this.version })
    const atMs = START_MS + Math.floor(this.#random.next() * 40 * 86_400_000)
    const at = new Date(atMs).toISOString()
    const startedAt = new Date(atMs - Math.floor(this.#random.next() * 600_000)).toISOString()
    return {
      ...this.#event(isCompleted ? 'response.submitted' : 'response.partial'),
      data,
      response: { id, status: isCompleted ? 'completed' : 'partial', startedAt, submittedAt: isCompleted ? at : null },
    }
  }

  #deleted(id: string): LoggedEvent {
    this.responses.delete(id)
    return { ...this.#event('response.deleted'), data: { id } }
  }

  #event(type: LoggedEvent['type']): LoggedEvent {
    this.#seq += 1
    const form = { id: 'f', name: 'F', version: this.version + 1, fields: VERSIONS[this.version] ?? [] }
    return { seq: this.#seq, id: `evt_${this.#seq}`, type, v: 1, at: '2026-03-01T00:00:00.000Z', form }
  }

  #answer({ type }: FieldInfo): Json {
    if (type === 'select') return this.#pick(OPTIONS).value
    if (type === 'multi_select') return OPTIONS.map(({ value }) => value).filter(() => this.#random.next() < 0.4)
    if (type === 'boolean') return this.#random.next() < 0.5
    if (type === 'rating') return 1 + Math.floor(this.#random.next() * 5)
    return type === 'number' ? Math.round(this.#random.next() * 4_000) / 4 - 300 : this.#pick(['x', '', 'y'])
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random.next() * list.length)] as T
  }
}

test('a random history: the same from counts, from rows and from the list, however the log is cut', async () => {
  const random = seeded(process.env['SEED'])
  const history = new History(random)
  await using projected = await openProjected([])
  const toMs = START_MS + 45 * 86_400_000
  const query = { timezone: 'America/New_York', bucket: 'day' as const, fromMs: START_MS, toMs }
  for (let batch = 0; batch < 32; batch += 1) {
    const size = 1 + Math.floor(random.next() ** 3 * 60)
    const events = Array.from({ length: size }, () => history.next())
    const form = projected.projection.form('f')
    // Counted beside what comes in.
    if (form !== undefined) projected.keeper.of(form)
    await projected.hear(events)
    if (batch % 4 !== 0) continue
    const { totals, fields } = await projected.metrics(query, START_MS + random.next() * 40 * 86_400_000)
    const all = [...history.responses.values()]
    const completed = all.filter(({ isCompleted }) => isCompleted)
    expect(totals, `seed ${random.seed}`).toMatchObject({ started: all.length, completed: completed.length })
    const type = VERSIONS[history.version]?.find(({ key }) => key === 'n')?.type
    const numbers = completed.map(({ data }) => data['n'] ?? null).filter((value) => typeof value === 'number')
    if (type === 'number' && numbers.length > 0)
      expect(fields.find(({ key }) => key === 'n')?.numbers).toMatchObject({
        sum: numbers.reduce((sum, value) => sum + value),
        max: Math.max(...numbers),
      })
  }
})

test('counts stay within their bound: who was asked last stays, who does not fit is answered from rows', async () => {
  await using projected = await openProjected([field('n', 'number')])
  const form = await projected.tell(Array.from({ length: 600 }, (_, n) => ({ id: `rsp_${n}`, data: { n } })))
  const small = new Keeper({ bytesMax: 4_000, warn: () => {} })
  small.begin({ connection: await projected.database.instance.connect(), settled: projected.projection.settled })
  await small.counted(form)
  expect([small.of(form), small.bytes]).toEqual([null, 0])
  await projected.keeper.counted(form)
  expect(projected.keeper.bytes).toBeGreaterThan(4_000)
  await projected.tell(Array.from({ length: 10_000 }, (_, n) => ({ id: `rsp_more_${n}`, data: { n } })))
  const warmed = new Keeper({ bytesMax: 2 ** 30, warn: () => {} })
  warmed.begin({ connection: await projected.database.instance.connect(), settled: projected.projection.settled })
  await warmed.warm(projected.projection.forms())
  expect(warmed.of(form)?.completed).toBe(10_600)
})
