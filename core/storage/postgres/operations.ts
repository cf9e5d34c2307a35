/** The database of a fleet, for commands that work on it with or without running hubs. */
import type { Pool } from 'pg'
import { HubError } from '../../errors.ts'
import type { Finding } from '../../finding.ts'
import { LIMITS } from '../../limits.ts'
import type { Logger } from '../../observe/observe.ts'
import { departureFinding, HALF_MOVED } from '../operations.ts'
import type { StorageOperations } from '../operations.ts'
import { dumpPostgres, restorePostgres } from './backup.ts'
import { openPool } from './connect.ts'
import { livingHubs } from './living-hubs.ts'
import { migrate, migrationStatus } from './migrate.ts'
import { openPostgresStore } from './open.ts'
import { placeOf, unusable } from './place.ts'
import { assertMoved, departureOf, dropDeparture, hasMark } from './move-marks.ts'

const VERSION_NUM_MIN = 130_000
const CONNECTIONS_MAX = 3

export function postgresOperations(url: string, logger: Logger): StorageOperations {
  const place = placeOf(url)
  const withPool = async <Result>(use: (pool: Pool) => Promise<Result>): Promise<Result> => {
    const pool = openPool({ url, connectionsMax: 1, name: 'manifold command', logger })
    try {
      return await use(pool)
    } catch (error) {
      throw unusable(place, error)
    } finally {
      await pool.end()
    }
  }
  return {
    shared: true,
    open: () => openPostgresStore({ url, connectionsMax: CONNECTIONS_MAX, limits: LIMITS, logger }),
    status: () => withPool(migrationStatus),
    migrate: () =>
      withPool(async (pool) => {
        await assertMoved(pool, place)
        await migrate(pool)
      }),
    backup: async (file, progress) => {
      await withPool(async (pool) => {
        await assertMoved(pool, place)
        const { current } = await migrationStatus(pool)
        if (current === 0) throw new HubError('not_found', `${place} holds no hub's database; check DATABASE_URL.`)
      })
      await dumpPostgres(url, file)
      progress(1)
    },
    replaces: async (file) => {
      const { current } = await withPool(migrationStatus)
      return current > 0
        ? `${place} holds a database; what it holds would be replaced by ${file} and not be kept.`
        : null
    },
    restore: (file) =>
      withPool(async (pool) => {
        await restorePostgres(url, file, pool)
        return await totals(pool)
      }),
    acceptLoss: null,
    departure: () => withPool(departureOf),
    reclaim: () => withPool(dropDeparture),
    hubs: () => withPool(livingHubs),
    findings: () => withPool((pool) => look(pool, place)).catch((error: HubError) => [unreachable(error)]),
  }
}

async function totals(pool: Pool): Promise<{ events: number; responses: number; keptAs: null }> {
  const { rows } = await pool.query<{ events: string; responses: string }>(
    'SELECT seq - first_seq + 1 AS events, responses FROM log_head',
  )
  return { events: Number(rows[0]?.events ?? 0), responses: Number(rows[0]?.responses ?? 0), keptAs: null }
}

const unreachable = ({ message }: HubError): Finding => ({
  level: 'fail',
  detail: message,
  fix: 'start the server, or check DATABASE_URL',
})

async function look(pool: Pool, place: string): Promise<readonly Finding[]> {
  const { rows } = await pool.query<{ name: string; setting: string }>(
    `SELECT name, setting FROM pg_settings
      WHERE name IN ('server_version', 'server_version_num', 'synchronous_commit', 'fsync', 'full_page_writes')`,
  )
  const setting = Object.fromEntries(rows.map(({ name, setting: value }) => [name, value]))
  const version = `${place}, PostgreSQL ${setting['server_version'] ?? 'of an unknown version'}`
  const findings: Finding[] = [
    Number(setting['server_version_num']) >= VERSION_NUM_MIN
      ? { level: 'ok', detail: version, fix: null }
      : { level: 'fail', detail: `${version} is too old`, fix: 'use PostgreSQL 13 or newer' },
  ]
  if (setting['synchronous_commit'] === 'off')
    findings.push({
      level: 'fail',
      detail:
        'synchronous_commit is off: Postgres answers before a commit is on disk, so accepted responses could be lost',
      fix: 'ALTER DATABASE … SET synchronous_commit = on',
    })
  for (const name of ['fsync', 'full_page_writes'])
    if (setting[name] === 'off')
      findings.push({
        level: 'warn',
        detail: `${name} is off: a power cut can lose what was accepted`,
        fix: `set ${name} = on in postgresql.conf`,
      })
  if (await hasMark(pool)) findings.push(HALF_MOVED)
  const departure = await departureOf(pool)
  if (departure !== null) findings.push(departureFinding(departure))
  return findings
}
