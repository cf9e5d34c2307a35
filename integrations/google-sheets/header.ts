/** The header row: read, held against the columns that are wanted, and mended. Columns are known by their text alone. */
import { retry } from 'manifold/plugin'
import type { FinalOutcome, Json } from 'manifold/plugin'
import { call, jsonOf, rangeOf } from './api.ts'
import type { Ctx } from './api.ts'
import type { Column } from './columns.ts'
import { look, outcomeOf } from './outcome.ts'

/** The tab as it was when its header was read. */
export interface Sheet {
  readonly sheetId: number
  readonly rowCount: number
  readonly columnCount: number
  readonly timeZone: string
  /** Text of row 1 from A on, trimmed; '' for a cell without. */
  readonly header: readonly string[]
}

/** A tab with its first row, as the API tells it. */
export interface SheetAnswer {
  readonly properties?: {
    readonly sheetId?: number
    readonly gridProperties?: { readonly rowCount?: number; readonly columnCount?: number }
  }
  readonly data?: readonly {
    readonly rowData?: readonly { readonly values?: readonly { formattedValue?: string }[] }[]
  }[]
}

interface SpreadsheetAnswer {
  readonly properties?: { readonly timeZone?: string }
  readonly sheets?: readonly SheetAnswer[]
}

export const HEADER_RANGE = '1:1'
export const HEADER_FIELD = 'data.rowData.values.formattedValue'
const FIELDS = `properties.timeZone,sheets(properties(sheetId,gridProperties(rowCount,columnCount)),${HEADER_FIELD})`

/** One read: header, size and time zone. */
export const readSheet = (ctx: Ctx): Promise<Sheet | FinalOutcome> =>
  look(async () => {
    const { tab, credentials } = ctx.config
    const query = { ranges: rangeOf(tab, HEADER_RANGE), fields: FIELDS }
    const answer = await call(ctx, { method: 'GET', path: '', query })
    if (answer.status !== 200) return outcomeOf(answer, { email: credentials.client_email, tab })
    const read = jsonOf<SpreadsheetAnswer>(answer)
    const [sheet] = read?.sheets ?? []
    if (sheet?.properties === undefined)
      return retry('Google answered something else than the spreadsheet.', { code: 'answer_unreadable' })
    const { sheetId = 0, gridProperties = {} } = sheet.properties
    return {
      sheetId,
      rowCount: gridProperties.rowCount ?? 0,
      columnCount: gridProperties.columnCount ?? 0,
      timeZone: read?.properties?.timeZone ?? 'UTC',
      header: headerOf(sheet),
    }
  })

export function headerOf({ data }: SheetAnswer): readonly string[] {
  const cells = data?.[0]?.rowData?.[0]?.values ?? []
  const texts = cells.map(({ formattedValue = '' }) => formattedValue.trim())
  return texts.slice(0, texts.findLastIndex((text) => text !== '') + 1)
}

/** What is wanted against what is there. */
export interface HeaderPlan {
  /** Header → column from 0, for all that will be there once `added` is written. */
  readonly places: ReadonlyMap<string, number>
  /** To be written at the right end, in order. */
  readonly added: readonly Column[]
  /** Wanted, once there, and gone: renamed or removed. */
  readonly missing: readonly string[]
}

export interface HeaderInput {
  readonly header: readonly string[]
  readonly wanted: readonly Column[]
  /** Headers that were there before. */
  readonly known: ReadonlySet<string>
  readonly policy: 'recreate' | 'skip' | 'stop'
}

/**
 * Pure. The first column of `wanted` is the id: rows are recognised by it, so it is never left out. Of two columns with one
 * header the left one counts.
 */
export function planHeader({ header, wanted, known, policy }: HeaderInput): HeaderPlan {
  const places = new Map<string, number>()
  for (const [index, text] of header.entries()) if (text !== '' && !places.has(text)) places.set(text, index)
  const absent = wanted.filter((column) => !places.has(column.header))
  const missing = absent.filter((column) => known.has(column.header))
  const isAdded = (column: Column): boolean => policy !== 'skip' || column === wanted[0] || !known.has(column.header)
  const added = absent.filter(isAdded)
  for (const [index, column] of added.entries()) places.set(column.header, header.length + index)
  return { places, added, missing: missing.map((column) => column.header) }
}

const PATTERNS: { readonly [type: string]: { readonly type: string; readonly pattern: string } | undefined } = {
  date: { type: 'DATE', pattern: 'yyyy-mm-dd' },
  datetime: { type: 'DATE_TIME', pattern: 'yyyy-mm-dd hh:mm:ss' },
}

/**
 * For `batchUpdate`: new columns right of the header, their texts, and how dates in them are shown. The columns are inserted,
 * so that nothing is written over, whatever somebody has put there since the header was read. Google inserts only before a
 * column that there is, hence the spare one at the right edge.
 */
export function headerRequests({ sheetId, header, columnCount }: Sheet, added: readonly Column[]): readonly Json[] {
  if (added.length === 0) return []
  const start = header.length
  const columns = { sheetId, dimension: 'COLUMNS', startIndex: start, endIndex: start + added.length }
  const texts = added.map((column) => ({ userEnteredValue: { stringValue: column.header } }))
  const formats = added.flatMap(({ type }, index): readonly Json[] => {
    const numberFormat = PATTERNS[type]
    if (numberFormat === undefined) return []
    const at = start + index
    const range = { sheetId, startRowIndex: 1, startColumnIndex: at, endColumnIndex: at + 1 }
    return [
      {
        repeatCell: { range, cell: { userEnteredFormat: { numberFormat } }, fields: 'userEnteredFormat.numberFormat' },
      },
    ]
  })
  return [
    ...(start < columnCount ? [] : [{ appendDimension: { sheetId, dimension: 'COLUMNS', length: 1 } }]),
    { insertDimension: { range: columns, inheritFromBefore: false } },
    {
      updateCells: {
        start: { sheetId, rowIndex: 0, columnIndex: start },
        rows: [{ values: texts }],
        fields: 'userEnteredValue',
      },
    },
    ...formats,
  ]
}
