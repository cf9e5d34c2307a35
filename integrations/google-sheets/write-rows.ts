/** Rows into the tab: each write below a header that was read a moment before, in pieces that a request can hold. */
import { dead, delivered, retry } from 'manifold/plugin'
import type { FinalOutcome } from 'manifold/plugin'
import { cellOf, isTimeZone } from './cells.ts'
import type { Cell } from './cells.ts'
import { takeRows } from './chunks.ts'
import type { SentRow } from './chunks.ts'
import { columnsOf } from './columns.ts'
import type { Column, RowEvent } from './columns.ts'
import { headerRequests, planHeader, readSheet } from './header.ts'
import type { Sheet } from './header.ts'
import { noteWritten } from './lookup.ts'
import { isOutcome } from './outcome.ts'
import { paced } from './pace.ts'
import type { Run, WantedRow } from './run.ts'
import { write } from './write.ts'
import type { Written } from './write.ts'

/** A look at the header, and the write. */
export const CALLS_OF_WRITE = 2
/** Below the hub's megabyte, with room for a header; Google advises 2 MB at most. */
const ROWS_BYTES_MAX = 800_000

/** The tab as the next write meets it. */
interface Table {
  readonly sheet: Sheet
  /** Header → column from 0, of all that is there or will be with `requests`. */
  readonly places: ReadonlyMap<string, number>
  /** What makes the columns that are missing. */
  readonly requests: readonly string[]
  readonly cellsOf: (row: WantedRow) => readonly Cell[]
}

type Piece = readonly SentRow<WantedRow>[]

/** All that are open, one piece after the other. What is left when one fails waits for the next run. */
export async function writeAll(run: Run, rows: readonly WantedRow[]): Promise<void> {
  /** So many from the beginning hold one that Google does not take, and did not name. */
  let suspects = 0
  let rest = retry('The rows before took all the time.', { code: 'out_of_time', untouched: true })
  for (let waiting = run.open(rows), isFirst = true; waiting.length > 0; waiting = run.open(rows), isFirst = false) {
    if (!isFirst && !run.hasRoomFor(CALLS_OF_WRITE)) return run.settle(waiting, rest)
    await paced(run.ctx.config.writesPerMinute)
    const table = await openTable(run, waiting)
    if (isOutcome(table)) return run.stop(waiting, table)
    const { cellsOf, sheet } = table
    const rowsMax = suspects === 0 ? waiting.length : Math.ceil(suspects / 2)
    const options = { sheetId: sheet.sheetId, cellsOf, rowsMax, bytesMax: ROWS_BYTES_MAX }
    const { rows: piece, tooLarge } = takeRows(waiting, options)
    run.settle(tooLarge, dead('row_too_large', 'The row is larger than a request to Google may be.'))
    if (piece.length === 0) continue
    const written = await write(run.ctx, [...table.requests, ...piece.map(({ json }) => json)])
    switch (written.kind) {
      case 'done':
        await noteDone(run, piece, { table, header: written.header })
        suspects = Math.max(0, suspects - piece.length)
        break
      case 'refused': {
        suspects = await bury(run, piece, { table, written })
        rest = retry(written.message, { code: 'rejected', untouched: true })
        break
      }
      case 'unclear': {
        const { reason, code } = written
        const afterMs = run.ctx.config.settleS * 1000
        run.settle(rowsOf(piece), retry(reason, { code, afterMs }))
        return run.settle(waiting, retry(reason, { code, untouched: true }))
      }
      case 'failed':
        return run.stop(waiting, written.outcome)
      default: {
        const unknown: never = written
        throw new Error(`Unknown end ${JSON.stringify(unknown)}.`)
      }
    }
  }
}

const rowsOf = (piece: Piece): readonly WantedRow[] => piece.map(({ row }) => row)

/** The header as it is now, and what has to be added to it. */
async function openTable(run: Run, rows: readonly WantedRow[]): Promise<Table | FinalOutcome> {
  const { config, log } = run.ctx
  const sheet = await readSheet(run.ctx)
  if (isOutcome(sheet)) return sheet
  const columns = new Map<string, readonly Column[]>()
  for (const { event } of rows) {
    const key = formKey(event)
    if (!columns.has(key)) columns.set(key, columnsOf(config, event.form))
  }
  const wanted = distinct([...columns.values()].flat())
  const policy = config.missingHeader
  const { places, added, missing } = planHeader({ header: sheet.header, wanted, known: await run.known(), policy })
  if (missing.length > 0) {
    const names = missing.map((text) => `"${text}"`).join(', ')
    const told = `The tab has no column ${names} any more: name it so again, or set "missingHeader".`
    if (policy === 'stop') return dead('header_missing', told, { disable: true })
    const what = policy === 'skip' ? 'left out' : 'made again at the right end'
    log.warn(`the tab has no column ${names} any more: ${what}`)
  }
  const timeZone = config.timeZone ?? (isTimeZone(sheet.timeZone) ? sheet.timeZone : 'UTC')
  const options = { timeZone, csvGuard: config.csvGuard }
  const cellsOf = ({ event }: WantedRow): readonly Cell[] => {
    const cells: Cell[] = []
    for (const { header, type, value } of columns.get(formKey(event)) ?? []) {
      const place = places.get(header)
      if (place === undefined) continue
      while (cells.length <= place) cells.push(null)
      cells[place] = cellOf(value(event), type, options)
    }
    return cells
  }
  return { sheet, places, requests: headerRequests(sheet, added).map((request) => JSON.stringify(request)), cellsOf }
}

const formKey = ({ form }: RowEvent): string => `${form?.id ?? ''} ${form?.version ?? ''}`

/** A header that several forms share is one column. */
function distinct(columns: readonly Column[]): readonly Column[] {
  const byHeader = new Map<string, Column>()
  for (const column of columns) if (!byHeader.has(column.header)) byHeader.set(column.header, column)
  return [...byHeader.values()]
}

/** The rows are there. Where columns were moved in the very moment, they stand below the wrong headers, and it is said. */
async function noteDone(
  run: Run,
  piece: Piece,
  { table, header }: { readonly table: Table; readonly header: readonly string[] },
): Promise<void> {
  const moved = new Set<number>()
  for (const [text, index] of table.places) if (header[index] !== text && header.includes(text)) moved.add(index)
  const isWrong = ({ cells }: SentRow<WantedRow>): boolean =>
    cells.some((cell, index) => cell !== null && moved.has(index))
  const told =
    'Somebody moved columns in the moment this row was written: it is in the tab, below the wrong headers. Delete it there, then replay.'
  run.settle(rowsOf(piece.filter(isWrong)), dead('columns_moved', told))
  run.settle(rowsOf(piece), delivered())
  noteWritten(piece.map(({ row }) => row.event.deliveryId))
  await run.learn(header.filter((text) => table.places.has(text)))
}

/**
 * Nothing of the piece was written. The row that Google names, or the only one, is a dead letter; else it is one of so many.
 * Where somebody changed the columns meanwhile, it need not be the row's fault.
 */
async function bury(
  run: Run,
  piece: Piece,
  { table, written }: { readonly table: Table; readonly written: Extract<Written, { kind: 'refused' }> },
): Promise<number> {
  const { index, message } = written
  const named = index === null ? undefined : piece[index - table.requests.length]
  const bad = named ?? (piece.length === 1 ? piece[0] : undefined)
  if (bad === undefined) return piece.length
  const now = await readSheet(run.ctx)
  const isSame = !isOutcome(now) && layoutOf(now) === layoutOf(table.sheet)
  if (isSame) run.settle([bad.row], dead('rejected', message))
  return 0
}

const layoutOf = ({ columnCount, header }: Sheet): string => JSON.stringify([columnCount, header])
