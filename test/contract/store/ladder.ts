/** The retention ladder: no total changes from the log to the last rung, whichever way and however often it is taken. */
import { describe, expect, it } from 'vitest'
import { estimate, mergeSketch, readSketch } from '../../../core/contract/sketch.ts'
import type { Sketch } from '../../../core/contract/sketch.ts'
import { newId } from '../../../core/ids.ts'
import { DIVISIONS } from '../../../core/storage/ladder/counts.ts'
import type { Division, Pair } from '../../../core/storage/ladder/counts.ts'
import type { Ladder } from '../../../core/storage/ladder/rungs.ts'
import type { Store, TrackedEvent } from '../../../core/storage/store.ts'
import { seeded } from '../../support/seeded.ts'
import type { SharedStore } from '../store.ts'
import { AT, definition, event } from './fixtures.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** The clock of Berlin leaves out an hour on the day after, at 01:00 UTC. */
const START_MS = Date.parse('2026-03-28T00:00:00.000Z')
const KEEP_MS = 12 * HOUR_MS

export const LADDER: Ladder = {
  timezone: 'Europe/Berlin',
  rungs: [
    { rung: 'minute', keepMs: DAY_MS },
    { rung: 'hour', keepMs: 3 * DAY_MS },
    { rung: 'day', keepMs: 300 * DAY_MS },
  ],
}
const ALL = { fromMs: 0, toMs: 9e12 }

interface Said {
  readonly atMs: number
  readonly receivedMs: number
  readonly values: { readonly [division in Division]: string | null }
  readonly visitor: string
  /** Of conversions alone. */
  readonly value: number | null
  readonly currency: string | null
}

const iso = (ms: number): string => new Date(ms).toISOString()

function trackedOf(workspace: string, { atMs, receivedMs, values, visitor, value, currency }: Said): TrackedEvent {
  const { type, name, source, device, country, form } = values
  return {
    workspace,
    id: newId('event'),
    type: `track.${type}`,
    at: iso(receivedMs),
    formId: null,
    clientId: null,
    data: JSON.stringify({
      name,
      occurred_at: iso(atMs),
      user_id: visitor,
      ...(value === null ? {} : { value }),
      ...(currency === null ? {} : { currency }),
      ...(source === null ? {} : { campaign: { source } }),
      ...(form === null ? {} : { form_id: form }),
    }),
    meta: JSON.stringify({ ...(device === null ? {} : { device }), ...(country === null ? {} : { country }) }),
  }
}

/** Over four days, some of them hours late; texts of senders may be called anything. */
function manyOf(count: number, seed: number): readonly Said[] {
  const { next } = seeded(String(seed))
  const one = <T>(of: readonly T[]): T => of[Math.floor(next() * of.length)] as T
  return Array.from({ length: count }, () => {
    const atMs = START_MS + Math.floor(next() * 4 * DAY_MS)
    const type = one(['page_view', 'click', 'conversion'])
    return {
      atMs,
      receivedMs: atMs + (next() < 0.1 ? Math.floor(next() * 9 * HOUR_MS) : 0),
      values: {
        type,
        name: one([type, 'buy', '__proto__', 'constructor']),
        source: one([null, 'news', '']),
        device: one([null, 'mobile', 'desktop']),
        country: one(['DE', 'FR', null]),
        form: one([null, 'contact']),
      },
      visitor: `u-${Math.floor(next() * 50)}`,
      // Whatever the order, cents add up to the same.
      value: next() < 0.8 ? Math.floor(next() * 10_000) / 100 : null,
      currency: one(['EUR', 'USD', null]),
    }
  })
}

async function expireAt(store: Store, nowMs: number, ladder = LADDER, valuesMax = 100): Promise<void> {
  const on = { ladder, nowMs, valuesMax }
  await store.expireTracked({
    before: iso(nowMs - KEEP_MS),
    at: iso(nowMs),
    counting: { ...on, keepMs: KEEP_MS, freshSalt: newId('event') },
  })
}

/** What is counted, in all and by each value. */
async function totals(store: Store, workspace: string): Promise<ReadonlyMap<string, Pair>> {
  const sums = new Map<string, Pair>()
  const add = (name: string, [events, conversions]: Pair): void => {
    const [known, converted] = sums.get(name) ?? [0, 0]
    sums.set(name, [known + events, Math.round((converted + conversions) * 100) / 100])
  }
  for (const { events, conversions, by, worth } of (await store.readLadder({ workspace, ...ALL })).rows) {
    add('all', [events, conversions])
    for (const [currency, pair] of Object.entries(worth ?? {})) add(`worth in ${currency}`, pair)
    for (const division of DIVISIONS) {
      const { of, rest } = by[division]
      for (const [value, pair] of Object.entries(of)) add(`${division}=${value}`, pair)
      if (rest[0] > 0) add(`${division} rest`, rest)
    }
  }
  return sums
}

function expected(said: readonly Said[]): ReadonlyMap<string, Pair> {
  const sums = new Map<string, Pair>()
  for (const { values, value, currency } of said) {
    if (values.type === 'conversion' && value !== null) {
      const name = `worth in ${currency ?? ''}`
      const [many, sum] = sums.get(name) ?? [0, 0]
      sums.set(name, [many + 1, Math.round((sum + value) * 100) / 100])
    }
    const named = DIVISIONS.flatMap((division) =>
      values[division] === null ? [] : [`${division}=${values[division]}`],
    )
    for (const name of ['all', ...named]) {
      const [events, conversions] = sums.get(name) ?? [0, 0]
      sums.set(name, [events + 1, conversions + (values.type === 'conversion' ? 1 : 0)])
    }
  }
  return sums
}

const berlinDay = (ms: number): string => new Date(ms).toLocaleDateString('sv', { timeZone: 'Europe/Berlin' })

export function ladderPart(shared: SharedStore): void {
  describe('the retention ladder', () => {
    it('changes no total, at any moment, over the days of a change of the clock', async () => {
      const { store, workspace } = shared()
      const said = manyOf(1_500, 8)
      await store.track(said.map((each) => trackedOf(workspace, each)))
      const { next } = seeded('3')
      for (let nowMs = START_MS; nowMs < START_MS + 9 * DAY_MS; nowMs += Math.floor((1 + next() * 20) * HOUR_MS)) {
        await expireAt(store, nowMs)
        const known = expected(said.filter(({ receivedMs }) => receivedMs < nowMs - KEEP_MS))
        expect(await totals(store, workspace)).toEqual(known)
        await store.foldLadder({ ladder: LADDER, nowMs, valuesMax: 100 })
        expect(await totals(store, workspace)).toEqual(known)
      }
      // A second time changes nothing.
      const before = await store.readLadder({ workspace, ...ALL })
      await store.foldLadder({ ladder: LADDER, nowMs: START_MS + 9 * DAY_MS, valuesMax: 100 })
      const { rows } = await store.readLadder({ workspace, ...ALL })
      expect(rows.map(({ rung }) => rung)).toEqual(rows.map(() => 'day'))
      expect(before.rows.length).toBeGreaterThan(0)
      const days = new Map<string, number>()
      for (const { atMs } of said) days.set(berlinDay(atMs), (days.get(berlinDay(atMs)) ?? 0) + 1)
      expect(new Map(rows.map(({ start_ms: ms, events }) => [berlinDay(ms), events]))).toEqual(days)
      const short = rows.find(({ start_ms: ms }) => berlinDay(ms) === '2026-03-29')
      expect((short?.end_ms ?? 0) - (short?.start_ms ?? 0)).toBe(23 * HOUR_MS)
      expect(await store.ladderHeld(workspace)).toEqual([
        { rung: 'day', rows: rows.length, events: said.length, fromMs: rows[0]?.start_ms, toMs: rows.at(-1)?.end_ms },
      ])
    })

    it('holds an hour that is lived twice as two, and the day of 25 hours as one', async () => {
      const { store, workspace } = shared()
      const hours = Array.from({ length: 25 }, (_, n) => Date.parse('2026-10-24T22:30:00.000Z') + n * HOUR_MS)
      const [values] = manyOf(1, 1).map((each) => each.values)
      if (values === undefined) throw new Error('there is one')
      await store.track(
        hours.map((atMs, n) =>
          trackedOf(workspace, { atMs, receivedMs: atMs, values, visitor: `v-${n}`, value: null, currency: null }),
        ),
      )
      const [last = 0] = hours.slice(-1)
      await expireAt(store, last + 20 * HOUR_MS)
      await store.foldLadder({ ladder: LADDER, nowMs: last + DAY_MS + 2 * HOUR_MS, valuesMax: 100 })
      const hourly = (await store.readLadder({ workspace, ...ALL })).rows
      expect([hourly.length, new Set(hourly.map(({ events }) => events))]).toEqual([25, new Set([1])])
      await store.foldLadder({ ladder: LADDER, nowMs: last + 4 * DAY_MS, valuesMax: 100 })
      const { rows } = await store.readLadder({ workspace, ...ALL })
      expect(rows.map((row) => [row.rung, row.events, row.end_ms - row.start_ms])).toEqual([['day', 25, 25 * HOUR_MS]])
    })

    it('knows days and months of visitors without a list of them, and drops them with the last rung', async () => {
      const { store, workspace } = shared()
      const said = manyOf(900, 4)
      await store.track(said.map((each) => trackedOf(workspace, each)))
      await expireAt(store, START_MS + 6 * DAY_MS)
      const read = await store.readLadder({ workspace, ...ALL })
      const daily = read.visitors.filter(({ kind }) => kind === 'all')
      for (const { start_ms: ms, registers } of daily) {
        const exact = new Set(
          said.filter(({ atMs }) => berlinDay(atMs) === berlinDay(ms)).map(({ visitor }) => visitor),
        )
        expect(Math.abs(estimate(readSketch(registers)) - exact.size)).toBeLessThanOrEqual(1)
      }
      // Two months, each with a salt of its own: only days of one merge.
      const salts = [...new Set(daily.map(({ salt }) => salt))]
      expect(salts).toHaveLength(2)
      expect(Object.keys(read.prefixes)).toEqual(expect.arrayContaining(salts))
      const march: Sketch = new Map()
      for (const { salt, registers } of daily) if (salt === salts[0]) mergeSketch(march, readSketch(registers))
      expect(Math.abs(estimate(march) - 50)).toBeLessThanOrEqual(1)
      expect(JSON.stringify(read)).not.toMatch(/u-\d/)
      await store.foldLadder({ ladder: LADDER, nowMs: START_MS + 400 * DAY_MS, valuesMax: 100 })
      const { rows, visitors } = await store.readLadder({ workspace, ...ALL })
      expect([rows, visitors]).toEqual([[], []])
    })

    it('says with which entry of the log the counts became what they are', async () => {
      const { store, workspace } = shared()
      const [one, ...rest] = manyOf(1_200, 5)
      if (one === undefined) throw new Error('there is one')
      // More than a slice of one moment is one slice.
      const same = [one, ...rest].map((each) => ({ ...each, receivedMs: START_MS }))
      await store.track([
        ...same.map((each) => trackedOf(workspace, each)),
        trackedOf(workspace, { ...one, receivedMs: START_MS + 1 }),
      ])
      expect((await store.readLadder({ workspace, ...ALL })).expiredSeq).toBe(0)
      const before = await store.headSeq()
      await expireAt(store, START_MS + KEEP_MS + 2)
      const told = (await store.readEvents({ workspace, afterSeq: before, limit: 9 })).map(({ data }) => data)
      expect(told).toEqual([
        JSON.stringify({ before: iso(START_MS + 1), counted: true }),
        JSON.stringify({ before: iso(START_MS + 2), counted: true }),
      ])
      const read = await store.readLadder({ workspace, ...ALL })
      expect([read.expiredSeq, read.rows.reduce((sum, row) => sum + row.events, 0)]).toEqual([before + 2, 1_201])
    })

    it('counts the rarest values together where there are more than it holds, and loses none', async () => {
      const { store, workspace } = shared()
      const said = manyOf(400, 6).map((each, n) => ({
        ...each,
        values: { ...each.values, name: n % 4 === 0 ? 'often' : `once-${n}` },
      }))
      await store.track(said.map((each) => trackedOf(workspace, each)))
      await expireAt(store, START_MS + 6 * DAY_MS, LADDER, 3)
      await store.foldLadder({ ladder: LADDER, nowMs: START_MS + 20 * DAY_MS, valuesMax: 3 })
      const { rows } = await store.readLadder({ workspace, ...ALL })
      const names = rows.map(({ events, by }) => ({ events, ...by.name }))
      expect(names.map(({ of }) => Object.keys(of).length)).toEqual(names.map(() => 3))
      const sums = names.map(({ of, rest: [others] }) => Object.values(of).reduce((sum, [n]) => sum + n, others))
      expect(sums).toEqual(names.map(({ events }) => events))
      expect(names.every(({ of }) => Object.hasOwn(of, 'often'))).toBe(true)
    })

    it('moves what it has to another ladder, and loses nothing that has a coarser rung', async () => {
      const { store, workspace } = shared()
      const said = manyOf(300, 7)
      await store.track(said.map((each) => trackedOf(workspace, each)))
      await expireAt(store, START_MS + 6 * DAY_MS)
      const monthly: Ladder = { timezone: 'UTC', rungs: [{ rung: 'month', keepMs: 300 * DAY_MS }] }
      await store.foldLadder({ ladder: monthly, nowMs: START_MS + 6 * DAY_MS, valuesMax: 100 })
      expect((await store.ladderHeld(workspace)).map(({ rung, events }) => [rung, events])).toEqual([['month', 300]])
      // Back again: a month stays one.
      await store.foldLadder({ ladder: LADDER, nowMs: START_MS + 20 * DAY_MS, valuesMax: 100 })
      expect(await totals(store, workspace)).toEqual(expected(said))
    })

    it('counts nothing of what was erased before, and keeps what it counted of a form that goes', async () => {
      const { store, workspace } = shared()
      const [early, late] = manyOf(2, 9).map((each) => ({ ...each, values: { ...each.values, form: 'contact' } }))
      if (early === undefined || late === undefined) throw new Error('there are two')
      const about = (said: Said): TrackedEvent => ({ ...trackedOf(workspace, said), formId: 'contact' })
      const form = { workspace, id: 'contact', definition: definition(), managedBy: 'api', at: AT } as const
      await store.saveForm({ ...form, eventId: newId('event'), mode: 'create' })
      await store.track([about({ ...early, receivedMs: START_MS })])
      await expireAt(store, START_MS + KEEP_MS + 1)
      await store.track([about({ ...late, receivedMs: START_MS + DAY_MS })])
      await store.deleteForm(workspace, 'contact', event({ type: 'form.deleted', formId: 'contact' }))
      await expireAt(store, START_MS + 3 * DAY_MS)
      expect((await totals(store, workspace)).get('form=contact')?.[0]).toBe(1)
    })
  })
}
