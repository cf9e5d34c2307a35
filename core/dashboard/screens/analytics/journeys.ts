/** What visitors do one after the other: the paths most taken, and where each step leads. */
import { html } from '../../../html.ts'
import type { Html } from '../../../html.ts'
import { percent, percentCell, withCharts } from '../../charts/chart.ts'
import type { Chart } from '../../charts/chart.ts'
import { folded, questionForm } from '../../parts/filters.ts'
import type { Filter } from '../../parts/filters.ts'
import { table } from '../../parts/list.ts'
import { counted, number } from '../../parts/time.ts'
import type { Answer, Visit } from '../../visit.ts'
import { API, asked, incomplete, sent } from './asking.ts'
import { keeping } from './keeping.ts'
import { stepsOf } from './steps.ts'
import type { Steps } from './steps.ts'
import { given, SPAN_FILTERS, spanOf } from './visitors.ts'

interface Path {
  readonly steps: readonly string[]
  readonly count: number
  readonly share: number | null
}

/** As `POST /api/v2/analytics/journeys` answers it. */
export interface JourneysAnswer {
  /** Of links for others there is none. */
  readonly meta?: { readonly complete_from: string | null }
  readonly journeys: number
  readonly paths: readonly Path[]
}

const PATH = `${API}/journeys`
/** As the API calls it. */
const OTHER = '(other)'
const PATHS_MAX = 200
const PATHS_SHOWN_MAX = 25

const filters = (suggestions: Steps['suggestions']): readonly Filter[] => [
  { name: 'start', label: 'Beginning with', placeholder: 'anything', suggestions },
  { name: 'end', label: 'or ending with', placeholder: 'anything', suggestions },
  { name: 'by', label: 'A step is', none: 'a page', options: [{ value: 'name', label: 'an event' }] },
  {
    name: 'steps',
    label: 'Steps',
    none: '5',
    options: [2, 3, 4, 6, 8, 10].map((n) => ({ value: String(n), label: String(n) })),
  },
  ...SPAN_FILTERS,
]

export async function journeysPage(visit: Visit): Promise<Answer> {
  const { query } = visit
  const { suggestions, stepOf } = await stepsOf(visit)
  const form = questionForm(visit, filters(suggestions), 'Show')
  const steps = query('steps')
  const question = {
    ...given('start', query('start'), stepOf),
    ...given('end', query('end'), stepOf),
    ...given('by', query('by')),
    ...(steps === undefined ? {} : { steps: Number(steps) }),
    ...spanOf(visit),
    limit: PATHS_MAX,
  }
  const top = { title: 'Journeys' }
  const answer = await asked(() => visit.api.send<JourneysAnswer>('POST', PATH, question))
  if (answer.body === null) return { view: { ...top, body: html`${form}${answer.problem}${sent(PATH, question)}` } }
  const { body } = answer
  if (body.paths.length === 0) return { view: { ...top, body: html`${form}${NOBODY}${sent(PATH, question)}` } }
  const kept = await keeping(visit, 'journeys', question)
  return withCharts(visit, journeysCharts(body), (drawn) => ({
    view: {
      ...top,
      body: html`${folded(form, 'Which journeys')}${kept.head}${incomplete(body.meta?.complete_from)}${[...drawn.values()].map((figure) => html`<div class="below">${figure}</div>`)}
<div class="below">${sent(PATH, question)}</div>${kept.foot}`,
    },
  }))
}

const NOBODY = html`<div class="empty"><p>Nobody went this way.</p><p class="soft">Journeys are made of the events sent to <code>/api/v2/events/…</code>; a pause of 30 minutes ends one.</p></div>`

/** What people did, and where each step leads. */
export const journeysCharts = (answer: JourneysAnswer): readonly Chart[] => [pathsChart(answer), treeChart(answer)]

function pathsChart({ journeys, paths }: JourneysAnswer): Chart {
  const [first] = paths
  return {
    id: 'paths',
    isSection: true,
    title: 'Paths most taken',
    sentence: `Of ${counted(journeys, 'journey', 'journeys')} ${number(first?.count ?? 0)} (${percent(first?.share ?? null)}) went the same way.${paths.some(({ steps }) => steps.includes(OTHER)) ? ` ${OTHER} is whatever is done more rarely than the 200 most frequent.` : ''}`,
    columns: [{ label: 'path' }, { label: 'journeys' }, { label: 'share', show: percentCell }],
    rows: paths.map(({ steps, count, share }) => [steps.join(' → '), count, share]),
    drawings: [],
    more: table<Path>(
      [
        {
          label: 'Path',
          cell: ({ steps }) => html`<ol class="path">${steps.map((step) => html`<li>${step}</li>`)}</ol>`,
        },
        { label: 'Journeys', align: 'end', cell: ({ count }) => number(count) },
        { label: 'Share', align: 'end', cell: ({ share }) => percent(share) },
      ],
      paths.slice(0, PATHS_SHOWN_MAX),
    ),
  }
}

const DEPTH_OPEN = 1
const BRANCHES_MAX = 8

function treeChart(answer: JourneysAnswer): Chart {
  const { paths, journeys } = answer
  const [most] = beginnings(paths)
  return {
    id: 'tree',
    isSection: true,
    title: 'Step by step',
    sentence:
      most === undefined
        ? 'Nobody went anywhere.'
        : `${percent(most.count / journeys)} of journeys begin with “${most.steps.at(-1) ?? ''}”; each line opens to what came next.`,
    columns: [{ label: 'path so far' }, { label: 'journeys' }, { label: 'share', show: percentCell }],
    rows: beginnings(paths).map(({ steps, count }) => [steps.join(' → '), count, count / journeys]),
    drawings: [],
    more: tree(answer),
  }
}

/** Every way that journeys begin, however far, the most taken first. */
function beginnings(paths: readonly Path[]): readonly { readonly steps: readonly string[]; readonly count: number }[] {
  const all = new Map<string, { steps: readonly string[]; count: number }>()
  for (const { steps, count } of paths)
    for (let length = 1; length <= steps.length; length += 1) {
      const begun = steps.slice(0, length)
      const key = JSON.stringify(begun)
      all.set(key, { steps: begun, count: (all.get(key)?.count ?? 0) + count })
    }
  return [...all.values()].toSorted((a, b) => b.count - a.count)
}

/** The same as a tree: what begins alike is one branch. Of the paths that were told, the most taken. */
const tree = ({ paths, journeys }: JourneysAnswer): Html => branches(paths, { depth: 0, journeys })

function branches(paths: readonly Path[], { depth, journeys }: { depth: number; journeys: number }): Html {
  const by = Map.groupBy(
    paths.filter(({ steps }) => steps.length > depth),
    ({ steps }) => steps[depth] ?? '',
  )
  const all = [...by]
    .map(([step, within]) => ({ step, within, count: within.reduce((sum, { count }) => sum + count, 0) }))
    .toSorted((a, b) => b.count - a.count)
    .slice(0, BRANCHES_MAX)
  return html`<ul class="tree">${all.map(({ step, within, count }) => {
    const line = html`${step} <span class="soft">${number(count)} · ${percent(count / journeys)}</span>`
    const further = within.some(({ steps }) => steps.length > depth + 1)
    return further
      ? html`<li><details${depth < DEPTH_OPEN ? html` open` : null}><summary>${line}</summary>${branches(within, { depth: depth + 1, journeys })}</details></li>`
      : html`<li class="leaf">${line}</li>`
  })}</ul>`
}
