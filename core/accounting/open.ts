/** The sandboxes with accounts kept at their fronts: whatever runs in them is counted and charged to its installation. */
import type { PlacedInstallation } from '../delivery/ports.ts'
import { bothRuntimes } from '../native/runtimes.ts'
import type { Meter } from '../observe/observe.ts'
import { OpenRoutes } from '../registry/open-routes.ts'
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
  /** For routes that strangers call: whatever these do to it, nobody else is in it. */
  readonly openRoutes: OpenRoutes
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
    /** Runs plugins of the hub itself that are native; what they use costs no points. */
    readonly native: Sandbox
  },
): AccountedSandboxes {
  const { logger, limits, meter, clock } = deps
  // Not its transform: senders wait for that, and what handlers use is not its fault.
  const setApart = (key: string, isApart: boolean): Promise<void> => isolates.setApart(key, isApart)
  const accounting = createAccounting({ ...deps, setApart })
  const open = (beside: Pick<Accounting, 'spent' | 'offended'>): Sandbox =>
    createSandbox({
      logger,
      limits,
      onRestart: (group, why) => meter.sandboxRestart(group, why),
      onOffence: (key, what) => beside.offended(key, what),
      onCpu: (key, cpuMs, where) => beside.spent(key, cpuMs, where),
    })
  const isolates = open(accounting)
  const forTransforms = open(accounting.besideTransforms)
  const forRoutes = open(accounting.besideOpenRoutes)
  const openRoutes = new OpenRoutes({ sandbox: watchRuns(forRoutes, accounting.besideOpenRoutes.heard), logger, clock })
  const all = [isolates, forTransforms, forRoutes]
  const everyone = bothRuntimes(
    watchRuns(isolates, accounting.heard),
    watchRuns(deps.native, accounting.besideNatives.heard),
  )
  return {
    sandbox: everyone,
    transformSandbox: watchRuns(forTransforms, accounting.heard),
    openRoutes,
    setInstallations: (placed) => {
      const keys = placed.map(({ installation }) => installation.key)
      accounting.setInstallations(keys)
      openRoutes.setInstallations(keys)
    },
    usage: () => accounting.usage({ units: inAll(all.flatMap((each) => each.stats().units)) }),
    parcels: accounting,
    close: async () => {
      await Promise.all([accounting.close(), openRoutes.close()])
      await Promise.all([everyone.close(), forTransforms.close(), forRoutes.close()])
    },
  }
}

/** One that has an isolate in several sandboxes has the memory of all. */
function inAll(units: readonly UnitStats[]): readonly UnitStats[] {
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
