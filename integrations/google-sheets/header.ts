/** The header row: read, held against the columns that are wanted, and mended. Columns are known by their text alone. */
import type { FinalOutcome, Json } from 'manifold/plugin'
import { call, columnName, jsonOf, rangeOf } from './api.ts'
import type { Ctx } from './api.ts'
import type { Column } from './columns.ts'
import { outcomeOf } from './outcome.ts'

/** The tab as it was when its header was read. */
export interface Sheet {
  readonly sheetId: number
  readonly rowCount: number
  readonly columnCount: number
  readonly timeZone: string
  /** Text of row 1 from A on, trimmed; '' for a cell without. */
  readonly header: readonly string[]
}

interface SpreadsheetAnswer {
  readonly properties?: { readonly timeZone?: string }
  readonly sheets?: readonly {
    readonly properties?: {
      readonly sheetId?: number
      readonly gridProperties?: { readonly rowCount?: number; readonly columnCount?: number }
    }
    readonly data?: readonly {
      readonly rowData?: readonly { readonly values?: readonly { formattedValue?: string }[] }[]
    }[]
  }[]
}

const FIELDS =
  'properties.timeZone,sheets(properties(sheetId,gridProperties(rowCount,columnCount)),data.rowData.values.formattedValue)'

/** One read: header, size and time zone. */
export async function readSheet(ctx: Ctx): Promise<Sheet | FinalOutcome> {
  const { tab, credentials } = ctx.config
  const answer = await call(ctx, { method: 'GET', path: '', query: { ranges: rangeOf(tab, '1:1'), fields: FIELDS } })
  if (answer.status !== 200) return outcomeOf(answer, { email: credentials.client_email, tab })
  const read = jsonOf<SpreadsheetAnswer>(answer)
  const [sheet] = read?.sheets ?? []
  if (sheet?.properties === undefined) throw new Error('Google answered something else than the spreadsheet.')
  const { sheetId = 0, gridProperties = {} } = sheet.properties
  const cells = sheet.data?.[0]?.rowData?.[0]?.values ?? []
  return {
    sheetId,
    rowCount: gridProperties.rowCount ?? 0,
    columnCount: gridProperties.columnCount ?? 0,
    timeZone: read?.properties?.timeZone ?? 'UTC',
    header: withoutEmptyEnd(cells.map(({ formattedValue = '' }) => formattedValue.trim())),
  }
}

export const isOutcome = (value: object): value is FinalOutcome => 'outcome' in value

function withoutEmptyEnd(header: readonly string[]): readonly string[] {
  const last = header.findLastIndex((text) => text !== '')
  return header.slice(0, last + 1)
}

/** What is wanted against what is there. */
export interface HeaderPlan {
  /** Header → column from 0, for all that will be there once `added` is written. */
  readonly places: ReadonlyMap<string, number>
  /** To be written at the right end, in order. */
  readonly added: readonly Column[]
  /** Wanted, once there, and gone: renamed or removed. */
  readonly missing: readonly string[]
  /** Columns at the beginning of row 1 without a text: the table that Google looks for would end or begin there. */
  readonly gaps: readonly number[]
}

export interface HeaderInput {
  readonly header: readonly string[]
  readonly wanted: readonly Column[]
  /** Headers that were there before. */
  readonly known: ReadonlySet<string>
  readonly policy: 'recreate' | 'skip' | 'stop'
}

/** Pure. The first column of `wanted` is the id: rows are recognised by it, so it is never left out. */
export function planHeader({ header, wanted, known, policy }: HeaderInput): HeaderPlan {
  const places = new Map<string, number>()
  for (const [index, text] of header.entries()) if (text !== '' && !places.has(text)) places.set(text, index)
  const absent = wanted.filter((column) => !places.has(column.header))
  const missing = absent.filter((column) => known.has(column.header))
  const isAdded = (column: Column): boolean => policy !== 'skip' || column === wanted[0] || !known.has(column.header)
  const added = absent.filter(isAdded)
  for (const [index, column] of added.entries()) places.set(column.header, header.length + index)
  return {
    places,
    added,
    missing: missing.map((column) => column.header),
    gaps: gapsIn(header),
  }
}

/**
 * Google appends to the last table in a range that holds some of it; in a range without any it inserts rows above what is
 * there. So the range is a few cells of the header, not one: a person may have put a column before the first since it
 * was read. Without gaps they are all of one table.
 */
const ANCHOR_CELLS = 5

const gapsIn = (header: readonly string[]): readonly number[] =>
  header.slice(0, ANCHOR_CELLS).flatMap((text, index) => (text === '' ? [index] : []))

/** The range to append to. */
export const anchorOf = ({ columnCount }: Pick<Sheet, 'columnCount'>): string =>
  `A1:${columnName(Math.min(ANCHOR_CELLS, columnCount) - 1)}1`

/** What stands in such a gap from then on. */
export const gapHeader = (index: number): string => `Column ${columnName(index)}`

const PATTERNS: { readonly [type: string]: { readonly type: string; readonly pattern: string } | undefined } = {
  date: { type: 'DATE', pattern: 'yyyy-mm-dd' },
  datetime: { type: 'DATE_TIME', pattern: 'yyyy-mm-dd hh:mm:ss' },
}

/** One write: room for the new columns, their headers, and how dates in them are shown. Null when it is done. */
export async function writeHeader(ctx: Ctx, sheet: Sheet, plan: HeaderPlan): Promise<FinalOutcome | null> {
  const { added, gaps } = plan
  if (added.length === 0 && gaps.length === 0) return null
  const { sheetId, header } = sheet
  const lacking = header.length + added.length - sheet.columnCount
  const requests: Json[] = []
  if (lacking > 0) requests.push({ appendDimension: { sheetId, dimension: 'COLUMNS', length: lacking } })
  for (const index of gaps) requests.push(cellsAt(sheetId, index, [gapHeader(index)]))
  if (added.length > 0)
    requests.push(
      cellsAt(
        sheetId,
        header.length,
        added.map((column) => column.header),
      ),
    )
  for (const [index, { type }] of added.entries()) {
    const numberFormat = PATTERNS[type]
    if (numberFormat === undefined) continue
    const startColumnIndex = header.length + index
    const range = { sheetId, startRowIndex: 1, startColumnIndex, endColumnIndex: startColumnIndex + 1 }
    const cell = { userEnteredFormat: { numberFormat } }
    requests.push({ repeatCell: { range, cell, fields: 'userEnteredFormat.numberFormat' } })
  }
  const answer = await call(ctx, { method: 'POST', path: ':batchUpdate', body: JSON.stringify({ requests }) })
  const { tab, credentials } = ctx.config
  return answer.status === 200 ? null : outcomeOf(answer, { email: credentials.client_email, tab })
}

const cellsAt = (sheetId: number, columnIndex: number, texts: readonly string[]): Json => ({
  updateCells: {
    start: { sheetId, rowIndex: 0, columnIndex },
    // As text, whatever it looks like.
    rows: [{ values: texts.map((stringValue) => ({ userEnteredValue: { stringValue } })) }],
    fields: 'userEnteredValue',
  },
})

/** Ids a page: with 41 characters and their JSON below the megabyte that the hub reads of an answer. */
const PAGE_ROWS = 20_000
/** So that a run stays within its requests and its time. */
const PAGES_MAX = 12
/** Above it a row cannot be looked for. */
export const ROWS_MAX = PAGE_ROWS * PAGES_MAX

/** Which of these ids the column holds, wherever people have sorted them to. */
export async function findIds(
  ctx: Ctx,
  { rowCount, column }: { readonly rowCount: number; readonly column: number },
  ids: ReadonlySet<string>,
): Promise<ReadonlySet<string> | FinalOutcome> {
  const { tab, credentials } = ctx.config
  const found = new Set<string>()
  const name = columnName(column)
  for (let first = 2; first <= rowCount && found.size < ids.size; first += PAGE_ROWS) {
    const last = Math.min(first + PAGE_ROWS - 1, rowCount)
    const range = encodeURIComponent(rangeOf(tab, `${name}${first}:${name}${last}`))
    const query = { majorDimension: 'COLUMNS', fields: 'values' }
    const answer = await call(ctx, { method: 'GET', path: `/values/${range}`, query })
    if (answer.status !== 200) return outcomeOf(answer, { email: credentials.client_email, tab })
    const read = jsonOf<{ values?: readonly (readonly Json[])[] }>(answer)
    if (read === undefined)
      throw new Error('The column of the ids could not be read: the answer is too long or no JSON.')
    for (const id of read.values?.[0] ?? []) if (typeof id === 'string' && ids.has(id)) found.add(id)
  }
  return found
}
