/** `spreadsheets.get` and `spreadsheets.batchUpdate` of the double: checked first, then all of it or nothing. */
import { ApiError, checkText } from './spreadsheet.ts'
import type { FakeCell, FakeSpreadsheet, FakeTab } from './spreadsheet.ts'

interface GridRange {
  readonly sheetId?: number
  readonly startColumnIndex?: number
  readonly endColumnIndex?: number
}

interface CellData {
  readonly userEnteredValue?: {
    readonly stringValue?: string
    readonly numberValue?: number
    readonly boolValue?: boolean
    readonly formulaValue?: string
  }
}

interface RowData {
  readonly values?: readonly CellData[]
}

interface One {
  readonly appendCells?: { readonly sheetId?: number; readonly rows: readonly RowData[]; readonly fields: string }
  readonly appendDimension?: { readonly sheetId?: number; readonly dimension: string; readonly length: number }
  readonly insertDimension?: {
    readonly range: {
      readonly sheetId?: number
      readonly dimension: string
      readonly startIndex: number
      readonly endIndex: number
    }
    readonly inheritFromBefore?: boolean
  }
  readonly updateCells?: {
    readonly start: { readonly sheetId?: number; readonly rowIndex?: number; readonly columnIndex?: number }
    readonly rows: readonly RowData[]
    readonly fields: string
  }
  readonly repeatCell?: {
    readonly range: GridRange
    readonly cell: { readonly userEnteredFormat?: { readonly numberFormat?: { type: string; pattern: string } } }
    readonly fields: string
  }
  readonly deleteNamedRange?: { readonly namedRangeId: string }
}

export interface UpdateRequest {
  readonly requests?: readonly One[]
  readonly includeSpreadsheetInResponse?: boolean
  readonly responseRanges?: readonly string[]
}

const invalid = (message: string): ApiError => new ApiError(400, message)

export interface UpdateOptions {
  /** The field mask of the request; null: none. */
  readonly fields: string | null
  /** Told of rows that were appended. */
  readonly kept: (rows: readonly (readonly FakeCell[])[]) => void
}

/** Applies them in order; throws before anything is changed when one is wrong. */
export function batchUpdate(spreadsheet: FakeSpreadsheet, update: UpdateRequest, options: UpdateOptions): object {
  const { requests = [], includeSpreadsheetInResponse = false, responseRanges = [] } = update
  if (requests.length === 0) throw invalid('Must specify at least one request.')
  for (const range of responseRanges) spreadsheet.area(range)
  const sizes = new Map(spreadsheet.tabs.map((tab) => [tab, { columns: tab.columnCount, rows: tab.nextRow() }]))
  const kept: FakeCell[][] = []
  const place = { sizes, kept: (cells: FakeCell[]) => void kept.push(cells) }
  const steps = requests.map((request, index) => stepOf(spreadsheet, request, { ...place, index }))
  for (const step of steps) step()
  if (kept.length > 0) options.kept(kept)
  const answer = { spreadsheetId: spreadsheet.id, replies: requests.map(() => ({})) }
  const isAsked = includeSpreadsheetInResponse && (options.fields?.includes('updatedSpreadsheet') ?? true)
  if (!isAsked) return answer
  return { ...answer, updatedSpreadsheet: gridOf(spreadsheet, responseRanges) }
}

interface Place {
  readonly index: number
  /** How wide each tab will be by then, and where its next row goes. */
  readonly sizes: Map<FakeTab, { columns: number; rows: number }>
  readonly kept: (cells: FakeCell[]) => void
}

function stepOf(spreadsheet: FakeSpreadsheet, request: One, place: Place): () => void {
  const { index, sizes } = place
  const refuse = (what: string): ApiError => invalid(`Invalid requests[${index}].${what}`)
  const sizeOf = (tab: FakeTab) => sizes.get(tab) ?? { columns: tab.columnCount, rows: 0 }
  const { appendCells, appendDimension, insertDimension, updateCells, repeatCell, deleteNamedRange } = request
  if (appendCells !== undefined) return appendStep(spreadsheet, appendCells, place)
  if (appendDimension !== undefined) {
    const tab = spreadsheet.byId(appendDimension.sheetId ?? 0)
    spreadsheet.checkRoom(appendDimension.length * tab.rowCount)
    sizeOf(tab).columns += appendDimension.length
    return () => void (tab.columnCount += appendDimension.length)
  }
  if (insertDimension !== undefined) {
    const { sheetId = 0, startIndex, endIndex, dimension } = insertDimension.range
    const tab = spreadsheet.byId(sheetId)
    if (dimension !== 'COLUMNS') throw refuse('insertDimension: the double inserts columns only')
    if (startIndex >= sizeOf(tab).columns)
      throw refuse(`insertDimension: range.startIndex[${startIndex}] is after last column in sheet[${sheetId}]`)
    spreadsheet.checkRoom((endIndex - startIndex) * tab.rowCount)
    sizeOf(tab).columns += endIndex - startIndex
    return () => {
      for (let n = startIndex; n < endIndex; n += 1) tab.insertColumn(startIndex)
    }
  }
  if (updateCells !== undefined) {
    const { sheetId = 0, rowIndex = 0, columnIndex = 0 } = updateCells.start
    const tab = spreadsheet.byId(sheetId)
    const rows = updateCells.rows.map((row) => cellsOf(row))
    const reach = columnIndex + Math.max(...rows.map((cells) => cells.length))
    const width = sizeOf(tab).columns
    if (reach > width)
      throw refuse(
        `updateCells: Attempting to write column: ${reach - 1}, beyond the last requested column of: ${width - 1}`,
      )
    return () => {
      for (const [r, cells] of rows.entries())
        for (const [c, cell] of cells.entries()) tab.set(rowIndex + r, columnIndex + c, cell)
    }
  }
  if (repeatCell !== undefined) {
    const { sheetId = 0, startColumnIndex = 0, endColumnIndex = 0 } = repeatCell.range
    const tab = spreadsheet.byId(sheetId)
    const format = repeatCell.cell.userEnteredFormat?.numberFormat
    if (format === undefined) throw refuse('repeatCell: nothing to set')
    return () => {
      for (let column = startColumnIndex; column < endColumnIndex; column += 1) tab.formats.set(column, format)
    }
  }
  // Here nobody makes one.
  if (deleteNamedRange !== undefined)
    throw refuse(`deleteNamedRange: No NamedRange with id: ${deleteNamedRange.namedRangeId}`)
  throw invalid(`Invalid requests[${index}]: No request set.`)
}

/** After the last row of the tab that holds anything, from column A on; the grid grows where it has to. */
function appendStep(
  spreadsheet: FakeSpreadsheet,
  { sheetId = 0, rows, fields }: NonNullable<One['appendCells']>,
  { index, sizes, kept }: Place,
): () => void {
  const tab = spreadsheet.byId(sheetId)
  const size = sizes.get(tab) ?? { columns: tab.columnCount, rows: tab.nextRow() }
  if (!/^(\*|userEnteredValue\b)/.test(fields)) throw invalid(`Invalid requests[${index}].appendCells: fields`)
  const appended = rows.map((row) => cellsOf(row))
  for (const cells of appended) {
    if (cells.length > size.columns)
      throw invalid(
        `Invalid requests[${index}].appendCells: Attempting to write column: ${cells.length - 1}, beyond the last column`,
      )
    for (const cell of cells) checkText(cell, `Invalid requests[${index}].appendCells: `)
  }
  size.rows += rows.length
  spreadsheet.checkRoom(Math.max(0, size.rows - tab.rowCount) * size.columns)
  return () => {
    for (const cells of appended) {
      const row = tab.nextRow()
      for (const [column, cell] of cells.entries()) if (cell !== null) tab.set(row, column, cell)
      tab.rowCount = Math.max(tab.rowCount, row + 1)
      kept(cells)
    }
  }
}

const cellsOf = ({ values = [] }: RowData): FakeCell[] =>
  values.map(({ userEnteredValue: value = {} }) =>
    value.formulaValue === undefined
      ? (value.stringValue ?? value.numberValue ?? value.boolValue ?? null)
      : { formula: value.formulaValue },
  )

/** With `ranges` the cells of it, as the field mask of the plugin asks for them. */
export function getSpreadsheet(spreadsheet: FakeSpreadsheet, query: URLSearchParams): object {
  const isMasked = query.has('fields')
  return {
    ...(isMasked ? {} : { spreadsheetId: spreadsheet.id }),
    properties: { timeZone: spreadsheet.timeZone, ...(isMasked ? {} : { title: 'Fake' }) },
    ...gridOf(spreadsheet, query.getAll('ranges')),
  }
}

function gridOf(spreadsheet: FakeSpreadsheet, ranges: readonly string[]): object {
  const named = ranges.map((text) => spreadsheet.area(text).tab)
  const tabs = ranges.length === 0 ? spreadsheet.tabs : spreadsheet.tabs.filter((tab) => named.includes(tab))
  return {
    sheets: tabs.map((tab) => {
      const { sheetId, title, rowCount, columnCount } = tab
      const cells = ranges.flatMap((text) => spreadsheet.values(text)[0] ?? [])
      const values = cells.map((cell) =>
        cell === '' ? {} : { formattedValue: JSON.stringify(cell).replaceAll(/^"|"$/g, '') },
      )
      return {
        properties: { sheetId, title, gridProperties: { rowCount, columnCount } },
        ...(ranges.length === 0 ? {} : { data: [values.length === 0 ? {} : { rowData: [{ values }] }] }),
      }
    }),
  }
}
