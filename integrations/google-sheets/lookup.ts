/**
 * Which rows are in the tab: the column of the ids, read page by page. One reading serves every batch that waits, and goes on
 * in the next run where the time of one is not enough.
 */
import { retry } from 'manifold/plugin'
import type { FinalOutcome, Json } from 'manifold/plugin'
import { call, columnName, jsonOf, rangeOf } from './api.ts'
import type { Ctx } from './api.ts'
import type { Sheet } from './header.ts'
import { isOutcome, look, outcomeOf } from './outcome.ts'

/** With 41 characters and their JSON an id, below the megabyte that the hub reads of an answer. */
const PAGE_ROWS = 20_000
/** So many rows may go or come above, between one page and the next, and none is passed over. */
const OVERLAP_ROWS = 500
/** People delete rows: what is there is no longer believed then. */
const KEPT_MS = 60_000

interface Page {
  readonly column: number
  readonly first: number
  readonly last: number
}

interface Reading {
  /** Which tab, and which columns of it. */
  readonly of: string
  readonly begunMs: number
  /** Ids below were of no interest when it began; ids sort by time. */
  readonly from: string
  readonly ids: Set<string>
  readonly left: Page[]
  doneMs: number | null
}

/** An isolate serves one installation; who loses it reads again. */
let reading: Reading | null = null

export interface LookUp {
  readonly ids: readonly string[]
  /** Unix ms since when nothing that was sent before can change what is there. */
  readonly settledMs: number
  /** More pages than one may be read in this run. */
  readonly mayGoOn: () => boolean
}

/** Those that are there. A `retry` when that is not known yet, or Google did not say. */
export async function lookUp(
  ctx: Ctx,
  { sheet, idHeader }: { readonly sheet: Sheet; readonly idHeader: string },
  { ids, settledMs, mayGoOn }: LookUp,
): Promise<ReadonlySet<string> | FinalOutcome> {
  const columns = sheet.header.flatMap((text, index) => (text === idHeader ? [index] : []))
  const of = `${ctx.config.spreadsheet} ${sheet.sheetId} ${columns.join()}`
  const from = ids.reduce((least, id) => (id < least ? id : least))
  const isGood =
    reading?.of === of &&
    reading.begunMs >= settledMs &&
    reading.from <= from &&
    (reading.doneMs === null || Date.now() - reading.doneMs < KEPT_MS)
  if (reading === null || !isGood) {
    const left = columns.flatMap((column) => pagesOf(column, sheet.rowCount))
    reading = { of, begunMs: Date.now(), from, ids: new Set(), left, doneMs: null }
  }
  const now = reading
  for (let [page] = now.left, isFirst = true; page !== undefined; [page] = now.left, isFirst = false) {
    if (!isFirst && !mayGoOn())
      return retry('The column of the ids is long: it is read on in the next run.', {
        code: 'looking',
        untouched: true,
      })
    const read = await readPage(ctx, page)
    if (isOutcome(read)) return read
    for (const id of read) if (typeof id === 'string' && id >= now.from) now.ids.add(id)
    now.left.shift()
  }
  now.doneMs ??= Date.now()
  return now.ids
}

/** They are in the tab from now on. */
export function noteWritten(ids: readonly string[]): void {
  for (const id of ids) reading?.ids.add(id)
}

function pagesOf(column: number, rowCount: number): readonly Page[] {
  const pages: Page[] = []
  for (let first = 2; first <= rowCount; first += PAGE_ROWS - OVERLAP_ROWS) {
    const last = Math.min(first + PAGE_ROWS - 1, rowCount)
    pages.push({ column, first, last })
    if (last === rowCount) break
  }
  return pages
}

const readPage = (ctx: Ctx, { column, first, last }: Page): Promise<readonly Json[] | FinalOutcome> =>
  look<readonly Json[]>(async () => {
    const { tab, credentials } = ctx.config
    const name = columnName(column)
    const range = encodeURIComponent(rangeOf(tab, `${name}${first}:${name}${last}`))
    const query = { majorDimension: 'COLUMNS', fields: 'values' }
    const answer = await call(ctx, { method: 'GET', path: `/values/${range}`, query })
    if (answer.status === 400) {
      // Rows were deleted: the tab ends above.
      reading = null
      return retry('The tab became shorter while the ids were read.', { code: 'looking' })
    }
    if (answer.status !== 200) return outcomeOf(answer, { email: credentials.client_email, tab })
    const read = jsonOf<{ values?: readonly (readonly Json[])[] }>(answer)
    if (read === undefined)
      return retry('The column of the ids could not be read: the answer is too long or no JSON.', {
        code: 'answer_unreadable',
      })
    return read.values?.[0] ?? []
  })
