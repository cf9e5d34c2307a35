/**
 * One job for each event against a cursor and batches: the same events on the same server, in turns. What a handler would
 * do is left out on both sides; what is compared is how an event is brought to one and marked as handled.
 */
import { Logger as JobLogger, runMigrations, runTaskList } from 'graphile-worker'
import { Pool } from 'pg'
import { LIMITS } from '../../core/limits.ts'
import { newId } from '../../core/ids.ts'
import type { Logger } from '../../core/observe/observe.ts'
import { openPostgresStore } from '../../core/storage/postgres/open.ts'
import type { Store } from '../../core/storage/store.ts'
import { benchDatabase, postgresPids } from './fleet-target.ts'
import { submissionBody } from './payload.ts'
import { cpuMsOf, machineMs } from './processes.ts'
import { figure, printTable, progress } from './report.ts'
import type { Scenario } from './run.ts'
import { median } from './statistics.ts'

const RATIO_MIN = 5
const WORKSPACE = 'default'
const INSTALLATION = 'bench'
const PLUGIN = 'hello'
const ROWS_PER_CALL = 500
const JOB_CONCURRENCY = 10
/** One for each job that runs, one to listen, one to fetch and complete with. */
const CONNECTIONS = JOB_CONCURRENCY + 2
/** The log is read that often in a row: once takes less time than a clock tick of /proc can tell. */
const READINGS = 5
const NO_EFFECTS = { deliveries: [], kv: [], events: [], tallies: [] }

const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silent }

interface Way {
  readonly name: string
  /** Handles all events from the first on, maybe more than once; answers for one reading how long that took. */
  run(count: number): Promise<{ readonly addMs: number; readonly runMs: number; readonly readings: number }>
}

interface Timed {
  readonly perSecond: number
  readonly withAddPerSecond: number
  readonly cpuMsEach: number
  readonly foreignShare: number
}

export const jobs: Scenario = async ({ quick }) => {
  const count = quick ? 5_000 : 20_000
  await using database = await benchDatabase()
  const pool = new Pool({ connectionString: database.url, max: CONNECTIONS })
  pool.on('error', () => {}).on('connect', (client) => client.on('error', () => {}))
  const store = await openPostgresStore({ url: database.url, connectionsMax: 5, limits: LIMITS, logger: silent })
  await fillLog(store, count)
  await runMigrations({ pgPool: pool, logger: quiet })
  await pool.query('CREATE TABLE handled (seq bigint PRIMARY KEY, at timestamptz NOT NULL)')
  const ways: readonly Way[] = [
    jobEach('one job each', pool, {}),
    jobEach('one job each, batched bookkeeping', pool, {
      localQueue: { size: ROWS_PER_CALL },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
    }),
    byCursor(store),
  ]
  const results = new Map<string, Timed[]>()
  for (let repeat = 0; repeat < (quick ? 2 : 5); repeat += 1) {
    for (const way of ways) {
      const timed = await timeOf(way, { count, databaseUrl: database.url })
      results.set(way.name, [...(results.get(way.name) ?? []), timed])
      progress(`${way.name}: ${figure(timed.perSecond)}/s, foreign ${figure(timed.foreignShare)}`)
    }
  }
  await store.close()
  await pool.end()
  const of = (name: string, pick: (timed: Timed) => number) => median((results.get(name) ?? []).map(pick))
  printTable(
    `${figure(count)} events handled by nobody, medians`,
    ['way', 'events/s', 'with writing the jobs', 'CPU ms each', 'foreign CPU'],
    ways.map(({ name }) => [
      name,
      figure(of(name, (timed) => timed.perSecond)),
      figure(of(name, (timed) => timed.withAddPerSecond)),
      figure(of(name, (timed) => timed.cpuMsEach)),
      figure(of(name, (timed) => timed.foreignShare)),
    ]),
  )
  const speeds = ways.map(({ name }) => of(name, (timed) => timed.perSecond))
  return [
    {
      what: 'events/s in batches behind a cursor : the faster way with one job each, jobs written beforehand',
      value: (speeds.at(-1) as number) / Math.max(...speeds.slice(0, -1)),
      budget: RATIO_MIN,
      sense: 'min',
      unit: '',
    },
  ]
}

const quiet = new JobLogger(() => () => {})

/** The submissions of the bench, as ingest would store them. */
async function fillLog(store: Store, count: number): Promise<void> {
  const at = new Date().toISOString()
  const row = { workspace: WORKSPACE, formId: 'bench', formVersion: 1, status: 'completed', meta: '{}', at } as const
  for (let from = 0; from < count; from += ROWS_PER_CALL) {
    const rows = Array.from({ length: Math.min(ROWS_PER_CALL, count - from) }, (_, n) => ({
      ...row,
      responseId: newId('response'),
      eventId: newId('event'),
      data: JSON.stringify((JSON.parse(submissionBody('jobs', from + n, 0)) as { data: unknown }).data),
      clientId: null,
      startedAt: null,
      idempotency: null,
    }))
    await store.accept(rows)
  }
  await store.syncInstallations([{ workspace: WORKSPACE, id: INSTALLATION, plugin: PLUGIN, cursor: 0, at }])
}

/** The hub's way, with the pump's own batch size. */
const byCursor = (store: Store): Way => ({
  name: 'cursor and batches',
  run: async (count) => {
    const startedMs = performance.now()
    for (let reading = 0; reading < READINGS; reading += 1) {
      await store.rewindCursor(WORKSPACE, INSTALLATION, 0)
      for (let cursor = 0; cursor < count;) cursor = await handleBatch(store, cursor)
    }
    return { addMs: 0, runMs: (performance.now() - startedMs) / READINGS, readings: READINGS }
  },
})

async function handleBatch(store: Store, fromCursor: number): Promise<number> {
  const limit = LIMITS.pumpBatchEventsMax
  const events = await store.readEvents({ workspace: WORKSPACE, afterSeq: fromCursor, limit })
  const toCursor = events.at(-1)?.seq ?? fromCursor
  const batch = { workspace: WORKSPACE, installation: INSTALLATION, plugin: PLUGIN, fromCursor, toCursor }
  const result = await store.commitHandled({ ...batch, effects: NO_EFFECTS })
  if (result.kind !== 'committed') throw new Error('somebody else moved the cursor')
  return toCursor
}

/** A job brings the sequence of its event, reads it and marks it, in a transaction of its own. */
const jobEach = (name: string, pool: Pool, worker: object): Way => ({
  name,
  run: async (count) => {
    await pool.query('TRUNCATE handled')
    const addedMs = performance.now()
    for (let from = 1; from <= count; from += ROWS_PER_CALL) {
      const to = Math.min(count, from + ROWS_PER_CALL - 1)
      await pool.query(
        `SELECT count(*) FROM graphile_worker.add_jobs(ARRAY(SELECT json_populate_record(NULL::graphile_worker.job_spec,
          json_build_object('identifier', 'event', 'payload', json_build_object('seq', seq))) FROM generate_series($1::bigint, $2) seq))`,
        [from, to],
      )
    }
    const addMs = performance.now() - addedMs
    const done = Promise.withResolvers<void>()
    let handled = 0
    const startedMs = performance.now()
    const runner = runTaskList(
      { concurrency: JOB_CONCURRENCY, pollInterval: 100, noHandleSignals: true, logger: quiet, preset: { worker } },
      {
        event: async (payload) => {
          const { seq } = payload as { readonly seq: number }
          await pool.query(
            `WITH e AS (SELECT e.seq, r.data FROM events e LEFT JOIN responses r ON r.workspace = e.workspace AND r.id = e.response_id WHERE e.seq = $1)
             INSERT INTO handled (seq, at) SELECT seq, now() FROM e`,
            [seq],
          )
          handled += 1
          if (handled === count) done.resolve()
        },
      },
      pool,
    )
    await done.promise
    const runMs = performance.now() - startedMs
    await runner.gracefulShutdown('done')
    return { addMs, runMs, readings: 1 }
  },
})

async function timeOf(
  way: Way,
  { count, databaseUrl }: { readonly count: number; readonly databaseUrl: string },
): Promise<Timed> {
  const own = () => cpuMsOf([process.pid, ...postgresPids(databaseUrl)])
  const before = { machine: machineMs(), own: own() }
  const { addMs, runMs, readings } = await way.run(count)
  const after = { machine: machineMs(), own: own() }
  const ownMs = after.own - before.own
  const foreignMs = after.machine.busy - before.machine.busy - ownMs
  return {
    perSecond: (count / runMs) * 1_000,
    withAddPerSecond: (count / (addMs + runMs)) * 1_000,
    cpuMsEach: ownMs / (count * readings),
    foreignShare: Math.max(0, foreignMs / Math.max(1, after.machine.total - before.machine.total)),
  }
}
