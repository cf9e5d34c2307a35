/** What a run costs its installation. Only CPU and broken limits do: errors, failing receivers, waiting, transforms and open routes are free. */
import type { ErrorCode } from '../errors.ts'
import type { Limits } from '../limits.ts'
import type { CpuPlace, Offence } from '../sandbox/options.ts'
import type { RunInput, RunResult } from '../sandbox/sandbox.ts'

/** A limit that a run broke, or an offence: it is told apart from the runs that took part, see `offenceCost`. */
export const BREACHES = ['cpu', 'memory', 'wall', 'killed', 'bridge', 'load'] as const
export type Breach = (typeof BREACHES)[number]

/** Points, and for what: `CPU in handler response.submitted`. */
export interface Cost {
  readonly points: number
  readonly cause: string
}

type BreachOfRun = Exclude<Breach, Offence>

const BREACH_OF: Partial<Record<ErrorCode, BreachOfRun>> = {
  plugin_cpu: 'cpu',
  plugin_memory: 'memory',
  plugin_wall: 'wall',
}

const MS_PER_SECOND = 1_000

/** The limit it broke; null for every other end. */
export const breachOf = ({ error }: RunResult): BreachOfRun | null =>
  error === null ? null : (BREACH_OF[error.code] ?? null)

/**
 * What it costs; null when it costs nothing, as nearly every run does. Runs of transforms never do: what they are shown a
 * stranger chooses, who could use up the points of a filter and so have it out of the way. They are bounded by their own limits.
 */
export function costOf(input: RunInput, result: RunResult, limits: Limits): Cost | null {
  if (input.kind === 'transform') return null
  const breach = breachOf(result)
  const cpuPoints = cpuCost(input, result, limits)
  const breachPoints = breach === null ? 0 : breachCost(breach, result, limits)
  const points = Math.max(cpuPoints, breachPoints)
  if (points <= 0) return null
  return {
    points,
    cause: `${breachPoints > cpuPoints && breach !== null ? WORDS[breach] : WORDS.cpu} in ${nameOf(input)}`,
  }
}

/**
 * What CPU time beside all runs costs; null when it costs nothing. Loading has what is free for one event; what goes on after its run has nothing, since
 * that run had it.
 */
export function costBeside(cpuMs: number, where: CpuPlace, limits: Limits): Cost | null {
  const points = cpuPoints(cpuMs - (where === 'loading' ? limits.pluginCpuFreeMs : 0), limits)
  return points > 0 ? { points, cause: `${WORDS.cpu} in ${where}` } : null
}

/** What it costs beside the runs that took part. */
export const offenceCost = (what: Offence, limits: Limits): Cost => ({
  points: { killed: limits.pluginKilledPoints, bridge: limits.pluginBridgePoints, load: limits.pluginLoadBreachPoints }[
    what
  ],
  cause: WORDS[what],
})

const WORDS = {
  cpu: 'CPU',
  memory: 'memory',
  wall: 'endless waiting',
  killed: 'processes that had to be killed',
  bridge: 'tampering with the sandbox',
  load: 'code that could not be loaded',
} as const satisfies Record<Breach, string>

/**
 * What is free is free for each event: many that cross together are no worse than one after the other. Of reading what it
 * reported nothing is: meanwhile the hub stands still for all.
 */
function cpuCost(input: RunInput, { cpuMs, readingMs }: RunResult, limits: Limits): number {
  const events = input.kind === 'action' ? Math.max(1, input.itemsJson.length) : 1
  const aboveMs = Math.max(0, cpuMs - readingMs - limits.pluginCpuFreeMs * events)
  return cpuPoints(readingMs + aboveMs, limits)
}

const cpuPoints = (cpuMs: number, { pluginCpuPointsPerSecond }: Limits): number =>
  Math.max(0, cpuMs) * (pluginCpuPointsPerSecond / MS_PER_SECOND)

function breachCost(breach: BreachOfRun, result: RunResult, limits: Limits): number {
  if (breach === 'cpu') return limits.pluginCpuBreachPoints
  if (breach === 'memory') return limits.pluginMemoryBreachPoints
  // Whoever asked the hub for something waited, as a rule, for somebody else.
  return result.hostOps + result.httpCalls === 0 ? limits.pluginWallBreachPoints : 0
}

function nameOf(input: RunInput): string {
  return input.kind === 'event' ? `handler ${input.type}` : `${input.kind} ${input.name}`
}
