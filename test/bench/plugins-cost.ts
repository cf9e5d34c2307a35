/** A process that runs a handler that does nothing, natively or in several sandboxed plugins at once, and counts events. */
import { createHash } from 'node:crypto'
import { LIMITS } from '../../core/limits.ts'
import { openObserve } from '../../core/observe/open.ts'
import { createSandbox } from '../../core/sandbox/pool.ts'
import type { Run, Sandbox, Unit } from '../../core/sandbox/sandbox.ts'
import { preciseNowMs, submissionBody } from './payload.ts'
import { cpuMsOf, familyOf, serveWorker } from './processes.ts'

export interface PluginsAsk {
  /** Plugins that get every event. */
  readonly plugins: number
  readonly durationMs: number
  readonly hardened: boolean
  /** A handler that does nothing shows what the borders cost; one that computes shows what code without a compiler costs. */
  readonly work: 'nothing' | 'renders' | 'computes'
}

export interface PluginsCost {
  /** Handler calls a second, over all plugins. */
  readonly nativePerSecond: number
  readonly sandboxPerSecond: number
  /** CPU microseconds of one sandboxed call: this process, and the child. */
  readonly hubUs: number
  readonly childUs: number
  /** All that the child has used, which ends with it. */
  readonly childCpuMs: number
}

/** What the hub uses when there is much to do. */
const BATCH = 100
const US_PER_MS = 1_000

/** The same functions on both sides: in the sandbox as their text. */
const HANDLERS = {
  nothing: () => undefined,
  // What most connectors do: text out of an event.
  renders: (event: { readonly data?: object }) => {
    const lines = Object.entries(event.data ?? {}).map(([key, value]) => `${key}: ${JSON.stringify(value)}`)
    return lines.join('\n').replace(/[<>&]/g, (char) => `&#${char.charCodeAt(0)};`)
  },
  // What a compiler is for.
  computes: () => {
    let sum = 0
    for (let n = 0; n < 20_000; n += 1) sum = (Math.imul(sum, 31) + n) | 0
    return sum
  },
} as const

const EVENTS = Array.from({ length: 512 }, (_, n) => {
  const { data } = JSON.parse(submissionBody('s', n, preciseNowMs())) as { data: unknown }
  return JSON.stringify({ id: `evt_${n}`, type: 'response.submitted', v: 1, at: new Date().toISOString(), data })
})
const eventAt = (n: number): string => EVENTS[n % EVENTS.length] as string

function unitOf(n: number, { work, hardened }: PluginsAsk): Unit {
  // Another text for each: distinct plugins share no code.
  const code = `/* ${n} */({ default: { on: { 'response.submitted': ${String(HANDLERS[work])} } } })`
  const hash = createHash('sha256').update(code).digest('hex')
  return {
    key: `default/bench-${n}`,
    bundle: { pluginId: `bench-${n}`, version: '1.0.0', code, sourceMap: '', hash },
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
    group: 'community',
    hardened,
  }
}

interface Speed {
  readonly perSecond: number
  readonly ownUs: number
  readonly childUs: number
}

/** Runs `step` for the time; it answers how many calls it was. */
async function speedOf(durationMs: number, step: (from: number) => number | Promise<number>): Promise<Speed> {
  const spent = () => ({ all: cpuMsOf(familyOf(process.pid)), own: cpuMsOf([process.pid]) })
  const before = spent()
  const startMs = performance.now()
  let count = 0
  while (performance.now() - startMs < durationMs) count += await step(count)
  const elapsedMs = performance.now() - startMs
  const after = spent()
  const ownMs = after.own - before.own
  const eachUs = (ms: number) => (ms * US_PER_MS) / count
  return {
    perSecond: (count / elapsedMs) * 1_000,
    ownUs: eachUs(ownMs),
    childUs: eachUs(after.all - before.all - ownMs),
  }
}

/** Every plugin parses the event for itself, natively as well: none may see what another did to it. */
function native({ plugins, work }: PluginsAsk, from: number): number {
  for (let plugin = 0; plugin < plugins; plugin += 1)
    for (let n = from; n < from + BATCH; n += 1) HANDLERS[work](JSON.parse(eventAt(n)) as { readonly data?: object })
  return plugins * BATCH
}

async function crossing(sandbox: Sandbox, keys: readonly string[], from: number): Promise<number> {
  const runs = Array.from({ length: BATCH }, (_, index): Run => ({
    id: `run_${from + index}`,
    attempt: 1,
    input: { kind: 'event', type: 'response.submitted', eventJson: eventAt(from + index) },
    capabilities: () => Promise.reject(new Error('this handler asks for nothing')),
  }))
  const results = (await Promise.all(keys.map((key) => sandbox.runBatch(key, runs)))).flat()
  for (const { error } of results) if (error !== null) throw error
  return results.length
}

async function measure(ask: PluginsAsk): Promise<PluginsCost> {
  const sandbox = createSandbox({ logger: openObserve({ level: 'warn' }).logger, limits: LIMITS })
  try {
    const units = Array.from({ length: ask.plugins }, (_, n) => unitOf(n, ask))
    await Promise.all(units.map((unit) => sandbox.load(unit)))
    const keys = units.map(({ key }) => key)
    const crossed = (from: number) => crossing(sandbox, keys, from)
    const inProcess = (from: number) => native(ask, from)
    // Both sides warm.
    await speedOf(500, crossed)
    await speedOf(200, inProcess)
    const plain = await speedOf(ask.durationMs, inProcess)
    const boxed = await speedOf(ask.durationMs, crossed)
    return {
      nativePerSecond: plain.perSecond,
      sandboxPerSecond: boxed.perSecond,
      hubUs: boxed.ownUs,
      childUs: boxed.childUs,
      childCpuMs: cpuMsOf(familyOf(process.pid)) - cpuMsOf([process.pid]),
    }
  } finally {
    await sandbox.close()
  }
}

serveWorker<PluginsAsk>({}, measure)
