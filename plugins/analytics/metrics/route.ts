/** `GET /api/v2/analytics/forms/{id}/metrics`. */
import { z } from 'zod'
import type { Context, Json, RouteRequest, RouteResponse } from 'manifold/plugin'
import type { Annotation, Annotations } from '../annotations/annotations.ts'
import { annotationWire } from '../annotations/route.ts'
import type { Forms } from '../engine/forms.ts'
import type { Projection } from '../engine/projection.ts'
import { countCache } from '../query/cache-metrics.ts'
import { failure } from '../query/failure.ts'
import { NO_FORM, problem } from '../query/problem.ts'
import { momentText, withMoments } from '../query/times.ts'
import { isZone } from '../query/zone.ts'
import type { Completion } from './completion.ts'
import type { FieldMetrics } from './fields.ts'
import type { Counted, Metrics, MetricsReader } from './metrics.ts'
import { BUCKETS, POINTS_MAX, pointsIn } from './series.ts'
import { DAY_MS } from '../time-units.ts'

const DAYS_DEFAULT = 90

const querySchema = z.strictObject({
  bucket: z.enum(BUCKETS).default('day'),
  timezone: z.string().refine(isZone, 'is no time zone; write for example "Europe/Berlin"').optional(),
  from: momentText.optional(),
  to: momentText.optional(),
})

export interface MetricsParts {
  readonly metrics: MetricsReader
  readonly projection: Pick<Projection, 'applied'>
  readonly forms: Forms
  readonly annotations: Annotations
  readonly kv: Pick<Context['kv'], 'list'>
  readonly signal: AbortSignal
  readonly metric: Context['metric']
}

export async function answerMetrics(
  request: Pick<RouteRequest, 'params' | 'query'>,
  { metrics, projection, forms, annotations, kv, signal, metric }: MetricsParts,
): Promise<RouteResponse> {
  const read = querySchema.safeParse(withMoments(request.query, metrics.timezone))
  if (!read.success) {
    const errors = read.error.issues.map(({ path, message }) => ({ pointer: `/${path.join('/')}`, detail: message }))
    return problem(422, 'invalid_query', { title: 'The query is not valid', detail: 'See errors.', errors })
  }
  const asOf = projection.applied()
  const form = await forms.find(request.params['id'] ?? '')
  if (form === undefined) return problem(404, 'not_found', { title: 'There is no such thing', detail: NO_FORM })
  const nowMs = Date.now()
  const { bucket, timezone = metrics.timezone, from, to } = read.data
  const toMs = to === undefined ? Math.ceil((nowMs + 1) / 60_000) * 60_000 : Date.parse(to)
  const fromMs = from === undefined ? toMs - DAYS_DEFAULT * DAY_MS : Date.parse(from)
  const points = pointsIn(bucket, fromMs, toMs)
  if (!(fromMs < toMs) || points > POINTS_MAX) {
    const detail =
      fromMs < toMs
        ? `A series has ${POINTS_MAX} points at most; from "from" to "to" there are ${points} of a ${bucket}.`
        : '"from" has to lie before "to".'
    return problem(422, 'invalid_query', { title: 'The query is not valid', detail })
  }
  try {
    const isOfPeriod = from !== undefined || to !== undefined
    const [answer, noted] = await Promise.all([
      metrics.of(form, { timezone, bucket, fromMs, toMs, isOfPeriod }, { nowMs, signal, asOf }),
      annotations.of(kv, form.id),
    ])
    countCache(metric, 'metrics', { ageMs: answer.ageMs, isShared: answer.source === 'shared' })
    const within = noted.filter(({ at, until }) => Date.parse(until ?? at) >= fromMs && Date.parse(at) < toMs)
    const tookMs = Math.round(answer.tookMs * 1_000) / 1_000
    const timing = `metrics;dur=${tookMs};desc="${answer.source}", cache;desc=${answer.ageMs === null ? 'miss' : 'hit'}, log;desc="${asOf}"`
    return {
      headers: { 'server-timing': timing },
      json: wire({ id: form.id, timezone, bucket, metrics: answer.metrics, annotations: within }),
    }
  } catch (error) {
    return failure(error)
  }
}

interface Shown {
  readonly id: string
  readonly timezone: string
  readonly bucket: string
  readonly metrics: Metrics
  /** That lie in the stretch of the series. */
  readonly annotations: readonly Annotation[]
}

const wire = ({ id, timezone, bucket, metrics, annotations }: Shown): Json => ({
  ...numbersWire(metrics, { id, timezone, bucket }),
  annotations: annotations.map(annotationWire),
})

const numbersWire = (
  { totals, completion, period, today, timeToComplete, series, fields }: Metrics,
  { id, timezone, bucket }: Pick<Shown, 'id' | 'timezone' | 'bucket'>,
) => ({
  form_id: id,
  timezone,
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
  series: { bucket, points: series.map(({ at, count }) => ({ at, count })) },
  fields: fields.map(fieldWire),
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
