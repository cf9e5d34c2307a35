/** `npm run bench [-- --only throughput,latency] [--quick] [--targets floor,hub] [--check] [--write]`: prints the tables. */
import { parseArgs } from 'node:util'
import { analytics } from './analytics.ts'
import { analyticsFresh, analyticsIngest, analyticsPeople } from './analytics-live.ts'
import { behaviour } from './behaviour.ts'
import { capacity } from './capacity.ts'
import { fairness } from './fairness.ts'
import { dashboard } from './dashboard.ts'
import { dev } from './dev.ts'
import { flat } from './flat.ts'
import { flatFleet } from './flat-fleet.ts'
import { fleet } from './fleet.ts'
import { fleetTarget } from './fleet-target.ts'
import { isolation } from './isolation.ts'
import { jobs } from './jobs.ts'
import { latency } from './latency.ts'
import { openBench } from './measure.ts'
import type { Bench } from './measure.ts'
import { memory } from './memory.ts'
import { plugins } from './plugins.ts'
import { printVerdicts, progress } from './report.ts'
import type { Verdict } from './report.ts'
import { rolling } from './rolling.ts'
import { sandbox } from './sandbox.ts'
import { floorTarget, hubTarget } from './targets.ts'
import type { TargetMaker } from './targets.ts'
import { throughput } from './throughput.ts'

export interface ScenarioInput {
  readonly bench: Bench
  /** Shorter and fewer runs: a look, not a figure to quote. */
  readonly quick: boolean
  readonly makers: Readonly<Record<string, TargetMaker>>
  /** What a scenario has to say for good goes into its page. */
  readonly write: boolean
}

/** Prints its own tables and answers what it holds against the budgets. */
export type Scenario = (input: ScenarioInput) => Promise<readonly Verdict[]>

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  throughput,
  latency,
  sandbox,
  isolation,
  fairness,
  flat,
  memory,
  plugins,
  jobs,
  fleet,
  'flat-fleet': flatFleet,
  rolling,
  capacity,
  dev,
  analytics,
  'analytics-fresh': analyticsFresh,
  'analytics-ingest': analyticsIngest,
  'analytics-people': analyticsPeople,
  behaviour,
  dashboard,
}
const MAKERS: Readonly<Record<string, TargetMaker>> = { floor: floorTarget, hub: hubTarget(), fleet: fleetTarget }

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    targets: { type: 'string' },
    quick: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
})

const picked = <T>(table: Readonly<Record<string, T>>, names: string | undefined): Readonly<Record<string, T>> => {
  if (names === undefined) return table
  return Object.fromEntries(
    names.split(',').map((name) => {
      const found = table[name]
      if (found === undefined) throw new Error(`There is no "${name}"; choose from ${Object.keys(table).join(', ')}`)
      return [name, found]
    }),
  )
}

const verdicts: Verdict[] = []
for (const [name, scenario] of Object.entries(picked(SCENARIOS, values.only))) {
  progress(`${name} ...`)
  await using bench = await openBench()
  const { quick, write } = values
  verdicts.push(...(await scenario({ bench, quick, write, makers: picked(MAKERS, values.targets) })))
}
const allHold = printVerdicts(verdicts)
process.exitCode = values.check && !allHold ? 1 : 0
