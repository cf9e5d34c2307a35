/** Headline numbers as the API tells them. */
import type { Json } from 'manifold/plugin'
import type { Annotation } from '../annotations/annotations.ts'
import { annotationWire } from '../annotations/route.ts'
import type { Completion } from './completion.ts'
import type { FieldMetrics } from './fields.ts'
import type { Counted, Headline, Metrics } from './metrics.ts'

export interface Shown {
  readonly id: string
  readonly timezone: string
  readonly bucket: string
  readonly metrics: Metrics
  /** That lie in the stretch of the series. */
  readonly annotations: readonly Annotation[]
}

export const metricsWire = ({ id, timezone, bucket, metrics, annotations }: Shown): Json => ({
  ...numbersWire(metrics, { id, timezone, bucket }),
  annotations: annotations.map(annotationWire),
})

const numbersWire = (
  { series, fields, ...headline }: Metrics,
  { id, timezone, bucket }: Pick<Shown, 'id' | 'timezone' | 'bucket'>,
) => ({
  form_id: id,
  timezone,
  ...headlineWire(headline),
  series: { bucket, points: series.map(({ at, count }) => ({ at, count })) },
  fields: fields.map(fieldWire),
})

/** The same of a form alone and of one among many. */
export const headlineWire = ({ totals, completion, period, today, timeToComplete }: Headline) => ({
  totals: {
    started: totals.started,
    completed: totals.completed,
    partial: totals.partial,
    completion_rate: totals.completionRate,
  },
  completion: {
    base: completion.base,
    ...completionWire(completion),
    snippet: completion.snippet === null ? null : completionWire(completion.snippet),
  },
  period: {
    ...countedWire(period),
    previous: countedWire(period.previous),
    change: period.change,
  },
  today: { completed: today.completed, week_before: today.weekBefore, change: today.change },
  time_to_complete: { median_s: timeToComplete.medianS, p95_s: timeToComplete.p95S },
})

const completionWire = ({
  sinceMs,
  views,
  started,
  completed,
  abandoned,
  rate,
}: Omit<Completion, 'base' | 'snippet'>) => ({
  since: sinceMs === null ? null : timeOf(sinceMs),
  views,
  started,
  completed,
  abandoned,
  rate,
})

const timeOf = (ms: number): string => new Date(ms).toISOString()
const countedWire = ({ fromMs, toMs, completed }: Counted) => ({ from: timeOf(fromMs), to: timeOf(toMs), completed })

const fieldWire = ({ key, label, type, answered, reached, left, dropOff, choices, numbers }: FieldMetrics): Json => ({
  key,
  label,
  type,
  answered,
  reached,
  left,
  drop_off: dropOff,
  ...(choices === undefined ? {} : { choices: choices.map((choice) => ({ ...choice })) }),
  ...(numbers === undefined ? {} : { numbers: { ...numbers } }),
})
