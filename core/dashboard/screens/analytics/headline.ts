/** The numbers at the top: of a period, each with what it was in the period before. */
import { html } from '../../../html.ts'
import type { Html } from '../../../html.ts'
import { percent } from '../../charts/chart.ts'
import type { Figure } from '../../parts/facts.ts'
import type { Period } from '../../parts/period.ts'
import { counted, number, span } from '../../parts/time.ts'
import type { Completion, FormMetrics, QueryRow } from './wire.ts'

/** One question for both periods. A response belongs to the period in which it was begun, or sent. */
export function headlineQuestion(period: Period): object {
  const of = ({ from, to }: { readonly from: string; readonly to: string }, name: string): object => {
    const within = { $gte: from, $lt: to }
    const sent = { 'response.status': 'completed', 'response.submitted_at': within }
    const begun = { 'response.started_at': within }
    return {
      [`completed_${name}`]: { fn: 'count', filter: sent },
      [`started_${name}`]: { fn: 'count', filter: begun },
      [`finished_${name}`]: { fn: 'count', filter: { ...begun, 'response.status': 'completed' } },
      [`median_s_${name}`]: { fn: 'median', field: 'response.duration_s', filter: sent },
    }
  }
  return { include: 'all', aggregates: { ...of(period, 'now'), ...of(period.before, 'before') } }
}

/** `row` answers that question. */
export function headline({ totals, completion, today }: FormMetrics, row: QueryRow): readonly Figure[] {
  const of = (name: string): number | null => (typeof row[name] === 'number' ? row[name] : null)
  const rate = (name: string): number | null => {
    const started = of(`started_${name}`) ?? 0
    return started === 0 ? null : (of(`finished_${name}`) ?? 0) / started
  }
  const [medianNow, medianBefore] = [of('median_s_now'), of('median_s_before')]
  const [rateNow, rateBefore] = [rate('now'), rate('before')]
  return [
    {
      label: 'Completed',
      value: number(of('completed_now') ?? 0),
      note: compared(of('completed_now'), of('completed_before'), number),
    },
    {
      label: 'Completion rate',
      value: percent(completion.base === 'snippet' ? completion.rate : rateNow),
      note:
        completion.base === 'snippet'
          ? rateNote(completion)
          : rateNow === null || rateBefore === null
            ? `of ${number(of('started_now') ?? 0)} begun${besideNote(completion)}`
            : html`of ${number(of('started_now') ?? 0)} begun${besideNote(completion)}, ${arrow(rateNow - rateBefore, `${number(Math.abs(Math.round((rateNow - rateBefore) * 1_000) / 10))} points`)}`,
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

function compared(now: number | null, before: number | null, show: (value: number) => string): Html | string {
  if (now === null || before === null || before === 0) return 'nothing in the period before'
  const change = (now - before) / before
  return html`${arrow(change, percent(Math.abs(change)))} from ${show(before)}`
}

/** Which way it went, in words too: colours and arrows are not for everybody. */
const arrow = (change: number, by: string): Html =>
  change === 0
    ? html`<span class="delta">unchanged</span>`
    : html`<span class="delta ${change > 0 ? 'up' : 'down'}"><span aria-hidden="true">${change > 0 ? '↑' : '↓'}</span> ${by} ${change > 0 ? 'more' : 'less'}</span>`
