/** One run of the action: header, rows that may be there already, and the writes. */
import { dead, delivered, retry } from 'manifold/plugin'
import type { CapabilityError, ContextOf, FinalOutcome } from 'manifold/plugin'
import { areaOf, call, columnName, jsonOf, rangeOf } from './api.ts'
import { cellOf, isTimeZone } from './cells.ts'
import type { Cell } from './cells.ts'
import { columnsOf } from './columns.ts'
import type { Column, RowEvent } from './columns.ts'
import { anchorOf, findIds, gapHeader, isOutcome, planHeader, readSheet, ROWS_MAX, writeHeader } from './header.ts'
import type { Sheet } from './header.ts'
import { outcomeOf } from './outcome.ts'
import { chunksOf } from './chunks.ts'
import type { PlacedRow, WrittenRow } from './chunks.ts'
import { paced } from './pace.ts'
import type { Plugin } from './types.d.ts'

type Ctx = ContextOf<Plugin>

/** A response that wants a row. */
export interface WantedRow {
  /** Of the item in its batch. */
  readonly place: number
  readonly event: RowEvent
  readonly repeat: boolean
}

type Outcomes = Map<number, FinalOutcome>

/** People change headers while the hub runs; so often it looks without a reason. */
const HEADER_KEPT_MS = 60_000
/** A write needs so long at most, usually; with less left the rest goes in the next run. */
const WRITE_MS = 5_000
const KNOWN_KEY = 'headers'

interface Kept {
  readonly sheet: Sheet
  readonly readAtMs: number
  /** Columns of the table that Google found last. */
  readonly tableColumns: number
  /** Headers that need no look: they are there, or left out as the settings say. */
  readonly settled: ReadonlySet<string>
}

/** The header as it was read last. An isolate serves one installation; who loses it reads again. */
let kept: Kept | null = null

/** By place. Throws when nothing could be said of any of them. */
export async function append(rows: readonly WantedRow[], ctx: Ctx): Promise<Outcomes> {
  const outcomes: Outcomes = new Map()
  const [first] = rows
  if (first === undefined) return outcomes
  const all = (outcome: FinalOutcome): Outcomes => new Map(rows.map(({ place }) => [place, outcome]))
  if (ctx.config.timeZone !== undefined && !isTimeZone(ctx.config.timeZone))
    return all(dead('config_invalid', `"${ctx.config.timeZone}" is no time zone; write for example "Europe/Berlin".`))
  const mayBeThere = rows.filter(({ repeat }) => repeat)
  const wanted = wantedColumns(rows, ctx)
  const table = await openTable(ctx, wanted, mayBeThere.length > 0)
  if (isOutcome(table)) return all(table)
  const present = await presentIds(ctx, table, mayBeThere)
  if (isOutcome(present)) return all(present)
  const open = rows.filter(({ place, event, repeat }) => {
    const isThere = repeat && present.has(event.id)
    if (isThere) outcomes.set(place, delivered({ found: true }))
    return !isThere
  })
  const written = open.map(({ place, event }) => ({ place, cells: cellsOf(event, table, ctx) }))
  await writeAll(written, ctx, { sheet: table.sheet, outcomes })
  return outcomes
}

/** The header as this run sees it. */
interface Table {
  readonly sheet: Sheet
  readonly places: ReadonlyMap<string, number>
  readonly idColumn: number
  /** By the id and version of the form. */
  readonly columns: ReadonlyMap<string, readonly Column[]>
  readonly timeZone: string
}

const formKey = ({ form }: RowEvent): string => `${form?.id ?? ''} ${form?.version ?? ''}`

/** Those of all forms in the batch; a header that several share is one column. */
function wantedColumns(rows: readonly WantedRow[], { config }: Ctx): Table['columns'] {
  const columns = new Map<string, readonly Column[]>()
  for (const { event } of rows) {
    const key = formKey(event)
    if (!columns.has(key)) columns.set(key, columnsOf(config, event.form))
  }
  return columns
}

async function openTable(ctx: Ctx, columns: Table['columns'], mustRead: boolean): Promise<Table | FinalOutcome> {
  const byHeader = new Map<string, Column>()
  for (const column of [...columns.values()].flat())
    if (!byHeader.has(column.header)) byHeader.set(column.header, column)
  const wanted = [...byHeader.values()]
  const isFresh = kept !== null && Date.now() - kept.readAtMs < HEADER_KEPT_MS
  const isComplete = wanted.every(({ header }) => kept?.settled.has(header))
  if (kept === null || !isFresh || !isComplete || mustRead) {
    const problem = await mendHeader(ctx, wanted)
    if (problem !== null) return problem
  }
  const { sheet } = kept as Kept
  const { places } = planHeader({ header: sheet.header, wanted, known: new Set(), policy: 'skip' })
  const timeZone = ctx.config.timeZone ?? (isTimeZone(sheet.timeZone) ? sheet.timeZone : 'UTC')
  const here = new Map([...places].filter(([, index]) => index < sheet.header.length))
  return { sheet, places: here, idColumn: here.get(wanted[0]?.header ?? '') ?? 0, columns, timeZone }
}

/** Reads the header and makes what is missing; `kept` is what is there afterwards. */
async function mendHeader(ctx: Ctx, wanted: readonly Column[]): Promise<FinalOutcome | null> {
  const before = kept
  kept = null
  const sheet = await readSheet(ctx)
  if (isOutcome(sheet)) return sheet
  const known = new Set((await ctx.kv.get(KNOWN_KEY)) as readonly string[] | undefined)
  const policy = ctx.config.missingHeader
  const plan = planHeader({ header: sheet.header, wanted, known, policy })
  if (plan.missing.length > 0) {
    const names = plan.missing.map((text) => `"${text}"`).join(', ')
    if (policy === 'stop')
      return dead(
        'header_missing',
        `The tab has no column ${names} any more: name it so again, or set "missingHeader".`,
        { disable: true },
      )
    ctx.log.warn(
      `the tab has no column ${names} any more: ${policy === 'skip' ? 'left out' : 'made again at the right end'}`,
    )
  }
  if (plan.added.length > 0 || plan.gaps.length > 0) {
    await paced(ctx.config.writesPerMinute)
    const problem = await writeHeader(ctx, sheet, plan)
    if (problem !== null) return problem
  }
  const header = [...sheet.header, ...plan.added.map((column) => column.header)]
  for (const index of plan.gaps) header[index] = gapHeader(index)
  const isSame = before !== null && before.sheet.header.join('\n') === header.join('\n')
  kept = {
    sheet: { ...sheet, header, columnCount: Math.max(sheet.columnCount, header.length) },
    readAtMs: Date.now(),
    tableColumns: isSame ? before.tableColumns : header.length,
    settled: new Set(wanted.map((column) => column.header)),
  }
  const all = [...new Set([...known, ...wanted.map((column) => column.header).filter((text) => header.includes(text))])]
  if (all.length > known.size) ctx.kv.set(KNOWN_KEY, all)
  return null
}

/** Read only when an attempt before may have written them. */
async function presentIds(
  ctx: Ctx,
  { sheet, idColumn }: Table,
  rows: readonly WantedRow[],
): Promise<ReadonlySet<string> | FinalOutcome> {
  if (rows.length === 0) return new Set()
  if (sheet.rowCount > ROWS_MAX)
    return dead(
      'sheet_too_long',
      `Whether these rows are in the tab already cannot be looked up: it has more than ${ROWS_MAX} rows. Begin a new tab.`,
    )
  return findIds(ctx, { rowCount: sheet.rowCount, column: idColumn }, new Set(rows.map(({ event }) => event.id)))
}

function cellsOf(event: RowEvent, { columns, places, timeZone }: Table, { config }: Ctx): readonly Cell[] {
  const cells: Cell[] = []
  const options = { timeZone, csvGuard: config.csvGuard }
  for (const { header, type, value } of columns.get(formKey(event)) ?? []) {
    const place = places.get(header)
    if (place === undefined) continue
    while (cells.length <= place) cells.push(null)
    cells[place] = cellOf(value(event), type, options)
  }
  return cells
}

/** In pieces that a request can hold, one after the other. What comes after a piece that failed waits for the next run. */
async function writeAll(
  rows: readonly PlacedRow[],
  ctx: Ctx,
  { sheet, outcomes }: { readonly sheet: Sheet; readonly outcomes: Outcomes },
): Promise<void> {
  const { chunks, tooLarge } = chunksOf(rows)
  for (const { place } of tooLarge)
    outcomes.set(place, dead('row_too_large', 'The row is larger than a request to Google may be.'))
  let failed: FinalOutcome | null = null
  for (const [index, chunk] of chunks.entries()) {
    if (failed === null && index > 0 && Date.now() > ctx.run.deadlineMs - WRITE_MS)
      failed = retry('The rows before took all the time.', { code: 'out_of_time' })
    let outcome: FinalOutcome
    if (failed === null) {
      try {
        outcome = await writeChunk(ctx, sheet, chunk)
      } catch (error) {
        // Of the first nothing is known but this; the hub reads the error itself.
        if (outcomes.size === 0) throw error
        outcome = retry((error as Error).message, { code: (error as CapabilityError).code ?? 'plugin_threw' })
      }
      if (outcome.outcome !== 'delivered') failed = outcome
    } else outcome = failed
    for (const { place } of chunk) outcomes.set(place, outcome)
  }
}

interface AppendAnswer {
  readonly tableRange?: string
  readonly updates?: { readonly updatedRange?: string; readonly updatedRows?: number }
}

async function writeChunk(ctx: Ctx, sheet: Sheet, chunk: readonly WrittenRow[]): Promise<FinalOutcome> {
  const { tab, credentials, writesPerMinute } = ctx.config
  await paced(writesPerMinute)
  const anchor = encodeURIComponent(rangeOf(tab, anchorOf(sheet)))
  const answer = await call(ctx, {
    method: 'POST',
    path: `/values/${anchor}:append`,
    query: { valueInputOption: 'RAW', insertDataOption: 'INSERT_ROWS' },
    body: `{"majorDimension":"ROWS","values":[${chunk.map(({ json }) => json).join(',')}]}`,
  })
  if (answer.status !== 200) return outcomeOf(answer, { email: credentials.client_email, tab })
  const said = jsonOf<AppendAnswer>(answer)
  const range = said?.updates?.updatedRange
  if (range === undefined)
    return retry('Google took it, but the answer could not be read.', { code: 'answer_unreadable' })
  await checkPlace(ctx, chunk, said as AppendAnswer)
  return delivered({ range })
}

/**
 * Where the rows went, against where they belong: somebody may have moved columns since the header was read. Then it is read
 * again, and the rows are written once more, to the places where they are.
 */
async function checkPlace(ctx: Ctx, chunk: readonly WrittenRow[], said: AppendAnswer): Promise<void> {
  const landed = areaOf(said.updates?.updatedRange ?? '')
  const found = areaOf(said.tableRange ?? '')
  if (landed === null || kept === null) return
  const tableColumns = found === null ? kept.tableColumns : found.lastColumn + 1
  const isAsBefore = landed.firstColumn === 0 && tableColumns === kept.tableColumns
  if (isAsBefore) return
  const before = kept.sheet.header
  const now = await readSheet(ctx)
  if (isOutcome(now)) {
    kept = null
    return
  }
  kept = { ...kept, sheet: now, readAtMs: Date.now(), tableColumns, settled: new Set(now.header) }
  const shift = landed.firstColumn
  // Gaps at the beginning are filled by the next run.
  const moves = before.map((text, index) => ({
    from: index + shift,
    to: text === '' ? index : now.header.indexOf(text),
  }))
  const used = moves.filter((_, index) => chunk.some(({ cells }) => (cells[index] ?? null) !== null))
  if (now.header[0] === '') kept = null
  if (used.every(({ from, to }) => from === to)) return
  await moveRows(ctx, chunk, { firstRow: landed.firstRow, moves: used, shift })
  ctx.log.warn(
    `columns of the tab were moved meanwhile; ${chunk.length} rows from row ${landed.firstRow} on were put right`,
  )
}

interface Moving {
  readonly firstRow: number
  readonly moves: readonly { readonly from: number; readonly to: number }[]
  readonly shift: number
}

async function moveRows(ctx: Ctx, chunk: readonly WrittenRow[], { firstRow, moves, shift }: Moving): Promise<void> {
  const width = Math.max(...moves.flatMap(({ from, to }) => [from, to])) + 1
  const values = chunk.map(({ cells }) => {
    const row: Cell[] = Array.from({ length: width }, () => null)
    for (const { from } of moves) row[from] = ''
    for (const { from, to } of moves) if (to >= 0) row[to] = cells[from - shift] ?? ''
    return row
  })
  const cells = `A${firstRow}:${columnName(width - 1)}${firstRow + chunk.length - 1}`
  await paced(ctx.config.writesPerMinute)
  const answer = await call(ctx, {
    method: 'PUT',
    path: `/values/${encodeURIComponent(rangeOf(ctx.config.tab, cells))}`,
    query: { valueInputOption: 'RAW' },
    body: JSON.stringify({ values }),
  })
  // The rows are there: to say anything but delivered would write them twice.
  if (answer.status !== 200) ctx.log.error(`rows ${cells} stand in the wrong columns: Google answered ${answer.status}`)
}
