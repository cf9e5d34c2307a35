/** The headline numbers of a form: from counts in memory, from its rows where those are not there; kept while nothing changes. */
import type { ProjectedForm } from '../engine/projection.ts'
import type { Ask, Readers } from '../engine/readers.ts'
import { askedOf, fieldMetrics } from './fields.ts'
import type { AnswerFacts, FieldMetrics } from './fields.ts'
import type { FormCounts } from './form-counts.ts'
import { bucketsFromCounts, totalsFromCounts } from './from-counts.ts'
import { answersFromRows, totalsFromRows } from './from-rows.ts'
import type { Keeper } from './keeper.ts'
import { share } from './numbers.ts'
import { bucketsFromRows, pointsOf } from './series.ts'
import type { Point, SeriesQuery } from './series.ts'

export interface Metrics {
  readonly totals: {
    readonly started: number
    readonly completed: number
    readonly partial: number
    /** Of those started; null while there are none. */
    readonly completionRate: number | null
  }
  /** Completed since midnight in the zone, and in the same stretch of the same weekday a week before, in whole minutes. */
  readonly today: { readonly completed: number; readonly weekBefore: number; readonly change: number | null }
  readonly timeToComplete: { readonly medianS: number | null; readonly p95S: number | null }
  readonly series: readonly Point[]
  readonly fields: readonly FieldMetrics[]
}

export type Source = 'kept' | 'counts' | 'rows'

export interface MetricsAnswer {
  readonly metrics: Metrics
  readonly tookMs: number
  readonly source: Source
}

/** What "today" is asked at: the end of the minute. */
export interface Moment {
  readonly timezone: string
  readonly untilMs: number
}

export interface Totals {
  readonly started: number
  readonly completed: number
  readonly medianS: number | null
  readonly p95S: number | null
  readonly today: number
  readonly weekBefore: number
}

const KEPT_MAX = 500
const MINUTE_MS = 60_000

export interface MetricsReader {
  readonly timezone: string
  of(form: ProjectedForm, query: SeriesQuery, nowMs: number): Promise<MetricsAnswer>
}

export interface MetricsParts {
  readonly readers: Readers
  readonly keeper: Keeper
  /** Of questions that name none. */
  readonly timezone: string
}

export function openMetrics({ readers, keeper, timezone }: MetricsParts): MetricsReader {
  const kept = new Map<string, Metrics>()
  const made = async (form: ProjectedForm, asked: Asked): Promise<readonly [Metrics, Source]> => {
    const counts = keeper.of(form)
    if (counts !== null) return [fromCounts(counts, form, asked), 'counts']
    return [await readers.run((ask) => fromRows(ask, form, asked)), 'rows']
  }
  return {
    timezone,
    of: async (form, query, nowMs) => {
      const { bucket, fromMs, toMs } = query
      const untilMs = (Math.floor(nowMs / MINUTE_MS) + 1) * MINUTE_MS
      const key = [form.id, form.changedAt, untilMs, query.timezone, bucket, fromMs, toMs].join(' ')
      const startedMs = performance.now()
      const known = kept.get(key)
      const [metrics, source] =
        known === undefined ? await made(form, { ...query, untilMs }) : ([known, 'kept'] as const)
      kept.delete(key)
      kept.set(key, metrics)
      if (kept.size > KEPT_MAX) kept.delete(kept.keys().next().value as string)
      return { metrics, tookMs: performance.now() - startedMs, source }
    },
  }
}

type Asked = SeriesQuery & Moment

function fromCounts(counts: FormCounts, form: ProjectedForm, asked: Asked): Metrics {
  const series = pointsOf(bucketsFromCounts(counts, asked), asked)
  return metricsOf(form, { totals: totalsFromCounts(counts, asked), series, answers: counts })
}

async function fromRows(ask: Ask, form: ProjectedForm, asked: Asked): Promise<Metrics> {
  const totals = await totalsFromRows(ask, form, asked)
  const series = pointsOf(await bucketsFromRows(ask, form, asked), asked)
  return metricsOf(form, { totals, series, answers: await answersFromRows(ask, form) })
}

interface Facts {
  readonly totals: Totals
  readonly series: readonly Point[]
  readonly answers: AnswerFacts
}

function metricsOf(form: ProjectedForm, { totals, series, answers }: Facts): Metrics {
  const { started, completed, today, weekBefore, medianS, p95S } = totals
  return {
    totals: { started, completed, partial: started - completed, completionRate: share(completed, started) },
    today: { completed: today, weekBefore, change: weekBefore === 0 ? null : (today - weekBefore) / weekBefore },
    timeToComplete: { medianS, p95S },
    series,
    fields: fieldMetrics(askedOf(form), answers),
  }
}
