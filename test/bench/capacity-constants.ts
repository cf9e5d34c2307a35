/** What the capacity model is fed with: CPU, bytes and transaction times, all taken from the real fleet on a real Postgres. */
import { Client } from 'pg'
import type { Bench, Load } from './measure.ts'
import { commitTimes } from './commit-times.ts'
import type { CommitTimes } from './commit-times.ts'
import { benchDatabase, fleetOn } from './fleet-target.ts'
import type { FleetTarget } from './fleet-target.ts'
import { cpuMsOf, machineMs } from './processes.ts'
import { figure, progress } from './report.ts'

/** CPU of each part for one submission that is accepted and delivered, at the rate it was measured at. */
export interface Cost {
  readonly perSecond: number
  readonly apiMs: number
  readonly workerMs: number
  readonly postgresMs: number
  readonly walBytes: number
  /** Of all kinds, reads too. */
  readonly transactions: number
  readonly foreignShare: number
}

/** Growth for one submission with one delivery and one attempt. */
export interface TableGrowth {
  readonly table: string
  readonly heapBytes: number
  readonly indexBytes: number
}

export interface Constants {
  readonly submissions: number
  /** By rate, rising. */
  readonly costs: readonly Cost[]
  readonly growth: readonly TableGrowth[]
  readonly commits: CommitTimes
}

const GROWING = ['responses', 'events', 'deliveries', 'attempts']

/** Some twenty thousand real submissions at three rates, delivered. */
export async function measureConstants(bench: Bench, quick: boolean): Promise<Constants> {
  await using database = await benchDatabase()
  const client = new Client({ connectionString: database.url })
  await client.connect()
  try {
    const measured = await underLoad({ bench, client, url: database.url, quick })
    return { ...measured, commits: await commitTimes(client, quick ? 10 : 40) }
  } finally {
    await client.end()
  }
}

async function underLoad({ bench, client, url, quick }: UnderLoad): Promise<Omit<Constants, 'commits'>> {
  await using target = await fleetOn(url)(bench.sinkUrl)
  const full = { kind: 'closed', connections: 100, durationMs: quick ? 3_000 : 8_000 } as const
  const loads: readonly Load[] = [
    { kind: 'open', clients: 40, perSecondEach: 1, durationMs: quick ? 10_000 : 40_000 },
    { kind: 'open', clients: 300, perSecondEach: 1, durationMs: quick ? 5_000 : 20_000 },
    full,
  ]
  // What is measured is not the compiler, and dead row versions of the first half are room for the second.
  await bench.run(target, full)
  await client.query('VACUUM ANALYZE')
  const before = await sizesOf(client)
  const costs: Cost[] = []
  let submissions = 0
  for (const load of loads) {
    const { cost, accepted } = await costOf({ bench, client, target }, load)
    costs.push(cost)
    submissions += accepted
    progress(
      `${figure(cost.perSecond)}/s: ${figure(cost.apiMs)} + ${figure(cost.workerMs)} + ${figure(cost.postgresMs)} ms`,
    )
  }
  await client.query('VACUUM ANALYZE')
  const after = await sizesOf(client)
  const growth = GROWING.map((table) => {
    const grown = (part: 'heap' | 'index') =>
      ((after.get(table)?.[part] ?? 0) - (before.get(table)?.[part] ?? 0)) / submissions
    return { table, heapBytes: grown('heap'), indexBytes: grown('index') }
  })
  return { submissions, costs, growth }
}

interface UnderLoad {
  readonly bench: Bench
  readonly client: Client
  readonly url: string
  readonly quick: boolean
}

/** One run, charged to the parts that it cost. */
async function costOf(
  { bench, client, target }: Pick<UnderLoad, 'bench' | 'client'> & { readonly target: FleetTarget },
  load: Load,
): Promise<{ readonly cost: Cost; readonly accepted: number }> {
  const look = async () => ({
    api: cpuMsOf(target.parts.api()),
    worker: cpuMsOf(target.parts.worker()),
    postgres: cpuMsOf(target.parts.postgres()),
    machine: machineMs(),
    ...(await counters(client)),
  })
  const before = await look()
  const run = await bench.run(target, load)
  if (run.missing > 0) throw new Error(`${run.missing} submissions were accepted and never delivered`)
  const after = await look()
  const { accepted } = run.load
  return {
    accepted,
    cost: {
      perSecond: run.acceptedPerSecond,
      apiMs: (after.api - before.api) / accepted,
      workerMs: (after.worker - before.worker) / accepted,
      postgresMs: (after.postgres - before.postgres) / accepted,
      walBytes: (after.wal - before.wal) / accepted,
      transactions: (after.commits - before.commits) / accepted,
      foreignShare: run.foreignShare,
    },
  }
}

async function counters(client: Client): Promise<{ readonly wal: number; readonly commits: number }> {
  const { rows } = await client.query<{ wal: string; commits: string }>(
    `SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') AS wal,
      (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()) AS commits`,
  )
  return { wal: Number(rows[0]?.wal), commits: Number(rows[0]?.commits) }
}

/** TOAST counts to the heap. */
async function sizesOf(
  client: Client,
): Promise<ReadonlyMap<string, { readonly heap: number; readonly index: number }>> {
  const { rows } = await client.query<{ table: string; heap: string; index: string }>(
    `SELECT relname AS table, pg_table_size(oid) AS heap, pg_indexes_size(oid) AS index FROM pg_class
     WHERE relkind = 'r' AND relname = ANY($1)`,
    [GROWING],
  )
  return new Map(rows.map(({ table, heap, index }) => [table, { heap: Number(heap), index: Number(index) }]))
}
