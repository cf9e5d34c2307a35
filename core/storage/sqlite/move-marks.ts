/** What a move leaves written in a database: that it is half filled, or that everything in it went elsewhere. Who opens it is told. */
import type Database from 'better-sqlite3'
import { HubError } from '../../errors.ts'
import { DEPARTURE, departed, halfMoved, MARK } from '../move/port.ts'
import type { Departure } from '../move/port.ts'

export const hasMark = (db: Database.Database): boolean => hasTable(db, MARK)

const hasTable = (db: Database.Database, name: string): boolean =>
  db.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get(name) !== undefined

/** Throws `storage_failed` for a database in the middle of a move. `place` is named in the message. */
export function assertMoved(db: Database.Database, place: string): void {
  if (hasMark(db)) throw new HubError('storage_failed', halfMoved(place))
}

/** Where everything in it went; null when it stayed. */
export function departureOf(db: Database.Database): Departure | null {
  if (!hasTable(db, DEPARTURE)) return null
  return JSON.parse(db.prepare(`SELECT value FROM ${DEPARTURE}`).pluck().get() as string) as Departure
}

/** Throws `storage_failed` for a database that was moved away. `place` is named in the message. */
export function assertHere(db: Database.Database, place: string): void {
  const departure = departureOf(db)
  if (departure !== null) throw new HubError('storage_failed', departed(place, departure))
}

/** Inside the caller's transaction. */
export function writeDeparture(db: Database.Database, departure: Departure): void {
  db.exec(`DROP TABLE IF EXISTS ${DEPARTURE}; CREATE TABLE ${DEPARTURE} (value TEXT NOT NULL) STRICT`)
  db.prepare(`INSERT INTO ${DEPARTURE} (value) VALUES (?)`).run(JSON.stringify(departure))
}

export const dropDeparture = (db: Database.Database): void => void db.exec(`DROP TABLE ${DEPARTURE}`)
