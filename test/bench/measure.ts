/** One run: load on a target, deliveries counted at the sink, and what everybody spent meanwhile. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { LoadAsk, LoadResult } from './load.ts'
import { cpuMsOf, machineMs, startWorker } from './processes.ts'
import type { Worker } from './processes.ts'
import type { SinkAsk, SinkStats } from './sink.ts'
import type { Target } from './targets.ts'

export interface Bench extends AsyncDisposable {
  readonly sinkUrl: string
  run(target: Target, load: Load, options?: RunOptions): Promise<RunResult>
}

/** What of a question to the load generator is up to the scenario. */
export type Load =
  | Omit<Extract<LoadAsk, { kind: 'closed' }>, TargetKeys>
  | Omit<Extract<LoadAsk, { kind: 'open' }>, TargetKeys>
  | Omit<Extract<LoadAsk, { kind: 'burst' }>, TargetKeys>
type TargetKeys = 'port' | 'path' | 'headers' | 'run'

export interface RunOptions {
  /** How long deliveries may take to arrive after the load has ended. */
  readonly drainMs?: number
  /** False when nothing is delivered at all. */
  readonly deliveries?: boolean
}

export interface RunResult {
  readonly load: LoadResult
  readonly sink: SinkStats
  readonly acceptedPerSecond: number
  /** From the first submission to the last delivery: a target that lags is charged for its backlog. */
  readonly deliveredPerSecond: number
  /** CPU of the target for each accepted submission, delivery included. */
  readonly cpuMsEach: number
  /** Accepted but never arrived. */
  readonly missing: number
  /** CPU share of processes that are no part of this bench, 0 to 1. */
  readonly foreignShare: number
}

const DRAIN_MS = 60_000
const QUIET_MS = 3_000

/** `await using bench = await openBench()`: a sink and a load generator, each a process of its own. */
export async function openBench(): Promise<Bench> {
  const sink = await startWorker<SinkAsk, SinkStats>('sink.ts')
  const load = await startWorker<LoadAsk, LoadResult>('load.ts')
  let runs = 0
  return {
    sinkUrl: sink.hello['url'] as string,
    run: (target, ask, options = {}) => runOnce({ sink, load }, { target, ask, options, run: `r${++runs}` }),
    [Symbol.asyncDispose]: async () => {
      await load[Symbol.asyncDispose]()
      await sink[Symbol.asyncDispose]()
    },
  }
}

interface Parts {
  readonly sink: Worker<SinkAsk, SinkStats>
  readonly load: Worker<LoadAsk, LoadResult>
}

interface Job {
  readonly target: Target
  readonly ask: Load
  readonly options: RunOptions
  readonly run: string
}

async function runOnce({ sink, load }: Parts, { target, ask, options, run }: Job): Promise<RunResult> {
  await sink.ask({ ask: 'reset', run })
  const targetPids = target.pids()
  const own = [...targetPids, sink.pid, load.pid, process.pid]
  const before = { machine: machineMs(), own: cpuMsOf(own), target: cpuMsOf(targetPids) }
  const { port, path, headers } = target
  const loaded = await load.ask({ ...ask, port, path, headers, run })
  const delivered =
    options.deliveries === false
      ? await sink.ask({ ask: 'stats' })
      : await drained(sink, loaded.accepted, options.drainMs)
  const after = { machine: machineMs(), own: cpuMsOf(own), target: cpuMsOf(targetPids) }
  const totalMs = after.machine.total - before.machine.total
  const foreignMs = after.machine.busy - before.machine.busy - (after.own - before.own)
  const deliveredMs = Math.max(1, delivered.lastAtMs - loaded.startedAtMs)
  return {
    load: loaded,
    sink: delivered,
    acceptedPerSecond: (loaded.accepted / loaded.elapsedMs) * 1_000,
    deliveredPerSecond: (delivered.delivered / deliveredMs) * 1_000,
    cpuMsEach: (after.target - before.target) / Math.max(1, loaded.accepted),
    missing: Math.max(0, loaded.accepted - delivered.delivered),
    foreignShare: Math.max(0, foreignMs / Math.max(1, totalMs)),
  }
}

/** Waits until everything accepted has arrived, time is up, or nothing has arrived for a while. */
async function drained(sink: Parts['sink'], accepted: number, drainMs = DRAIN_MS): Promise<SinkStats> {
  const endMs = performance.now() + drainMs
  let last = await sink.ask({ ask: 'stats' })
  let changedMs = performance.now()
  while (last.delivered < accepted && performance.now() < endMs && performance.now() - changedMs < QUIET_MS) {
    await sleep(100)
    const now = await sink.ask({ ask: 'stats' })
    if (now.delivered !== last.delivered) changedMs = performance.now()
    last = now
  }
  return last
}

export interface Repeated {
  readonly target: string
  readonly runs: readonly RunResult[]
}

/** Runs are repeated until this many were undisturbed, or patience ends and the noisy ones have to do. */
export async function undisturbed(wanted: number, once: () => Promise<RunResult>): Promise<readonly RunResult[]> {
  const good: RunResult[] = []
  const noisy: RunResult[] = []
  while (good.length < wanted && good.length + noisy.length < wanted * 2) {
    const result = await once()
    ;(result.foreignShare <= FOREIGN_SHARE_MAX ? good : noisy).push(result)
  }
  noisy.sort((a, b) => a.foreignShare - b.foreignShare)
  return [...good, ...noisy.slice(0, wanted - good.length)]
}

/** Above this the machine was busy with something else, and the run says little. */
export const FOREIGN_SHARE_MAX = 0.12
