/** Accepted and delivered a second in a closed loop, hub beside floor, in turns. */
import type { Bench, RunResult } from './measure.ts'
import { undisturbed } from './measure.ts'
import { figure, printTable, progress } from './report.ts'
import type { Verdict } from './report.ts'
import type { Scenario } from './run.ts'
import { median } from './statistics.ts'
import type { TargetMaker } from './targets.ts'

const RATIO_MIN = 0.6
const WARM_MS = 5_000

export const throughput: Scenario = async ({ bench, quick, makers }) => {
  const connections = quick ? [100] : [1, 10, 100, 1_000]
  const repeats = quick ? 2 : 3
  const durationMs = quick ? 3_000 : 5_000
  const results = new Map<string, RunResult[]>()
  for (const count of connections) {
    for (let repeat = 0; repeat < repeats; repeat += 1) {
      for (const [name, maker] of Object.entries(makers)) {
        const [run] = await undisturbed(1, () => closedRun(bench, maker, { connections: count, durationMs }))
        if (run === undefined) continue
        const key = `${name} ${count}`
        results.set(key, [...(results.get(key) ?? []), run])
        progress(
          `${key}: ${figure(run.acceptedPerSecond)}/s accepted, ${figure(run.deliveredPerSecond)}/s delivered, foreign ${figure(run.foreignShare)}`,
        )
      }
    }
  }
  const of = (name: string, count: number, pick: (run: RunResult) => number) =>
    median((results.get(`${name} ${count}`) ?? []).map(pick))
  printTable(
    'Throughput, closed loop (medians)',
    [
      'target',
      'connections',
      'accepted/s',
      'ack p50 ms',
      'ack p95 ms',
      'ack p99 ms',
      'delivered/s',
      'e2e p50 ms',
      'e2e p95 ms',
      'CPU ms each',
      'refused',
      'missing',
      'doubled',
      'foreign CPU',
    ],
    connections.flatMap((count) =>
      Object.keys(makers).map((name) => {
        const pick = (read: (run: RunResult) => number) => figure(of(name, count, read))
        return [
          name,
          String(count),
          pick((run) => run.acceptedPerSecond),
          pick((run) => run.load.ackMs.p50),
          pick((run) => run.load.ackMs.p95),
          pick((run) => run.load.ackMs.p99),
          pick((run) => run.deliveredPerSecond),
          pick((run) => run.sink.endToEndMs.p50),
          pick((run) => run.sink.endToEndMs.p95),
          pick((run) => run.cpuMsEach),
          pick(refusedOf),
          pick((run) => run.missing),
          pick((run) => run.sink.duplicates),
          pick((run) => run.foreignShare),
        ]
      }),
    ),
  )
  if (!('hub' in makers) || !('floor' in makers)) return []
  const ratio = (pick: (run: RunResult) => number) => of('hub', 100, pick) / of('floor', 100, pick)
  const verdict = (what: string, value: number): Verdict => ({ what, value, budget: RATIO_MIN, sense: 'min', unit: '' })
  return [
    verdict(
      'accepted/s at 100 connections, hub : floor',
      ratio((run) => run.acceptedPerSecond),
    ),
    verdict(
      'delivered/s at 100 connections, hub : floor',
      ratio((run) => run.deliveredPerSecond),
    ),
    {
      what: 'accepted but never delivered',
      value: of('hub', 100, (run) => run.missing),
      budget: 0,
      sense: 'max',
      unit: '',
    },
  ]
}

const refusedOf = (run: RunResult): number => Object.values(run.load.refused).reduce((sum, count) => sum + count, 0)

/** A fresh target, warmed by the same load (what is measured is not its compiler), then measured. */
export async function closedRun(
  bench: Bench,
  maker: TargetMaker,
  { deliveries, ...load }: { readonly connections: number; readonly durationMs: number; readonly deliveries?: boolean },
): Promise<RunResult> {
  const options = deliveries === undefined ? {} : { deliveries }
  await using target = await maker(bench.sinkUrl)
  await bench.run(target, { kind: 'closed', connections: load.connections, durationMs: WARM_MS }, options)
  return await bench.run(target, { kind: 'closed', ...load }, options)
}
