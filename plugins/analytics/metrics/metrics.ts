/** The headline numbers of a form: from counts in memory, from its rows where those are not there; kept while nothing changes. */
import type { ProjectedForm, Projection } from '../engine/projection.ts'
import type { Ask, Asks, Readers } from '../engine/readers.ts'
import { earlierOf } from '../query/compare.ts'
import type { Earlier } from '../query/compare.ts'
import { Kept } from '../query/kept.ts'
import { NOTHING_SHARED } from '../query/known-elsewhere.ts'
import type { Shared } from '../query/known-elsewhere.ts'
import { Together } from '../query/together.ts'
import { completionOf, watchedBy } from './completion.ts'
import type { Completion, Seen, Watched } from './completion.ts'
import { askedOf, fieldMetrics } from './fields.ts'
import type { AnswerFacts, FieldMetrics } from './fields.ts'
import { FormCounts } from './form-counts.ts'
import { bucketsFromCounts, totalsFromCounts } from './from-counts.ts'
import { answersFromRows, totalsFromRows } from './from-rows.ts'
import type { Keeper } from './keeper.ts'
import { share } from './numbers.ts'
import { bucketsFromRows, pointsOf } from './series.ts'
import type { Point, SeriesQuery } from './series.ts'

/** What a form comes to, without its series and fields. */
export interface Headline {
  readonly totals: {
    readonly started: number
    readonly completed: number
    readonly partial: number
    /** Of responses, whatever else `completion` knows. */
    readonly completionRate: number | null
  }
  /** How many of those who began came to the end, and who says so. */
  readonly completion: Completion
  /** Completed between the ends of the series, and in as long a time before, with the same weekdays. */
  readonly period: Counted & { readonly previous: Counted; readonly change: number | null }
  /** Completed since midnight in the zone, and in the same stretch of the same weekday a week before, in whole minutes. */
  readonly today: { readonly completed: number; readonly weekBefore: number; readonly change: number | null }
  readonly timeToComplete: { readonly medianS: number | null; readonly p95S: number | null }
}

export interface Metrics extends Headline {
  readonly series: readonly Point[]
  readonly fields: readonly FieldMetrics[]
}

/** Completed in a stretch of time. */
export interface Counted {
  readonly fromMs: number
  readonly toMs: number
  readonly completed: number
}

/** `shared`: another process of the hub has made it. */
export type Source = 'kept' | 'counts' | 'shared' | 'rows'

export interface MetricsAnswer {
  readonly metrics: Metrics
  readonly tookMs: number
  readonly source: Source
  /** How long ago it was made; null: for whoever asks. */
  readonly ageMs: number | null
}

/** What "today" is asked at: the end of the minute. */
export interface Moment {
  readonly timezone: string
  readonly untilMs: number
}

export interface Totals {
  readonly started: number
  readonly completed: number
  /** Of those begun in the period, where only that is asked about; else the two above. */
  readonly begun: number
  readonly finished: number
  readonly medianS: number | null
  readonly p95S: number | null
  readonly today: number
  readonly weekBefore: number
  /** Completed between the ends of the series, and in the period before. */
  readonly within: number
  readonly before: number
}

export interface MetricsQuery extends SeriesQuery {
  /** What was answered, where people left and how long they took is of the time of the series alone, not of all time. */
  readonly isOfPeriod?: boolean
}

const KEPT_BYTES_MAX = 32 * 2 ** 20
const MINUTE_MS = 60_000

export interface MetricsAsking {
  readonly nowMs: number
  readonly signal: AbortSignal
  /** Place of the log that the form was looked up at; absent: what is made is not shared. */
  readonly asOf?: number
}

export interface MetricsReader {
  readonly timezone: string
  /** As they are right now; null: the form is not counted. */
  counted(form: ProjectedForm, query: SeriesQuery, nowMs: number): Metrics | null
  of(form: ProjectedForm, query: MetricsQuery, asking: MetricsAsking): Promise<MetricsAnswer>
}

export interface MetricsParts {
  readonly readers: Readers
  readonly keeper: Keeper
  readonly projection: Pick<Projection, 'watchedAt' | 'eventsChangedBy'>
  /** Of questions that name none. */
  readonly timezone: string
  readonly shared?: Shared
}

export function openMetrics(parts: MetricsParts): MetricsReader {
  const { readers, keeper, projection, timezone, shared = NOTHING_SHARED } = parts
  const kept = new Kept<Metrics>(KEPT_BYTES_MAX)
  const together = new Together<Made>()
  const made = async (form: ProjectedForm, asked: Asked, { signal, asOf }: MetricsAsking): Promise<Made> => {
    const isWatched = projection.watchedAt(form.id) > 0
    const countsOf = (): FormCounts | null => (form.isUnanswered === true ? new FormCounts(form) : keeper.of(form))
    const seen = (ask: Ask): Promise<Watched | null> =>
      isWatched ? watchedBy(ask, form, asked) : Promise.resolve(null)
    // There is nothing to read of one that nobody has answered.
    if ((asked.isOfPeriod !== true || form.isUnanswered === true) && countsOf() !== null) {
      const watched = isWatched ? await readers.run(signal, ({ ask }) => seen(ask)) : null
      const counts = countsOf()
      if (counts !== null)
        return { metrics: fromCounts(counts, form, { asked, watched }), source: 'counts', ageMs: null }
    }
    const question = ['metrics', form.id, asked, ...(isWatched ? [projection.eventsChangedBy()] : [])]
    const elsewhere = await shared.get<Metrics>(form.changedBy, question)
    if (elsewhere !== undefined) return { metrics: elsewhere.answer, source: 'shared', ageMs: elsewhere.ageMs }
    const metrics = await readers.run(signal, async (reading) => {
      const found = await fromRows(reading, form, { asked, watched: await seen(reading.ask) })
      if (reading.asOf === asOf) shared.put(form.changedBy, question, found)
      return found
    })
    return { metrics, source: 'rows', ageMs: null }
  }
  return {
    timezone,
    counted: (form, query, nowMs) => {
      const counts = keeper.of(form)
      if (counts === null) return null
      return fromCounts(counts, form, { asked: askedAt(query, nowMs), watched: null })
    },
    of: async (form, query, asking) => {
      const { bucket, fromMs, toMs, isOfPeriod = false } = query
      const untilMs = endOfMinute(asking.nowMs)
      const asOf = [form.changedAt, projection.watchedAt(form.id), untilMs]
      const key = [form.id, ...asOf, query.timezone, bucket, fromMs, toMs, isOfPeriod].join(' ')
      const startedMs = performance.now()
      const known = kept.get(key, startedMs)
      if (known !== undefined)
        return { metrics: known.answer, tookMs: performance.now() - startedMs, source: 'kept', ageMs: known.ageMs }
      const { made: found, isJoined } = await together.of(key, asking.signal, async (signal) => {
        const fresh = await made(form, askedAt(query, asking.nowMs), { ...asking, signal })
        kept.set(key, fresh.metrics, { nowMs: performance.now() - (fresh.ageMs ?? 0) })
        return fresh
      })
      const tookMs = performance.now() - startedMs
      return isJoined
        ? { metrics: found.metrics, source: 'kept', ageMs: found.ageMs ?? 0, tookMs }
        : { ...found, tookMs }
    },
  }
}

/** `earlier`: the period that the one asked about is compared with. */
export type Asked = MetricsQuery & Moment & { readonly earlier: Earlier }
type Made = Omit<MetricsAnswer, 'tookMs'>

const endOfMinute = (nowMs: number): number => (Math.floor(nowMs / MINUTE_MS) + 1) * MINUTE_MS

export const askedAt = (query: MetricsQuery, nowMs: number): Asked => ({
  ...query,
  untilMs: endOfMinute(nowMs),
  earlier: earlierOf('previous', query),
})

/** Of responses alone, as of the moment that `asks` see. */
export const metricsFromRows = (asks: Asks, form: ProjectedForm, query: SeriesQuery & { readonly nowMs: number }) =>
  fromRows(asks, form, { asked: askedAt(query, query.nowMs), watched: null })

interface Given {
  readonly asked: Asked
  readonly watched: Watched | null
}

function fromCounts(counts: FormCounts, form: ProjectedForm, { asked, watched }: Given): Metrics {
  const series = pointsOf(bucketsFromCounts(counts, asked), asked)
  return metricsOf(form, { totals: totalsFromCounts(counts, asked), series, answers: counts, asked, watched })
}

async function fromRows(asks: Asks, form: ProjectedForm, { asked, watched }: Given): Promise<Metrics> {
  const { ask } = asks
  const totals = await totalsFromRows(ask, form, asked)
  const series = pointsOf(await bucketsFromRows(ask, form, asked), asked)
  return metricsOf(form, { totals, series, answers: await answersFromRows(asks, form, asked), asked, watched })
}

interface Facts extends Given {
  readonly totals: Totals
  readonly series: readonly Point[]
  readonly answers: AnswerFacts
}

const metricsOf = (form: ProjectedForm, { totals, series, answers, asked, watched }: Facts): Metrics => {
  const headline = headlineOf(totals, { asked, watched })
  const whose = headline.completion.base === 'snippet' ? watched : null
  return { ...headline, series, fields: fieldMetrics(askedOf(form), answers, whose) }
}

/** The one place that says what the numbers of a form are, whether it is asked about alone or among others. */
export function headlineOf(
  totals: Totals,
  { asked, watched }: { readonly asked: Asked; readonly watched: Seen | null },
): Headline {
  const { started, completed, begun, finished, today, weekBefore, within, before, medianS, p95S } = totals
  const { fromMs, toMs, earlier } = asked
  return {
    totals: { started, completed, partial: started - completed, completionRate: share(finished, begun) },
    completion: completionOf(watched, totals),
    period: {
      fromMs,
      toMs,
      completed: within,
      previous: { fromMs: earlier.fromMs, toMs: earlier.toMs, completed: before },
      change: changeOf(within, before),
    },
    today: { completed: today, weekBefore, change: changeOf(today, weekBefore) },
    timeToComplete: { medianS, p95S },
  }
}

const changeOf = (now: number, before: number): number | null => share(now - before, before)
