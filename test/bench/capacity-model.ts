/** The load that is asked about, the assumptions it is answered under, and the fleet that would carry it. */
import { LIMITS } from '../../core/limits.ts'
import { SETTINGS } from '../../core/config/settings.ts'
import type { Constants, Cost } from './capacity-constants.ts'
import { simulate } from './simulate.ts'
import type { Plant, Simulated } from './simulate.ts'

export const DAYS_PER_MONTH = 30
const SECONDS_PER_MONTH = DAYS_PER_MONTH * 86_400
export const MONTHLY = 100_000_000
export const USERS = 10_000

/** All that was not measured. */
export const ASSUMED = {
  /** The busiest hour against the mean of the month: work days, day and night. */
  peakHourFactor: 3,
  /** The busiest minute against the mean of the month: a mailing goes out. */
  burstFactor: 12,
  /** A plugin's answer from outside: median, and how much it varies. */
  receiverMs: { median: 80, sigma: 0.8 },
  /** Submissions are spread evenly over so many installations, one delivery each. */
  installations: 50,
  /** What is built is busy to this share at most. */
  busyMax: 0.6,
  /** Never fewer of each: one may be replaced or die. */
  processesMin: 2,
  secondsSimulated: 60,
  seed: 8_420,
} as const

export interface LoadCase {
  readonly name: string
  readonly perSecond: number
}

const monthlyMean = MONTHLY / SECONDS_PER_MONTH

export const CASES: readonly LoadCase[] = [
  { name: '100 million a month, mean', perSecond: monthlyMean },
  { name: '100 million a month, peak hour', perSecond: monthlyMean * ASSUMED.peakHourFactor },
  { name: '100 million a month, burst minute', perSecond: monthlyMean * ASSUMED.burstFactor },
  { name: '10,000 users, each every 60 s', perSecond: USERS / 60 },
  { name: '10,000 users, each every 30 s', perSecond: USERS / 30 },
  { name: '10,000 users, each every second', perSecond: USERS },
]

export interface Answer extends LoadCase {
  readonly plant: Plant
  readonly connections: number
  readonly simulated: Simulated
  /** By measured CPU. */
  readonly postgresBusy: number
  /** Share of its time for which the row is needed when groups are as large as they have to be. */
  readonly logRowNeeds: number
}

/**
 * The smallest fleet that would be busy to `busyMax` at most, were all its batches full. (At middling rates batches are
 * small, so that processes are busy beyond need, which is no reason to have more of them.)
 */
export function answer(load: LoadCase, constants: Constants, quick: boolean): Answer {
  const { perSecond } = load
  const full = constants.costs.at(-1) as Cost
  const enough = (eachMs: number) =>
    Math.max(ASSUMED.processesMin, Math.ceil((perSecond * eachMs) / 1_000 / ASSUMED.busyMax))
  const apis = enough(full.apiMs)
  const workers = enough(full.workerMs)
  // More workers make smaller transactions.
  const { postgresMs } = costAt(constants.costs, perSecond / workers)
  const postgresCores = enough(postgresMs)
  const plant = plantOf(constants, { perSecond, apis, workers, postgresCores })
  const durationMs = (ASSUMED.secondsSimulated * 1_000) / (quick ? 4 : 1)
  const simulated = simulate(plant, { perSecond, durationMs, seed: ASSUMED.seed })
  return {
    ...load,
    plant,
    simulated,
    postgresBusy: (perSecond * postgresMs) / 1_000 / postgresCores,
    logRowNeeds: (perSecond * constants.commits.serial.eachMs) / 1_000,
    connections: connectionsOf(apis + workers),
  }
}

/** The pool of each process and the one that listens. */
const connectionsOf = (processes: number): number => processes * (Number(SETTINGS.databaseConnectionsMax.fallback) + 1)

function plantOf(
  { costs, commits }: Constants,
  size: { readonly perSecond: number } & Pick<Plant, 'apis' | 'workers' | 'postgresCores'>,
): Plant {
  const { perSecond, ...counts } = size
  const [quiet, full] = [costs[0] as Cost, costs.at(-1) as Cost]
  return {
    ...counts,
    installations: ASSUMED.installations,
    requestsPerInstallationMax: LIMITS.deliveryConcurrency,
    apiMs: costAt(costs, perSecond / counts.apis).apiMs,
    workerMs: costAt(costs, perSecond / counts.workers).workerMs,
    transactionCpuMs: (quiet.postgresMs - full.postgresMs) / (quiet.transactions - full.transactions),
    commits,
    // What Postgres spends on a submission and ingest did not, is spent on its delivery.
    finish: { fixedMs: commits.whole.fixedMs, eachMs: Math.max(0, full.postgresMs - commits.whole.eachMs) },
    receiverMs: ASSUMED.receiverMs,
  }
}

/** Between two measured rates by the logarithm: what a process does for itself is shared by more submissions. */
function costAt(costs: readonly Cost[], perSecond: number): Pick<Cost, 'apiMs' | 'workerMs' | 'postgresMs'> {
  const above = costs.findIndex((cost) => cost.perSecond >= perSecond)
  const upper = (above < 0 ? costs.at(-1) : costs[above]) as Cost
  const lower = above > 0 ? (costs[above - 1] as Cost) : upper
  const span = Math.log(upper.perSecond / lower.perSecond)
  const share = span === 0 ? 1 : Math.log(perSecond / lower.perSecond) / span
  const at = (pick: (cost: Cost) => number) =>
    Math.exp(Math.log(pick(lower)) * (1 - share) + Math.log(pick(upper)) * share)
  return {
    apiMs: at((cost) => cost.apiMs),
    workerMs: at((cost) => cost.workerMs),
    postgresMs: at((cost) => cost.postgresMs),
  }
}

export interface Ceiling {
  readonly part: string
  readonly perSecond: number
  readonly next: string
}

/** Where more processes do not help, the lowest first. */
export function ceilings({ costs, commits, growth }: Constants): readonly Ceiling[] {
  const busiest = costs.at(-1) as Cost
  const storedBytes = growth.reduce((sum, { heapBytes, indexBytes }) => sum + heapBytes + indexBytes, 0)
  const receiverMeanMs = ASSUMED.receiverMs.median * Math.exp(ASSUMED.receiverMs.sigma ** 2 / 2)
  const all: readonly Ceiling[] = [
    {
      part: 'one installation: its requests on their way',
      perSecond: (LIMITS.deliveryConcurrency * 1_000) / receiverMeanMs,
      next: 'raise its `concurrency`, or split it by filter into several',
    },
    {
      part: 'the row of the log, held by one transaction at a time',
      perSecond: 1_000 / commits.serial.eachMs,
      next: 'shard by workspace: a database (and its log) for each group of workspaces',
    },
    {
      part: 'a disk of 1 TB, filled in a month of it',
      perSecond: 1e12 / storedBytes / SECONDS_PER_MONTH,
      next: 'partition by ranges of ids (they sort by time), drop or move old partitions',
    },
    {
      part: 'a disk that writes 250 MB/s (log of Postgres, and tables once more)',
      perSecond: 250e6 / (busiest.walBytes + storedBytes),
      next: 'faster disks, a disk of its own for the log of Postgres, then sharding',
    },
    {
      part: '8 processors of Postgres, all busy',
      perSecond: 8_000 / busiest.postgresMs,
      next: 'more processors; lists and counts to a replica',
    },
  ]
  return all.toSorted((a, b) => a.perSecond - b.perSecond)
}
