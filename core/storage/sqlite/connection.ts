/** One SQLite connection: its settings, its prepared statements, and procedures run on it synchronously. */
import Database from 'better-sqlite3'
import { HubError } from '../../errors.ts'
import type { Procedure, Step, StepResult } from '../procedure.ts'
import { keepPrivate, makePrivate } from './files.ts'

/** Before this, two connections that write or checkpoint could reset the WAL under each other. */
const SQLITE_VERSION_MIN = [3, 51, 3] as const

/** Marks the file as ours ("MNFL"). */
export const APPLICATION_ID = 0x4d4e464c

/** What a connection can do. */
export interface Connection {
  readonly db: Database.Database
  /** Runs a procedure to its end. `wrote` is told before each statement that changes something. */
  run<Result>(procedure: Procedure<Result>, wrote?: () => void): Result
  /** One value of a pragma. */
  pragma(text: string): unknown
}

/** The writing connection. `synchronous` is set here and asserted after the first write, since WAL may weaken it. */
export function openWriter(
  file: string,
  options: { readonly busyTimeoutMs: number; readonly walBytesMax: number },
): Connection {
  privateFiles(file)
  const db = new Database(file, { timeout: options.busyTimeoutMs })
  try {
    assertVersion(db)
    assertOurs(db, file)
    db.pragma('journal_mode = WAL')
    db.pragma('synchronous = FULL')
    db.pragma(`journal_size_limit = ${Math.floor(options.walBytesMax)}`)
    // Checkpoints are run by hand: SQLite would swallow the errors of its own.
    db.pragma('wal_autocheckpoint = 0')
    // Deleted answers are overwritten, not only unlinked.
    db.pragma('secure_delete = ON')
    db.pragma('temp_store = MEMORY')
    db.pragma('cache_size = -65536')
  } catch (error) {
    db.close()
    throw error
  }
  return connection(db)
}

/** SQLite gives the files it makes beside a database the database's own mode, so that one has to be right first. */
function privateFiles(file: string): void {
  try {
    if (makePrivate(file)) return
    for (const suffix of ['', '-wal', '-shm']) keepPrivate(file + suffix)
  } catch {
    // What keeps us from making it keeps SQLite from it, too, and SQLite's error is the one that is understood.
  }
}

/** A connection that cannot write. */
export function openReader(file: string, options: { readonly busyTimeoutMs: number }): Connection {
  const db = new Database(file, { readonly: true, fileMustExist: true, timeout: options.busyTimeoutMs })
  db.pragma('temp_store = MEMORY')
  db.pragma('cache_size = -32768')
  return connection(db)
}

/** Throws unless commits reach the disk before they answer. To be called after a real write. */
export function assertDurable(writer: Connection): void {
  const level = writer.pragma('synchronous')
  const mode = writer.pragma('journal_mode')
  if (level === 2 && mode === 'wal') return
  throw new HubError(
    'storage_failed',
    `SQLite runs with synchronous=${String(level)} and journal_mode=${String(mode)} instead of 2 and wal; accepted rows could be lost.`,
  )
}

function assertVersion(db: Database.Database): void {
  const version = String(db.prepare('SELECT sqlite_version()').pluck().get())
  const parts = version.split('.').map(Number)
  for (const [i, least] of SQLITE_VERSION_MIN.entries()) {
    const part = parts[i] ?? 0
    if (part > least) return
    if (part < least)
      throw new HubError(
        'storage_failed',
        `SQLite ${version} is too old; ${SQLITE_VERSION_MIN.join('.')} or newer is needed.`,
      )
  }
}

function assertOurs(db: Database.Database, file: string): void {
  const id = db.pragma('application_id', { simple: true })
  if (id === APPLICATION_ID) return
  const tables = Number(db.prepare("SELECT count(*) FROM sqlite_schema WHERE type = 'table'").pluck().get())
  if (tables > 0)
    throw new HubError('storage_failed', `${file} is a database of another program; choose another data directory.`)
}

function connection(db: Database.Database): Connection {
  const statements = new Map<string, Database.Statement>()
  const prepared = (sql: string): Database.Statement => {
    let statement = statements.get(sql)
    if (statement === undefined) {
      statement = db.prepare(sql)
      statements.set(sql, statement)
    }
    return statement
  }
  const run = <Result>(procedure: Procedure<Result>, wrote?: () => void): Result => {
    let step = procedure.next()
    while (step.done !== true) {
      const statement = prepared(step.value.sql)
      if (wrote !== undefined && !statement.readonly) wrote()
      step = procedure.next(execute(statement, step.value))
    }
    return step.value
  }
  return { db, run, pragma: (text) => db.pragma(text, { simple: true }) }
}

const NO_ROWS: readonly unknown[] = []

function execute(statement: Database.Statement, step: Step): StepResult {
  if ('params' in step) {
    if (!statement.reader) return { rows: NO_ROWS, changes: statement.run(step.params).changes }
    const rows = statement.all(step.params)
    return { rows, changes: rows.length }
  }
  if (!statement.reader) {
    let changes = 0
    for (const params of step.many) changes += statement.run(params).changes
    return { rows: NO_ROWS, changes }
  }
  const rows: unknown[] = []
  for (const params of step.many) for (const row of statement.all(params)) rows.push(row)
  return { rows, changes: rows.length }
}
