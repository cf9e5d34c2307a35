/** Connections to Postgres: bounded in number and in time, and set up to keep the store's promises. */
import { Pool } from 'pg'
import type { ClientBase, PoolClient, PoolConfig } from 'pg'
import { HubError } from '../../errors.ts'
import type { Logger } from '../../observe/observe.ts'
import { leavesConnectionUsable, toHubError } from './sqlstates.ts'

/** Waiting for a connection, opening one, a statement, a lock, a transaction that says nothing. */
const TIMES = {
  connectMs: 3_000,
  statementMs: 10_000,
  // Longer than a transaction may say nothing: whoever waits behind a process that was stopped gets its turn.
  lockMs: 8_000,
  /** Also what a process that stopped in the middle of a transaction can cost the others, who wait for its lock. */
  idleInTransactionMs: 5_000,
  /**
   * Ours, for a server that no longer answers: longer than any of the server's own. Whoever waited behind it then opens
   * a new connection, and both together are what a sender may have to wait.
   */
  answerMs: 12_000,
  idleMs: 60_000,
} as const

/**
 * All statements of the store are look-ups by an index. Plans are made once a connection, often while tables are small,
 * and must be right for large ones. (A plan that has no other way than a forbidden one looks so dear that Postgres would
 * compile it to machine code each time.)
 */
const PLANNER = ['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin', 'jit']
  .map((name) => `-c ${name}=off`)
  .join(' ')

export interface ConnectOptions {
  readonly url: string
  readonly connectionsMax: number
  /** Shown in `pg_stat_activity`. */
  readonly name: string
  readonly logger: Logger
}

/** When each connection was opened, and when one of its pool was last found dead; monotonic ms. */
const openedMs = new WeakMap<ClientBase, number>()
const foundDeadMs = new WeakMap<Pool, number>()

/** A pool that opens connections when they are needed; lost ones are only logged, whoever uses one hears of it. */
export function openPool(options: ConnectOptions): Pool {
  const pool = new Pool(poolConfig(options))
  pool.on('error', (error) => options.logger.warn({ error: error.message }, 'a connection to Postgres was lost'))
  // One that breaks while it is lent tells its statements; this only keeps the event from ending the process.
  pool.on('connect', (client) => {
    openedMs.set(client, performance.now())
    client.on('error', () => {})
  })
  return pool
}

export const poolConfig = ({ url, connectionsMax, name }: Omit<ConnectOptions, 'logger'>): PoolConfig => ({
  connectionString: url,
  max: connectionsMax,
  application_name: name,
  connectionTimeoutMillis: TIMES.connectMs,
  idleTimeoutMillis: TIMES.idleMs,
  statement_timeout: TIMES.statementMs,
  lock_timeout: TIMES.lockMs,
  idle_in_transaction_session_timeout: TIMES.idleInTransactionMs,
  query_timeout: TIMES.answerMs,
  keepAlive: true,
  keepAliveInitialDelayMillis: 5_000,
  options: PLANNER,
})

/**
 * A plan that was made while a table was nearly empty may take any of its indexes, and is kept for good. So plans are made
 * again as the connection is used more and more, and when they are old.
 */
const REPLAN_USES = 50
const REPLAN_USES_GROWTH = 4
const REPLAN_AFTER_MS = 60_000
const plans = new WeakMap<PoolClient, { uses: number; untilUses: number; readonly untilMs: number }>()

async function freshPlans(client: PoolClient): Promise<void> {
  const nowMs = performance.now()
  const known = plans.get(client)
  if (known === undefined) {
    plans.set(client, { uses: 1, untilUses: REPLAN_USES, untilMs: nowMs + REPLAN_AFTER_MS })
    return
  }
  known.uses += 1
  if (known.uses < known.untilUses && nowMs < known.untilMs) return
  const untilUses = known.uses < known.untilUses ? known.untilUses : known.untilUses * REPLAN_USES_GROWTH
  plans.set(client, { uses: known.uses, untilUses, untilMs: nowMs + REPLAN_AFTER_MS })
  await client.query('DISCARD PLANS')
}

/** Lends a connection; one that broke is thrown away. Errors come out as HubErrors. */
export async function withClient<Result>(pool: Pool, use: (client: PoolClient) => Promise<Result>): Promise<Result> {
  let client: PoolClient
  try {
    client = await borrow(pool)
  } catch (error) {
    throw toHubError(error)
  }
  let broken = false
  try {
    await freshPlans(client)
    return await use(client)
  } catch (error) {
    broken = !leavesConnectionUsable(error)
    if (broken) foundDeadMs.set(pool, performance.now())
    throw error
  } finally {
    client.release(broken)
  }
}

/**
 * When one connection turns out to be dead, those of its age most likely are, too, and each would cost somebody a whole
 * timeout: a network that was cut leaves nothing that tells.
 */
async function borrow(pool: Pool): Promise<PoolClient> {
  for (;;) {
    const client = await pool.connect()
    if ((openedMs.get(client) ?? Number.POSITIVE_INFINITY) >= (foundDeadMs.get(pool) ?? 0)) return client
    client.release(true)
  }
}

/** Throws unless a commit is on disk before it answers, which is what a 201 promises. */
export async function assertDurable(pool: Pool, logger: Logger): Promise<void> {
  const { rows } = await pool.query<{ name: string; setting: string }>(
    "SELECT name, setting FROM pg_settings WHERE name IN ('synchronous_commit', 'fsync', 'full_page_writes')",
  )
  const setting = Object.fromEntries(rows.map(({ name, setting: value }) => [name, value]))
  if (setting['synchronous_commit'] === 'off') {
    throw new HubError(
      'storage_failed',
      'This Postgres answers before a commit is on disk (synchronous_commit=off), so accepted responses could be lost. ' +
        'Set it to "on" for this database: ALTER DATABASE … SET synchronous_commit = on.',
    )
  }
  for (const name of ['fsync', 'full_page_writes']) {
    if (setting[name] === 'off')
      logger.error({ setting: name }, `Postgres runs with ${name}=off: a power cut can lose what was accepted`)
  }
}
