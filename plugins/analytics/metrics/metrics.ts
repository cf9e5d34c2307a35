/** The headline numbers of a form: computed from its rows when something changed, else as they were. */
import type { ProjectedForm } from '../engine/projection.ts'
import type { Ask, Readers } from '../engine/readers.ts'
import { cutsOf, localSql, offsetMs } from '../query/zone.ts'
import { fieldMetrics } from './fields.ts'
import type { FieldMetrics } from './fields.ts'
import { numberOf, share } from './numbers.ts'
import { seriesOf } from './series.ts'
import type { Bucket, Point } from './series.ts'

export interface MetricsQuery {
  readonly timezone: string
  readonly bucket: Bucket
  readonly fromMs: number
  readonly toMs: number
}

export interface Metrics {
  readonly totals: {
    readonly started: number
    readonly completed: number
    readonly partial: number
    /** Of those started; null while there are none. */
    readonly completionRate: number | null
  }
  /** Completed since midnight in the zone, and in the same stretch of the same weekday a week before. */
  readonly today: { readonly completed: number; readonly weekBefore: number; readonly change: number | null }
  readonly timeToComplete: { readonly medianS: number | null; readonly p95S: number | null }
  readonly series: readonly Point[]
  readonly fields: readonly FieldMetrics[]
}

export interface MetricsAnswer {
  readonly metrics: Metrics
  readonly tookMs: number
  readonly isCached: boolean
}

const KEPT_MAX = 500
/** What "today" is moves on by itself. */
const MINUTE_MS = 60_000

export interface MetricsReader {
  readonly timezone: string
  of(form: ProjectedForm, query: MetricsQuery, nowMs: number): Promise<MetricsAnswer>
}

export function openMetrics(readers: Readers, { timezone }: { readonly timezone: string }): MetricsReader {
  const kept = new Map<string, Metrics>()
  return {
    timezone,
    of: async (form, query, nowMs) => {
      const { bucket, fromMs, toMs } = query
      const minute = Math.floor(nowMs / MINUTE_MS)
      const key = [form.id, form.changedAt, minute, query.timezone, bucket, fromMs, toMs].join(' ')
      const startedMs = performance.now()
      const known = kept.get(key)
      const metrics = known ?? (await readers.run((ask) => compute(ask, form, { ...query, nowMs })))
      kept.delete(key)
      kept.set(key, metrics)
      if (kept.size > KEPT_MAX) kept.delete(kept.keys().next().value as string)
      return { metrics, tookMs: performance.now() - startedMs, isCached: known !== undefined }
    },
  }
}

type Asked = MetricsQuery & { readonly nowMs: number }

async function compute(ask: Ask, form: ProjectedForm, asked: Asked): Promise<Metrics> {
  const [row = {}] = await ask(totalsSql(form, asked))
  const n = (name: string): number => Number(row[name] ?? 0)
  const started = n('started')
  const completed = n('completed')
  const weekBefore = n('week_before')
  const todays = n('today')
  return {
    totals: { started, completed, partial: started - completed, completionRate: share(completed, started) },
    today: { completed: todays, weekBefore, change: weekBefore === 0 ? null : (todays - weekBefore) / weekBefore },
    timeToComplete: { medianS: numberOf(row, 'median_s'), p95S: numberOf(row, 'p95_s') },
    series: await seriesOf(ask, form, asked),
    fields: await fieldMetrics(ask, form),
  }
}

const WEEK_DAYS = 7

/** The same weekday a week before, by the wall clock: a change of the zone's offset between the two shifts nothing. */
function totalsSql({ table }: ProjectedForm, { timezone, nowMs }: Asked): string {
  const weekMs = (WEEK_DAYS + 1) * 86_400_000
  const local = localSql('submitted_at', cutsOf(timezone, nowMs - weekMs, nowMs))
  const now = `make_timestamp_ms(${Math.round(nowMs + offsetMs(timezone, nowMs))})`
  const midnight = `date_trunc('day', ${now})`
  const week = `INTERVAL ${WEEK_DAYS} DAY`
  const done = 'submitted_seq IS NOT NULL'
  // What is far in the past has another offset, and is not asked about.
  const near = `submitted_at >= make_timestamp_ms(${Math.round(nowMs - weekMs)})`
  return `SELECT count(*) AS started, count(*) FILTER (WHERE ${done}) AS completed,
    median(duration_s) FILTER (WHERE ${done}) AS median_s,
    quantile_cont(duration_s, 0.95) FILTER (WHERE ${done}) AS p95_s,
    count(*) FILTER (WHERE ${done} AND ${near} AND ${local} >= ${midnight} AND ${local} <= ${now}) AS today,
    count(*) FILTER (WHERE ${done} AND ${near} AND ${local} >= ${midnight} - ${week} AND ${local} <= ${now} - ${week}) AS week_before
    FROM ${table}`
}
