/** Latency at rates every target can carry: 1,000 clients at one a second, a burst of connections, and 50 a second. */
import type { Bench, Load, RunResult } from './measure.ts'
import { undisturbed } from './measure.ts'
import { figure, printTable, progress } from './report.ts'
import type { Verdict } from './report.ts'
import type { Scenario } from './run.ts'
import { median } from './statistics.ts'
import type { TargetMaker } from './targets.ts'

interface Case {
  readonly name: string
  readonly load: Load
}

export const latency: Scenario = async ({ bench, quick, makers }) => {
  const durationMs = quick ? 8_000 : 20_000
  const cases: readonly Case[] = [
    { name: '1,000 clients, 1/s each', load: { kind: 'open', clients: 1_000, perSecondEach: 1, durationMs } },
    { name: 'burst of 1,000', load: { kind: 'burst', connections: 1_000 } },
    { name: '50/s', load: { kind: 'open', clients: 50, perSecondEach: 1, durationMs } },
  ]
  const repeats = quick ? 1 : 3
  const results = new Map<string, RunResult[]>()
  for (const { name, load } of cases) {
    for (let repeat = 0; repeat < repeats; repeat += 1) {
      for (const [target, maker] of Object.entries(makers)) {
        const [run] = await undisturbed(1, () => warmRun(bench, maker, load))
        if (run === undefined) continue
        const key = `${target} ${name}`
        results.set(key, [...(results.get(key) ?? []), run])
        progress(`${key}: ack p95 ${figure(run.load.ackMs.p95)} ms, e2e p95 ${figure(run.sink.endToEndMs.p95)} ms`)
      }
    }
  }
  const of = (key: string, pick: (run: RunResult) => number) => median((results.get(key) ?? []).map(pick))
  printTable(
    'Latency (ms, medians of runs)',
    [
      'target',
      'load',
      'ack p50',
      'ack p95',
      'ack p99',
      'ack max',
      'e2e p50',
      'e2e p95',
      'e2e p99',
      'answered',
      'failed',
      'missing',
      'foreign CPU',
    ],
    cases.flatMap(({ name }) =>
      Object.keys(makers).map((target) => {
        const pick = (read: (run: RunResult) => number) => figure(of(`${target} ${name}`, read))
        return [
          target,
          name,
          pick((run) => run.load.ackMs.p50),
          pick((run) => run.load.ackMs.p95),
          pick((run) => run.load.ackMs.p99),
          pick((run) => run.load.ackMs.max),
          pick((run) => run.sink.endToEndMs.p50),
          pick((run) => run.sink.endToEndMs.p95),
          pick((run) => run.sink.endToEndMs.p99),
          pick((run) => run.load.accepted),
          pick(failedOf),
          pick((run) => run.missing),
          pick((run) => run.foreignShare),
        ]
      }),
    ),
  )
  if (!('hub' in makers)) return []
  const budget = (what: string, [key, pick]: readonly [string, (run: RunResult) => number], most: number): Verdict => ({
    what,
    value: of(`hub ${key}`, pick),
    budget: most,
    sense: 'max',
    unit: 'ms',
  })
  const [clients, crowd, steady] = cases.map(({ name }) => name) as [string, string, string]
  return [
    budget('1,000 clients at 1/s: ack p95', [clients, (run) => run.load.ackMs.p95], 25),
    { ...budget('1,000 clients at 1/s: errors', [clients, failedOf], 0), unit: '' },
    budget('1,000 clients at 1/s: end-to-end p95', [clients, (run) => run.sink.endToEndMs.p95], 250),
    budget('1,000 connections at once: ack p99', [crowd, (run) => run.load.ackMs.p99], 200),
    budget('50/s: end-to-end p50', [steady, (run) => run.sink.endToEndMs.p50], 4),
    budget('50/s: end-to-end p99', [steady, (run) => run.sink.endToEndMs.p99], 12),
  ]
}

const failedOf = (run: RunResult): number => Object.values(run.load.refused).reduce((sum, count) => sum + count, 0)

/** Warm by a few hundred submissions: the first ones pay for compilation, which is no part of the question. */
async function warmRun(bench: Bench, maker: TargetMaker, load: Load): Promise<RunResult> {
  await using target = await maker(bench.sinkUrl)
  await bench.run(target, { kind: 'closed', connections: 10, durationMs: 1_500 })
  // So has the generator its own first time: opening a thousand sockets.
  if (load.kind === 'burst') await bench.run(target, load)
  return await bench.run(target, load)
}
