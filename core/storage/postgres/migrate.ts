/**
 * The schema's numbered steps. Processes of two versions work on one database while a fleet is replaced, so a step only
 * adds what the version before can live with (expand); what nobody uses any more goes in a later one (contract), which
 * says with a first line `-- needs: N` that programs must know step N to go on working. An index on a table that is in use
 * is a step of its own with a first line `-- outside a transaction`: built so that others read and write meanwhile.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool, PoolClient } from 'pg'
import { HubError } from '../../errors.ts'
import { statusAmong, stepsIn } from '../steps.ts'
import type { MigrationStatus, Step } from '../steps.ts'
import { withClient } from './connect.ts'

const MIGRATIONS = new URL('./migrations/', import.meta.url)
/** Any number, the same for all: one process at a time changes the schema. */
const LOCK = 8_420_001
/** Building an index on a large table takes longer than any statement of the store may. */
const STEP_TIMEOUT_MS = 3_600_000
/**
 * A step waits this long for a table that others use, then lets them pass and comes again: all who want the table queue
 * up behind one that waits for it.
 */
const STEP_LOCK_TIMEOUT_MS = 1_000
const STEP_TRIES_MAX = 600
const LOCK_NOT_AVAILABLE = '55P03'
const TURN_TRY_EVERY_MS = 100
const OUTSIDE = /^-- outside a transaction$/m

interface Migration extends Step {
  readonly sql: string
  /** The step that programs must know at least. */
  readonly needs: number
}

const known = (folder: URL): readonly Migration[] =>
  stepsIn(folder).map((step) => {
    const sql = readFileSync(new URL(step.name, folder), 'utf8')
    return { ...step, sql, needs: Number(/^-- needs: (\d+)$/m.exec(sql)?.[1] ?? 0) }
  })

/** Where the database stands. Changes nothing. */
export async function migrationStatus(pool: Pool, folder = MIGRATIONS): Promise<MigrationStatus> {
  return await withClient(pool, async (client) => statusAmong(stepsIn(folder), (await schemaOf(client)).current))
}

/** Brings the schema up to date; answers the names of the steps that ran. */
export async function migrate(pool: Pool, folder = MIGRATIONS): Promise<readonly string[]> {
  const migrations = known(folder)
  return await withClient(pool, async (client) => {
    await client.query(`SET lock_timeout = 0; SET statement_timeout = ${STEP_TIMEOUT_MS}`)
    await takeTurn(client)
    try {
      const { current, needs } = await schemaOf(client)
      const { latest, pending } = statusAmong(migrations, current)
      if (needs > latest) {
        throw new HubError(
          'storage_failed',
          `The database needs programs that know schema ${needs}, this one knows ${latest}: start a newer Manifold.`,
        )
      }
      if (current === 0) await refuseForeign(client)
      for (const migration of migrations) if (migration.version > current) await runStep(client, migration)
      return pending
    } finally {
      await client.query('SELECT pg_advisory_unlock($1)', [LOCK])
      await client.query('RESET lock_timeout; RESET statement_timeout')
    }
  })
}

/** Asked again and again: one that waits in the database is a transaction, and an index built beside others waits for all of them. */
async function takeTurn(client: PoolClient): Promise<void> {
  for (;;) {
    const { rows } = await client.query<{ mine: boolean }>('SELECT pg_try_advisory_lock($1) AS mine', [LOCK])
    if (rows[0]?.mine === true) return
    await sleep(TURN_TRY_EVERY_MS)
  }
}

/** Our own limit for an answer is far below what a step may take, and so is what another process's step takes. */
const slow = (text: string, values: unknown[] = []) => ({ text, values, query_timeout: STEP_TIMEOUT_MS })

/** A database is ours from the first table on, or it is somebody else's. */
async function refuseForeign(client: PoolClient): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    'SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename LIMIT 3',
  )
  if (rows.length === 0) return
  const names = rows.map(({ name }) => `"${name}"`).join(', ')
  throw new HubError(
    'storage_failed',
    `This database holds tables of another program (${names}); make one for the hub: createdb manifold.`,
  )
}

async function runStep(client: PoolClient, migration: Migration): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await tryStep(client, migration)
    } catch (error) {
      if ((error as { code?: unknown }).code !== LOCK_NOT_AVAILABLE || tries >= STEP_TRIES_MAX) throw error
      await sleep(STEP_LOCK_TIMEOUT_MS)
    }
  }
}

async function tryStep(client: PoolClient, migration: Migration): Promise<void> {
  const { sql } = migration
  if (OUTSIDE.test(sql)) {
    for (const statement of sql.split(/;\s*$/m)) if (/\S/.test(statement)) await buildIndex(client, statement)
    return note(client, migration)
  }
  await client.query('BEGIN')
  try {
    await client.query(`SET LOCAL lock_timeout = ${STEP_LOCK_TIMEOUT_MS}`)
    await client.query(
      'CREATE TABLE IF NOT EXISTS schema_steps (version integer PRIMARY KEY, name text NOT NULL, needs integer NOT NULL, ran_at timestamptz NOT NULL)',
    )
    await client.query(slow(sql))
    await note(client, migration)
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  }
}

async function note(client: PoolClient, { version, name, needs }: Migration): Promise<void> {
  await client.query('INSERT INTO schema_steps (version, name, needs, ran_at) VALUES ($1, $2, $3, now())', [
    version,
    name,
    needs,
  ])
}

const INDEX_NAME = /CREATE (?:UNIQUE )?INDEX CONCURRENTLY IF NOT EXISTS (\w+)/

/** What a build that was cut off has left is no index, and stands in the way of one. */
async function buildIndex(client: PoolClient, statement: string): Promise<void> {
  const index = INDEX_NAME.exec(statement)?.[1]
  if (index === undefined) throw new HubError('internal', `No index that can be built beside others: ${statement}`)
  const { rows } = await client.query('SELECT 1 FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT indisvalid', [
    index,
  ])
  if (rows.length > 0) await client.query(slow(`DROP INDEX CONCURRENTLY ${index}`))
  await client.query(slow(statement))
}

async function schemaOf(client: PoolClient): Promise<{ readonly current: number; readonly needs: number }> {
  const { rows: tables } = await client.query("SELECT to_regclass('schema_steps') AS found")
  if (tables[0]?.found === null) return { current: 0, needs: 0 }
  const { rows } = await client.query<{ current: number; needs: number }>(
    'SELECT coalesce(max(version), 0) AS current, coalesce(max(needs), 0) AS needs FROM schema_steps',
  )
  return rows[0] ?? { current: 0, needs: 0 }
}
