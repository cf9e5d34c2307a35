/** Does a submission cost the same when a million are stored? Two databases, 1,000 and 1,000,000 responses, in turns. */
import type { RunResult } from './measure.ts'
import { undisturbed } from './measure.ts'
import { fillStore } from './fill-store.ts'
import { figure, printTable, progress } from './report.ts'
import type { Scenario } from './run.ts'
import { median } from './statistics.ts'
import { tempDir } from '../support/temp.ts'
import { hubTarget } from './targets.ts'

const RATIO_MIN = 0.9

export const flat: Scenario = async ({ bench, quick }) => {
  const sizes = quick ? [1_000, 100_000] : [1_000, 1_000_000]
  await using dir = await tempDir('flat')
  const maker = (rows: number) => hubTarget({ hub: { dataDir: dir.file(String(rows)) } })
  for (const rows of sizes) {
    // The hub makes the schema and its own rows, the fill goes straight into the tables.
    await (await maker(rows)(bench.sinkUrl))[Symbol.asyncDispose]()
    const startedMs = performance.now()
    fillStore(dir.file(String(rows)), { responses: rows, installation: 'sink', form: 'bench' })
    progress(`${figure(rows)} responses filled in ${figure((performance.now() - startedMs) / 1_000)} s`)
  }
  const results = new Map<number, RunResult[]>()
  for (let repeat = 0; repeat < (quick ? 2 : 3); repeat += 1) {
    for (const rows of sizes) {
      const [run] = await undisturbed(1, async () => {
        await using target = await maker(rows)(bench.sinkUrl)
        await bench.run(target, { kind: 'closed', connections: 10, durationMs: 1_500 })
        return await bench.run(target, { kind: 'closed', connections: 100, durationMs: quick ? 3_000 : 5_000 })
      })
      if (run === undefined) continue
      results.set(rows, [...(results.get(rows) ?? []), run])
      progress(`${figure(rows)}: ${figure(run.acceptedPerSecond)}/s`)
    }
  }
  const of = (rows: number, pick: (run: RunResult) => number) => median((results.get(rows) ?? []).map(pick))
  printTable(
    'Cost at size, 100 connections',
    ['stored before', 'accepted/s', 'ack p95 ms', 'delivered/s', 'CPU ms each', 'missing'],
    sizes.map((rows) => [
      figure(rows),
      figure(of(rows, (run) => run.acceptedPerSecond)),
      figure(of(rows, (run) => run.load.ackMs.p95)),
      figure(of(rows, (run) => run.deliveredPerSecond)),
      figure(of(rows, (run) => run.cpuMsEach)),
      figure(of(rows, (run) => run.missing)),
    ]),
  )
  const [small, large] = sizes as [number, number]
  return [
    {
      what: `accepted/s with ${figure(large)} stored : with ${figure(small)}`,
      value: of(large, (run) => run.acceptedPerSecond) / of(small, (run) => run.acceptedPerSecond),
      budget: RATIO_MIN,
      sense: 'min',
      unit: '',
    },
  ]
}
