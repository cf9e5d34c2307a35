/** Rows as the API takes them, in pieces that one request can hold. Pure. */
import type { Cell } from './cells.ts'

/** A row ready to be sent. */
export interface SentRow<Row> {
  readonly row: Row
  readonly cells: readonly Cell[]
  /** One request of a `batchUpdate`: Google's refusal then says which row it means. */
  readonly json: string
}

export interface Taken<Row> {
  readonly rows: readonly SentRow<Row>[]
  /** Those before them that no request can hold. */
  readonly tooLarge: readonly Row[]
}

export interface TakeOptions<Row> {
  readonly sheetId: number
  readonly cellsOf: (row: Row) => readonly Cell[]
  readonly rowsMax: number
  readonly bytesMax: number
}

/** As many from the beginning as one request can hold, in order. */
export function takeRows<Row>(waiting: readonly Row[], options: TakeOptions<Row>): Taken<Row> {
  const { sheetId, cellsOf, rowsMax, bytesMax } = options
  const encoder = new TextEncoder()
  const rows: SentRow<Row>[] = []
  const tooLarge: Row[] = []
  let bytes = 0
  for (const row of waiting) {
    if (rows.length === rowsMax) break
    const cells = cellsOf(row)
    const json = appendJson(sheetId, cells)
    const size = encoder.encode(json).length + 1
    if (size > bytesMax) tooLarge.push(row)
    else if (bytes + size > bytesMax) break
    else {
      rows.push({ row, cells, json })
      bytes += size
    }
  }
  return { rows, tooLarge }
}

/** After the last row of the tab that holds anything, from column A on: over nobody's cells. */
const appendJson = (sheetId: number, cells: readonly Cell[]): string => {
  const rows = [{ values: cells.map(cellData) }]
  return JSON.stringify({ appendCells: { sheetId, fields: 'userEnteredValue', rows } })
}

/** Text as text, whatever it looks like: a formula would be a `formulaValue`. */
function cellData(cell: Cell): object {
  if (cell === null) return {}
  if (typeof cell === 'string') return { userEnteredValue: { stringValue: cell } }
  return { userEnteredValue: typeof cell === 'number' ? { numberValue: cell } : { boolValue: cell } }
}
