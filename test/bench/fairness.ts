/** A healthy plugin beside one that floods, in one hub: how much later do the healthy one's deliveries come? */
import { setTimeout as sleep } from 'node:timers/promises'
import { FAULT_PLUGINS } from '../support/scene.ts'
import type { Bench, Load, RunResult } from './measure.ts'
import { figure, printTable, progress } from './report.ts'
import type { Scenario } from './run.ts'
import { median } from './statistics.ts'
import { hubTarget } from './targets.ts'
import type { Target } from './targets.ts'

const RATIO_MAX = 1.5
/** By then the flooder is in full swing, and known for what it is. */
const SWING_MS = 5_000
/** So that the healthy one never waits for what the flooder left behind. */
const REST_MS = 500

/** What the flooder does with every event. */
const FLOODS = {
  'burns 200 ms of CPU': { burnMs: 200 },
  // As much as costs no points: many such events are as bad as few heavy ones.
  'burns 40 ms of CPU': { burnMs: 40 },
  'emits 20 events': { burnMs: 0, emits: 20 },
} as const

export const fairness: Scenario = async ({ bench, quick }) => {
  const rows = []
  for (const [name, settings] of Object.entries(FLOODS)) {
    await using target = await hubTarget({
      sink: false,
      pluginDirs: [FAULT_PLUGINS],
      installations: [
        { id: 'healthy', use: 'courier', with: { url: bench.sinkUrl } },
        { id: 'flooder', use: 'burner', with: settings },
      ],
    })(bench.sinkUrl)
    const pairs = await inTurns(bench, target, quick)
    const of = (pick: (pair: Pair) => number) => median(pairs.map(pick))
    const ratio = of(({ alone, beside }) => beside.sink.endToEndMs.p95 / alone.sink.endToEndMs.p95)
    rows.push({ name, ratio, of })
    progress(`${name}: ${figure(ratio)}`)
  }
  printTable(
    'The healthy plugin at 100/s, in the process of the flooder (ms)',
    ['the flooder', 'alone p50', 'beside p50', 'alone p95', 'beside p95', 'ratio of p95', 'missing', 'foreign CPU'],
    rows.map(({ name, ratio, of }) => [
      name,
      figure(of(({ alone }) => alone.sink.endToEndMs.p50)),
      figure(of(({ beside }) => beside.sink.endToEndMs.p50)),
      figure(of(({ alone }) => alone.sink.endToEndMs.p95)),
      figure(of(({ beside }) => beside.sink.endToEndMs.p95)),
      figure(ratio),
      figure(of(({ alone, beside }) => alone.missing + beside.missing)),
      figure(of(({ beside }) => beside.foreignShare)),
    ]),
  )
  return rows.map(({ name, ratio }) => ({
    what: `healthy end-to-end p95, beside a plugin that ${name} : alone`,
    value: ratio,
    budget: RATIO_MAX,
    sense: 'max' as const,
    unit: '',
  }))
}

interface Pair {
  readonly alone: RunResult
  readonly beside: RunResult
}

/** The same hub, with the flooder standing and running in turn: what else the machine does meets both. */
async function inTurns(bench: Bench, target: Target, quick: boolean): Promise<readonly Pair[]> {
  const load: Load = { kind: 'open', clients: 100, perSecondEach: 1, durationMs: quick ? 3_000 : 6_000 }
  const set = async (verb: 'pause' | 'resume') => {
    const answer = await target.hub?.api('POST', `/api/v2/installations/flooder/${verb}`)
    if (answer?.status !== 200) throw new Error(`the flooder could not be told to ${verb}: ${answer?.text}`)
  }
  const pairs: Pair[] = []
  await set('pause')
  await bench.run(target, { kind: 'closed', connections: 10, durationMs: 1_500 })
  for (let repeat = 0; repeat < (quick ? 1 : 5); repeat += 1) {
    await set('pause')
    await sleep(REST_MS)
    const alone = await bench.run(target, load)
    await set('resume')
    await sleep(SWING_MS)
    pairs.push({ alone, beside: await bench.run(target, load) })
  }
  return pairs
}
