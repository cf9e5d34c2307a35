/**
 * Wake-ups that outlive a process, as jobs of graphile-worker: one job for a whole stretch of the log, not one for each
 * event, written in the transaction that appends it; and one for each lane that somebody else has to look at.
 */
import { Logger as JobLogger, runMigrations, runTaskList } from 'graphile-worker'
import type { TaskList } from 'graphile-worker'
import type { Pool } from 'pg'
import type { Logger } from '../../observe/observe.ts'
import type { Extra } from '../../storage/postgres/group-commit.ts'
import type { Lane } from '../queue.ts'

/** The tasks there are, by the names that stand in the database. */
export const LOG_TASK = 'manifold log'
export const LANE_TASK = 'manifold lane'

const CONCURRENCY = 4
const POLL_MS = 2_000
/**
 * NOTIFY is faster; the job is for when nobody heard it. One stands for all that is appended in two seconds and runs not
 * before two more have passed, so that it comes after their commits; the next stretch has one of its own.
 */
const STRETCH_SECONDS = 2
const STRETCHES = 4

/** The wake-up of a transaction, when it appended something after `head`. */
export const logJob = (head: number): Extra => ({
  sql: `SELECT graphile_worker.add_job(?::text, run_at => s.run_at, job_key => s.job_key)
    FROM log_head h, (SELECT to_timestamp((n + 2) * ${STRETCH_SECONDS}) AS run_at, ?::text || ' ' || (n % ${STRETCHES}) AS job_key
      FROM (SELECT floor(extract(epoch FROM clock_timestamp()) / ${STRETCH_SECONDS})::bigint AS n) AS t) AS s
    WHERE h.only_row = 1 AND h.seq > ? AND NOT EXISTS
      (SELECT 1 FROM graphile_worker.jobs j WHERE j.key = s.job_key AND j.run_at >= s.run_at)`,
  params: [LOG_TASK, LOG_TASK, head],
})

/** The wake-up of a lane at a time; the earlier of two stays. */
export function laneJob({ kind, workspace, installation }: Lane, atMs: number | null): Extra {
  const key = `${kind}:${workspace}/${installation}`
  return {
    sql: `SELECT graphile_worker.add_job(?::text,
        json_build_object('kind', ?::text, 'workspace', ?::text, 'installation', ?::text),
        run_at => least(coalesce(to_timestamp(?::double precision / 1000), clock_timestamp()),
          (SELECT j.run_at FROM graphile_worker.jobs j WHERE j.key = ?::text AND j.locked_at IS NULL)),
        job_key => ?::text)`,
    params: [LANE_TASK, kind, workspace, installation, atMs, key, key],
  }
}

/** Makes or updates graphile-worker's own schema; several processes may do so at once. */
export const migrateJobs = (pool: Pool, logger: Logger): Promise<void> =>
  runMigrations({ pgPool: pool, logger: jobLogger(logger) })

export interface JobRunner {
  /** Locks are held in this name. */
  readonly id: string
  stop(): Promise<void>
}

/** Runs jobs until it is stopped. A task that throws is tried again, later and later. */
export function runJobs(pool: Pool, logger: Logger, tasks: TaskList): JobRunner {
  const workers = runTaskList(
    { concurrency: CONCURRENCY, pollInterval: POLL_MS, noHandleSignals: true, logger: jobLogger(logger) },
    tasks,
    pool,
  )
  workers.promise.catch((error: unknown) => logger.error({ err: error }, 'the job runner ended'))
  return { id: workers.id, stop: async () => await workers.gracefulShutdown('the hub stops') }
}

const jobLogger = (logger: Logger): JobLogger =>
  new JobLogger(() => (level, message) => {
    const fields = { room: 'jobs' }
    if (level === 'error') logger.error(fields, message)
    else if (level === 'warning') logger.warn(fields, message)
    else logger.debug(fields, message)
  })
