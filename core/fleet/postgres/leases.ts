/**
 * The rows behind the fleet: which processes are alive, by the database's own clock, and which of them holds which
 * installation. Leases change hands only under the writer's lock, so a lane's writes come wholly before or wholly after.
 */
import type { Pool, PoolClient } from 'pg'
import type { SqlValue, StepResult } from '../../storage/procedure.ts'
import { withClient } from '../../storage/postgres/connect.ts'
import { WRITERS } from '../../storage/postgres/group-commit.ts'
import { sendAll } from '../../storage/postgres/pipeline.ts'
import { statementOf } from '../../storage/postgres/sql.ts'

/** A process that was silent for so long is dead to the others. */
export const SILENT_MS_MAX = 8_000
/** Right after a restart of the database everybody has been silent; they get the time to speak up. */
const DATABASE_UP_MS_MIN = SILENT_MS_MAX

export interface ProcessRow {
  readonly id: string
  readonly role: string
  readonly url: string | null
  readonly door_key: string | null
  readonly place: string | null
  readonly pid: number
  readonly job_pool: string | null
  readonly silent_ms: number
  /** When it beat last, exactly as the database says it. */
  readonly beaten: string
  /** Of what it could run: processes share only with those that could run the same. */
  readonly wants: string
  readonly version: string
  readonly config: string
  readonly breakers: string
}

export interface LeaseRow {
  readonly workspace: string
  readonly installation: string
  readonly owner: string | null
  readonly token: number
  /** Hashes of what it takes turns for with others, with commas between; null: nothing. */
  readonly turns: string | null
}

export interface Me {
  readonly id: string
  readonly role: string
  readonly version: string
  readonly place: string | null
  readonly pid: number
  /** Of graphile-worker, whose locks others undo when this process dies; null: none runs here. */
  readonly jobPool: string | null
  readonly url: string
  readonly doorKey: string
  /** A mark of the list of what it could run. */
  readonly wants: string
  readonly config: string
  /** JSON. */
  readonly breakers: string
}

export interface Sight {
  readonly processes: readonly ProcessRow[]
  readonly leases: readonly LeaseRow[]
  readonly head: number
  /** The database itself has only just come up. */
  readonly databaseIsYoung: boolean
}

const BEAT = `INSERT INTO hub_processes (id, role, version, place, pid, job_pool, url, door_key, wants, config, breakers,
    started_at, beat_at)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, clock_timestamp(), clock_timestamp())
  ON CONFLICT (id) DO UPDATE SET beat_at = clock_timestamp(), role = excluded.role, job_pool = excluded.job_pool,
    wants = excluded.wants, config = excluded.config, breakers = excluded.breakers`
const PROCESSES = `SELECT id, role, url, door_key, place, pid, job_pool, wants, version, config, breakers, beat_at::text AS beaten,
    (extract(epoch FROM clock_timestamp() - beat_at) * 1000)::double precision AS silent_ms
  FROM hub_processes ORDER BY started_at, id`
const LEASES = 'SELECT workspace, installation, owner, token, turns FROM leases ORDER BY workspace, installation'
const HEAD = `SELECT seq, (extract(epoch FROM clock_timestamp() - pg_postmaster_start_time()) * 1000)::double precision AS up_ms
  FROM log_head WHERE only_row = 1`
const LOCK = `SELECT pg_advisory_xact_lock(${WRITERS})`
/** Only what nobody alive holds, and what takes turns with nothing that another one holds. */
const CLAIM = `INSERT INTO leases AS l (workspace, installation, owner, token, turns)
  SELECT ?, ?, ?::text, 1, ?::text WHERE NOT EXISTS (SELECT 1 FROM leases o JOIN hub_processes p ON p.id = o.owner
    WHERE o.owner <> ? AND string_to_array(o.turns, ',') && string_to_array(?, ','))
  ON CONFLICT (workspace, installation) DO UPDATE SET owner = excluded.owner, token = l.token + 1, turns = excluded.turns
    WHERE l.owner IS NULL OR NOT EXISTS (SELECT 1 FROM hub_processes p WHERE p.id = l.owner)
  RETURNING workspace, installation, owner, token, turns`
const RELEASE = 'UPDATE leases SET owner = NULL WHERE workspace = ? AND installation = ? AND owner = ?'
const RELEASE_ALL = 'UPDATE leases SET owner = NULL WHERE owner = ?'
/** Only as it was seen: one that has beaten since is alive. */
const BURY = 'DELETE FROM hub_processes WHERE id = ? AND beat_at::text = ?'
const GO = 'DELETE FROM hub_processes WHERE id = ?'
const UNLOCK_JOBS = 'SELECT graphile_worker.force_unlock_workers(ARRAY[?::text])'

/** Says that this process lives, and answers who else does. */
export async function beat(pool: Pool, me: Me): Promise<Sight> {
  const { id, role, version, place, pid, jobPool, url, doorKey, wants, config, breakers } = me
  const results = await withClient(pool, (client) =>
    sendAll(client, [
      one(BEAT, [id, role, version, place, pid, jobPool, url, doorKey, wants, config, breakers]),
      one(PROCESSES),
      one(LEASES),
      one(HEAD),
    ]),
  )
  const [, processes, leases, heads] = results as readonly [StepResult, StepResult, StepResult, StepResult]
  const { seq, up_ms: upMs } = heads.rows[0] as { seq: number; up_ms: number }
  return {
    processes: processes.rows as readonly ProcessRow[],
    leases: leases.rows as readonly LeaseRow[],
    head: seq,
    databaseIsYoung: upMs < DATABASE_UP_MS_MIN,
  }
}

/** A lease that is wished for; `turns` as in `LeaseRow`. */
export interface Claim {
  readonly place: readonly [workspace: string, installation: string]
  readonly turns: string | null
}

/** Buries the dead, undoes their locks on jobs, and takes what is free; answers what was got. */
export async function takeOver(
  pool: Pool,
  me: Me,
  wishes: {
    readonly bury: readonly ProcessRow[]
    readonly claim: readonly Claim[]
  },
): Promise<readonly LeaseRow[]> {
  return await locked(pool, async (client) => {
    const jobPools = wishes.bury.flatMap(({ job_pool: jobPool }) => (jobPool === null ? [] : [jobPool]))
    const results = await sendAll(client, [
      many(
        BURY,
        wishes.bury.map(({ id, beaten }) => [id, beaten]),
      ),
      many(
        UNLOCK_JOBS,
        jobPools.map((jobPool) => [jobPool]),
      ),
      many(
        CLAIM,
        wishes.claim.map(({ place, turns }) => [...place, me.id, turns, me.id, turns]),
      ),
    ])
    return wishes.claim.length === 0 ? [] : ((results.at(-1)?.rows ?? []) as readonly LeaseRow[])
  })
}

/** Gives some back, when nothing runs for them any more. */
export async function release(
  pool: Pool,
  me: Me,
  leases: readonly (readonly [workspace: string, installation: string])[],
): Promise<void> {
  await locked(pool, (client) =>
    sendAll(client, [
      many(
        RELEASE,
        leases.map(([workspace, installation]) => [workspace, installation, me.id]),
      ),
    ]),
  )
}

/** Gives everything back and leaves the fleet. */
export async function leave(pool: Pool, me: Pick<Me, 'id'>): Promise<void> {
  await locked(pool, (client) => sendAll(client, [one(RELEASE_ALL, [me.id]), one(GO, [me.id])]))
}

const NEWEST = 'SELECT checksum FROM hub_configs ORDER BY newest_at DESC LIMIT 1'
const SEEN = 'SELECT checksum FROM hub_configs WHERE checksum = ?'
const STILL_RUN = `SELECT id FROM hub_processes WHERE config = ? AND id <> ? AND beat_at > clock_timestamp() - interval '${SILENT_MS_MAX} milliseconds' LIMIT 1`
const MAKE_NEWEST = `INSERT INTO hub_configs (checksum, newest_at) VALUES (?, clock_timestamp())
  ON CONFLICT (checksum) DO UPDATE SET newest_at = excluded.newest_at`

/** See `Fleet.standing`; `running`: the checksum this process runs so far, null at its start. */
export async function standingOf(
  pool: Pool,
  config: { readonly checksum: string; readonly running: string | null; readonly id: string },
): Promise<'newest' | 'older'> {
  const { checksum, running, id } = config
  return await locked(pool, async (client) => {
    const [top, seen] = await sendAll(client, [one(NEWEST), one(SEEN, [checksum])])
    const newest = (top?.rows[0] as { checksum: string } | undefined)?.checksum
    if (newest === checksum) return 'newest'
    if (newest !== undefined && running !== newest && seen?.rows.length === 1) {
      const [still] = await sendAll(client, [one(STILL_RUN, [newest, id])])
      if (still?.rows.length === 1) return 'older'
    }
    await sendAll(client, [one(MAKE_NEWEST, [checksum])])
    return 'newest'
  })
}

async function locked<Result>(pool: Pool, use: (client: PoolClient) => Promise<Result>): Promise<Result> {
  return await withClient(pool, async (client) => {
    try {
      await sendAll(client, [one('BEGIN ISOLATION LEVEL READ COMMITTED'), one(LOCK)])
      const result = await use(client)
      await sendAll(client, [one('COMMIT')])
      return result
    } catch (error) {
      await client.query('ROLLBACK').catch(() => {})
      throw error
    }
  })
}

const one = (sql: string, params: readonly SqlValue[] = []) => ({ statement: statementOf(sql), rows: [params] })
const many = (sql: string, rows: readonly (readonly SqlValue[])[]) => ({ statement: statementOf(sql), rows })
