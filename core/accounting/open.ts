/** The sandboxes with accounts kept at their fronts: whatever runs in them is counted and charged to its installation. */
import type { PlacedInstallation } from '../delivery/ports.ts'
import { bothRuntimes } from '../native/runtimes.ts'
import type { Meter } from '../observe/observe.ts'
import { createSandbox } from '../sandbox/pool.ts'
import type { Sandbox, UnitStats } from '../sandbox/sandbox.ts'
import { createAccounting } from './accounting.ts'
import type { Accounting } from './accounting.ts'
import type { Usage } from './usage.ts'
import type { WardenDeps } from './warden.ts'
import { watchRuns } from './watch-runs.ts'

export interface AccountedSandboxes {
  /** For what follows from the log. */
  readonly sandbox: Sandbox
  /** For transforms: senders wait for them, so they stand behind nothing else. */
  readonly transformSandbox: Sandbox
  /** All that run here, after every change. */
  readonly setInstallations: (placed: readonly PlacedInstallation[]) => void
  /** What they used, by key. */
  readonly usage: () => ReadonlyMap<string, Usage>
  readonly parcels: Pick<Accounting, 'handTo' | 'handOver' | 'take'>
  close(): Promise<void>
}

export function openAccountedSandboxes(
  deps: Omit<WardenDeps, 'setApart'> & {
    readonly meter: Pick<Meter, 'sandboxRestart'>
    /** Runs plugins of the hub itself that are native; their CPU costs no points. */
    readonly native: Sandbox
  },
): AccountedSandboxes {
  const { logger, limits, meter } = deps
  // Not its transform: senders wait for that, and what handlers use is not its fault.
  const setApart = (key: string, isApart: boolean): Promise<void> => isolates.setApart(key, isApart)
  const accounting = createAccounting({ ...deps, setApart })
  const open = (beside: Accounting['besideTransforms']): Sandbox =>
    createSandbox({
      logger,
      limits,
      onRestart: (group, why) => meter.sandboxRestart(group, why),
      onOffence: (key, what) => beside.offended(key, what),
      onCpu: (key, cpuMs, where) => beside.spent(key, cpuMs, where),
    })
  const isolates = open(accounting)
  const forTransforms = open(accounting.besideTransforms)
  const all = [isolates, forTransforms]
  const everyone = bothRuntimes(isolates, deps.native)
  return {
    sandbox: watchRuns(everyone, accounting.heard),
    transformSandbox: watchRuns(forTransforms, accounting.heard),
    setInstallations: (placed) => accounting.setInstallations(placed.map(({ installation }) => installation.key)),
    usage: () => accounting.usage({ units: inBoth(all.flatMap((each) => each.stats().units)) }),
    parcels: accounting,
    close: async () => {
      await accounting.close()
      await Promise.all([everyone.close(), forTransforms.close()])
    },
  }
}

/** One that has an isolate in each sandbox has the memory of both. */
function inBoth(units: readonly UnitStats[]): readonly UnitStats[] {
  const byKey = new Map<string, UnitStats>()
  for (const unit of units) {
    const { heapBytes = 0, heapPeakBytes = 0, processRssBytes = 0 } = byKey.get(unit.key) ?? {}
    byKey.set(unit.key, {
      ...unit,
      heapBytes: unit.heapBytes + heapBytes,
      heapPeakBytes: unit.heapPeakBytes + heapPeakBytes,
      processRssBytes: unit.processRssBytes + processRssBytes,
    })
  }
  return [...byKey.values()]
}
