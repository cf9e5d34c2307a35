/** `GET /live/forms/{id}` and `GET /live/events/{id}`: the numbers that live connections are told as they change. */
import type { RouteRequest, RouteResponse } from 'manifold/plugin'
import type { Forms } from '../engine/forms.ts'
import type { Readers } from '../engine/readers.ts'
import type { MetricsReader } from '../metrics/metrics.ts'
import { worthSql } from '../engine/worth.ts'
import { numberOf } from '../metrics/numbers.ts'
import { problem } from '../query/problem.ts'
import { DAY_MS } from '../time-units.ts'

const noSuch = (): RouteResponse =>
  problem(404, 'not_found', { title: 'There is no such thing', detail: 'There is nothing of this id to follow.' })

export interface LiveFormParts {
  readonly metrics: MetricsReader
  readonly forms: Pick<Forms, 'find'>
  readonly signal: AbortSignal
}

export async function answerLiveForm(
  { params }: Pick<RouteRequest, 'params'>,
  { metrics, forms, signal }: LiveFormParts,
): Promise<RouteResponse> {
  const form = await forms.find(params['id'] ?? '')
  if (form === undefined) return noSuch()
  const nowMs = Date.now()
  // Whole days, so that what was made for one is there for the next.
  const toMs = Math.ceil((nowMs + 1) / DAY_MS) * DAY_MS
  const timezone = form.timezone ?? metrics.timezone
  const span = { timezone, bucket: 'day', fromMs: toMs - DAY_MS, toMs } as const
  const { totals, today, timeToComplete } = (await metrics.of(form, span, { nowMs, signal })).metrics
  return {
    json: {
      started: totals.started,
      completed: totals.completed,
      partial: totals.partial,
      completion_rate: totals.completionRate,
      today: today.completed,
      time_to_complete_median_s: timeToComplete.medianS,
    },
  }
}

/** Of what an organizer holds: its behaviour events so far. */
export async function answerLiveEvent(
  { params }: Pick<RouteRequest, 'params'>,
  { readers, signal }: { readonly readers: Readers; readonly signal: AbortSignal },
): Promise<RouteResponse> {
  const { value, currency, isMixed } = worthSql("type = 'conversion'")
  const sql = `SELECT count(*) AS events, count(DISTINCT visitor) AS visitors, count(*) FILTER (type = 'conversion') AS conversions,
    CASE WHEN NOT ${isMixed} THEN coalesce(${value}, 0) END AS conversion_value, ${currency} AS conversion_currency
    FROM events WHERE organizer_event = $1`
  const [row = {}] = await readers.run(signal, ({ ask }) => ask(sql, [params['id'] ?? '']))
  const of = (name: string): number => Number(row[name] ?? 0)
  if (of('events') === 0) return noSuch()
  return {
    json: {
      events: of('events'),
      visitors: of('visitors'),
      conversions: of('conversions'),
      conversion_value: numberOf(row, 'conversion_value'),
      conversion_currency: (row['conversion_currency'] ?? null) as string | null,
    },
  }
}
