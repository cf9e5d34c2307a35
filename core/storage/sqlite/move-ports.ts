/** The SQLite file of a data folder as the source or the target of a move. While either is open, no hub can use the folder. */
import { mkdirSync, realpathSync } from 'node:fs'
import type Database from 'better-sqlite3'
import { HubError } from '../../errors.ts'
import { LIMITS } from '../../limits.ts'
import { CHUNK, halfMoved, MARK } from '../move/port.ts'
import type { Departure, MoveMark, MoveSource, MoveTarget, TableReader, TargetState } from '../move/port.ts'
import { keyOf, LOG_HEAD, TABLES } from '../move/tables.ts'
import type { MoveTable, Row } from '../move/tables.ts'
import { openReader, openWriter } from './connection.ts'
import { failureOf, toHubError } from './failures.ts'
import { databaseFile } from './files.ts'
import { migrate, migrationStatus } from './migrate.ts'
import { assertWhole, checkSequence } from './sequence.ts'
import { claimFolder } from './single-owner.ts'
import type { Ownership } from './single-owner.ts'
import { departureOf, hasMark, writeDeparture } from './move-marks.ts'
import { readWatermark, Watermark } from './watermark.ts'

const placeOf = (dir: string): string => `SQLite (${dir})`

/** Opens a database that is up to date and whole, and keeps all other writers out until it is closed. */
export async function openSqliteSource(dir: string): Promise<MoveSource> {
  const place = placeOf(dir)
  const { current, latest } = versionOf(dir)
  if (current === 0) throw new HubError('not_found', `There is no database in ${dir}.`)
  assertUpToDate(place, current, latest)
  const ownership = await claimFolder(dir)
  let db: Database.Database | undefined
  try {
    db = openDatabase(dir)
    if (hasMark(db)) throw new HubError('storage_failed', halfMoved(place))
    // Held until the end: what is read twice must be the same twice.
    db.exec('BEGIN IMMEDIATE')
    assertWhole(checkSequence(db, readWatermark(dir)))
    const first = db.prepare('SELECT id FROM events ORDER BY seq LIMIT 1').pluck().get() as string | undefined
    const identity = `sqlite ${realpathSync(dir)} ${first ?? 'empty'}`
    const leave = (departure: Departure): void => {
      if (db === undefined) return
      writeDeparture(db, departure)
      db.exec('COMMIT')
    }
    return {
      ...readerOver(db, place),
      identity,
      departure: departureOf(db),
      leave: (departure) => attempt(() => leave(departure)),
      close: () => closeAll(db, ownership),
    }
  } catch (error) {
    await closeAll(db, ownership)
    throw hubError(error)
  }
}

/** A data folder to move into. Nothing is made there before `prepare`. */
export function openSqliteTarget(dir: string): MoveTarget {
  const place = placeOf(dir)
  let ownership: Ownership | undefined
  let open: Database.Database | undefined
  const db = (): Database.Database => {
    if (open === undefined) throw new HubError('internal', 'The target of the move was not prepared.')
    return open
  }
  const prepare = async (): Promise<void> => {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    ownership = await claimFolder(dir)
    open = openDatabase(dir)
    migrate(open)
  }
  return {
    place,
    read: (table, after) => readerOver(db(), place).read(table, after),
    count: (table) => readerOver(db(), place).count(table),
    state: () => attempt(() => stateOf(dir, place)),
    prepare: () => prepare().catch((error: unknown) => Promise.reject(hubError(error))),
    begin: (mark) => attempt(() => begin(db(), dir, mark)),
    remark: (mark) => attempt(() => remember(db(), 'move', mark)),
    reached: (table) => attempt(() => (recall(db(), table.name) as Row | undefined) ?? null),
    write: (table, rows) => attempt(() => write(db(), table, rows)),
    setHead: (head) => attempt(() => setHead(db(), head)),
    release: () => attempt(() => release(db(), dir)),
    close: () => closeAll(open, ownership),
  }
}

function openDatabase(dir: string): Database.Database {
  return openWriter(databaseFile(dir).path, {
    busyTimeoutMs: LIMITS.sqliteBusyTimeoutMs,
    walBytesMax: LIMITS.walBytesMax,
  }).db
}

function versionOf(dir: string): { readonly current: number; readonly latest: number } {
  try {
    return migrationStatus(dir)
  } catch (error) {
    throw hubError(error)
  }
}

function assertUpToDate(place: string, current: number, latest: number): void {
  if (current === latest) return
  throw new HubError(
    'unavailable',
    current < latest
      ? `${place} has schema ${current}, this program has ${latest}. Bring it up to date first: manifold db migrate.`
      : `${place} has schema ${current}, this program knows ${latest}: it was written by a newer Manifold. Use that version.`,
  )
}

function stateOf(dir: string, place: string): TargetState {
  const { current, latest } = migrationStatus(dir)
  if (current === 0) return { kind: 'empty' }
  const { db } = openReader(databaseFile(dir).path, { busyTimeoutMs: LIMITS.sqliteBusyTimeoutMs })
  try {
    if (hasMark(db)) {
      const mark = recall(db, 'move') as MoveMark | undefined
      return mark === undefined ? { kind: 'empty' } : { kind: 'unfinished', mark }
    }
    assertUpToDate(place, current, latest)
    for (const table of TABLES) {
      const rows = countOf(db, table)
      if (rows > 0) return { kind: 'used', table: table.name, rows }
    }
    return { kind: 'empty' }
  } finally {
    db.close()
  }
}

function readerOver(db: Database.Database, place: string): Omit<TableReader, 'close'> {
  return {
    place,
    read: (table, after) => attempt(() => readChunk(db, table, after)),
    count: (table) => attempt(() => countOf(db, table)),
  }
}

const countOf = (db: Database.Database, { name }: MoveTable): number =>
  Number(db.prepare(`SELECT count(*) FROM ${name}`).pluck().get())

function readChunk(db: Database.Database, { name, columns, key }: MoveTable, after: Row | null): readonly Row[] {
  const from = after === null ? '' : `WHERE (${key.join(', ')}) > (${key.map(() => '?').join(', ')})`
  const statement = db
    .prepare(`SELECT ${columns.join(', ')} FROM ${name} ${from} ORDER BY ${key.join(', ')} LIMIT ${CHUNK.rowsMax}`)
    .raw()
  const rows: Row[] = []
  let bytes = 0
  for (const row of statement.iterate(...(after ?? [])) as IterableIterator<Row>) {
    rows.push(row)
    for (const value of row) if (typeof value === 'string') bytes += value.length
    if (bytes >= CHUNK.bytesMax) break
  }
  return rows
}

function begin(db: Database.Database, dir: string, mark: MoveMark): void {
  // A watermark of an earlier database would say that this one has lost its tail.
  new Watermark(dir, 0).close()
  db.transaction(() => {
    for (const { name } of TABLES) db.exec(`DELETE FROM ${name}`)
    db.exec('UPDATE log_head SET first_seq = 1, seq = 0, responses = 0, pings = 0')
    db.exec(`DROP TABLE IF EXISTS ${MARK}`)
    db.exec(`CREATE TABLE ${MARK} (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT`)
    remember(db, 'move', mark)
  }).immediate()
}

function write(db: Database.Database, table: MoveTable, rows: readonly Row[]): void {
  const { name, columns } = table
  const last = rows.at(-1)
  if (last === undefined) return
  const insert = db.prepare(`INSERT INTO ${name} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`)
  db.transaction(() => {
    for (const row of rows) insert.run(...row)
    remember(db, table.name, keyOf(table, last))
  }).immediate()
  db.pragma('wal_checkpoint(PASSIVE)')
}

function setHead(db: Database.Database, head: Row): void {
  const { name, columns } = LOG_HEAD
  db.prepare(`REPLACE INTO ${name} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`).run(...head)
}

/** The watermark comes last: it may lag behind the log, and never run ahead. */
function release(db: Database.Database, dir: string): void {
  db.exec(`DROP TABLE ${MARK}`)
  new Watermark(dir, Number(db.prepare('SELECT seq FROM log_head').pluck().get())).close()
  db.pragma('wal_checkpoint(TRUNCATE)')
}

const remember = (db: Database.Database, name: string, value: MoveMark | Row): void =>
  void db.prepare(`REPLACE INTO ${MARK} (name, value) VALUES (?, ?)`).run(name, JSON.stringify(value))

function recall(db: Database.Database, name: string): unknown {
  const text = db.prepare(`SELECT value FROM ${MARK} WHERE name = ?`).pluck().get(name) as string | undefined
  return text === undefined ? undefined : JSON.parse(text)
}

async function closeAll(db: Database.Database | undefined, ownership: Ownership | undefined): Promise<void> {
  db?.close()
  await ownership?.release()
}

async function attempt<Result>(work: () => Result): Promise<Result> {
  try {
    return work()
  } catch (error) {
    throw hubError(error)
  }
}

const hubError = (error: unknown): HubError => (error instanceof HubError ? error : toHubError(failureOf(error)))
