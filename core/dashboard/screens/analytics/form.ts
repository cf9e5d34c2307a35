/** One form in numbers: what came in, compared with the time before; what was answered; where people left; when they come. */
import { html } from '../../../html.ts'
import { ApiProblem, segment, withQuery } from '../../api.ts'
import { withCharts } from '../../charts/chart.ts'
import type { Chart } from '../../charts/chart.ts'
import { figures, section } from '../../parts/facts.ts'
import { choices, folded, questionForm } from '../../parts/filters.ts'
import type { Filter } from '../../parts/filters.ts'
import { PERIOD_FILTERS, periodOf } from '../../parts/period.ts'
import type { Answer, Visit } from '../../visit.ts'
import { API, asked, metricsPath, ZONE_FILTER } from './asking.ts'
import { dropOffChart, fieldCharts, fieldSections } from './fields.ts'
import { headline } from './headline.ts'
import { annotationList } from './notes.ts'
import { shareList, sharesOf } from './shares.ts'
import { seriesChart } from './series.ts'
import type { FormMetrics, FormsAnswer, QueryAnswer } from './wire.ts'
import { weekChart, weekQuestion } from './week.ts'

const BUCKETS = ['minute', 'hour', 'day', 'week', 'month'] as const

const FILTERS: readonly Filter[] = [
  ...PERIOD_FILTERS,
  { name: 'bucket', label: 'By', options: choices(BUCKETS), none: 'what fits' },
  ZONE_FILTER,
]

export async function formPage(visit: Visit): Promise<Answer> {
  const id = visit.param('id')
  const { api, query } = visit
  const first = await asked(() => metricsOf(visit, id, {}))
  if (first.body === null) return { view: { title: id, trail: TRAIL, body: first.problem } }
  const timezone = query('timezone') ?? first.body.timezone
  const period = periodOf(visit, timezone, Date.now())
  const bucket = query('bucket') ?? fitting(period.lengthMs)
  const ask = (question: object) => asked(() => api.send<QueryAnswer>('POST', `${API}/query`, question))
  const about = { form_id: id, timezone }
  const [metrics, before, week, name, shares] = await Promise.all([
    asked(() => metricsOf(visit, id, { from: period.from, to: period.to, bucket, timezone })),
    asked(() => api.get<FormsAnswer>(`${API}/forms`, { form: id, timezone, ...period.before })),
    ask({ ...about, ...weekQuestion(period) }),
    nameOf(visit, id),
    sharesOf(visit, ({ form_id: form }) => form === id),
  ])
  const problem = metrics.problem ?? before.problem ?? week.problem
  if (metrics.body === null || before.body === null || week.body === null)
    return { view: { title: name, trail: TRAIL, body: html`${questionForm(visit, FILTERS, 'Show')}${problem}` } }
  const { body } = metrics
  const charts: readonly Chart[] = [
    seriesChart(body),
    weekChart(week.body, timezone),
    ...fieldCharts(body.fields),
    ...dropOffChart(body.fields, body.completion),
  ]
  const top = figures(headline(body, before.body.items[0] ?? null))
  return withCharts(visit, charts, (drawn) => ({
    view: {
      title: name,
      trail: TRAIL,
      // What has an end that lies behind us does not change.
      ...(query('to') === undefined ? { refreshMs: REFRESH_MS } : {}),
      actions: html`<a class="button quiet" href="${withQuery('/analytics/question', { about: `form:${id}` })}">Ask a question</a>`,
      body: html`${folded(questionForm(visit, FILTERS, 'Show'), 'Period')}${top}
<div class="below">${drawn.get('series') ?? null}</div>
${fieldSections(body, drawn, 'in this period')}
${section('When they answer', drawn.get('week') ?? null)}
${annotationList(visit, body)}
${shares === null ? null : shareList(`${metricsPath(id)}/shares`, shares, 'Whoever has one sees the last 90 days and the answers of all time, as they are by then, whatever period stands above; without a key, and without fields that are marked as personal.')}`,
    },
  }))
}

const TRAIL = [{ label: 'Analytics', href: '/analytics' }]

const metricsOf = ({ api }: Visit, id: string, query: Readonly<Record<string, string>>): Promise<FormMetrics> =>
  api.get<FormMetrics>(`${API}/forms/${segment(id)}/metrics`, query)

/** Its name, for a key that may see forms. */
async function nameOf({ api, may }: Visit, id: string): Promise<string> {
  if (!may('forms:read')) return id
  return (await api.get<{ name: string }>(`/api/v2/forms/${segment(id)}`).catch(notFound))?.name ?? id
}

/** What was answered outlives its form. */
function notFound(error: unknown): null {
  if (error instanceof ApiProblem && error.status === 404) return null
  throw error
}

const REFRESH_MS = 15_000
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** So that a line has some thirty to a hundred points. */
function fitting(lengthMs: number): (typeof BUCKETS)[number] {
  if (lengthMs <= 2 * HOUR_MS) return 'minute'
  if (lengthMs <= 4 * DAY_MS) return 'hour'
  if (lengthMs <= 120 * DAY_MS) return 'day'
  return lengthMs <= 800 * DAY_MS ? 'week' : 'month'
}
