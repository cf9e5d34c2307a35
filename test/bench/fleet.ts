/** What many processes cost: an API and a worker on Postgres beside the hub that is alone, on one machine, in turns. */
import type { RunResult } from './measure.ts'
import { fleetTarget } from './fleet-target.ts'
import { measurePairs, medianOf, ratioOf } from './pairs.ts'
import { figure, printTable, progress } from './report.ts'
import type { Scenario } from './run.ts'
import { hubTarget } from './targets.ts'
import { closedRun } from './throughput.ts'

const RATIO_MIN = 0.5
const CONNECTIONS = 100
const SIDES = {
  first: { name: 'hub', maker: hubTarget() },
  second: { name: 'fleet', maker: fleetTarget },
} as const

export const fleet: Scenario = async ({ bench, quick }) => {
  const load = { connections: CONNECTIONS, durationMs: quick ? 3_000 : 6_000 }
  const pairs = await measurePairs(quick ? 1 : 3, async (which) => {
    const { name, maker } = SIDES[which]
    const run = await closedRun(bench, maker, load)
    progress(
      `${name}: ${figure(run.acceptedPerSecond)}/s accepted, ${figure(run.deliveredPerSecond)}/s delivered, foreign ${figure(run.foreignShare)}`,
    )
    return run
  })
  printTable(
    `One API and one worker on Postgres beside the hub alone, ${CONNECTIONS} connections (medians)`,
    [
      'target',
      'accepted/s',
      'ack p95 ms',
      'delivered/s',
      'e2e p95 ms',
      'CPU ms each',
      'missing',
      'doubled',
      'foreign CPU',
    ],
    (['first', 'second'] as const).map((which) => {
      const of = (pick: (run: RunResult) => number) => figure(medianOf(pairs, which, pick))
      return [
        SIDES[which].name,
        of((run) => run.acceptedPerSecond),
        of((run) => run.load.ackMs.p95),
        of((run) => run.deliveredPerSecond),
        of((run) => run.sink.endToEndMs.p95),
        of((run) => run.cpuMsEach),
        of((run) => run.missing),
        of((run) => run.sink.duplicates),
        of((run) => run.foreignShare),
      ]
    }),
  )
  const most = (pick: (run: RunResult) => number) => Math.max(...pairs.map(({ second }) => pick(second)))
  const atLeast = { budget: RATIO_MIN, sense: 'min', unit: '' } as const
  const none = { budget: 0, sense: 'max', unit: '' } as const
  return [
    { what: 'accepted/s, fleet : hub alone', value: ratioOf(pairs, (run) => run.acceptedPerSecond), ...atLeast },
    { what: 'delivered/s, fleet : hub alone', value: ratioOf(pairs, (run) => run.deliveredPerSecond), ...atLeast },
    { what: 'accepted by the fleet but never delivered, any run', value: most((run) => run.missing), ...none },
    { what: 'delivered twice by the fleet, any run', value: most((run) => run.sink.duplicates), ...none },
  ]
}
