/** The numbers at the top: of a period, each with what it was in the period before. */
import { html } from '../../../html.ts'
import type { Html } from '../../../html.ts'
import { percent } from '../../charts/chart.ts'
import type { Figure } from '../../parts/facts.ts'
import { counted, number, span } from '../../parts/time.ts'
import type { Completion, FormHeadline, FormMetrics } from './wire.ts'

/** `before`: of the period before; null: nobody knows. */
export function headline(now: FormMetrics, before: FormHeadline | null): readonly Figure[] {
  const { totals, completion, today, period } = now
  const [medianNow, medianBefore] = [now.time_to_complete.median_s, before?.time_to_complete.median_s ?? null]
  return [
    {
      label: 'Completed',
      value: number(period.completed),
      note: compared(period.completed, before?.period.completed ?? null, number),
    },
    {
      label: 'Completion rate',
      value: percent(completion.rate),
      note: html`${rateNote(completion)}${rateChange(completion, before?.completion ?? null)}`,
    },
    {
      label: 'Median time',
      value: medianNow === null ? '–' : span(medianNow * 1_000),
      note: medianBefore === null ? 'nothing to compare' : `${span(medianBefore * 1_000)} in the period before`,
    },
    {
      label: 'Today',
      value: number(today.completed),
      note: `${number(today.week_before)} by this time a week before`,
    },
    {
      label: 'Ever',
      value: number(totals.completed),
      note: `${number(totals.partial)} more begun and not completed`,
    },
  ]
}

/** Where both are somebody's word, it is the same one's. */
function rateChange(now: Completion, before: Completion | null): Html | null {
  if (now.rate === null || before === null || before.rate === null || now.base !== before.base) return null
  const change = now.rate - before.rate
  return html`, ${arrow(change, `${number(Math.abs(Math.round(change * 1_000) / 10))} points`)}`
}

/** What it is a share of. */
export const rateNote = (completion: Completion): string => {
  const { base, started, views } = completion
  return base === 'snippet'
    ? `of ${counted(started, 'visit that began', 'visits that began')}, as the snippet saw; the form was shown ${counted(views ?? 0, 'time', 'times')}`
    : `of ${number(started)} begun${besideNote(completion)}`
}

/** Where it saw too little to speak for the form. */
const besideNote = ({ snippet }: Completion): string =>
  snippet === null
    ? ''
    : ` (the snippet saw ${number(snippet.completed)} of ${counted(snippet.started, 'visit that began', 'visits that began')})`

function compared(now: number, before: number | null, show: (value: number) => string): Html | string {
  if (before === null || before === 0) return 'nothing in the period before'
  const change = (now - before) / before
  return html`${arrow(change, percent(Math.abs(change)))} from ${show(before)}`
}

/** Which way it went, in words too: colours and arrows are not for everybody. */
const arrow = (change: number, by: string): Html =>
  change === 0
    ? html`<span class="delta">unchanged</span>`
    : html`<span class="delta ${change > 0 ? 'up' : 'down'}"><span aria-hidden="true">${change > 0 ? '↑' : '↓'}</span> ${by} ${change > 0 ? 'more' : 'less'}</span>`
