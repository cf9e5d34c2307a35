/**
 * Moves all rows from one database to another: table by table in the order of keys, a chunk a transaction together with
 * how far it got, so that a move that was killed goes on where it was. Then both sides are read again and compared, and
 * only when nothing differs is the source marked as left, and does the target lose the mark that keeps hubs away. Hubs
 * that went on with the source would collect what nobody ever sees.
 */
import { createHash } from 'node:crypto'
import { rfc3339 } from '../../clock.ts'
import { HubError } from '../../errors.ts'
import { chunks, contentOf } from './checksum.ts'
import type { Content } from './checksum.ts'
import { departed } from './port.ts'
import type { MoveMark, MoveSource, MoveTarget } from './port.ts'
import { LOG_HEAD, TABLES } from './tables.ts'
import type { MoveTable, Row } from './tables.ts'

/** How a move starts: on an empty target, where an earlier one was cut off, or over again since the source was used meanwhile. */
export type MoveStart = 'new' | 'resumed' | 'anew'

export interface MovePlan {
  readonly start: MoveStart
  readonly tables: readonly { readonly name: string; readonly rows: number }[]
  readonly rows: number
}

export interface MoveProgress {
  readonly phase: 'moving' | 'verifying'
  readonly table: string
  /** Rows of all tables that are through, and how many there are. */
  readonly rows: number
  readonly ofRows: number
}

export interface MoveReport {
  readonly id: string
  readonly start: MoveStart
  /** As read back from both sides. */
  readonly tables: readonly { readonly name: string; readonly rows: number; readonly checksum: string }[]
  readonly rows: number
  /** SHA-256 over `name rows checksum` of each table, a line each. */
  readonly checksum: string
  /** Texts whose NUL characters the target cannot hold; each NUL became U+FFFD. */
  readonly nulTextsReplaced: number
  /** Rows that this run wrote; those of an earlier run are not among them. */
  readonly rowsWritten: number
  readonly durationMs: number
}

export interface MoveJob {
  readonly source: MoveSource
  readonly target: MoveTarget
  readonly nowMs: () => number
  /** A new id, for a move that begins. */
  readonly id: string
  readonly progress?: (at: MoveProgress) => void
}

/** What a move would do; rejects where it would refuse. Changes nothing. */
export async function planMove({ source, target }: Pick<MoveJob, 'source' | 'target'>): Promise<MovePlan> {
  const { start } = await decide(source, target)
  const tables: { name: string; rows: number }[] = []
  for (const table of TABLES) tables.push({ name: table.name, rows: await source.count(table) })
  return { start, tables, rows: tables.reduce((sum, { rows }) => sum + rows, 0) }
}

/** Moves, verifies and releases; rejects with what is wrong, and leaves the target marked then. */
export async function move(job: MoveJob): Promise<MoveReport> {
  const { source, target, nowMs } = job
  const startedMs = nowMs()
  const plan = await planMove(job)
  await target.prepare()
  // From here on nobody else moves into it; what was seen before may have changed.
  const { start, mark, head } = await decide(source, target)
  const begun = mark ?? newMark(job, head)
  if (mark === null) await target.begin(begun)
  const rowsWritten = await copyAll(job, plan)
  const compared = await compareAll(job, plan, begun)
  await target.setHead(head)
  compared.push(await compare(job, LOG_HEAD, () => {}))
  refuseDifferent(compared)
  // In this order: a move that is killed between the two leaves no side open, and the next run finishes it.
  await source.leave({ id: begun.id, to: target.place, at: rfc3339(nowMs()) })
  await target.release()
  const tables = compared.map(({ name, here }) => ({ name, rows: here.rows, checksum: here.checksum }))
  const lines = tables.map(({ name, rows, checksum }) => `${name} ${rows} ${checksum}\n`)
  return {
    id: begun.id,
    start,
    tables,
    rows: tables.reduce((sum, { rows }) => sum + rows, 0),
    checksum: createHash('sha256').update(lines.join('')).digest('hex'),
    nulTextsReplaced: compared.reduce((sum, { here, there }) => sum + here.nulTexts - there.nulTexts, 0),
    rowsWritten,
    durationMs: nowMs() - startedMs,
  }
}

interface Decision {
  readonly start: MoveStart
  /** Of the move to go on with; null for one that begins. */
  readonly mark: MoveMark | null
  readonly head: Row
}

async function decide(source: MoveSource, target: MoveTarget): Promise<Decision> {
  const state = await target.state()
  const [head] = await source.read(LOG_HEAD, null)
  if (head === undefined) throw new HubError('storage_failed', `${source.place} has no log_head row.`)
  if (state.kind === 'used') {
    throw new HubError(
      'conflict',
      `${target.place} is not empty (${state.table}: ${state.rows} ${state.rows === 1 ? 'row' : 'rows'}). Rows of two hubs are never mixed: move to an empty database or data folder.`,
    )
  }
  const mark = state.kind === 'unfinished' ? state.mark : null
  if (source.departure !== null && source.departure.id !== mark?.id)
    throw new HubError('conflict', departed(source.place, source.departure))
  if (mark === null) return { start: 'new', mark, head }
  if (mark.source !== source.identity) {
    throw new HubError(
      'conflict',
      `${target.place} is the target of an unfinished move from another source, ${mark.sourcePlace} (begun ${mark.startedAt}). Finish that one, or move to an empty database or data folder.`,
    )
  }
  const same = !mark.spoiled && JSON.stringify(mark.sourceHead) === JSON.stringify(head)
  return same ? { start: 'resumed', mark, head } : { start: 'anew', mark: null, head }
}

const newMark = ({ source, nowMs, id }: MoveJob, head: Row): MoveMark => ({
  id,
  source: source.identity,
  sourcePlace: source.place,
  sourceHead: head,
  startedAt: rfc3339(nowMs()),
  spoiled: false,
})

/** Answers the rows that were written. */
async function copyAll({ source, target, progress }: MoveJob, plan: MovePlan): Promise<number> {
  let written = 0
  let through = 0
  const tell = (table: string): void => progress?.({ phase: 'moving', table, rows: through, ofRows: plan.rows })
  for (const table of TABLES) {
    const reached = await target.reached(table)
    if (reached !== null) through += await target.count(table)
    tell(table.name)
    let writing: Promise<void> = Promise.resolve()
    // The next chunk is read while this one is written.
    for await (const chunk of chunks(source, table, reached)) {
      await writing
      writing = target.write(table, chunk)
      writing.catch(() => {})
      written += chunk.length
      through += chunk.length
      tell(table.name)
    }
    await writing
  }
  return written
}

interface Compared {
  readonly name: string
  readonly here: Content
  readonly there: Content
}

async function compareAll(job: MoveJob, plan: MovePlan, mark: MoveMark): Promise<Compared[]> {
  const compared: Compared[] = []
  let through = 0
  for (const table of TABLES) {
    const tell = (rows: number): void => {
      through += rows
      job.progress?.({ phase: 'verifying', table: table.name, rows: through, ofRows: plan.rows })
    }
    compared.push(await compare(job, table, tell))
  }
  try {
    refuseDifferent(compared)
  } catch (error) {
    await job.target.remark({ ...mark, spoiled: true })
    throw error
  }
  return compared
}

/** Both sides are read in full, side by side. */
async function compare({ source, target }: MoveJob, table: MoveTable, seen: (rows: number) => void): Promise<Compared> {
  const [here, there] = await Promise.all([contentOf(source, table, seen), contentOf(target, table)])
  return { name: table.name, here, there }
}

function refuseDifferent(compared: readonly Compared[]): void {
  const different = compared.filter(({ here, there }) => here.rows !== there.rows || here.checksum !== there.checksum)
  if (different.length === 0) return
  const names = different.map(({ name, here, there }) =>
    here.rows === there.rows ? `${name} (other content)` : `${name} (${here.rows} rows there, ${there.rows} here)`,
  )
  throw new HubError(
    'storage_failed',
    `After the move these tables differ from the source: ${names.join(', ')}. The target stays closed to hubs; run the same command again, it begins anew.`,
  )
}
