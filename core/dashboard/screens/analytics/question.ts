/** Questions put together from choices, with the JSON and the SQL they come to. Every question is an address. */
import { formsOf } from '../../form-items.ts'
import { html } from '../../../html.ts'
import type { Html } from '../../../html.ts'
import { withCharts } from '../../charts/chart.ts'
import type { Cell, Chart } from '../../charts/chart.ts'
import { code } from '../../parts/facts.ts'
import { folded, questionForm } from '../../parts/filters.ts'
import type { Answer, Visit } from '../../visit.ts'
import { API, asked, incomplete, sent } from './asking.ts'
import { keeping } from './keeping.ts'
import {
  ABOUT_DEFAULT,
  CHOOSING,
  COLUMN,
  fieldsToSuggest,
  FUNCTIONS,
  questionFilters,
  questionOf,
  responsesAsked,
} from './question-form.ts'
import { isCut, resultChart } from './result.ts'
import type { QueryAnswer, QueryRow } from './wire.ts'

const PATH = `${API}/query`

export async function questionPage(visit: Visit): Promise<Answer> {
  const forms = await formsOf(visit)
  const { query } = visit
  const values = await valuesOf(visit, fieldsToSuggest({ query, forms }))
  const form = questionForm(visit, questionFilters({ query, forms, values }), 'Ask')
  const top = { title: 'Questions', actions: toSql(visit) }
  if (visit.url.search === '' || query(CHOOSING) !== undefined) return { view: { ...top, body: html`${form}${BEGIN}` } }
  const question = questionOf(visit, forms)
  const answer = await asked(() => visit.api.send<QueryAnswer>('POST', PATH, question))
  if (answer.body === null) return { view: { ...top, body: html`${form}${answer.problem}${sent(PATH, question)}` } }
  const { items, meta } = answer.body
  const chart = questionChart(items, query)
  const kept = await keeping(visit, 'query', question)
  return withCharts(visit, [chart], (drawn) => ({
    view: {
      ...top,
      body: html`${folded(form, 'The question')}${kept.head}${incomplete(meta.complete_from)}${drawn.get('answer') ?? null}${cut(items.length, meta.next_offset !== null)}${rowsBehind(visit, forms)}
<div class="below">${sent(PATH, question)}</div>${statement(meta)}${kept.foot}`,
    },
  }))
}

const VALUES_MAX = 50

/** What these have been seen with most; a key that may not know gets none. */
async function valuesOf(visit: Visit, fields: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
  const about = visit.query('about') ?? ABOUT_DEFAULT
  const of = async (field: string) => {
    const question = { data_set: about, aggregate: 'count', group_by: [{ field, as: 'value' }], limit: VALUES_MAX }
    const { body } = await asked(() => visit.api.send<QueryAnswer>('POST', PATH, question))
    return [field, (body?.items ?? []).flatMap(({ value }) => (typeof value === 'string' ? [value] : []))] as const
  }
  return new Map(await Promise.all(fields.map(of)))
}

/** From an answer to the responses that it counted. */
function rowsBehind(visit: Visit, forms: Parameters<typeof responsesAsked>[1]): Html | null {
  const href = visit.may('responses:read') ? responsesAsked(visit, forms) : null
  return href === null ? null : html`<p class="below"><a href="${href}">The responses behind it</a></p>`
}

/** Its rows, as the address says that they are grouped. */
export function questionChart(items: readonly QueryRow[], query: Visit['query']): Chart {
  const groups = [COLUMN.by, COLUMN.split].filter((name) => query(name) !== undefined)
  const isCompared = query('compare') !== undefined
  const rows = items.map((row): readonly Cell[] => [
    ...[...groups, COLUMN.value].map((name) => row[name] ?? null),
    ...(isCompared ? [beforeOf(row)] : []),
  ])
  const fn = query('fn') ?? 'count'
  const what = [FUNCTIONS.find(({ value }) => value === fn)?.label ?? fn, query('field')].filter(Boolean).join(' ')
  return resultChart(
    {
      columns: [...groups.map((name) => query(name) ?? name), what, ...(isCompared ? ['before'] : [])],
      rows,
      bucket: query('by') === undefined ? null : (query('bucket') ?? null),
      isCount: fn === 'count' || fn === 'count_distinct' || fn === 'sum',
    },
    groups.length,
    titleOf([what, ...groups.map((name) => query(name) ?? name)].join(', by ')),
  )
}

const titleOf = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** What the row was in the earlier period. */
const beforeOf = (row: QueryRow): Cell => (row['compare'] as unknown as QueryRow | undefined)?.[COLUMN.value] ?? null

const BEGIN = html`<div class="empty"><p>Choose what to count, and by what.</p><p class="soft">The answer comes as a chart, a table and a file; the address of the page is the question, so it can be kept and sent on.</p></div>`

const toSql = ({ may }: Visit): Html | null =>
  may('responses:read') ? html`<a class="button quiet" href="/analytics/sql">Ask in SQL</a>` : null

const cut = (rows: number, more: boolean): Html | null => {
  const says = isCut(rows, more)
  return says === null ? null : html`<p class="soft below">${says}</p>`
}

function statement({ sql, values = [] }: QueryAnswer['meta']): Html | null {
  if (sql === undefined) return null
  const list = values.map((value, n) => `-- $${n + 1} = ${JSON.stringify(value)}`)
  return html`<details class="sent below"><summary>The SQL it comes to</summary>${code([sql, ...list].join('\n'))}</details>`
}
