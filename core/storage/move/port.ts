/** What a move asks of a backend. One implementation a backend, in its own folder; the mover knows only these. */
import type { SqlValue } from '../procedure.ts'
import type { MoveTable, Row } from './tables.ts'

/** A chunk is this long at most, and not much larger than this: a row may hold a megabyte. */
export const CHUNK = { rowsMax: 2_000, bytesMax: 4_194_304 } as const

/** The table that marks a database as half moved. It is made by the mover, and gone when the move is done. */
export const MARK = 'unfinished_move'

/** The table that marks a database as left. It is written by the mover and taken away by an admin only. */
export const DEPARTURE = 'moved_away'

export type BackendName = 'sqlite' | 'postgres'

/** Reads whole tables. Errors come out as HubErrors. */
export interface TableReader {
  /** For people, such as `SQLite (/data)`; never with a password. */
  readonly place: string
  /** Rows after this key in the order of keys, a chunk of them; none when the table has no more. */
  read(table: MoveTable, after: Row | null): Promise<readonly Row[]>
  count(table: MoveTable): Promise<number>
  close(): Promise<void>
}

/** A database that nobody else writes to until it is closed. */
export interface MoveSource extends TableReader {
  /** Tells this database from all others: where it is, and which log it holds. */
  readonly identity: string
  /** Of an earlier move that left it, finished or not. */
  readonly departure: Departure | null
  /** Marks it as left, for good and for every hub, and lets it go: nothing can be read afterwards. */
  leave(departure: Departure): Promise<void>
}

/** Where the rows of a database went. */
export interface Departure {
  /** Of the move. */
  readonly id: string
  /** `place` of the target. */
  readonly to: string
  /** RFC 3339. */
  readonly at: string
}

/** What a target remembers of the move into it. */
export interface MoveMark {
  readonly id: string
  /** `identity` and `place` of the source. */
  readonly source: string
  readonly sourcePlace: string
  /** The source's `log_head` at the beginning: another one means that the source was used since. */
  readonly sourceHead: readonly SqlValue[]
  /** RFC 3339. */
  readonly startedAt: string
  /** What was moved is not what the source holds: to be begun anew. */
  readonly spoiled: boolean
}

export type TargetState =
  | { readonly kind: 'empty' }
  | { readonly kind: 'unfinished'; readonly mark: MoveMark }
  /** It holds rows that no move brought; the first table that does. */
  | { readonly kind: 'used'; readonly table: string; readonly rows: number }

/** A database that is filled. Before `prepare` only `state` and `close` may be called. */
export interface MoveTarget extends TableReader {
  /** Looks and changes nothing. */
  state(): Promise<TargetState>
  /** Makes the database and brings its schema up to date; refuses when another process moves into it. */
  prepare(): Promise<void>
  /** Empties all tables and marks the database as half moved, in one transaction. */
  begin(mark: MoveMark): Promise<void>
  /** Changes the mark. */
  remark(mark: MoveMark): Promise<void>
  /** The key up to which a table is here; null when nothing of it is. */
  reached(table: MoveTable): Promise<Row | null>
  /** Writes rows and how far the table is now, in one transaction. A row that is here already is an error (`conflict`). */
  write(table: MoveTable, rows: readonly Row[]): Promise<void>
  /** Replaces the row of `log_head`. */
  setHead(head: Row): Promise<void>
  /** Takes the mark away: from now on hubs may use it. */
  release(): Promise<void>
}

/** What opens a marked database says, in every backend. */
export const halfMoved = (place: string): string =>
  `${place} is the target of a move that is not finished, so it lacks rows. Run the same "manifold db move" again: it goes on where it was.`

/** What opens a database says that a move has left, in every backend. */
export const departed = (place: string, { to, at }: Departure): string =>
  `${place} was moved to ${to} (${at}); what came since then is there. Start hubs on that one. This older copy is opened again only after: manifold db reclaim.`
