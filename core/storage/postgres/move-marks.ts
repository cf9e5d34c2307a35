/** What a move leaves written in a database: that it is half filled, or that everything in it went elsewhere. Who opens it is told. */
import type { ClientBase, Pool } from 'pg'
import { HubError } from '../../errors.ts'
import { DEPARTURE, departed, halfMoved, MARK } from '../move/port.ts'
import type { Departure } from '../move/port.ts'

type Db = ClientBase | Pool

export const hasMark = (db: Db): Promise<boolean> => hasTable(db, MARK)

async function hasTable(db: Db, name: string): Promise<boolean> {
  const { rows } = await db.query<{ found: string | null }>('SELECT to_regclass($1) AS found', [name])
  return rows[0]?.found != null
}

/** Throws `storage_failed` for a database in the middle of a move. `place` is named in the message. */
export async function assertMoved(db: Db, place: string): Promise<void> {
  if (await hasMark(db)) throw new HubError('storage_failed', halfMoved(place))
}

/** Where everything in it went; null when it stayed. */
export async function departureOf(db: Db): Promise<Departure | null> {
  if (!(await hasTable(db, DEPARTURE))) return null
  const { rows } = await db.query<{ value: string }>(`SELECT value FROM ${DEPARTURE}`)
  return JSON.parse(rows[0]?.value ?? 'null') as Departure | null
}

/** Throws `storage_failed` for a database that was moved away. `place` is named in the message. */
export async function assertHere(db: Db, place: string): Promise<void> {
  const departure = await departureOf(db)
  if (departure !== null) throw new HubError('storage_failed', departed(place, departure))
}

/** Inside the caller's transaction. */
export async function writeDeparture(db: ClientBase, departure: Departure): Promise<void> {
  await db.query(`DROP TABLE IF EXISTS ${DEPARTURE}`)
  await db.query(`CREATE TABLE ${DEPARTURE} (value text NOT NULL)`)
  await db.query(`INSERT INTO ${DEPARTURE} (value) VALUES ($1)`, [JSON.stringify(departure)])
}

export const dropDeparture = async (db: Db): Promise<void> => void (await db.query(`DROP TABLE ${DEPARTURE}`))
