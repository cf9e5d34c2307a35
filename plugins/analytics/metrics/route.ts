/** `GET /api/v2/analytics/forms/{id}/metrics`. */
import { z } from 'zod'
import type { Context, RouteRequest, RouteResponse } from 'manifold/plugin'
import type { Annotations } from '../annotations/annotations.ts'
import type { Forms } from '../engine/forms.ts'
import type { Projection } from '../engine/projection.ts'
import { countCache } from '../query/cache-metrics.ts'
import { failure, readAs } from '../query/failure.ts'
import { NO_FORM, problem } from '../query/problem.ts'
import { Refusal } from '../query/refusal.ts'
import { momentText, withMoments } from '../query/times.ts'
import { isZone } from '../query/zone.ts'
import type { MetricsReader } from './metrics.ts'
import { metricsWire } from './wire.ts'
import { BUCKETS, POINTS_MAX, pointsIn } from './series.ts'
import { DAY_MS, MINUTE_MS } from '../time-units.ts'

const DAYS_DEFAULT = 90

/** What headline numbers are of. */
export const SPAN = {
  timezone: z.string().refine(isZone, 'is no time zone; write for example "Europe/Berlin"').optional(),
  from: momentText.optional(),
  to: momentText.optional(),
}
const querySchema = z.strictObject({ bucket: z.enum(BUCKETS).default('day'), ...SPAN })

/** 90 days up to the end of the minute, unless said. */
export function spanOf(
  { from, to }: { readonly from?: string | undefined; readonly to?: string | undefined },
  nowMs: number,
): { readonly fromMs: number; readonly toMs: number; readonly isOfPeriod: boolean } {
  const toMs = to === undefined ? Math.ceil((nowMs + 1) / MINUTE_MS) * MINUTE_MS : Date.parse(to)
  const fromMs = from === undefined ? toMs - DAYS_DEFAULT * DAY_MS : Date.parse(from)
  if (!(fromMs < toMs)) throw new Refusal([{ pointer: '/from', detail: 'has to lie before "to"' }])
  return { fromMs, toMs, isOfPeriod: from !== undefined || to !== undefined }
}

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
  try {
    const asOf = projection.applied()
    const form = await forms.find(request.params['id'] ?? '')
    if (form === undefined) return problem(404, 'not_found', { title: 'There is no such thing', detail: NO_FORM })
    const zone = form.timezone ?? metrics.timezone
    const query = readAs(querySchema, withMoments(request.query, zone))
    const { bucket, timezone = zone } = query
    const nowMs = Date.now()
    const { fromMs, toMs, isOfPeriod } = spanOf(query, nowMs)
    const points = pointsIn(bucket, fromMs, toMs)
    if (points > POINTS_MAX) {
      const detail = `a series has ${POINTS_MAX} points at most; from "from" to "to" there are ${points} of a ${bucket}`
      throw new Refusal([{ pointer: '/bucket', detail }])
    }
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
      json: metricsWire({ id: form.id, timezone, bucket, metrics: answer.metrics, annotations: within }),
    }
  } catch (error) {
    return failure(error)
  }
}
