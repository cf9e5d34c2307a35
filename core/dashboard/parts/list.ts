/** A list: filters, rows, what to do when there are none, the next page, and the same as CSV. Every list is a URL. */
import { html } from '../../html.ts'
import type { Html, Part } from '../../html.ts'
import { ApiProblem } from '../api.ts'
import type { Page, Query } from '../api.ts'
import { follow } from '../live-source.ts'
import { here } from '../visit.ts'
import type { Answer, LiveSource, View, Visit } from '../visit.ts'
import { csvAnswer } from './csv.ts'
import { notice } from './facts.ts'
import { filterForm } from './filters.ts'
import type { Filter } from './filters.ts'

export interface Column<Row> {
  readonly label: string
  readonly cell: (row: Row) => Part
  /** In the CSV; absent: the column is only for people. */
  readonly csv?: (row: Row) => string | number | boolean | null
  readonly align?: 'end'
}

export interface List<Row, OfPage extends Page<Row> = Page<Row>> {
  readonly title: string
  /** Of the CSV's file name. */
  readonly name: string
  readonly columns: readonly Column<Row>[]
  readonly filters: readonly Filter[]
  /** One page, as the URL asks for it; `query` has its filters, `limit` and `cursor`. */
  readonly load: (query: Query) => Promise<OfPage>
  /** Instead of the table. `isFiltered`: something is left out by a filter. */
  readonly empty: (isFiltered: boolean) => Html
  readonly actions?: Html | null
  /** What may be done with all of these; not shown where there are none. */
  readonly bulk?: Html | null
  /** Above the filters. */
  readonly before?: Html
  /** Among the filters. */
  readonly moreFilters?: Html | null
  /** Between filters and table. */
  readonly above?: (page: OfPage) => Html | null
  /** A row for a script to fill in with each event, and where it hears of them; absent: not on this page. */
  readonly tail?: { readonly row: Html; readonly from: (page: OfPage) => LiveSource }
  /** Events that are a reason for a script to look anew at once. */
  readonly follows?: Query
  /** How often a script looks anew. */
  readonly refreshMs?: number
  /** It may have more columns than a screen has room for: they are moved sideways, and the page stays where it is. */
  readonly isWide?: boolean
}

const ROWS_PER_PAGE = 50
/** How often a script looks at what changes. */
export const LIST_REFRESH_MS = 5_000

/** The list as a page, or as a file where the URL says `format=csv`. */
export async function list<Row, OfPage extends Page<Row> = Page<Row>>(
  visit: Visit,
  of: List<Row, OfPage>,
): Promise<Answer> {
  const asked = Object.fromEntries(of.filters.map(({ name }) => [name, visit.query(name)]))
  if (visit.query('format') === 'csv')
    return { response: await csvAnswer({ ...of, load: (place) => of.load({ ...asked, ...place }), visit }) }
  const isFiltered = Object.values(asked).some((value) => value !== undefined)
  const follows = of.follows === undefined ? null : await follow(visit, of.follows)
  const page = await of
    .load({ ...asked, limit: ROWS_PER_PAGE, cursor: visit.query('cursor') })
    .catch((error: unknown) => {
      if (isFiltered && error instanceof ApiProblem && REFUSED_FILTER.has(error.status)) return error
      throw error
    })
  if (page instanceof ApiProblem) return { view: refused(visit, of, page) }
  const live = of.tail?.from(page) ?? follows
  const view: View = {
    title: of.title,
    isList: true,
    actions: page.items.length > 0 && of.bulk != null ? html`${of.actions ?? null}${of.bulk}` : (of.actions ?? null),
    ...(of.refreshMs === undefined ? {} : { refreshMs: of.refreshMs }),
    ...(live === null ? {} : { live }),
    body: html`${of.before ?? null}${filterForm(visit, of.filters, of.moreFilters ?? null)}
${of.above?.(page) ?? (page.items.length === 0 && page.next_cursor !== null ? html`<p class="soft" role="status">None so far: there is more to look at.</p>` : null)}
${found(of, [
  page.items.length === 0 && page.next_cursor === null ? html`<div class="empty">${of.empty(isFiltered)}</div>` : null,
  page.items.length === 0 && of.tail === undefined ? null : table(of.columns, page.items, of.tail !== undefined),
  of.tail?.row ?? null,
])}
${pager(visit, page)}`,
  }
  return { view }
}

/** Where a script sets the focus once another page of the list is there; on a wide one it is also what keys move sideways. */
const found = (
  { title, isWide = false }: { readonly title: string; readonly isWide?: boolean },
  rows: readonly (Html | null)[],
): Html =>
  html`<div data-rows role="region" aria-label="${title}"${isWide ? html` class="sideways" tabindex="0"` : html` tabindex="-1"`}>${rows}</div>`

const REFUSED_FILTER: ReadonlySet<number> = new Set([400, 422])

/** What is wrong with what was asked, and what was typed, to be mended. */
const refused = <Row>(
  visit: Visit,
  { title, actions = null, before, filters, moreFilters = null }: Omit<List<Row>, 'load' | 'above' | 'tail'>,
  { status, message, problems }: ApiProblem,
): View => ({
  title,
  isList: true,
  status,
  actions,
  body: html`${before ?? null}${filterForm(visit, filters, moreFilters)}
${notice('bad', html`${problems.length === 0 ? html`<p>${message}</p>` : html`<p>This is not what one can ask for:</p><ul>${problems.map(({ pointer, detail }) => html`<li>${placeOf(pointer, filters)} ${detail}</li>`)}</ul>`}`)}`,
})

/** By its label where it is a filter of the page. */
function placeOf(pointer: string, filters: readonly Filter[]): Html {
  const [, name = '', ...rest] = pointer.split('/')
  const label = filters.find((filter) => filter.name === name)?.label
  return label === undefined
    ? html`<code>${pointer}</code>`
    : html`<strong>${label}</strong>${rest.length === 0 ? null : html` <code>${rest.join('/')}</code>`}:`
}

/** Rows; on a narrow screen each becomes a block whose cells carry their labels. `isLive`: a script adds those that come. */
export const table = <Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  isLive = false,
): Html => html`<table class="rows">
<thead><tr>${columns.map(({ label, align }) => html`<th scope="col"${align === 'end' ? html` class="end"` : null}>${heading(label)}</th>`)}</tr></thead>
<tbody${isLive ? html` data-tail` : null}>${rows.map(
  (row) =>
    html`<tr>${columns.map(({ label, cell, align }) => html`<td data-label="${label}"${classOf(label, align)}>${cell(row)}</td>`)}</tr>
`,
)}</tbody>
</table>`

/** A label that is longer is a question as somebody asked it, and takes two lines of a column, or one of its own above the answer. */
const LABEL_CHARS = 24

const heading = (label: string): Part =>
  label === ''
    ? html`<span class="away">Actions</span>`
    : label.length > LABEL_CHARS
      ? html`<span class="clip" title="${label}">${label}</span>`
      : label

const classOf = (label: string, align: 'end' | undefined): Html | null =>
  align === 'end' ? html` class="end"` : label.length > LABEL_CHARS ? html` class="asked"` : null

/** Of the first page, which has no cursor. */
const FIRST = '*'
/** So many pages back there is a link for each; it is in the URL, so it must not grow for ever. */
const TRAIL_MAX = 10

/** A cursor leads forward only, so a page's URL says by which ones one came to it: the nearest last. */
const trailOf = (visit: Visit): readonly string[] =>
  (visit.query('back') ?? '').split('.').filter((cursor) => cursor !== '')

function pager(visit: Visit, { items, next_cursor: next }: Page<unknown>): Html {
  const cursor = visit.query('cursor')
  const trail = cursor === undefined ? [] : trailOf(visit)
  const before = trail.at(-1)
  const previous = { cursor: before === FIRST ? null : before, back: trail.slice(0, -1).join('.') }
  const further = { cursor: next, back: [...trail, cursor ?? FIRST].slice(-TRAIL_MAX).join('.') }
  // It ended before it was full: its time was up.
  const isCut = items.length < ROWS_PER_PAGE
  return html`<nav class="pager" aria-label="Pages">
<span>${cursor === undefined || before === FIRST ? null : html`<a href="${here(visit, {})}">First page</a>`}
${before === undefined ? null : html`<a href="${here(visit, previous)}" rel="prev">Previous page</a>`}
${next === null ? null : html`<a href="${here(visit, further)}" rel="next">${isCut ? 'Look further' : 'Next page'}</a>`}</span>
${items.length === 0 ? null : html`<a href="${here(visit, { format: 'csv' })}" download>CSV</a>`}
</nav>`
}
