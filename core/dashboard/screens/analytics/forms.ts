/** All forms at a glance, each with what its own page says of the same period. */
import { html } from '../../../html.ts'
import type { Page, Query } from '../../api.ts'
import { withQuery } from '../../api.ts'
import { percent } from '../../charts/chart.ts'
import { calledOf } from '../../form-items.ts'
import { list } from '../../parts/list.ts'
import type { Column } from '../../parts/list.ts'
import { PERIOD_FILTERS, periodOf } from '../../parts/period.ts'
import { number, span } from '../../parts/time.ts'
import { linked } from '../../parts/link.ts'
import type { Answer, Visit } from '../../visit.ts'
import { API, metricsPath, ZONE_FILTER } from './asking.ts'
import type { FormHeadline, FormsAnswer } from './wire.ts'

const FILTERS = [...PERIOD_FILTERS, ZONE_FILTER]
/** As many as the API gives at once. */
const ROWS_MAX = 100

export async function formsPage(visit: Visit): Promise<Answer> {
  const timezone = visit.query('timezone') ?? (await headlines(visit, { limit: 1 })).timezone
  const nowMs = Date.now()
  return list<FormHeadline>(visit, {
    title: 'Analytics',
    name: 'analytics',
    columns: columns(visit),
    filters: FILTERS,
    load: async ({ limit, cursor }: Query): Promise<Page<FormHeadline>> => {
      const place = { cursor, limit: Math.min(Number(limit), ROWS_MAX) }
      const ask = async (zone: string): Promise<FormsAnswer> => {
        const { from, to } = periodOf(visit, zone, nowMs)
        return headlines(visit, { from, to, timezone: zone === timezone ? visit.query('timezone') : zone, ...place })
      }
      const page = await ask(timezone)
      const items = await inOwnZones(page.items, timezone, ask)
      const called = calledOf(items.map(({ form_id: id, name }) => ({ id, name })))
      return { ...page, items: items.map((item) => ({ ...item, name: called.get(item.form_id) ?? item.name })) }
    },
    empty: () =>
      html`<p>There is no form yet.</p><p class="soft">Make one under ${linked(visit, { scope: 'forms:read', href: '/forms' }, 'Forms')}: its answers are counted here as they come.</p>`,
  })
}

const headlines = ({ api }: Visit, query: Query): Promise<FormsAnswer> => api.get<FormsAnswer>(`${API}/forms`, query)

/** The days of a form with a zone of its own begin elsewhere, and so does its period: once for each such zone. */
async function inOwnZones(
  items: readonly FormHeadline[],
  timezone: string,
  ask: (zone: string) => Promise<FormsAnswer>,
): Promise<readonly FormHeadline[]> {
  const zones = [...new Set(items.map((item) => item.timezone))].filter((zone) => zone !== timezone)
  const pages = await Promise.all(zones.map(ask))
  const own = new Map(
    pages.flatMap((page, n) =>
      page.items.flatMap((item): [string, FormHeadline][] =>
        items.some(({ form_id: id, timezone: zone }) => id === item.form_id && zone === zones[n])
          ? [[item.form_id, item]]
          : [],
      ),
    ),
  )
  return items.map((item) => own.get(item.form_id) ?? item)
}

/** The period goes along to the form's own page. */
function columns({ query }: Visit): readonly Column<FormHeadline>[] {
  const period = Object.fromEntries(FILTERS.map(({ name }) => [name, query(name)]))
  const linkOf = (id: string): string => withQuery(metricsPath(id), period)
  return [
    {
      label: 'Form',
      cell: ({ form_id: id, name }) => html`<a href="${linkOf(id)}"><strong>${name}</strong></a>`,
      csv: ({ form_id: id }) => id,
    },
    { label: 'Today', align: 'end', cell: ({ today }) => number(today.completed), csv: ({ today }) => today.completed },
    {
      label: 'Completed',
      align: 'end',
      cell: ({ period: { completed } }) => number(completed),
      csv: ({ period: { completed } }) => completed,
    },
    {
      label: 'Completion rate',
      align: 'end',
      cell: ({ completion }) => percent(completion.rate),
      csv: ({ completion }) => completion.rate,
    },
    {
      label: 'Median time',
      align: 'end',
      cell: ({ time_to_complete: { median_s: seconds } }) => (seconds === null ? '–' : span(seconds * 1_000)),
      csv: ({ time_to_complete: { median_s: seconds } }) => seconds,
    },
    {
      label: 'Ever',
      align: 'end',
      cell: ({ totals }) => number(totals.completed),
      csv: ({ totals }) => totals.completed,
    },
  ]
}
