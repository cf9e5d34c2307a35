/** A funnel: who takes these steps one after the other, and where they are lost. */
import { html } from '../../../html.ts'
import type { Html } from '../../../html.ts'
import { percent, percentCell } from '../../charts/chart.ts'
import { withCharts } from '../../charts/chart.ts'
import type { Cell, Chart } from '../../charts/chart.ts'
import { bars, drawnOf } from '../../charts/bars.ts'
import { figures } from '../../parts/facts.ts'
import { choices, folded, questionForm } from '../../parts/filters.ts'
import type { Filter } from '../../parts/filters.ts'
import { linked } from '../../parts/link.ts'
import { counted, number, span } from '../../parts/time.ts'
import type { Answer, Visit } from '../../visit.ts'
import { API, asked, incomplete, sent } from './asking.ts'
import { keeping } from './keeping.ts'
import { stepsOf } from './steps.ts'
import type { Steps } from './steps.ts'
import { DIMENSIONS, given, SPAN_FILTERS, spanOf } from './visitors.ts'

/** As `POST /api/v2/analytics/funnels` answers it. */
export interface FunnelAnswer {
  /** Of links for others there is none. */
  readonly meta?: { readonly complete_from: string | null }
  readonly entered: number
  readonly converted: number
  readonly rate: number | null
  readonly median_s: number | null
  readonly steps: readonly {
    readonly label: string
    readonly visitors: number
    readonly lost: number
    readonly of_previous: number | null
    readonly of_first: number | null
    readonly median_s: number | null
  }[]
  readonly breakdown?: readonly {
    readonly value: string | null
    readonly visitors: readonly number[]
    readonly rate: number | null
    readonly median_s: number | null
  }[]
}

const PATH = `${API}/funnels`
const STEPS = [1, 2, 3, 4, 5, 6]
const WINDOWS = [
  { value: '30m', label: '30 minutes' },
  { value: '24h', label: 'a day' },
  { value: '7d', label: 'a week' },
  { value: '90d', label: '90 days' },
  { value: 'none', label: 'any time' },
]

const filters = (suggestions: Steps['suggestions']): readonly Filter[] => [
  ...STEPS.map((n) => ({
    name: `step${n}`,
    label: n === 1 ? 'First' : `then (${n})`,
    clause: 'Steps',
    isLong: true,
    placeholder: n === 1 ? 'an event, a /page' : n === 2 ? '/pricing, /blog/*' : '',
    suggestions,
  })),
  { name: 'window', label: 'Within', clause: 'How', options: WINDOWS, none: '30 days' },
  { name: 'breakdown', label: 'Divided by', clause: 'How', options: choices(DIMENSIONS), none: 'nothing' },
  ...SPAN_FILTERS.map((filter) => ({ ...filter, clause: 'How' })),
]

function questionOf(visit: Visit, { stepOf }: Steps): Readonly<Record<string, unknown>> {
  const { query } = visit
  const named = STEPS.flatMap((n) => query(`step${n}`) ?? [])
  const window = query('window')
  return {
    steps: named.map(stepOf),
    ...(window === undefined ? {} : { window: window === 'none' ? null : window }),
    ...given('breakdown', query('breakdown')),
    ...spanOf(visit),
  }
}

export async function funnelPage(visit: Visit): Promise<Answer> {
  const known = await stepsOf(visit)
  const form = questionForm(visit, filters(known.suggestions), 'Follow them')
  const top = { title: 'Funnels' }
  if (visit.query('step1') === undefined) return { view: { ...top, body: html`${form}${begin(visit)}` } }
  const question = questionOf(visit, known)
  const answer = await asked(() => visit.api.send<FunnelAnswer>('POST', PATH, question))
  if (answer.body === null) return { view: { ...top, body: html`${form}${answer.problem}${sent(PATH, question)}` } }
  const { body } = answer
  const kept = await keeping(visit, 'funnels', question)
  return withCharts(visit, funnelCharts(body, visit.query), (drawn) => ({
    view: {
      ...top,
      body: html`${folded(form, 'Steps')}${kept.head}${incomplete(body.meta?.complete_from)}${funnelFigures(body)}
${[...drawn.values()].map((figure) => html`<div class="below">${figure}</div>`)}
<div class="below">${sent(PATH, question)}</div>${kept.foot}`,
    },
  }))
}

/** Steps, and the rate of each group where it is divided. */
export const funnelCharts = (answer: FunnelAnswer, query: Visit['query']): readonly Chart[] => [
  stepsChart(answer),
  ...breakdownChart(answer, query('breakdown') ?? ''),
]

export const funnelFigures = ({ entered, converted, rate, median_s: median }: FunnelAnswer): Html =>
  figures([
    { label: 'Entered', value: number(entered) },
    { label: 'Came through', value: number(converted) },
    { label: 'Rate', value: percent(rate) },
    { label: 'Median time', value: seconds(median) },
  ])

const begin = (visit: Visit): Html =>
  html`<div class="empty"><p>Name two steps or more.</p><p class="soft">A step is the name of an event, such as <code>signup</code>, a page: <code>/pricing</code>, <code>/blog/*</code>, or what was done with a form: <code>form:contact:viewed</code>, <code>started</code>, <code>submitted</code>. What visitors have been seen to do is offered as you type; of forms the script on their pages tells, which stands with each ${linked(visit, { scope: 'forms:read', href: '/forms' }, 'form')}. The address of the answer is the funnel: send it to whoever should see it.</p></div>`

const seconds = (value: Cell): string => (typeof value === 'number' ? span(value * 1_000) : '–')

function stepsChart({ steps, entered }: FunnelAnswer): Chart {
  const [, ...later] = steps
  const worst = later.reduce((most, step) => (step.lost > most.lost ? step : most), later[0] ?? { label: '', lost: 0 })
  return {
    id: 'steps',
    isSection: true,
    title: 'Visitors by step',
    sentence:
      entered === 0
        ? 'Nobody took the first step.'
        : `Of ${counted(entered, 'visitor', 'visitors')} ${number(steps.at(-1)?.visitors ?? 0)} came through; most were lost before “${worst.label}” (${number(worst.lost)}).`,
    columns: [
      { label: 'step' },
      { label: 'visitors' },
      { label: 'lost' },
      { label: 'of the step before', show: percentCell },
      { label: 'of the first', show: percentCell },
      { label: 'median time from the step before', show: seconds },
    ],
    rows: steps.map((step) => [step.label, step.visitors, step.lost, step.of_previous, step.of_first, step.median_s]),
    drawings: [],
    more: bars(
      steps.map((step, n) => ({
        label: `${n + 1}. ${step.label}`,
        value: step.visitors,
        note: n === 0 ? number(step.visitors) : `${number(step.visitors)} · ${percent(step.of_previous)}`,
      })),
      entered,
    ),
  }
}

const GROUPS_DRAWN_MAX = 12

function breakdownChart({ breakdown, steps }: FunnelAnswer, by: string): readonly Chart[] {
  if (breakdown === undefined || breakdown.length === 0) return []
  const nameOf = (value: string | null): string => (value === null ? '(others)' : value === '' ? '(unknown)' : value)
  const most = breakdown.reduce((best, group) => ((group.rate ?? 0) > (best.rate ?? 0) ? group : best))
  return [
    {
      id: 'breakdown',
      isSection: true,
      title: `Rate by ${by.replaceAll('_', ' ')}`,
      sentence: `The highest rate has ${nameOf(most.value)}: ${percent(most.rate)}.`,
      columns: [
        { label: by },
        ...steps.map(({ label }) => ({ label })),
        { label: 'rate', show: percentCell },
        { label: 'median time', show: seconds },
      ],
      rows: breakdown.map((group) => [nameOf(group.value), ...group.visitors, group.rate, group.median_s]),
      drawings: [],
      more: html`${bars(
        breakdown.slice(0, GROUPS_DRAWN_MAX).map((group) => ({
          label: nameOf(group.value),
          value: group.rate ?? 0,
          note: `${percent(group.rate)} of ${number(group.visitors[0] ?? 0)}`,
        })),
        most.rate ?? 0,
      )}${drawnOf(Math.min(GROUPS_DRAWN_MAX, breakdown.length), breakdown.length)}`,
    },
  ]
}
