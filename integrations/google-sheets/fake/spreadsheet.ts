/**
 * A spreadsheet as the Sheets API v4 behaves, traps included: values are appended to the table around the range, wherever
 * that begins; USER_ENTERED evaluates what looks like a formula, a number or a date; grids and cells have limits.
 */

/** What a cell holds. `formula` is what USER_ENTERED made of it: it would run. */
export type FakeCell = string | number | boolean | null | { readonly formula: string }

const STATUS_NAMES: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  503: 'UNAVAILABLE',
}

/** An answer that is no success, as Google words it. */
export class ApiError extends Error {
  readonly code: number
  readonly status: string
  readonly reason: string | undefined

  constructor(code: number, message: string, reason?: string) {
    super(message)
    this.code = code
    this.status = STATUS_NAMES[code] ?? 'UNKNOWN'
    this.reason = reason
  }
}

const invalid = (message: string): ApiError => new ApiError(400, message)

const CELLS_MAX = 10_000_000
const CELL_CHARS_MAX = 50_000

/** From 0; the end is the last one inside. */
interface Area {
  readonly row: number
  readonly column: number
  readonly lastRow: number
  readonly lastColumn: number
}

export interface FakeTabOptions {
  readonly title: string
  readonly rowCount?: number
  readonly columnCount?: number
}

/** One tab: its cells by row and column from 0, and the size of its grid. */
export class FakeTab {
  readonly sheetId: number
  title: string
  rowCount: number
  columnCount: number
  rows: FakeCell[][] = []
  /** Number formats by column, as `repeatCell` set them. */
  readonly formats = new Map<number, { readonly type: string; readonly pattern: string }>()

  constructor(sheetId: number, { title, rowCount = 1_000, columnCount = 26 }: FakeTabOptions) {
    this.sheetId = sheetId
    this.title = title
    this.rowCount = rowCount
    this.columnCount = columnCount
  }

  cell(row: number, column: number): FakeCell {
    const value = this.rows[row]?.[column] ?? null
    return value === '' ? null : value
  }

  set(row: number, column: number, value: FakeCell): void {
    const cells = (this.rows[row] ??= [])
    while (cells.length < column) cells.push(null)
    cells[column] = value
  }

  /** The header, and each row as a record by it. */
  records(): readonly { readonly [header: string]: FakeCell }[] {
    const header = (this.rows[0] ?? []).map(String)
    return this.filledRows(1).map((cells) => Object.fromEntries(header.map((name, i) => [name, cells[i] ?? null])))
  }

  /** Rows from there on, holes filled. */
  filledRows(from = 0): readonly (readonly FakeCell[])[] {
    return Array.from({ length: Math.max(0, this.rows.length - from) }, (_, i) => this.rows[from + i] ?? [])
  }

  insertRows(at: number, count: number): void {
    if (at < this.rows.length) this.rows.splice(at, 0, ...Array.from({ length: count }, () => []))
    this.rowCount += count
  }

  insertColumn(at: number): void {
    for (const cells of this.rows) if (cells !== undefined && cells.length > at) cells.splice(at, 0, null)
    this.columnCount += 1
    this.#shiftFormats(at, 1)
  }

  deleteColumn(at: number): void {
    for (const cells of this.rows) cells?.splice(at, 1)
    this.columnCount -= 1
    this.#shiftFormats(at, -1)
  }

  #shiftFormats(at: number, by: 1 | -1): void {
    const before = [...this.formats].filter(([column]) => by === 1 || column !== at)
    this.formats.clear()
    for (const [column, format] of before) this.formats.set(column < at ? column : column + by, format)
  }

  /** Takes a column to another place, as a person drags it. */
  moveColumn(from: number, to: number): void {
    const cells = this.rows.map((row) => row?.[from] ?? null)
    this.deleteColumn(from)
    this.insertColumn(to)
    for (const [row, cell] of cells.entries()) if (cell !== null) this.set(row, to, cell)
  }

  /** The one after the last that holds anything. */
  nextRow(): number {
    for (let row = this.rows.length; row > 0; row -= 1)
      if (this.rows[row - 1]?.some((cell) => cell !== null && cell !== '') === true) return row
    return 0
  }

  deleteRow(at: number): void {
    this.rows.splice(at, 1)
    this.rowCount -= 1
  }

  /**
   * The last table in the range: a block of cells that touch each other. A range that only touches one is in none.
   * https://developers.google.com/workspace/sheets/api/guides/values#append_values
   */
  tableIn(area: Area): Area | null {
    let last: Area | null = null
    for (let row = area.row; row <= area.lastRow; row += 1)
      for (let column = area.column; column <= area.lastColumn; column += 1) {
        const isKnown = last !== null && contains(last, row, column)
        if (isKnown || this.cell(row, column) === null) continue
        const table = this.#around({ row, column, lastRow: row, lastColumn: column })
        if (last === null || table.row > last.row || (table.row === last.row && table.column > last.column))
          last = table
      }
    return last
  }

  #around(cell: Area): Area {
    for (let table = cell; ;) {
      const grown = this.#grown(table)
      if (grown === table) return table
      table = grown
    }
  }

  #grown(area: Area): Area {
    let { row, column, lastRow, lastColumn } = area
    const isUsed = (r: number, c: number): boolean => r >= 0 && c >= 0 && this.cell(r, c) !== null
    const inRows = (c: number): boolean => range(row - 1, lastRow + 1).some((r) => isUsed(r, c))
    const inColumns = (r: number): boolean => range(column - 1, lastColumn + 1).some((c) => isUsed(r, c))
    if (inRows(column - 1)) column -= 1
    if (inRows(lastColumn + 1)) lastColumn += 1
    if (inColumns(row - 1)) row -= 1
    while (inColumns(lastRow + 1)) lastRow += 1
    const isSame =
      row === area.row && column === area.column && lastRow === area.lastRow && lastColumn === area.lastColumn
    return isSame ? area : { row, column, lastRow, lastColumn }
  }
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i)

const contains = (area: Area, row: number, column: number): boolean =>
  row >= area.row && row <= area.lastRow && column >= area.column && column <= area.lastColumn

export interface AppendResult {
  readonly tableRange?: string
  readonly updatedRange: string
  readonly rows: number
  readonly columns: number
  readonly cells: number
}

/** A spreadsheet with its tabs. */
export class FakeSpreadsheet {
  readonly id: string
  readonly timeZone: string
  readonly tabs: FakeTab[] = []
  cellsMax = CELLS_MAX

  constructor(id: string, timeZone: string, tabs: readonly FakeTabOptions[]) {
    this.id = id
    this.timeZone = timeZone
    for (const [index, tab] of tabs.entries()) this.tabs.push(new FakeTab(index * 1_000, tab))
  }

  tab(title: string): FakeTab {
    const found = this.tabs.find((tab) => tab.title === title)
    if (found === undefined) throw new Error(`The fake has no tab ${title}`)
    return found
  }

  byId(sheetId: number): FakeTab {
    const found = this.tabs.find((tab) => tab.sheetId === sheetId)
    if (found === undefined) throw invalid(`Invalid requests[0]: No grid with id: ${sheetId}`)
    return found
  }

  /** `'Tab'!A1:B2`, `Tab!A1`, `'Tab'!1:1`; without a tab the first. */
  area(text: string): { readonly tab: FakeTab; readonly area: Area } {
    const match = /^(?:(?:'((?:[^']|'')+)'|([^'!]+))!)?([A-Z]*)(\d*)(?::([A-Z]*)(\d*))?$/.exec(text)
    const title = match?.[1]?.replaceAll("''", "'") ?? match?.[2]
    const tab = title === undefined ? this.tabs[0] : this.tabs.find((each) => each.title === title)
    if (match === null || tab === undefined) throw invalid(`Unable to parse range: ${text}`)
    const [, , , c1 = '', r1 = '', c2 = c1, r2 = r1] = match
    const area = {
      column: c1 === '' ? 0 : columnIndex(c1),
      row: r1 === '' ? 0 : Number(r1) - 1,
      lastColumn: c2 === '' ? tab.columnCount - 1 : columnIndex(c2),
      lastRow: r2 === '' ? tab.rowCount - 1 : Number(r2) - 1,
    }
    if (area.lastRow >= tab.rowCount || area.lastColumn >= tab.columnCount) {
      const max = `Max rows: ${tab.rowCount}, max columns: ${tab.columnCount}`
      throw invalid(`Range (${tab.title}!${text.split('!').at(-1)}) exceeds grid limits. ${max}`)
    }
    return { tab, area }
  }

  /** Rows of values; what is empty at the ends is left out. */
  values(text: string): FakeCell[][] {
    const { tab, area } = this.area(text)
    const rows = range(area.row, Math.min(area.lastRow, tab.rows.length - 1)).map((row) =>
      trimmed(range(area.column, area.lastColumn).map((column) => shown(tab.cell(row, column)))),
    )
    while (rows.length > 0 && rows.at(-1)?.length === 0) rows.pop()
    return rows
  }

  update(text: string, values: readonly (readonly FakeCell[])[], userEntered: boolean): AppendResult {
    const { tab, area } = this.area(text)
    checkCells(values)
    const width = Math.max(0, ...values.map((row) => row.length))
    if (area.column + width > tab.columnCount || area.row + values.length > tab.rowCount)
      throw invalid(
        `Range (${tab.title}) exceeds grid limits. Max rows: ${tab.rowCount}, max columns: ${tab.columnCount}`,
      )
    return write(tab, { at: area, values, userEntered })
  }

  append(
    text: string,
    values: readonly (readonly FakeCell[])[],
    { userEntered, insertRows }: { readonly userEntered: boolean; readonly insertRows: boolean },
  ): AppendResult {
    const { tab, area } = this.area(text)
    checkCells(values)
    const table = tab.tableIn(area)
    // Where there is no table the values begin at the range itself; with INSERT_ROWS above whatever stands there.
    const at = table === null ? area : { ...table, row: table.lastRow + 1 }
    const width = Math.max(0, ...values.map((row) => row.length))
    const grown = Math.max(tab.columnCount, at.column + width)
    const lacking = insertRows ? values.length : Math.max(0, at.row + values.length - tab.rowCount)
    this.checkRoom(lacking * grown)
    tab.columnCount = grown
    if (insertRows) tab.insertRows(at.row, values.length)
    else tab.rowCount += lacking
    const written = write(tab, { at, values, userEntered })
    return table === null ? written : { tableRange: nameOf(tab, table), ...written }
  }

  /** Throws when so many more cells are too many. */
  checkRoom(more: number): void {
    const cells = this.tabs.reduce((sum, each) => sum + each.rowCount * each.columnCount, 0)
    if (cells + more <= this.cellsMax) return
    const limit = `above the limit of ${this.cellsMax} cells`
    throw invalid(`This action would increase the number of cells in the workbook ${limit}.`)
  }
}

interface Write {
  readonly at: Pick<Area, 'row' | 'column'>
  readonly values: readonly (readonly FakeCell[])[]
  readonly userEntered: boolean
}

function write(tab: FakeTab, { at, values, userEntered }: Write): AppendResult {
  let cells = 0
  let columns = 0
  for (const [r, row] of values.entries()) {
    columns = Math.max(columns, row.length)
    for (const [c, value] of row.entries()) {
      // Null leaves what is there.
      if (value === null) continue
      cells += 1
      tab.set(at.row + r, at.column + c, userEntered ? entered(value) : value)
    }
  }
  const end = { lastRow: at.row + values.length - 1, lastColumn: at.column + Math.max(columns, 1) - 1 }
  return { updatedRange: nameOf(tab, { ...at, ...end }), rows: values.length, columns, cells }
}

/** As if a person had typed it. */
function entered(value: FakeCell): FakeCell {
  if (typeof value !== 'string') return value
  if (value.startsWith('=') || /^[+@-]\S*\(/.test(value)) return { formula: value }
  if (value.startsWith("'")) return value.slice(1)
  if (/^-?\d+(\.\d+)?$/.test(value)) return Number(value)
  if (/^(true|false)$/i.test(value)) return /^true$/i.test(value)
  const day = /^(\d{4})-(\d{2})-(\d{2})$/.test(value) ? Date.parse(value) : Number.NaN
  return Number.isNaN(day) ? value : day / 86_400_000 + 25_569
}

function checkCells(values: readonly (readonly FakeCell[])[]): void {
  for (const value of values.flat()) {
    if (typeof value === 'object' && value !== null) throw invalid('Invalid values: list_value must not be nested')
    checkText(value)
  }
}

/** Throws for more text than a cell takes. */
export function checkText(value: FakeCell, where = ''): void {
  if (typeof value === 'string' && value.length > CELL_CHARS_MAX)
    throw invalid(`${where}Your input contains more than the maximum of ${CELL_CHARS_MAX} characters in a single cell.`)
}

/** What reading a cell answers: of a formula what it came to. */
const shown = (cell: FakeCell): FakeCell => (typeof cell === 'object' && cell !== null ? '#EVALUATED' : cell)

function trimmed(cells: FakeCell[]): FakeCell[] {
  const last = cells.findLastIndex((cell) => cell !== null)
  return cells.slice(0, last + 1).map((cell) => cell ?? '')
}

const columnIndex = (name: string): number =>
  Array.from(name).reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 64, 0) - 1

function columnName(index: number): string {
  const rest = Math.floor(index / 26) - 1
  return `${rest < 0 ? '' : columnName(rest)}${String.fromCharCode(65 + (index % 26))}`
}

function nameOf(tab: FakeTab, { row, column, lastRow, lastColumn }: Area): string {
  const title = /^\w+$/.test(tab.title) ? tab.title : `'${tab.title.replaceAll("'", "''")}'`
  const first = `${columnName(column)}${row + 1}`
  const last = `${columnName(lastColumn)}${lastRow + 1}`
  return `${title}!${first === last ? first : `${first}:${last}`}`
}
