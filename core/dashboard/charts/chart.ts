/** A chart on a page: what it says in a sentence, the drawing, the same as a table, and the table as a file. */
import { Html, html } from '../../html.ts'
import type { Part } from '../../html.ts'
import { csvLine, csvFile } from '../parts/csv.ts'
import { table } from '../parts/list.ts'
import { number } from '../parts/time.ts'
import { withQuery } from '../api.ts'
import type { Answer, Visit } from '../visit.ts'
import { COLOURS } from './draw.ts'
import type { Drawing } from './draw.ts'
import { paint } from './paint.ts'

export type Cell = string | number | boolean | null

export interface Chart {
  /** Of the file and the place on the page. */
  readonly id: string
  readonly title: string
  /** It stands for itself, in no section of the page. */
  readonly isSection?: boolean
  /** What a look at it would tell. */
  readonly sentence: string
  readonly columns: readonly { readonly label: string; readonly show?: (cell: Cell) => string }[]
  readonly rows: readonly (readonly Cell[])[]
  /** One for every width, or one for wide screens and one for narrow ones; none where the page itself draws it, in `more`. */
  readonly drawings: readonly Drawing[]
  /** Of several series, in order. */
  readonly legend?: readonly string[]
  /** In place of a drawing, or below it. */
  readonly more?: Part
}

/** As much of a visit as charts need: a page without a key has no more. */
export type Asking = Pick<Visit, 'url' | 'query' | 'requestId'>

/** The page with its charts, or one of them as a file where the URL asks for it by `csv`. */
export async function withCharts(
  visit: Asking,
  charts: readonly Chart[],
  page: (figures: ReadonlyMap<string, Html>) => Answer | Promise<Answer>,
): Promise<Answer> {
  const wanted = visit.query('csv')
  const file = charts.find(({ id }) => id === wanted)
  if (file !== undefined) return { response: csvOf(visit, file) }
  const svgs = await paint(charts.flatMap(({ drawings }) => drawings)).catch(() => null)
  let taken = 0
  const figures = charts.map((chart) => {
    const own = svgs?.slice(taken, taken + chart.drawings.length) ?? null
    taken += chart.drawings.length
    return [chart.id, figure(visit, chart, own)] as const
  })
  return page(new Map(figures))
}

const csvOf = (visit: Asking, { id, columns, rows }: Chart): Response => {
  const lines = [csvLine(columns.map(({ label }) => label)), ...rows.map(csvLine)]
  return csvFile(visit, id, lines)
}

function figure({ url }: Asking, chart: Chart, svgs: readonly string[] | null): Html {
  const { id, title, isSection = false, sentence, legend, more } = chart
  const heading = isSection ? html`<h2>${title}</h2>` : html`<h3>${title}</h3>`
  return html`<figure class="chart" id="${id}">
<figcaption>${heading}<p>${sentence}</p></figcaption>
${legend === undefined ? null : html`<ul class="legend${chart.drawings[0]?.points === undefined ? '' : ' lines'}">${legend.map((name, n) => html`<li class="c${(n % COLOURS) + 1}">${name}</li>`)}</ul>`}
${chart.drawings.length === 0 ? null : svgs === null ? html`<p class="soft">It cannot be drawn at the moment; the numbers are below.</p>` : drawn(svgs, chart)}
${more ?? null}
<details><summary>Numbers</summary>${numbers(chart)}<p><a href="${withQuery(url.pathname, { ...Object.fromEntries(url.searchParams), csv: id })}" download>CSV</a></p></details>
</figure>`
}

/** What comes from the thread is SVG already. */
function drawn(svgs: readonly string[], { title, drawings }: Chart): Html {
  const points = drawings[0]?.points
  const [wide = '', narrow] = svgs.map((svg) => new Html(svg))
  const both =
    narrow === undefined
      ? html`<div class="drawn">${wide}</div>`
      : html`<div class="drawn on-wide">${wide}</div><div class="drawn on-narrow">${narrow}</div>`
  return points === undefined
    ? both
    : html`<div class="plots" data-title="${title}" data-points="${JSON.stringify(points)}">${both}</div>`
}

const ROWS_SHOWN_MAX = 500

const numbers = ({ columns, rows }: Chart): Html =>
  html`${table(
    columns.map(({ label, show = shown }, n) => ({
      label,
      cell: (row: readonly Cell[]) => show(row[n] ?? null),
      ...(rows.every((row) => typeof row[n] !== 'string') ? { align: 'end' as const } : {}),
    })),
    rows.slice(0, ROWS_SHOWN_MAX),
  )}${rows.length > ROWS_SHOWN_MAX ? html`<p class="soft">The first ${number(ROWS_SHOWN_MAX)} of ${number(rows.length)} lines; the file has all.</p>` : null}`

/** A cell as people read it. */
export function shown(cell: Cell): string {
  if (cell === null) return '–'
  if (typeof cell === 'number') return number(Math.round(cell * 1_000) / 1_000)
  return String(cell)
}

/** A share as people read it. */
export const percent = (share: number | null): string =>
  share === null ? '–' : `${number(Math.round(share * 1_000) / 10)} %`

/** The same for a cell of a table. */
export const percentCell = (cell: Cell): string => percent(typeof cell === 'number' ? cell : null)
