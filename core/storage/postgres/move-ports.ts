/** A Postgres database as the source or the target of a move, over one connection that holds its lock until it is closed. */
import { Client } from 'pg'
import type { Pool } from 'pg'
import { HubError } from '../../errors.ts'
import { halfMoved, MARK } from '../move/port.ts'
import type { Departure, MoveMark, MoveSource, MoveTarget, TargetState } from '../move/port.ts'
import { LOG_HEAD, TABLES } from '../move/tables.ts'
import type { Row } from '../move/tables.ts'
import { openPool, poolConfig } from './connect.ts'
import { WRITERS } from './group-commit.ts'
import { livingHubs } from './living-hubs.ts'
import { migrate, migrationStatus } from './migrate.ts'
import type { MigrationStatus } from '../steps.ts'
import { countRows, readChunk, recall, remember, writeChunk } from './move-rows.ts'
import { placeOf, unusable } from './place.ts'
import { assertUnbroken } from './sequence.ts'
import { toHubError } from './sqlstates.ts'
import { departureOf, hasMark, writeDeparture } from './move-marks.ts'

/** Any number but those of the other locks: one move at a time into or out of a database. */
const LOCK = WRITERS
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silent }

/** Opens a database that is up to date and unused, and keeps all writers out until it is closed. */
export async function openPostgresSource(url: string): Promise<MoveSource> {
  const place = placeOf(url)
  const client = await connect(url)
  try {
    const status = await withPool(url, migrationStatus)
    if (status.current === 0) throw new HubError('not_found', `${place} holds no hub's database.`)
    assertUpToDate(place, status)
    if (await hasMark(client)) throw new HubError('storage_failed', halfMoved(place))
    await takeLock(client, place)
    // Every transaction of a hub begins by locking this row, so none can write; and what is read twice is the same twice.
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
    await client.query('SELECT seq FROM log_head WHERE only_row = 1 FOR UPDATE')
    await assertUnused(client, place)
    await withPool(url, assertUnbroken)
    const { rows } = await client.query<{ oid: number; first: string | null }>(
      `SELECT d.oid, (SELECT e.id FROM events e ORDER BY e.seq LIMIT 1) AS first
        FROM pg_database d WHERE d.datname = current_database()`,
    )
    return {
      place,
      identity: `postgres ${rows[0]?.oid} ${rows[0]?.first ?? 'empty'}`,
      read: (table, after) => readChunk(client, table, after).catch(refuse),
      count: (table) => countRows(client, table).catch(refuse),
      departure: await departureOf(client),
      leave: (departure) => leave(client, departure).catch(refuse),
      close: () => client.end(),
    }
  } catch (error) {
    await client.end()
    throw toHubError(error)
  }
}

/** Ends the transaction that kept all writers out: who waited for it finds the mark. */
async function leave(client: Client, departure: Departure): Promise<void> {
  await writeDeparture(client, departure)
  await client.query('COMMIT')
}

/** A database to move into. Nothing is made there before `prepare`. */
export async function openPostgresTarget(url: string): Promise<MoveTarget> {
  const place = placeOf(url)
  const client = await connect(url)
  const prepare = async (): Promise<void> => {
    await takeLock(client, place)
    await withPool(url, migrate)
  }
  return {
    place,
    read: (table, after) => readChunk(client, table, after).catch(refuse),
    count: (table) => countRows(client, table).catch(refuse),
    state: () => stateOf(url, client).catch(refuse),
    prepare: () => prepare().catch(refuse),
    begin: (mark) => begin(client, mark).catch(refuse),
    remark: (mark) => remember(client, 'move', mark).catch(refuse),
    reached: (table) => recall(client, table.name).then((key) => (key as Row | undefined) ?? null, refuse),
    write: (table, rows) => writeChunk(client, table, rows),
    setHead: (head) => setHead(client, head).catch(refuse),
    release: () => release(client, place).catch(refuse),
    close: () => client.end(),
  }
}

const refuse = (error: unknown): never => {
  throw toHubError(error)
}

/** Unlike the store's, these statements may take their time: they go through whole tables. */
async function connect(url: string): Promise<Client> {
  const { query_timeout: _, ...config } = poolConfig({ url, connectionsMax: 1, name: 'manifold db move' })
  const client = new Client({ ...config, statement_timeout: 0, idle_in_transaction_session_timeout: 0 })
  // A connection that breaks tells whoever asks next; this only keeps the event from ending the process.
  client.on('error', () => {})
  try {
    await client.connect()
    return client
  } catch (error) {
    throw unusable(placeOf(url), error)
  }
}

async function withPool<Result>(url: string, use: (pool: Pool) => Promise<Result>): Promise<Result> {
  const pool = openPool({ url, connectionsMax: 1, name: 'manifold db move', logger: silent })
  try {
    return await use(pool)
  } catch (error) {
    throw toHubError(error)
  } finally {
    await pool.end()
  }
}

function assertUpToDate(place: string, { current, latest }: MigrationStatus): void {
  if (current === latest) return
  throw new HubError(
    'unavailable',
    current < latest
      ? `${place} has schema ${current}, this program has ${latest}. Bring it up to date first: manifold db migrate.`
      : `${place} has schema ${current}, this program knows ${latest}: a newer Manifold uses it. Use that version.`,
  )
}

async function assertUnused(client: Client, place: string): Promise<void> {
  const hubs = await livingHubs(client)
  if (hubs.length === 0) return
  throw new HubError(
    'unavailable',
    `${place} is in use: ${hubs.join(', ')}. Stop all hubs first; a process that was killed counts as gone after 15 s.`,
  )
}

/** Goes with the connection, however it ends. */
async function takeLock(client: Client, place: string): Promise<void> {
  const { rows } = await client.query<{ mine: boolean }>('SELECT pg_try_advisory_lock($1) AS mine', [LOCK])
  if (rows[0]?.mine !== true) throw new HubError('unavailable', `Another move into or out of ${place} runs right now.`)
}

async function stateOf(url: string, client: Client): Promise<TargetState> {
  const status = await withPool(url, migrationStatus)
  if (status.current === 0) return { kind: 'empty' }
  await assertUnused(client, placeOf(url))
  if (await hasMark(client)) {
    return { kind: 'unfinished', mark: (await recall(client, 'move')) as MoveMark }
  }
  assertUpToDate(placeOf(url), status)
  for (const table of TABLES) {
    const rows = await countRows(client, table)
    if (rows > 0) return { kind: 'used', table: table.name, rows }
  }
  return { kind: 'empty' }
}

async function begin(client: Client, mark: MoveMark): Promise<void> {
  await client.query('BEGIN')
  try {
    await client.query(`TRUNCATE ${TABLES.map(({ name }) => name).join(', ')}`)
    await client.query('UPDATE log_head SET first_seq = 1, seq = 0, responses = 0, pings = 0')
    await client.query(`DROP TABLE IF EXISTS ${MARK}`)
    await client.query(`CREATE TABLE ${MARK} (name text PRIMARY KEY, value text NOT NULL)`)
    await remember(client, 'move', mark)
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  }
}

async function setHead(client: Client, head: Row): Promise<void> {
  const changes = LOG_HEAD.columns.map((column, i) => `${column} = $${i + 1}`).join(', ')
  await client.query(`UPDATE ${LOG_HEAD.name} SET ${changes}`, [...head])
}

/** What the planner knows of empty tables would mislead the hub's first statements. */
async function release(client: Client, place: string): Promise<void> {
  await client.query(`ANALYZE ${TABLES.map(({ name }) => name).join(', ')}`)
  // One that had opened the database before it was marked.
  await assertUnused(client, place)
  await client.query(`DROP TABLE ${MARK}`)
}
