/** One statement of SQL, its rows as a chart, a table and a file, and which tables there are. */
import { html } from '../../../html.ts'
import type { Html } from '../../../html.ts'
import { withCharts } from '../../charts/chart.ts'
import type { Cell } from '../../charts/chart.ts'
import { section } from '../../parts/facts.ts'
import { questionForm } from '../../parts/filters.ts'
import type { Answer, Visit } from '../../visit.ts'
import { API, asked, incomplete } from './asking.ts'
import { isCut, resultChart } from './result.ts'

interface SqlAnswer {
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly rows: readonly (readonly unknown[])[]
  readonly meta: { readonly has_more: boolean; readonly complete_from: string | null }
}

interface SqlViews {
  readonly items: readonly {
    readonly name: string
    readonly about: string
    readonly columns: readonly { readonly name: string; readonly type: string }[]
  }[]
}

const ROWS_MAX = 1_000
const NUMBERS = /^(?:U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|FLOAT|DOUBLE|DECIMAL.*)$/

export async function sqlPage(visit: Visit): Promise<Answer> {
  const sql = visit.query('sql')
  const views = await visit.api.get<SqlViews>(`${API}/sql`)
  const top = { title: 'SQL', trail: [{ label: 'Questions', href: '/analytics/question' }] }
  const form = questionForm(
    visit,
    [
      {
        name: 'sql',
        label: 'One SELECT, as DuckDB has it',
        type: 'area',
        placeholder: 'SELECT type, count(*) FROM events GROUP BY 1 ORDER BY 2 DESC',
      },
    ],
    'Ask',
  )
  if (sql === undefined) return { view: { ...top, body: html`${form}${tables(views)}` } }
  const answer = await asked(() => visit.api.send<SqlAnswer>('POST', `${API}/sql`, { sql, limit: ROWS_MAX }))
  if (answer.body === null) return { view: { ...top, body: html`${form}${answer.problem}${tables(views)}` } }
  const { columns, rows, meta } = answer.body
  const chart = resultChart(
    {
      columns: columns.map(({ name }) => name),
      rows: rows.map((row) => row.map(cellOf)),
      bucket: null,
      isCount: false,
    },
    isDrawn(columns) ? 1 : 0,
    'Answer',
  )
  const says = isCut(rows.length, meta.has_more)
  return withCharts(visit, [chart], (drawn) => ({
    view: {
      ...top,
      body: html`${form}${incomplete(meta.complete_from)}${drawn.get('answer') ?? null}${says === null ? null : html`<p class="soft below">${says}</p>`}${tables(views)}`,
    },
  }))
}

/** A name and a number in each line. */
const isDrawn = (columns: SqlAnswer['columns']): boolean =>
  columns.length === 2 && NUMBERS.test(columns[1]?.type ?? '') && !NUMBERS.test(columns[0]?.type ?? '')

const cellOf = (value: unknown): Cell =>
  value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? value
    : JSON.stringify(value)

const tables = ({ items }: SqlViews): Html =>
  section(
    'Tables',
    html`${items.map(
      ({ name, about, columns }) =>
        html`<details class="sent"><summary><code>${name}</code> ${about}</summary><ul class="columns">${columns.map((column) => html`<li><code>${column.name}</code> <span class="soft">${column.type}</span></li>`)}</ul></details>`,
    )}`,
  )
