/** The Postgres store: one writer, readers from a pool, and the shared verbs over both. */
import type { Pool } from 'pg'
import { HubError } from '../../errors.ts'
import type { Limits } from '../../limits.ts'
import type { Logger } from '../../observe/observe.ts'
import { resumeErasures, storeOver } from '../over-driver.ts'
import type { Procedure } from '../procedure.ts'
import type { Store } from '../store.ts'
import { READS } from '../verbs.ts'
import type { Driver } from '../verbs.ts'
import { dumpPostgres } from './backup.ts'
import { assertDurable, openPool, withClient } from './connect.ts'
import { ALONE } from './group-commit.ts'
import type { Companion } from './group-commit.ts'
import { migrate } from './migrate.ts'
import { placeOf, unusable } from './place.ts'
import { runProcedure } from './run-procedure.ts'
import { assertUnbroken } from './sequence.ts'
import { toHubError } from './sqlstates.ts'
import { assertHere, assertMoved } from './move-marks.ts'
import { Writer } from './writer.ts'

export interface PostgresStoreOptions {
  readonly url: string
  /** Connections that the rest of the process uses, too, and that it closes; by default the store opens its own. */
  readonly pool?: Pool
  /** For the writer alone, so that no list makes it wait; of the pool by default. */
  readonly writerPool?: Pool
  /** A replica that answers the reads in `ON_REPLICA`. */
  readonly replicaUrl?: string | null
  readonly connectionsMax: number
  readonly limits: Limits
  readonly logger: Logger
  /** The other processes' part in each transaction; none by default. */
  readonly companion?: Companion
  readonly nowMs?: () => number
}

/** Lists and counts for people: a moment's delay does no harm there. */
const ON_REPLICA: ReadonlySet<string> = new Set([
  'countDeliveries',
  'countQuarantine',
  'countResponses',
  'listAttempts',
  'listDeliveries',
  'listQuarantine',
  'listResponses',
])

/** A move out of the database holds this row to its end, and who waited for it must look again. */
async function assertStill(pool: Pool, place: string): Promise<void> {
  await pool.query('SELECT seq FROM log_head WHERE only_row = 1 FOR SHARE')
  await assertHere(pool, place)
}

/** Migrates and checks the database, then serves; rejects with what is wrong and what to do when it cannot be trusted. */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<Store> {
  const { url, connectionsMax, limits, logger, companion = ALONE } = options
  const nowMs = options.nowMs ?? Date.now
  const pool = options.pool ?? openPool({ url, connectionsMax, name: 'manifold', logger })
  const replica =
    options.replicaUrl === undefined || options.replicaUrl === null
      ? pool
      : openPool({ url: options.replicaUrl, connectionsMax, name: 'manifold reads', logger })
  const endOwn = async (): Promise<void> => {
    if (replica !== pool) await replica.end()
    if (options.pool === undefined) await pool.end()
  }
  try {
    const place = placeOf(url)
    await assertMoved(pool, place)
    await assertHere(pool, place)
    for (const name of await migrate(pool)) logger.info({ step: name }, 'schema changed')
    await assertDurable(pool, logger)
    await assertStill(pool, place)
    await assertUnbroken(pool)
  } catch (error) {
    await endOwn()
    throw unusable(placeOf(url), error)
  }
  const writer = new Writer(options.writerPool ?? pool, companion)
  const reads = new Reads({ pool, replica })
  const driver = {
    write: (verb, input) => writer.call(verb, input),
    read: (verb, input) => reads.call(verb, input),
  } as Driver
  resumeErasures(driver, { nowMs, logger })
  let closing: Promise<void> | null = null
  const close = async (): Promise<void> => {
    await writer.close()
    await reads.close()
    await endOwn()
  }
  return {
    ...storeOver(driver, { limits, nowMs }),
    backup: async (file, progress) => {
      // A closed store refuses here.
      await driver.read('totals', undefined)
      await dumpPostgres(url, file)
      progress?.(1)
    },
    stats: async () => ({
      bytes: await reads.bytes(),
      walBytes: 0,
      ...(await driver.read('totals', undefined)),
    }),
    ping: async () => {
      try {
        await driver.write('ping', undefined)
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error)
        throw new HubError('unavailable', `Nothing can be stored right now: ${why}`, { cause: error })
      }
    },
    close: () => (closing ??= close()),
  }
}

/** The reading side: each question on any free connection. */
class Reads {
  readonly #pools: { readonly pool: Pool; readonly replica: Pool }
  readonly #running = new Set<Promise<unknown>>()
  #closed = false

  constructor(pools: { readonly pool: Pool; readonly replica: Pool }) {
    this.#pools = pools
  }

  async call(verb: string, input: unknown): Promise<unknown> {
    if (!Object.hasOwn(READS, verb)) throw new HubError('internal', `There is no procedure "${verb}".`)
    const procedure = READS[verb as keyof typeof READS] as (argument: unknown) => Procedure<unknown>
    const { pool, replica } = this.#pools
    return await this.#track(
      withClient(ON_REPLICA.has(verb) ? replica : pool, (client) => runProcedure(client, procedure(input))),
    )
  }

  async bytes(): Promise<number> {
    const { rows } = await this.#track(
      this.#pools.pool.query<{ bytes: string }>('SELECT pg_database_size(current_database()) AS bytes'),
    )
    return Number(rows[0]?.bytes ?? 0)
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.allSettled(this.#running)
  }

  async #track<Result>(work: Promise<Result>): Promise<Result> {
    if (this.#closed) {
      work.catch(() => {})
      throw new HubError('unavailable', 'The store is closed.')
    }
    this.#running.add(work)
    try {
      return await work
    } catch (error) {
      throw toHubError(error)
    } finally {
      this.#running.delete(work)
    }
  }
}
