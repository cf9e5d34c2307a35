/** Who came back: cohorts by when they began, period after period. */
import { html } from '../../../html.ts'
import { percent, withCharts } from '../../charts/chart.ts'
import type { Chart } from '../../charts/chart.ts'
import { trend } from '../../charts/draw.ts'
import { folded, questionForm } from '../../parts/filters.ts'
import type { Filter } from '../../parts/filters.ts'
import { heat } from '../../parts/heat.ts'
import { counted, number } from '../../parts/time.ts'
import type { Answer, Visit } from '../../visit.ts'
import { API, asked, incomplete, sent } from './asking.ts'
import { keeping } from './keeping.ts'
import { shortPoint } from './series.ts'
import { stepsOf } from './steps.ts'
import type { Steps } from './steps.ts'
import { given, SPAN_FILTERS, spanOf } from './visitors.ts'

/** As `POST /api/v2/analytics/retention` answers it. */
export interface RetentionAnswer {
  /** Of links for others there is none. */
  readonly meta?: { readonly complete_from: string | null }
  readonly period: string
  readonly cohorts: readonly {
    readonly cohort: string
    readonly visitors: number
    readonly returned: readonly (number | null)[]
    readonly share: readonly (number | null)[]
  }[]
  readonly average: readonly (number | null)[]
}

const PATH = `${API}/retention`

const filters = (suggestions: Steps['suggestions']): readonly Filter[] => [
  { name: 'begin', label: 'Began with', placeholder: 'anything', suggestions },
  { name: 'return', label: 'Came back for', placeholder: 'the same', suggestions },
  {
    name: 'period',
    label: 'By',
    none: 'week',
    options: [
      { value: 'day', label: 'day' },
      { value: 'month', label: 'month' },
    ],
  },
  {
    name: 'mode',
    label: 'Who counts',
    none: 'newcomers',
    options: [{ value: 'recurring', label: 'everybody, in each period' }],
  },
  ...SPAN_FILTERS,
]

export async function retentionPage(visit: Visit): Promise<Answer> {
  const { query } = visit
  const { suggestions, stepOf } = await stepsOf(visit)
  const form = questionForm(visit, filters(suggestions), 'Show')
  const question = {
    ...given('begin', query('begin'), stepOf),
    ...given('return', query('return'), stepOf),
    ...given('period', query('period')),
    ...given('mode', query('mode')),
    ...spanOf(visit),
  }
  const top = { title: 'Retention' }
  const answer = await asked(() => visit.api.send<RetentionAnswer>('POST', PATH, question))
  if (answer.body === null) return { view: { ...top, body: html`${form}${answer.problem}${sent(PATH, question)}` } }
  const { body } = answer
  if (body.cohorts.every(({ visitors }) => visitors === 0))
    return { view: { ...top, body: html`${form}${NOBODY}${sent(PATH, question)}` } }
  const kept = await keeping(visit, 'retention', question)
  return withCharts(visit, retentionCharts(body), (drawn) => ({
    view: {
      ...top,
      body: html`${folded(form, 'Who and when')}${kept.head}${incomplete(body.meta?.complete_from)}${[...drawn.values()].map((figure) => html`<div class="below">${figure}</div>`)}
<div class="below">${sent(PATH, question)}</div>${kept.foot}`,
    },
  }))
}

/** Each cohort, and all of them together. */
export const retentionCharts = (answer: RetentionAnswer): readonly Chart[] => [
  cohortChart(answer),
  ...averageChart(answer),
]

const NOBODY = html`<div class="empty"><p>Nobody began in this time.</p><p class="soft">Visitors are known by the events sent to <code>/api/v2/events/…</code>; unless said otherwise the last twelve periods are shown.</p></div>`

/** A column: the n-th period after the one that a cohort began in. */
export const after = (n: number, period: string): string => (n === 0 ? `same ${period}` : `${period} ${n}`)

/** Each cohort, shaded by the share that came back. */
export function cohortChart({ cohorts, period }: Pick<RetentionAnswer, 'cohorts' | 'period'>): Chart {
  const periods = cohorts[0]?.share.length ?? 0
  const labels = Array.from({ length: periods }, (_, n) => after(n, period))
  // Before anybody was there is nothing to look at; the table has it all.
  const begun = cohorts.slice(
    Math.max(
      0,
      cohorts.findIndex(({ visitors }) => visitors > 0),
    ),
  )
  const known = Math.max(1, ...begun.map(({ share }) => share.findLastIndex((each) => each !== null) + 1))
  const total = cohorts.reduce((sum, { visitors }) => sum + visitors, 0)
  return {
    id: 'cohorts',
    isSection: true,
    title: `Cohorts by ${period}`,
    sentence: `${counted(total, 'visitor', 'visitors')} in ${counted(begun.length, 'cohort', 'cohorts')}; each cell is the share of its line that came back.`,
    columns: [{ label: period }, { label: 'visitors' }, ...labels.map((label) => ({ label }))],
    rows: cohorts.map(({ cohort, visitors, returned }) => [cohort, visitors, ...returned]),
    drawings: [],
    more: heat({
      corner: `${period}, visitors`,
      columns: labels.slice(0, known),
      ends: ['0 %', '100 %'],
      rows: begun.map(({ cohort, visitors, share }) => ({
        label: `${shortPoint(cohort)} · ${number(visitors)}`,
        cells: share.slice(0, known).map((each) => ({ share: each, text: each === null ? '' : percent(each) })),
      })),
    }),
  }
}

/** None where no cohort has a whole period behind it yet. */
function averageChart({ average, period }: RetentionAnswer): readonly Chart[] {
  const known = average.flatMap((share, n) => (share === null ? [] : [{ share, label: after(n, period) }]))
  const [, first] = known
  if (first === undefined) return []
  return [
    {
      id: 'average',
      isSection: true,
      title: 'On average',
      sentence: `${percent(first.share)} come back in the first ${period} after; ${percent(known.at(-1)?.share ?? null)} in the last that is known.`,
      columns: [
        { label: 'after' },
        { label: 'share', show: (share) => percent(typeof share === 'number' ? share : null) },
      ],
      rows: known.map(({ label, share }) => [label, share]),
      drawings: trend({
        labels: known.map(({ label }) => label),
        series: [{ name: 'share', values: known.map(({ share }) => Math.round(share * 1_000) / 10) }],
        isPercent: true,
      }),
    },
  ]
}
