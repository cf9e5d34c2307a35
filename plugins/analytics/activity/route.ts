/** `GET /api/v2/analytics/activity`, `/events/{id}` (the same of what an organizer holds) and `/ladder`. */
import { z } from 'zod'
import type { Json, LadderCounts, NativeServices, RouteRequest, RouteResponse } from 'manifold/plugin'
import { completeFrom } from '../engine/complete.ts'
import type { Generation } from '../life/generation.ts'
import { share } from '../metrics/numbers.ts'
import { BUCKETS, localStart, POINTS_MAX, pointsIn } from '../metrics/series.ts'
import type { SeriesQuery } from '../metrics/series.ts'
import { failure, readAs } from '../query/failure.ts'
import { problem, unavailable } from '../query/problem.ts'
import { moment, withMoments } from '../query/times.ts'
import { Refusal } from '../query/refusal.ts'
import { isZone, offsetMs } from '../query/zone.ts'
import { activityOf } from './activity.ts'
import type { Activity, ActivityPoint, Told } from './activity.ts'
import type { Values } from './values.ts'
import type { Visitors } from './visitors.ts'
import { DAY_MS, MINUTE_MS } from '../time-units.ts'

const DAYS_DEFAULT = 30
const TRIES_MAX = 10

const schema = z.strictObject({
  bucket: z.enum(BUCKETS).default('day'),
  timezone: z.string().refine(isZone, 'is no time zone; write for example "Europe/Berlin"').optional(),
  from: moment.optional(),
  to: moment.optional(),
})

export interface ActivityParts {
  readonly generation: Generation
  readonly ladder: NativeServices['ladder']
  readonly signal: AbortSignal
}

export async function answerActivity(
  request: Pick<RouteRequest, 'query'>,
  { generation, ladder, signal }: ActivityParts,
): Promise<RouteResponse> {
  try {
    const query = spanOf(request.query, generation.metrics.timezone)
    const startedMs = performance.now()
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const counts = await ladder.read(query)
      const found = await atSamePlace(generation, counts, { query, signal })
      if (found !== null) return { json: wire(found.activity, query, { ...found, counts, startedMs }) }
      if (counts !== null) await generation.tail.reached(counts.expiredSeq)
    }
    return unavailable('Events are being counted that are older than they are kept. Ask again in a moment.')
  } catch (error) {
    return failure(error)
  }
}

/**
 * Of what an organizer holds (`context.event` of behaviour events). Counts of the ladder are not divided by it, so it is of single
 * events alone, as long as they are kept.
 */
export async function answerEvent(
  request: Pick<RouteRequest, 'query' | 'params'>,
  { generation, signal }: Pick<ActivityParts, 'generation' | 'signal'>,
): Promise<RouteResponse> {
  const { readers, projection, metrics } = generation
  const id = request.params['id'] ?? ''
  try {
    const query = { ...spanOf(request.query, metrics.timezone), organizerEvent: id }
    const startedMs = performance.now()
    const found = await readers.run(signal, async ({ ask, asOf }) => {
      const [any] = await ask('SELECT 1 AS found FROM events WHERE organizer_event = $1 LIMIT 1', [id])
      return any === undefined ? null : { asOf, activity: await activityOf(ask, null, query) }
    })
    if (found === null)
      return problem(404, 'not_found', {
        title: 'There is no such thing',
        detail: 'No behaviour event that is kept has this id in its "context.event".',
      })
    const { coverage: _ladder, meta, ...numbers } = wire(found.activity, query, { ...found, counts: null, startedMs })
    const complete = completeFrom(projection, query.fromMs)
    return { json: { event_id: id, ...numbers, meta: { ...(meta as object), complete_from: complete } } }
  } catch (error) {
    return failure(error)
  }
}

/** Null: what the engine holds and what was counted are of different places of the log. */
const atSamePlace = (
  { readers }: Generation,
  counts: LadderCounts | null,
  { query, signal }: { readonly query: SeriesQuery; readonly signal: AbortSignal },
): Promise<{ readonly activity: Activity; readonly asOf: number } | null> =>
  readers.run(signal, async ({ ask, asOf }) => {
    const [progress] = await ask('SELECT expired_seq FROM progress')
    if (counts !== null && Number(progress?.['expired_seq']) !== counts.expiredSeq) return null
    return { activity: await activityOf(ask, counts, query), asOf }
  })

function spanOf(given: RouteRequest['query'], zone: string): SeriesQuery {
  const { bucket, timezone = zone, to, from } = readAs(schema, withMoments(given, zone))
  const toMs = to ?? Math.ceil((Date.now() + 1) / MINUTE_MS) * MINUTE_MS
  const fromMs = from ?? midnightBefore(toMs - DAYS_DEFAULT * DAY_MS, timezone)
  if (!(fromMs < toMs)) throw new Refusal([{ pointer: '/from', detail: 'has to lie before "to"' }])
  const points = pointsIn(bucket, fromMs, toMs)
  if (points > POINTS_MAX) {
    const detail = `a series has ${POINTS_MAX} points at most; from "from" to "to" there are ${points} of a ${bucket}`
    throw new Refusal([{ pointer: '/bucket', detail }])
  }
  return { bucket, timezone, fromMs, toMs }
}

/** Where nobody says from when on, whole days are shown. */
function midnightBefore(ms: number, timezone: string): number {
  const local = localStart(ms + offsetMs(timezone, ms), 'day')
  const guess = local - offsetMs(timezone, ms)
  return local - offsetMs(timezone, guess)
}

const iso = (ms: number): string => new Date(ms).toISOString()

function wire(
  { totals, points, by, rawEvents, rungs, coarser, leftOut }: Activity,
  { bucket, timezone, fromMs, toMs }: SeriesQuery,
  got: { readonly asOf: number; readonly counts: LadderCounts | null; readonly startedMs: number },
): { [part: string]: Json } {
  const { visitors, converted, values, ...sums } = totals
  return {
    from: iso(fromMs),
    to: iso(toMs),
    bucket,
    timezone,
    totals: { ...sums, ...people({ visitors, converted }), values: valuesWire(values) },
    series: points.map(pointWire),
    by: Object.fromEntries(
      Object.entries(by).map(([division, values]) => [
        division,
        values.map(({ value, ...counts }) => (value === undefined ? { rest: true, ...counts } : { value, ...counts })),
      ]),
    ),
    coverage: {
      events: rawEvents,
      counts: rungs.map(toldWire),
      coarser: coarser.map(toldWire),
      left_out: leftOut.map(toldWire),
      note: noteOf(bucket, { coarser, leftOut, counts: got.counts, isWorthUnknown: values === null }),
    },
    meta: {
      engine: rungs.length > 0 ? 'duckdb and ladder' : 'duckdb',
      took_ms: Math.round((performance.now() - got.startedMs) * 1_000) / 1_000,
      as_of: got.asOf,
    },
  }
}

const people = (of: { readonly visitors: Visitors; readonly converted: Visitors }): { [name: string]: Json } => {
  const [visitors, converted] = [of.visitors.count, of.converted.count]
  return {
    visitors,
    converted,
    conversion_rate: visitors === null || converted === null ? null : share(Math.min(converted, visitors), visitors),
    visitors_estimated: of.visitors.isEstimated || of.converted.isEstimated,
  }
}

const valuesWire = (values: Values): Json => values?.map((each) => ({ ...each })) ?? null

const pointWire = ({ at, events, conversions, values, resolution, ...of }: ActivityPoint): Json => ({
  at,
  events,
  conversions,
  ...people(of),
  values: valuesWire(values),
  ...(resolution === null ? {} : { known_by: resolution }),
})

const toldWire = ({ resolution, fromMs, toMs, events }: Told): Json => ({
  resolution,
  from: iso(fromMs),
  to: iso(toMs),
  events,
})

/** Null: every number is of the time and at the resolution that were asked for. */
function noteOf(
  bucket: string,
  {
    coarser,
    leftOut,
    counts,
    isWorthUnknown,
  }: {
    readonly coarser: readonly Told[]
    readonly leftOut: readonly Told[]
    readonly counts: LadderCounts | null
    readonly isWorthUnknown: boolean
  },
): string | null {
  const notes = [
    ...(counts === null
      ? ['This installation has a "when", so it is shown only events that are there one by one.']
      : []),
    ...coarser.map(
      ({ resolution, fromMs, toMs, events }) =>
        `${events} events from ${iso(fromMs)} to ${iso(toMs)} are known by the ${resolution} of the ladder only, not by the ${bucket}: they are in the totals, and points of that time are null.`,
    ),
    ...leftOut.map(
      ({ resolution, fromMs, toMs, events }) =>
        `${events} events between ${iso(fromMs)} and ${iso(toMs)} are known by a ${resolution} that lies partly outside of what was asked about, so they are left out.`,
    ),
    ...(isWorthUnknown
      ? [
          'Some conversions were counted by an earlier version of the hub, which did not count what they were worth: "values" is null there.',
        ]
      : []),
  ]
  return notes.length === 0 ? null : notes.join(' ')
}

/** What each rung holds, and how many events are there one by one. */
export async function answerLadder({ generation, ladder, signal }: ActivityParts): Promise<RouteResponse> {
  const held = await ladder.held()
  if (held === null)
    return problem(409, 'conflict', {
      title: 'It exists already or changed meanwhile',
      detail:
        'The installation is not shown all events: it has a "when", and counts of events that are forgotten cannot be divided by it.',
    })
  const [row = {}] = await generation.readers.run(signal, ({ ask }) =>
    ask('SELECT count(*) AS events, epoch_ms(min(occurred_at)) AS low, epoch_ms(max(occurred_at)) AS high FROM events'),
  )
  const events = Number(row['events'])
  return {
    json: {
      events: {
        count: events,
        from: events === 0 ? null : iso(Number(row['low'])),
        to: events === 0 ? null : iso(Number(row['high'])),
      },
      rungs: held.map(({ rung, rows, events: count, fromMs, toMs }) => ({
        rung,
        rows,
        events: count,
        from: iso(fromMs),
        to: iso(toMs),
      })),
    },
  }
}
