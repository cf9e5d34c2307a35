/** Puts a backup in the place of the database, after looking at it closely. */
import { createReadStream, createWriteStream, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import Database from 'better-sqlite3'
import { HubError } from '../../errors.ts'
import { databaseFile, keepPrivate, makePrivate, syncToDisk } from './files.ts'
import type { DatabaseFile } from './files.ts'
import { migrate } from './migrate.ts'
import { openWriter } from './connection.ts'
import { assertWhole, checkSequence } from './sequence.ts'
import { sqliteCode } from './failures.ts'
import { assertMoved } from './move-marks.ts'
import { Watermark } from './watermark.ts'

export interface Restored {
  readonly events: number
  readonly responses: number
  /** Where the replaced database is now; null when there was none. */
  readonly keptAs: string | null
}

/** Verifies the backup as a copy beside the target, moves the old file aside, and moves the copy in. The hub must not run. */
export async function restoreSqlite(options: {
  readonly backupFile: string
  readonly dir: string
  readonly nowMs?: () => number
}): Promise<Restored> {
  const { backupFile, dir } = options
  if (!existsSync(backupFile)) throw new HubError('not_found', `There is no file ${backupFile}.`)
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const file = databaseFile(dir)
  const copy = `${file.path}.restoring`
  const leftovers = [copy, `${copy}-wal`, `${copy}-shm`]
  for (const path of leftovers) rmSync(path, { force: true })
  try {
    // Not copyFile: it would give the copy the backup's mode.
    makePrivate(copy)
    await pipeline(createReadStream(backupFile), createWriteStream(copy))
    const found = verify(copy, backupFile)
    if (file.exists()) assertNotRunning(file)
    const keptAs = moveAside(file, (options.nowMs ?? Date.now)())
    syncToDisk(copy)
    renameSync(copy, file.path)
    new Watermark(dir, found.head).close()
    syncToDisk(dir)
    return { events: found.events, responses: found.responses, keptAs }
  } finally {
    for (const path of leftovers) rmSync(path, { force: true })
  }
}

/** The whole file is read, the sequence counted and the schema brought up to date, all on the copy. */
function verify(copy: string, name: string): { head: number; events: number; responses: number } {
  let db: Database.Database
  try {
    db = openWriter(copy, { busyTimeoutMs: 0, walBytesMax: 0 }).db
  } catch (error) {
    if (error instanceof HubError) throw error
    throw new HubError(
      'storage_failed',
      `${name} is not a readable database (${sqliteCode(error) ?? String(error)}).`,
      { cause: error },
    )
  }
  try {
    const verdict = String(db.pragma('integrity_check(1)', { simple: true }))
    if (verdict !== 'ok') throw new HubError('storage_failed', `${name} is damaged (${verdict}); use another backup.`)
    assertMoved(db, name)
    migrate(db)
    const report = checkSequence(db, null)
    assertWhole(report)
    const count = (table: 'events' | 'responses'): number =>
      Number(db.prepare(`SELECT count(*) FROM ${table}`).pluck().get())
    return { head: report.head, events: count('events'), responses: count('responses') }
  } finally {
    // Leaving WAL mode folds everything into the one file that is moved.
    db.pragma('journal_mode = DELETE')
    db.close()
  }
}

/** Leaving WAL mode needs the file alone; it fails while another process has it open, and folds the WAL in when not. */
function assertNotRunning(file: DatabaseFile): void {
  let db: Database.Database | undefined
  try {
    db = new Database(file.path, { timeout: 0 })
    db.pragma('journal_mode = DELETE')
  } catch (error) {
    if (sqliteCode(error)?.startsWith('SQLITE_BUSY') === true) {
      throw new HubError('storage_busy', `A hub is running on ${file.path}; stop it first.`, { cause: error })
    }
    // It is damaged, which is why it is being replaced; its files are moved aside as they are.
  } finally {
    db?.close()
  }
}

function moveAside(file: DatabaseFile, nowMs: number): string | null {
  if (!file.exists()) return null
  const stamp = new Date(nowMs).toISOString().replaceAll(/[:.]/g, '-')
  const keptAs = `${file.path}.replaced-${stamp}`
  for (const suffix of ['', '-wal', '-shm']) {
    if (!existsSync(file.path + suffix)) continue
    keepPrivate(file.path + suffix)
    renameSync(file.path + suffix, keptAs + suffix)
  }
  return keptAs
}
