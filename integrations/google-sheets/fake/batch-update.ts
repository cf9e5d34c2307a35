/** `spreadsheets.get` and `spreadsheets.batchUpdate` of the double: checked first, then all of it or nothing. */
import { ApiError } from './spreadsheet.ts'
import type { FakeSpreadsheet, FakeTab } from './spreadsheet.ts'

interface GridRange {
  readonly sheetId?: number
  readonly startColumnIndex?: number
  readonly endColumnIndex?: number
}

interface One {
  readonly appendDimension?: { readonly sheetId?: number; readonly dimension: string; readonly length: number }
  readonly updateCells?: {
    readonly start: { readonly sheetId?: number; readonly rowIndex?: number; readonly columnIndex?: number }
    readonly rows: readonly {
      readonly values: readonly { readonly userEnteredValue?: { readonly stringValue?: string } }[]
    }[]
    readonly fields: string
  }
  readonly repeatCell?: {
    readonly range: GridRange
    readonly cell: { readonly userEnteredFormat?: { readonly numberFormat?: { type: string; pattern: string } } }
    readonly fields: string
  }
  readonly updateSheetProperties?: {
    readonly properties: { readonly sheetId?: number; readonly title?: string }
    readonly fields: string
  }
}

export interface UpdateRequest {
  readonly requests?: readonly One[]
}

const invalid = (message: string): ApiError => new ApiError(400, message)

/** Applies them in order; throws before anything is changed when one is wrong. */
export function batchUpdate(spreadsheet: FakeSpreadsheet, { requests = [] }: UpdateRequest): object {
  if (requests.length === 0) throw invalid('Must specify at least one request.')
  const columns = new Map<FakeTab, number>()
  const steps = requests.map((request, index) => stepOf(spreadsheet, request, { index, columns }))
  for (const step of steps) step()
  return { spreadsheetId: spreadsheet.id, replies: requests.map(() => ({})) }
}

interface Place {
  readonly index: number
  /** How wide each tab will be by then. */
  readonly columns: Map<FakeTab, number>
}

function stepOf(spreadsheet: FakeSpreadsheet, request: One, { index, columns }: Place): () => void {
  const { appendDimension, updateCells, repeatCell, updateSheetProperties } = request
  if (appendDimension !== undefined) {
    const tab = spreadsheet.byId(appendDimension.sheetId ?? 0)
    columns.set(tab, (columns.get(tab) ?? tab.columnCount) + appendDimension.length)
    return () => void (tab.columnCount += appendDimension.length)
  }
  if (updateCells !== undefined) {
    const { sheetId = 0, rowIndex = 0, columnIndex = 0 } = updateCells.start
    const tab = spreadsheet.byId(sheetId)
    const width = columns.get(tab) ?? tab.columnCount
    const reach = columnIndex + Math.max(...updateCells.rows.map(({ values }) => values.length))
    if (reach > width) {
      const what = `Attempting to write column: ${reach - 1}, beyond the last requested column of: ${width - 1}`
      throw invalid(`Invalid requests[${index}].updateCells: ${what}`)
    }
    return () => {
      for (const [r, { values }] of updateCells.rows.entries())
        for (const [c, { userEnteredValue }] of values.entries())
          tab.set(rowIndex + r, columnIndex + c, userEnteredValue?.stringValue ?? null)
    }
  }
  if (repeatCell !== undefined) {
    const { sheetId = 0, startColumnIndex = 0, endColumnIndex = 0 } = repeatCell.range
    const tab = spreadsheet.byId(sheetId)
    const format = repeatCell.cell.userEnteredFormat?.numberFormat
    if (format === undefined) throw invalid(`Invalid requests[${index}].repeatCell: nothing to set`)
    return () => {
      for (let column = startColumnIndex; column < endColumnIndex; column += 1) tab.formats.set(column, format)
    }
  }
  if (updateSheetProperties !== undefined) {
    const { sheetId = 0, title } = updateSheetProperties.properties
    const tab = spreadsheet.byId(sheetId)
    if (title === undefined || updateSheetProperties.fields !== 'title') throw invalid(`Invalid requests[${index}]`)
    return () => void (tab.title = title)
  }
  throw invalid(`Invalid requests[${index}]: No request set.`)
}

/** With `ranges` the cells of it, as the field mask of the plugin asks for them. */
export function getSpreadsheet(spreadsheet: FakeSpreadsheet, query: URLSearchParams): object {
  const ranges = query.getAll('ranges')
  const named = ranges.map((text) => spreadsheet.area(text).tab)
  const tabs = ranges.length === 0 ? spreadsheet.tabs : spreadsheet.tabs.filter((tab) => named.includes(tab))
  return {
    ...(query.has('fields') ? {} : { spreadsheetId: spreadsheet.id }),
    properties: { timeZone: spreadsheet.timeZone, ...(query.has('fields') ? {} : { title: 'Fake' }) },
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
