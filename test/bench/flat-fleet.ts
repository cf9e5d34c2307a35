/** Does a submission cost the fleet the same when a million are stored? Two databases, 1,000 and 1,000,000, in turns. */
import { fillPostgres } from './fill-postgres.ts'
import { benchDatabase, fleetOn } from './fleet-target.ts'
import type { RunResult } from './measure.ts'
import { measurePairs, medianOf, ratioOf } from './pairs.ts'
import { figure, printTable, progress } from './report.ts'
import type { Scenario } from './run.ts'
import { closedRun } from './throughput.ts'

const RATIO_MIN = 0.85

export const flatFleet: Scenario = async ({ bench, quick }) => {
  const sizes = quick ? [1_000, 100_000] : [1_000, 1_000_000]
  await using stack = new AsyncDisposableStack()
  const urls = new Map<number, string>()
  for (const rows of sizes) {
    const { url } = stack.use(await benchDatabase())
    urls.set(rows, url)
    // The hub makes the schema and its own rows, the fill goes straight into the tables.
    await (await fleetOn(url)(bench.sinkUrl))[Symbol.asyncDispose]()
    const startedMs = performance.now()
    await fillPostgres(url, { responses: rows, installation: 'sink', form: 'bench' })
    progress(`${figure(rows)} responses filled in ${figure((performance.now() - startedMs) / 1_000)} s`)
  }
  const [small, large] = sizes as [number, number]
  const load = { connections: 100, durationMs: quick ? 3_000 : 6_000 }
  const pairs = await measurePairs(quick ? 1 : 3, async (which) => {
    const rows = which === 'first' ? small : large
    const run = await closedRun(bench, fleetOn(urls.get(rows) as string), load)
    progress(`${figure(rows)}: ${figure(run.acceptedPerSecond)}/s, foreign ${figure(run.foreignShare)}`)
    return run
  })
  printTable(
    'Cost at size on Postgres, 100 connections (medians)',
    ['stored before', 'accepted/s', 'ack p95 ms', 'delivered/s', 'CPU ms each', 'missing', 'foreign CPU'],
    (['first', 'second'] as const).map((which) => {
      const of = (pick: (run: RunResult) => number) => figure(medianOf(pairs, which, pick))
      return [
        figure(which === 'first' ? small : large),
        of((run) => run.acceptedPerSecond),
        of((run) => run.load.ackMs.p95),
        of((run) => run.deliveredPerSecond),
        of((run) => run.cpuMsEach),
        of((run) => run.missing),
        of((run) => run.foreignShare),
      ]
    }),
  )
  return [
    {
      what: `fleet: accepted/s with ${figure(large)} stored : with ${figure(small)}`,
      value: ratioOf(pairs, (run) => run.acceptedPerSecond),
      budget: RATIO_MIN,
      sense: 'min',
      unit: '',
    },
  ]
}
