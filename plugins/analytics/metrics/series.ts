/** Completed responses over time, without gaps. Days and longer are of the zone's calendar, shorter ones are moments. */
import type { ProjectedForm } from '../engine/projection.ts'
import type { Ask } from '../engine/readers.ts'
import { cutsOf, localSql, offsetMs } from '../query/zone.ts'

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
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 7 * 86_400_000,
  month: 28 * 86_400_000,
}

export const pointsIn = (bucket: Bucket, fromMs: number, toMs: number): number =>
  Math.ceil((toMs - fromMs) / STEP_MS[bucket])

export interface SeriesQuery {
  readonly timezone: string
  readonly bucket: Bucket
  readonly fromMs: number
  readonly toMs: number
}

export async function seriesOf(
  ask: Ask,
  { table }: ProjectedForm,
  { timezone, bucket, fromMs, toMs }: SeriesQuery,
): Promise<readonly Point[]> {
  const isCalendar = bucket === 'day' || bucket === 'week' || bucket === 'month'
  const cuts = isCalendar ? cutsOf(timezone, fromMs, toMs) : momentCut(timezone, fromMs, STEP_MS[bucket])
  const at = (ms: number): string => `make_timestamp_ms(${Math.round(ms)})`
  const edge = (ms: number): string =>
    `date_trunc('${bucket}', ${at(ms + (isCalendar ? offsetMs(timezone, ms) : (cuts[0]?.offsetMs ?? 0)))})`
  const rows = await ask(`WITH found AS (
       SELECT date_trunc('${bucket}', ${localSql('submitted_at', cuts)}) AS bucket, count(*) AS count FROM ${table}
       WHERE submitted_seq IS NOT NULL AND submitted_at >= ${at(fromMs)} AND submitted_at < ${at(toMs)} GROUP BY 1),
     steps AS (SELECT unnest(generate_series(${edge(fromMs)}, ${edge(toMs - 1)}, INTERVAL 1 ${bucket})) AS bucket)
     SELECT epoch_ms(steps.bucket) AS bucket, coalesce(found.count, 0) AS count
     FROM steps LEFT JOIN found USING (bucket) ORDER BY 1`)
  const back = isCalendar ? 0 : (cuts[0]?.offsetMs ?? 0)
  return rows.map((row) => ({
    at: shown(new Date(Number(row['bucket']) - back), bucket),
    count: Number(row['count']),
  }))
}

/** Hours of a zone that is off by half an hour begin at half past. An hour that is lived twice is two hours. */
function momentCut(timezone: string, fromMs: number, stepMs: number): readonly { fromMs: number; offsetMs: number }[] {
  return [{ fromMs, offsetMs: offsetMs(timezone, fromMs) % stepMs }]
}

function shown(date: Date, bucket: Bucket): string {
  const text = date.toISOString()
  if (bucket === 'month') return text.slice(0, 7)
  return bucket === 'day' || bucket === 'week' ? text.slice(0, 10) : text
}
