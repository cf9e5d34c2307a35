/** What comes and goes, at a glance: how much now, how it went in the last hour, and a line of the hour and the day. */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'
import type { Figure } from '../parts/facts.ts'
import { spark } from '../parts/spark.ts'
import { counted, number, span } from '../parts/time.ts'
import type { Visit } from '../visit.ts'

interface Counts {
  readonly responses: number
  readonly delivered: number
  readonly failed: number
}

interface Sum extends Counts {
  readonly success_share: number | null
  readonly delivered_within_ms: { readonly p50: number; readonly p95: number } | null
}

/** As `GET /api/v2/traffic` answers it. */
export interface Traffic {
  readonly now: Counts & { readonly seconds: number }
  readonly last_hour: Sum
  readonly last_day: Sum
  readonly minutes: readonly (Counts & { readonly at: string })[]
  readonly hours: readonly (Counts & { readonly at: string })[]
}

/** Under so much it is said to be bad. */
const SHARE_BAD = 0.9
const SHARE_WARN = 0.99

const TENTHS_BELOW = 100

/** Rates, success and time, as headline numbers. */
export function trafficFigures({ may }: Pick<Visit, 'may'>, { now, last_hour: hour }: Traffic): readonly Figure[] {
  const perMinute = (count: number): string => {
    const rate = (count * 60) / now.seconds
    return number(Number(rate.toFixed(rate < TENTHS_BELOW ? 1 : 0)))
  }
  const share = hour.success_share
  const took = hour.delivered_within_ms
  return [
    {
      label: 'Responses a minute',
      value: perMinute(now.responses),
      note: `${number(hour.responses)} in the last hour`,
      ...(may('responses:read') ? { href: '/responses' } : {}),
    },
    {
      label: 'Deliveries a minute',
      value: perMinute(now.delivered),
      note: `${number(hour.delivered)} in the last hour`,
      href: '/deliveries?state=delivered',
    },
    {
      label: 'Success',
      value: share === null ? '–' : sharePercent(share),
      note:
        share === null
          ? 'nothing was tried in the last hour'
          : hour.failed === 0
            ? 'no attempt failed in the last hour'
            : `${counted(hour.failed, 'attempt', 'attempts')} failed in the last hour`,
      href: '/dead-letters',
      ...(share === null || share >= SHARE_WARN
        ? {}
        : { tone: share < SHARE_BAD ? ('bad' as const) : ('warn' as const) }),
    },
    {
      label: 'Time to deliver, p95',
      value: took === null ? '–' : span(took.p95),
      note: took === null ? 'nothing was delivered in the last hour' : `half within ${span(took.p50)}`,
    },
  ]
}

/** What is not all is never shown as all. */
function sharePercent(share: number): string {
  const percent = share * 100
  return `${share < 1 && percent > 99.95 ? '99.9' : Number(percent.toFixed(1))} %`
}

/** The hour by the minute and the day by the hour. */
export function trafficLines({ minutes, hours, last_hour: hour, last_day: day }: Traffic): Html {
  if (day.responses + day.delivered + day.failed === 0)
    return html`<p class="soft below">Nothing came or went in the last 24 hours; lines show up here when something does.</p>`
  return html`<div class="charts below">${[
    { title: 'Last hour', points: minutes, sum: hour },
    { title: 'Last 24 hours', points: hours, sum: day },
  ].map(({ title, points, sum }) =>
    spark({
      title,
      sentence: `${counted(sum.responses, 'response', 'responses')} came; ${counted(sum.delivered, 'delivery', 'deliveries')} went well, ${counted(sum.failed, 'attempt', 'attempts')} did not.`,
      labels: points.map(({ at }) => at.slice(11, 16)),
      lines: [
        { name: 'responses', values: points.map(({ responses }) => responses) },
        { name: 'delivered', values: points.map(({ delivered }) => delivered) },
        { name: 'failed', values: points.map(({ failed }) => failed) },
      ],
    }),
  )}</div>`
}
