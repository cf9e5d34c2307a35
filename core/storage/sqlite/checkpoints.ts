/** Keeps the WAL small without stalling commits: a little when idle, more when it grows, everything after an erasure. */
import type Database from 'better-sqlite3'
import type { Connection } from './connection.ts'
import { sqliteCode } from './failures.ts'

const IDLE_MS = 20
const IDLE_PAGES = 256
/** How long a truncation may wait for readers before it is put off. */
const TRUNCATE_WAIT_MS = 20
const PAGE_BYTES = 4096

interface WalState {
  readonly busy: number
  readonly log: number
  readonly checkpointed: number
}

export interface CheckpointOptions {
  readonly walBytesMax: number
  readonly busyTimeoutMs: number
  /** Told of errors that are not "the disk is full" or "somebody reads". */
  readonly failed: (error: unknown) => void
}

/** Runs on the writer's connection, between commits. */
export class Checkpoints {
  readonly #connection: Connection
  readonly #options: CheckpointOptions
  readonly #noop: Database.Statement
  #truncateWanted = false
  #timer: NodeJS.Timeout | undefined

  constructor(connection: Connection, options: CheckpointOptions) {
    this.#connection = connection
    this.#options = options
    // Tells the WAL's size and moves nothing; prepared, it costs about a microsecond.
    this.#noop = connection.db.prepare('PRAGMA wal_checkpoint(NOOP)')
  }

  /** The next pause truncates the WAL, so that no byte of what was erased stays in it. */
  wantTruncate(): void {
    this.#truncateWanted = true
  }

  /** To be called after the callers of a commit were answered. */
  afterCommit(): void {
    if (this.#truncateWanted) return this.#truncate()
    this.#look()
    if (this.#timer === undefined) this.#timer = setTimeout(() => this.#idle(), IDLE_MS)
    else this.#timer.refresh()
  }

  /** No more timers. */
  stop(): void {
    clearTimeout(this.#timer)
  }

  /** The last checkpoint before closing. What it leaves is read back at the next start. */
  finish(): void {
    this.#wal('TRUNCATE')
  }

  #look(): void {
    const { walBytesMax } = this.#options
    const { log, checkpointed } = this.#wal('NOOP')
    if ((log - checkpointed) * PAGE_BYTES < walBytesMax / 4) return
    const after = this.#wal('PASSIVE')
    if (after.log * PAGE_BYTES > walBytesMax) this.#truncate()
  }

  #idle(): void {
    if (this.#truncateWanted) return this.#truncate()
    const { log, checkpointed } = this.#wal('NOOP')
    if (log - checkpointed >= IDLE_PAGES) this.#wal('PASSIVE')
  }

  #truncate(): void {
    this.#connection.db.pragma(`busy_timeout = ${TRUNCATE_WAIT_MS}`)
    const { busy } = this.#wal('TRUNCATE')
    this.#connection.db.pragma(`busy_timeout = ${this.#options.busyTimeoutMs}`)
    if (busy === 0) {
      this.#truncateWanted = false
      return
    }
    // A reader holds an old snapshot. Try again at the next pause.
    if (this.#timer === undefined) this.#timer = setTimeout(() => this.#idle(), IDLE_MS)
    else this.#timer.refresh()
  }

  #wal(mode: 'NOOP' | 'PASSIVE' | 'TRUNCATE'): WalState {
    try {
      if (mode === 'NOOP') return this.#noop.get() as WalState
      const [state] = this.#connection.db.pragma(`wal_checkpoint(${mode})`) as [WalState]
      return state
    } catch (error) {
      const code = sqliteCode(error) ?? ''
      const harmless = code === 'SQLITE_FULL' || code === 'SQLITE_IOERR_WRITE' || code.startsWith('SQLITE_BUSY')
      if (!harmless) this.#options.failed(error)
      return { busy: 1, log: 0, checkpointed: 0 }
    }
  }
}
