/** Completed responses over time, without gaps. Days and longer are of the zone's calendar, shorter ones are moments. */
import type { ProjectedForm } from '../engine/projection.ts'
import type { Ask } from '../engine/readers.ts'
import { cutsOf, localSql, offsetMs } from '../query/zone.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../time-units.ts'

export const BUCKETS = ['minute', 'hour', 'day', 'week', 'month'] as const
export type Bucket = (typeof BUCKETS)[number]

export interface Point {
  /** `2026-11-27` for days and weeks (their Monday), `2026-11` for months, a moment in UTC for the rest. */
  readonly at: string
  readonly count: number
}

/** What a series may have; a longer one is refused before it is computed. */
export const POINTS_MAX = 5_000

const STEP_MS: { readonly [bucket in Bucket]: number } = {
  minute: MINUTE_MS,
  hour: HOUR_MS,
  day: DAY_MS,
  week: 7 * DAY_MS,
  month: 28 * DAY_MS,
}

export const pointsIn = (bucket: Bucket, fromMs: number, toMs: number): number =>
  Math.ceil((toMs - fromMs) / STEP_MS[bucket])

export interface SeriesQuery {
  readonly timezone: string
  readonly bucket: Bucket
  readonly fromMs: number
  readonly toMs: number
}

/** Hours of a zone that is off by half an hour begin at half past. An hour that is lived twice is two hours. Null: calendar. */
export function momentOffset({ timezone, bucket, fromMs }: Omit<SeriesQuery, 'toMs'>): number | null {
  if (bucket !== 'minute' && bucket !== 'hour') return null
  return offsetMs(timezone, fromMs) % STEP_MS[bucket]
}

/** Where the bucket of a time on the wall clock begins; both as if they were UTC. Weeks begin on Mondays. */
export function localStart(localMs: number, bucket: Bucket): number {
  if (bucket === 'month') {
    const date = new Date(localMs)
    return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1)
  }
  // The first of January 1970 was a Thursday.
  const origin = bucket === 'week' ? -3 * DAY_MS : 0
  return Math.floor((localMs - origin) / STEP_MS[bucket]) * STEP_MS[bucket] + origin
}

export function nextStart(startMs: number, bucket: Bucket): number {
  if (bucket !== 'month') return startMs + STEP_MS[bucket]
  const date = new Date(startMs)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1)
}

/** The points of a series out of what was found for each beginning of a bucket. */
export const pointsOf = (found: ReadonlyMap<number, number>, query: SeriesQuery): readonly Point[] =>
  placesOf(query).map(({ at, start }) => ({ at, count: found.get(start) ?? 0 }))

/** Where a bucket begins, on the wall clock as if that were UTC, and its name. */
export interface Place {
  readonly start: number
  readonly at: string
}

/** The buckets of a series, without gaps. */
export function placesOf(query: SeriesQuery): readonly Place[] {
  const { timezone, bucket, fromMs, toMs } = query
  const moment = momentOffset(query)
  const local = (ms: number): number => ms + (moment ?? offsetMs(timezone, ms))
  const last = localStart(local(toMs - 1), bucket)
  const places: Place[] = []
  for (let start = localStart(local(fromMs), bucket); start <= last; start = nextStart(start, bucket))
    places.push({ start, at: shown(new Date(start - (moment ?? 0)), bucket) })
  return places
}

/** From a form's rows: how many were completed, by the beginning of the bucket on the wall clock. */
export async function bucketsFromRows(
  ask: Ask,
  { table }: ProjectedForm,
  query: SeriesQuery,
): Promise<ReadonlyMap<number, number>> {
  const { timezone, bucket, fromMs, toMs } = query
  const moment = momentOffset(query)
  const cuts = moment === null ? cutsOf(timezone, fromMs, toMs) : [{ fromMs, offsetMs: moment }]
  const at = (ms: number): string => `make_timestamp_ms(${Math.round(ms)})`
  const rows = await ask(`SELECT epoch_ms(date_trunc('${bucket}', ${localSql('submitted_at', cuts)})) AS bucket,
     count(*) AS count FROM ${table}
     WHERE submitted_seq IS NOT NULL AND submitted_at >= ${at(fromMs)} AND submitted_at < ${at(toMs)} GROUP BY 1`)
  return new Map(rows.map((row) => [Number(row['bucket']), Number(row['count'])]))
}

function shown(date: Date, bucket: Bucket): string {
  const text = date.toISOString()
  if (bucket === 'month') return text.slice(0, 7)
  return bucket === 'day' || bucket === 'week' ? text.slice(0, 10) : text
}
