/**
 * What plugins use, by installation: counted at the sandbox's front, and charged in points for CPU and broken limits.
 * Everything is in memory, since the start of the process or since it took the installation over. The account of one is
 * where it runs; a process that runs only its transform hands over what that comes to.
 */
import type { Clock } from '../clock.ts'
import { rfc3339 } from '../clock.ts'
import type { Limits } from '../limits.ts'
import type { Run, RunResult, Sandbox } from '../sandbox/sandbox.ts'
import type { CpuPlace, Offence } from '../sandbox/options.ts'
import { Account } from './account.ts'
import { costBeside, costOf, offenceCost } from './cost.ts'
import type { Cost } from './cost.ts'
import { Handover } from './handover.ts'
import type { TakeParcels } from './handover.ts'
import type { Usage } from './usage.ts'
import type { WardenDeps } from './warden.ts'
import { Warden } from './warden.ts'

export interface Accounting {
  /** Of one that ended: counts it and takes its points. */
  heard(key: string, run: Run, result: RunResult): void
  /** CPU time of one that belongs to none of its runs. */
  spent(key: string, cpuMs: number, where: CpuPlace): void
  /** What one did beside breaking a limit of its own. */
  offended(key: string, what: Offence): void
  /** The same where transforms run, whose input a stranger chooses: all of it counts, and only loading costs points. */
  readonly besideTransforms: Pick<Accounting, 'spent' | 'offended'>
  /** The same where open routes run, which strangers call as they like: all of it counts, and nothing costs points. */
  readonly besideOpenRoutes: Pick<Accounting, 'heard' | 'spent' | 'offended'>
  /** The same of native plugins, which are the hub's own: all of it counts, and nothing costs points. */
  readonly besideNatives: Pick<Accounting, 'heard'>
  /** From now on other processes are told what ran here of what they have the accounts of. */
  handTo(take: TakeParcels): void
  /** Hands over what is left, when this process is about to end. */
  handOver(): Promise<void>
  /** What other processes hand over of installations that run here. */
  readonly take: TakeParcels
  /** The keys of all that run here; called again when one of them stands differently. */
  setInstallations(keys: readonly string[]): void
  /** By key, of those that run here; `stats` of the sandbox say how much memory each has. */
  usage(stats: Pick<ReturnType<Sandbox['stats']>, 'units'>): ReadonlyMap<string, Usage>
  /** Nothing is judged any more; resolves when what is being written is written. */
  close(): Promise<void>
}

export function createAccounting(deps: WardenDeps & { readonly clock: Clock; readonly limits: Limits }): Accounting {
  const { clock, limits } = deps
  const accounts = new Map<string, Account>()
  const warden = new Warden(deps)
  const handover = new Handover({ ...deps, known: (key) => deps.roster().find(key) !== undefined })
  const spent = (key: string, cpuMs: number, cost: Cost | null): void => {
    const account = accounts.get(key)
    if (account === undefined) return handover.spent(key, cpuMs, cost)
    account.spent(cpuMs, clock.monotonicMs())
    if (cost !== null) warden.charge(key, cost)
  }
  const offended = (key: string, what: Offence, cost: Cost | null): void => {
    const account = accounts.get(key)
    if (account === undefined) return handover.offended(key, what, cost)
    account.offended(what)
    if (cost !== null) warden.charge(key, cost)
  }
  const counted: Accounting['heard'] = (key, run, result) => {
    const account = accounts.get(key)
    if (account === undefined) return handover.ran(key, { run, result }, null)
    account.add(run, result, clock.monotonicMs())
  }
  return {
    heard: (key, run, result) => {
      const cost = costOf(run.input, result, limits)
      const account = accounts.get(key)
      if (account === undefined) return handover.ran(key, { run, result }, cost)
      account.add(run, result, clock.monotonicMs())
      warden.ran(key, result.cpuMs)
      if (cost !== null) warden.charge(key, cost)
    },
    spent: (key, cpuMs, where) => spent(key, cpuMs, costBeside(cpuMs, where, limits)),
    offended: (key, what) => offended(key, what, offenceCost(what, limits)),
    besideTransforms: {
      spent: (key, cpuMs, where) => spent(key, cpuMs, where === 'loading' ? costBeside(cpuMs, where, limits) : null),
      offended: (key, what) => offended(key, what, null),
    },
    besideOpenRoutes: {
      heard: counted,
      spent: (key, cpuMs) => spent(key, cpuMs, null),
      offended: (key, what) => offended(key, what, null),
    },
    besideNatives: { heard: counted },
    handTo: (take) => handover.to(take),
    handOver: () => handover.flush(),
    take: async ({ parcels }) =>
      parcels.flatMap((parcel) => {
        const account = accounts.get(parcel.key)
        if (account === undefined) return []
        if (account.take(parcel, clock.monotonicMs())) for (const cost of parcel.costs) warden.charge(parcel.key, cost)
        return [parcel.key]
      }),
    setInstallations: (keys) => {
      const wanted = new Set(keys)
      for (const key of accounts.keys()) if (!wanted.has(key)) accounts.delete(key)
      for (const key of keys)
        if (!accounts.has(key)) accounts.set(key, new Account(rfc3339(clock.nowMs()), clock.monotonicMs()))
      warden.look(keys)
    },
    usage: ({ units }) => {
      const memory = new Map(units.map((unit) => [unit.key, unit]))
      const nowMs = clock.monotonicMs()
      return new Map(
        [...accounts].map(([key, account]) => [
          key,
          {
            ...account.counted(nowMs),
            points: Math.max(0, Math.floor(warden.left(key) ?? limits.pluginPointsMax)),
            pointsMax: limits.pluginPointsMax,
            heapBytes: memory.get(key)?.heapBytes ?? 0,
            heapPeakBytes: memory.get(key)?.heapPeakBytes ?? 0,
            processRssBytes: memory.get(key)?.processRssBytes ?? 0,
          },
        ]),
      )
    },
    close: () => warden.close(),
  }
}
