/**
 * A fleet as queues: API processes, group commits that take turns at the row of the log, workers, lanes with so many
 * requests on their way, receivers, and the processors of Postgres that all of them share.
 */
import { exponential, lognormal, Places, seeded, Timeline } from './events-in-time.ts'
import type { CommitTimes, Line } from './commit-times.ts'
import { percentile, spreadOf } from './statistics.ts'
import type { Spread } from './statistics.ts'

/** What is built, and what each step costs on it. */
export interface Plant {
  readonly apis: number
  readonly workers: number
  readonly postgresCores: number
  readonly installations: number
  readonly requestsPerInstallationMax: number
  /** Mean CPU; the simulated one varies as an exponential does, more than the real one. */
  readonly apiMs: number
  readonly workerMs: number
  /** Of the fixed time of a transaction; the rest is waiting: for the disk, for the next statement. */
  readonly transactionCpuMs: number
  readonly commits: CommitTimes
  /** Of a worker's transaction that ends deliveries. */
  readonly finish: Line
  readonly receiverMs: { readonly median: number; readonly sigma: number }
}

export interface Simulated {
  readonly ackMs: Spread
  /** From the submission to the request that leaves for the receiver. */
  readonly endToEndMs: Spread
  /** Busy shares, 0 to 1. */
  readonly busy: Readonly<Record<'api' | 'worker' | 'logRow', number>>
  /** How many waited, looked at regularly: for their answer, and to leave. */
  readonly waiting: { readonly ackP99: number; readonly sendP99: number }
  /** Still waiting to leave at the end; more than a second of arrivals means that it does not keep up. */
  readonly leftOver: number
}

interface Item {
  readonly atMs: number
  readonly installation: number
}

const NOTICE_MS = 1
const GROUP_MAX = 1_000
const LOOK_MS = 20

/** Poisson arrivals for so long; the first tenth only fills the queues and is not counted. */
export function simulate(plant: Plant, load: { perSecond: number; durationMs: number; seed: number }): Simulated {
  const timeline = new Timeline()
  const random = seeded(load.seed)
  const results = { ackMs: [] as number[], endToEndMs: [] as number[] }
  const counts = { unanswered: 0, unsent: 0, looks: [] as { unanswered: number; unsent: number }[] }
  const fromMs = load.durationMs / 10
  const note = (list: number[], { atMs }: Item) => void (atMs >= fromMs && list.push(timeline.nowMs - atMs))
  const parts = partsOf(plant, timeline)
  const fleet = connect(plant, parts, random, {
    acked: (item) => {
      counts.unanswered -= 1
      counts.unsent += 1
      note(results.ackMs, item)
    },
    sent: (item) => {
      counts.unsent -= 1
      note(results.endToEndMs, item)
    },
  })
  const arrive = (): void => {
    counts.unanswered += 1
    fleet({ atMs: timeline.nowMs, installation: Math.floor(random() * plant.installations) })
    timeline.after(exponential(random, 1_000 / load.perSecond), arrive)
  }
  const look = (): void => {
    counts.looks.push({ unanswered: counts.unanswered, unsent: counts.unsent })
    timeline.after(LOOK_MS, look)
  }
  arrive()
  look()
  timeline.runUntil(load.durationMs)
  const p99 = (pick: (look: { unanswered: number; unsent: number }) => number) =>
    percentile(counts.looks.slice(counts.looks.length / 10).map(pick), 0.99)
  return {
    ackMs: spreadOf(results.ackMs),
    endToEndMs: spreadOf(results.endToEndMs),
    busy: {
      api: mean(parts.apis.map((each) => each.utilisation())),
      worker: mean(parts.workers.map((each) => each.utilisation())),
      logRow: parts.logRow.utilisation(),
    },
    waiting: { ackP99: p99((one) => one.unanswered), sendP99: p99((one) => one.unsent) },
    leftOver: counts.unsent + counts.unanswered,
  }
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

interface Parts {
  readonly timeline: Timeline
  readonly apis: readonly Places[]
  readonly workers: readonly Places[]
  readonly lanes: readonly Places[]
  readonly cores: Places
  readonly logRow: Places
}

function partsOf(plant: Plant, timeline: Timeline): Parts {
  const places = (count: number, each: number) => Array.from({ length: count }, () => new Places(timeline, each))
  return {
    timeline,
    apis: places(plant.apis, 1),
    workers: places(plant.workers, 1),
    lanes: places(plant.installations, plant.requestsPerInstallationMax),
    cores: new Places(timeline, plant.postgresCores),
    logRow: new Places(timeline, 1),
  }
}

/** The way of an item; what is answered takes the next one. */
function connect(
  plant: Plant,
  parts: Parts,
  random: () => number,
  told: { readonly acked: (item: Item) => void; readonly sent: (item: Item) => void },
): (item: Item) => void {
  const { timeline, apis, workers, lanes } = parts
  const finishing = workers.map(() =>
    groups((items, done) => work(plant, parts, { ...plant.finish, count: items.length, cpuShare: 1 }, done)),
  )
  const deliver = (item: Item): void => {
    const lane = lanes[item.installation] as Places
    const at = item.installation % workers.length
    lane.take(() => {
      workers[at]?.hold(exponential(random, plant.workerMs), () => {
        told.sent(item)
        timeline.after(lognormal(random, plant.receiverMs), () => {
          lane.give()
          finishing[at]?.(item)
        })
      })
    })
  }
  const committing = apis.map(() =>
    groups((items, done) =>
      commit(plant, parts, items.length, () => {
        for (const item of items) told.acked(item)
        timeline.after(NOTICE_MS, () => {
          for (const item of items) deliver(item)
        })
        done()
      }),
    ),
  )
  let turn = 0
  return (item) => {
    const at = turn++ % apis.length
    apis[at]?.hold(exponential(random, plant.apiMs), () => committing[at]?.(item))
  }
}

/** What comes while a transaction runs waits together for the next one. */
function groups(run: (items: readonly Item[], done: () => void) => void): (item: Item) => void {
  let waiting: Item[] = []
  let running = false
  const next = (): void => {
    running = waiting.length > 0
    if (!running) return
    const group = waiting.slice(0, GROUP_MAX)
    waiting = waiting.slice(GROUP_MAX)
    run(group, next)
  }
  return (item) => {
    waiting.push(item)
    if (!running) next()
  }
}

/** First what processes do side by side, then, holding the row, what they do one after the other. */
function commit(plant: Plant, parts: Parts, count: number, done: () => void): void {
  const { whole, serial } = plant.commits
  const { timeline, logRow } = parts
  const serialShare = serial.fixedMs / whole.fixedMs
  const before = { fixedMs: whole.fixedMs - serial.fixedMs, eachMs: whole.eachMs - serial.eachMs }
  work(plant, parts, { ...before, count, cpuShare: 1 - serialShare }, () => {
    logRow.take(() => {
      const heldMs = timeline.nowMs
      work(plant, parts, { ...serial, count, cpuShare: serialShare }, () => {
        logRow.charge(timeline.nowMs - heldMs)
        logRow.give()
        done()
      })
    })
  })
}

/** A part of a transaction: some of its fixed time is waiting, the rest keeps a processor busy. */
function work(
  { transactionCpuMs }: Plant,
  { timeline, cores }: Parts,
  { fixedMs, eachMs, count, cpuShare }: Line & { readonly count: number; readonly cpuShare: number },
  done: () => void,
): void {
  const cpuMs = Math.min(fixedMs, transactionCpuMs * cpuShare)
  timeline.after(Math.max(0, fixedMs - cpuMs), () => cores.hold(Math.max(0, cpuMs + count * eachMs), done))
}
