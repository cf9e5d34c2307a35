/** A process that runs one handler a great many times, natively or in the sandbox, and tells what an event cost. */
import { fileURLToPath } from 'node:url'
import handler from '../fixtures/bench-handler/index.ts'
import { LIMITS } from '../../core/limits.ts'
import { openObserve } from '../../core/observe/open.ts'
import { bundlePlugin } from '../../core/sandbox/bundle.ts'
import { createSandbox } from '../../core/sandbox/pool.ts'
import type { Run, Unit } from '../../core/sandbox/sandbox.ts'
import { preciseNowMs, submissionBody } from './payload.ts'
import { cpuMsOf, familyOf, serveWorker } from './processes.ts'

export interface SandboxAsk {
  readonly batch: number
  readonly durationMs: number
}

export interface SandboxCost {
  readonly nativeUs: number
  /** CPU of this process and the sandbox child together. */
  readonly sandboxUs: number
  /** The child's part of it. */
  readonly childUs: number
  readonly eventsPerSecond: number
}

const US_PER_MS = 1_000
const KEY = 'default/bench'

const eventText = (n: number): string => {
  const { data } = JSON.parse(submissionBody('s', n, preciseNowMs())) as { data: unknown }
  return JSON.stringify({ id: `evt_${n}`, type: 'response.submitted', v: 1, at: new Date().toISOString(), data })
}

const events = Array.from({ length: 512 }, (_, n) => eventText(n))
const eventAt = (n: number): string => events[n % events.length] as string

const unit: Unit = {
  key: KEY,
  bundle: await bundlePlugin({
    dir: fileURLToPath(new URL('../fixtures/bench-handler', import.meta.url)),
    main: 'index.ts',
    pluginId: 'bench-handler',
    version: '1.0.0',
    bytesMax: LIMITS.pluginBundleBytesMax,
  }),
  config: '{}',
  limits: {
    heapMb: LIMITS.pluginHeapMb,
    sliceMs: LIMITS.pluginSliceMs,
    cpuMs: LIMITS.pluginCpuMs,
    eventWallMs: LIMITS.pluginEventWallMs,
    actionWallMs: LIMITS.pluginActionWallMs,
    routeWallMs: LIMITS.pluginRouteWallMs,
    scheduleWallMs: LIMITS.pluginScheduleWallMs,
    transformWallMs: LIMITS.pluginTransformWallMs,
    hostOpsMax: LIMITS.pluginHostOpsMax,
    httpCallsMax: LIMITS.pluginHttpCallsMax,
    logLinesMax: LIMITS.pluginLogLinesMax,
  },
  group: 'builtin',
}

const sandbox = createSandbox({ logger: openObserve({ level: 'warn' }).logger, limits: LIMITS })
await sandbox.load(unit)

/** What the work is without any border: text in, handler, text out. */
function native(n: number): number {
  const asked: unknown[] = []
  const context = { config: {}, enqueue: (action: string, input: unknown) => asked.push({ action, input }) }
  const event: unknown = JSON.parse(eventAt(n))
  void handler.on?.['response.submitted']?.(event as never, context as never)
  return JSON.stringify(asked).length
}

async function crossing(from: number, batch: number): Promise<void> {
  const runs = Array.from({ length: batch }, (_, index): Run => ({
    id: `run_${from + index}`,
    attempt: 1,
    input: { kind: 'event', type: 'response.submitted', eventJson: eventAt(from + index) },
    capabilities: () => Promise.reject(new Error('this handler asks for nothing')),
  }))
  for (const result of await sandbox.runBatch(KEY, runs)) {
    if (result.error !== null) throw result.error
    if (result.effects.enqueue.length !== 1) throw new Error('the handler did not do its work')
  }
}

interface Cost {
  readonly us: number
  readonly childUs: number
  readonly perSecond: number
}

/** Runs `step` for the time and answers CPU microseconds for each event. */
async function costOf(durationMs: number, step: (from: number) => number | Promise<number>): Promise<Cost> {
  const spent = () => ({ all: cpuMsOf(familyOf(process.pid)), own: cpuMsOf([process.pid]) })
  const before = spent()
  const startMs = performance.now()
  let count = 0
  while (performance.now() - startMs < durationMs) count += await step(count)
  const after = spent()
  const elapsedMs = performance.now() - startMs
  const eachUs = (ms: number) => (ms * US_PER_MS) / count
  const all = after.all - before.all
  return { us: eachUs(all), childUs: eachUs(all - (after.own - before.own)), perSecond: (count / elapsedMs) * 1_000 }
}

async function measure({ batch, durationMs }: SandboxAsk): Promise<SandboxCost> {
  const crossed = async (from: number) => {
    await crossing(from, batch)
    return batch
  }
  const inProcess = (from: number) => {
    for (let n = from; n < from + batch; n += 1) native(n)
    return batch
  }
  // Both sides warm.
  await costOf(500, crossed)
  await costOf(200, inProcess)
  const plain = await costOf(durationMs, inProcess)
  const boxed = await costOf(durationMs, crossed)
  return { nativeUs: plain.us, sandboxUs: boxed.us, childUs: boxed.childUs, eventsPerSecond: boxed.perSecond }
}

serveWorker<SandboxAsk>({}, measure)
