/** What visitors did: the same numbers before what they did is forgotten and after, as far as the ladder still tells it. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import manifest from '../../plugins/analytics/plugin.json' with { type: 'json' }
import type { HubEvent, LadderCounts, LadderHeld, LoggedEvent, RouteResponse } from '../../core/contract/index.ts'
import { noSharedCache } from '../../core/cache/none/cache.ts'
import { rfc3339, systemClock } from '../../core/clock.ts'
import { newId } from '../../core/ids.ts'
import { expireEvents } from '../../core/ingest/events/expire.ts'
import { eventSettings } from '../../core/config/event-settings.ts'
import { LIMITS } from '../../core/limits.ts'
import type { LogRead } from '../../core/native/protocol.ts'
import { openNativeServices } from '../../core/native/services.ts'
import type { Logger } from '../../core/observe/observe.ts'
import type { Installation } from '../../core/registry/installation.ts'
import { addCounts, noCounts, partsText, readParts } from '../../core/storage/ladder/counts.ts'
import { openSqliteStore } from '../../core/storage/sqlite/open.ts'
import type { Store } from '../../core/storage/store.ts'
import { answerActivity, answerEvent, answerLadder } from '../../plugins/analytics/activity/route.ts'
import { valuesOf } from '../../plugins/analytics/activity/values.ts'
import { Generations } from '../../plugins/analytics/life/generations.ts'
import { NEVER } from '../support/projected.ts'
import { seeded } from '../support/seeded.ts'
import { NO_FORMS } from '../support/projected.ts'
import { tempDir } from '../support/temp.ts'
import { until } from '../support/wait.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const ZONE = 'Europe/Berlin'
/** Berlin's midnight, three days before its clock leaves out an hour. */
const START_MS = Date.parse('2026-03-25T23:00:00.000Z')
const END_MS = Date.parse('2026-03-31T22:00:00.000Z')
const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silent }
const installation = {
  workspace: 'default',
  plugin: { manifest },
  pii: [],
  when: { forms: null, events: null, filter: undefined },
} as unknown as Installation

type Values = { currency: string | null; conversions: number; value: number }[] | null

interface Numbers {
  readonly totals: {
    events: number
    conversions: number
    visitors: number | null
    visitors_estimated: boolean
    values: Values
  }
  readonly series: { at: string; events: number | null; visitors: number | null; values: Values; known_by?: string }[]
  readonly by: Record<string, { value?: string | null; rest?: boolean; events: number; conversions: number }[]>
  readonly coverage: {
    events: number
    counts: { resolution: string; events: number }[]
    coarser: { resolution: string; events: number }[]
    left_out: { resolution: string; events: number }[]
    note: string | null
  }
}

let store: Store
let generations: Generations
let ladder: Parameters<typeof answerActivity>[1]['ladder']
const closes: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  const dir = await tempDir('activity')
  store = await openSqliteStore({ dir: dir.file('data'), limits: LIMITS, logger: silent, onFatal: () => {} })
  const find = () => installation
  const sharing = { plugins: noSharedCache }
  const service = openNativeServices({
    store,
    recent: { after: () => undefined },
    find,
    limits: LIMITS,
    formViews: { of: () => undefined, newest: () => undefined },
    sharing,
    clock: systemClock,
  })
  const ask = <Answer>(name: string, args: object): Promise<Answer> =>
    service('default/a', name, args as never) as Promise<Answer>
  ladder = {
    read: (query) => ask<LadderCounts | null>('ladder.read', query),
    held: () => ask<readonly LadderHeld[] | null>('ladder.held', {}),
  }
  generations = await Generations.open({
    config: {
      timezone: ZONE,
      memoryMb: 256,
      countsMb: 16,
      queryTimeoutMs: 5_000,
      slowQueryMs: 1_000,
      openFields: [],
      rewriteAfterS: 3_600,
    },
    installation: 'a',
    workspace: 'default',
    dir: dir.path,
    grant: 'all',
    log: {
      read: async (query) => {
        const { texts, seqs, next } = await ask<LogRead>('log.read', query)
        const events = texts.map((text, n): LoggedEvent => ({ ...(JSON.parse(text) as HubEvent), seq: seqs[n] ?? 0 }))
        return { events, next }
      },
      head: () => ask<number>('log.head', {}),
    },
    forms: NO_FORMS,
    cache: { get: async () => null, put: async () => undefined, textBytesMax: async () => 0 },
    ladder,
    say: () => {},
  })
  closes.push(
    () => generations.close(),
    () => store.close(),
    async () => dir[Symbol.asyncDispose](),
  )
  // What a program from before the ladder forgot and did not count stands in nobody's way.
  const before = JSON.stringify({ before: rfc3339(1) })
  const old = { id: newId('event'), type: 'events.expired', at: rfc3339(1), formId: null, responseId: null, hops: 0 }
  await store.appendEvents('default', [{ ...old, data: before }])
  await store.track(visits())
})
afterAll(async () => {
  for (const close of closes) await close()
})

function visits(): Parameters<Store['track']>[0] {
  const { next } = seeded('11')
  return Array.from({ length: 1_400 }, () => {
    const atMs = START_MS + Math.floor(next() * (END_MS - START_MS))
    return {
      workspace: 'default',
      id: newId('event'),
      type: next() < 0.1 ? 'track.conversion' : 'track.page_view',
      at: rfc3339(atMs),
      formId: null,
      clientId: null,
      data: JSON.stringify({
        name: next() < 0.5 ? 'visit' : 'look',
        user_id: `u-${Math.floor(next() ** 2 * 300)}`,
        occurred_at: rfc3339(atMs),
        ...(next() < 0.4 ? { context: { event: 'gig' } } : {}),
        ...(next() < 0.7 ? { value: Math.floor(next() * 9_999) / 100, currency: next() < 0.6 ? 'EUR' : 'USD' } : {}),
        ...(next() < 0.3 ? { campaign: { source: 'news' } } : {}),
      }),
      meta: JSON.stringify({ device: next() < 0.5 ? 'mobile' : 'desktop', country: 'DE' }),
    }
  })
}

const settings = eventSettings({ keep: '1d', timezone: ZONE, ladder: { minute: '2d', hour: '4d', day: '90d' } })

const upkeep = (nowMs: number): Promise<number> =>
  expireEvents({ ...settings, store, published: () => {}, limits: LIMITS, nowMs })

async function activity(bucket: string, fromMs = START_MS, toMs = END_MS): Promise<Numbers> {
  const query = { bucket, timezone: ZONE, from: rfc3339(fromMs), to: rfc3339(toMs) }
  generations.poke()
  const ask = (): Promise<RouteResponse> =>
    generations.route(NEVER, (generation) => answerActivity({ query }, { generation, ladder, signal: NEVER }))
  const { json, status } = await until('the log to be read', ask, { accept: (told) => told.status !== 503 })
  expect([status, status === undefined ? null : json]).toEqual([undefined, null])
  return json as unknown as Numbers
}

const sorted = (by: Numbers['by']): unknown =>
  Object.entries(by).map(([division, values]) => [
    division,
    values.toSorted((one, other) => JSON.stringify(one).localeCompare(JSON.stringify(other))),
  ])
const counted = ({ series }: Numbers): unknown => series.map(({ at, events }) => [at, events])

test('of what an organizer holds: its share of all, as long as single events are kept; nothing of what nobody holds', async () => {
  const query = { bucket: 'day', timezone: ZONE, from: rfc3339(START_MS), to: rfc3339(END_MS) }
  const ask = (id: string): Promise<RouteResponse> =>
    generations.route(NEVER, (generation) => answerEvent({ query, params: { id } }, { generation, signal: NEVER }))
  const all = await activity('day')
  const { json } = await ask('gig')
  const gig = json as unknown as Numbers & { event_id: string; meta: { complete_from: string | null } }
  const held = visits().filter(({ data }) => data.includes('"gig"'))
  expect(held.length).toBeGreaterThan(400)
  expect([gig.event_id, gig.totals.events, gig.meta.complete_from]).toEqual(['gig', held.length, null])
  expect(gig.series.map(({ at }) => at)).toEqual(all.series.map(({ at }) => at))
  expect(gig.series.reduce((sum, { events }) => sum + (events ?? 0), 0)).toBe(held.length)
  expect(gig.totals.conversions).toBe(held.filter(({ type }) => type === 'track.conversion').length)
  const devices = gig.by['device']?.map(({ value, events }) => [value, events])
  const mobile = held.filter(({ meta }) => meta?.includes('mobile')).length
  expect(new Map(devices as [string, number][])).toEqual(
    new Map([
      ['mobile', mobile],
      ['desktop', held.length - mobile],
    ]),
  )
  expect((await ask("gig' OR true --")).status).toBe(404)
})

test('are the same numbers at every age, by whatever is still known, and say so where it is not', async () => {
  const [days, hours] = [await activity('day'), await activity('hour')]
  expect([days.totals.events, days.coverage, days.series.length]).toEqual([
    1_400,
    { events: 1_400, counts: [], coarser: [], left_out: [], note: null },
    6,
  ])
  expect(days.totals.visitors_estimated).toBe(false)
  expect(days.totals.values?.map(({ currency }) => currency)).toEqual(['EUR', 'USD'])
  for (let nowMs = START_MS + DAY_MS; nowMs < END_MS + 7 * DAY_MS; nowMs += 17 * HOUR_MS) {
    await upkeep(nowMs)
    const [now, hourly] = [await activity('day'), await activity('hour')]
    expect(counted(now)).toEqual(counted(days))
    expect([now.totals.events, now.totals.conversions]).toEqual([days.totals.events, days.totals.conversions])
    expect([now.totals.values, now.series.map(({ values }) => values)]).toEqual([
      days.totals.values,
      days.series.map(({ values }) => values),
    ])
    expect([sorted(now.by), now.coverage.note]).toEqual([sorted(days.by), null])
    expect(now.coverage.events + now.coverage.counts.reduce((sum, { events }) => sum + events, 0)).toBe(1_400)
    for (const [n, { visitors }] of now.series.entries())
      expect(Math.abs((visitors ?? -1) - (days.series[n]?.visitors ?? 0))).toBeLessThanOrEqual(6)
    expect(Math.abs((now.totals.visitors ?? -1) - (days.totals.visitors ?? 0))).toBeLessThanOrEqual(12)
    // Hours that are known by their day are no zeros, and those that are known are what they were.
    const known = hourly.series.filter(({ events }) => events !== null)
    expect(counted({ ...hourly, series: known })).toEqual(
      counted({ ...hours, series: hours.series.filter(({ at }) => known.some((point) => point.at === at)) }),
    )
    const lost = hourly.coverage.coarser.reduce((sum, { events }) => sum + events, 0)
    expect(known.reduce((sum, { events }) => sum + (events ?? 0), lost)).toBe(1_400)
  }
  const last = await activity('hour')
  expect(last.coverage.coarser).toMatchObject([{ resolution: 'day', events: 1_400 }])
  expect(new Set(last.series.map(({ events, known_by: by }) => `${events} ${by}`))).toEqual(new Set(['null day']))
  expect(last.coverage.note).toContain('known by the day of the ladder only, not by the hour')
  // What begins within a day cannot be had any more without all of it.
  const cut = await activity('day', START_MS + HOUR_MS)
  expect(cut.coverage.left_out).toMatchObject([{ resolution: 'day', events: days.series[0]?.events }])
  expect(cut.totals.events).toBe(1_400 - (days.series[0]?.events ?? 0))
  // Another zone's days are none of these.
  const { json } = await generations.route(NEVER, (generation) => answerLadder({ generation, ladder, signal: NEVER }))
  expect(json).toMatchObject({ events: { count: 0, from: null }, rungs: [{ rung: 'day', rows: 6, events: 1_400 }] })
})

test('stay when the engine reads the log anew', async () => {
  const before = await activity('day')
  await generations.rebuild()
  await until('it to be read anew', () => generations.rebuilt()?.state !== 'running')
  expect(generations.rebuilt()).toMatchObject({ state: 'done', compared: { events: { isEqual: true } } })
  const { series, totals, by } = await activity('day')
  expect({ series, totals, by }).toEqual({ series: before.series, totals: before.totals, by: before.by })
})

test('what conversions were worth is not known where a program counted that did not look, and never made up', () => {
  const old = readParts(JSON.stringify(noCounts().by), 3)
  const fresh = { ...noCounts(), conversions: 1, worth: { EUR: [1, 0.1] as const } }
  expect([old.worth, readParts(JSON.stringify(noCounts().by), 0).worth]).toEqual([null, {}])
  expect(readParts(partsText(fresh), 1).worth).toEqual({ EUR: [1, 0.1] })
  const both = addCounts({ ...noCounts(), conversions: 3, ...old }, fresh, 9)
  expect([both.worth, readParts(partsText(both), 4).worth]).toEqual([null, null])
  expect(valuesOf([new Map([['', [2, 0.2]]])], [fresh])).toEqual([
    { currency: null, conversions: 2, value: 0.2 },
    { currency: 'EUR', conversions: 1, value: 0.1 },
  ])
  expect(valuesOf([], [fresh, both])).toBeNull()
})
