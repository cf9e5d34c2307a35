/**
 * Puts the sandbox to the test: a throw-away child in which a plugin of ours breaks limits on purpose, those below. Each
 * attempt gives up by itself after a while, so a limit that does not hold shows as a run that ended well. Not tried is what
 * takes long or is counted elsewhere: the cap on a process's memory, and what an installation keeps in the database.
 */
import { createHash } from 'node:crypto'
import type { Finding } from '../finding.ts'
import { HubError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { Limits } from '../limits.ts'
import type { Logger } from '../observe/observe.ts'
import { createSandbox } from './pool.ts'
import { childFlags } from './process.ts'
import type { Bundle, Run, RunResult, Sandbox, Unit, UnitLimits } from './sandbox.ts'

/** One limit: what was tried and what came of it. */
export interface SelfTestLine extends Finding {
  readonly name: string
}

export interface SelfTestOptions {
  readonly hardened: boolean
  /** For tests that plant a fault: other flags for the child, other limits than the ones that are checked. */
  readonly flags?: (hardened: boolean) => readonly string[]
  readonly limits?: Partial<UnitLimits>
  readonly bounds?: Partial<Limits>
}

const SLICE_MS = 50
const WALL_MS = 50
const CPU_MS = 50
/** Many of them are over the limit of a run, none over that of a slice. */
const SHORT_SLICE_MS = 10
const LOAD_MS = 100
/** Smaller than in a hub, so that breaking it takes little memory; more than all else that is sent here. */
const REPORT_BYTES = 2_097_152
/** The least that isolated-vm takes. */
const HEAP_MB = 8
const GREED_MB = 96
/** How long an attempt goes on when nobody stops it: much longer than its limit, much shorter than a start may take. */
const STUBBORN_MS = 1_500
/** A limit of time must not come before the one that is tried, however busy the machine is. */
const PATIENT_MS = 30_000
const FLOOD_LINES = 5_000
const TRIES_MAX = 5
const ABSENT = [
  'process',
  'require',
  'module',
  'Buffer',
  'XMLHttpRequest',
  'WebSocket',
  'EventSource',
  'WebAssembly',
  'SharedArrayBuffer',
  'Worker',
  'Deno',
  'Bun',
  'gc',
]

/** The offender, as a bundle would be: a script that evaluates to a module. */
const CODE = `({ default: {
  on: {
    'test.slice': () => { const end = Date.now() + ${STUBBORN_MS}; while (Date.now() < end); },
    'test.cpu': async () => {
      for (let n = 0; n < ${STUBBORN_MS / SHORT_SLICE_MS}; n++) {
        const end = Date.now() + ${SHORT_SLICE_MS}
        while (Date.now() < end);
        await new Promise((resolve) => setTimeout(resolve, 1))
      }
    },
    'test.timers': () => { for (let n = 0; n < ${LIMITS.pluginTimersMax * 2}; n++) setTimeout(() => {}, ${STUBBORN_MS}) },
    'test.requests': (event, ctx) =>
      Promise.all(Array.from({ length: ${LIMITS.pluginHttpCallsMax * 2} }, () => ctx.http({ method: 'GET', url: 'http://127.0.0.1:9/' }))),
    'test.value': (event, ctx) => ctx.kv.set('x', 'x'.repeat(${LIMITS.pluginKvValueBytesMax * 2})),
    'test.size': (event, ctx) => ctx.email({ text: 'x'.repeat(${REPORT_BYTES * 2}) }),
    'test.wall': () => new Promise((resolve) => setTimeout(resolve, ${STUBBORN_MS})),
    'test.heap': () => { const all = []; while (all.length < ${GREED_MB}) all.push(new Array(131072).fill(all.length + 0.5)) },
    'test.external': () => { const all = []; while (all.length < ${GREED_MB}) all.push(new Uint8Array(1048576).fill(1)) },
    'test.stack': () => { const deeper = () => deeper() + 1; deeper() },
    'test.logs': (event, ctx) => { for (let n = 0; n < ${FLOOD_LINES}; n++) ctx.log.info('x') },
    'test.operations': (event, ctx) => { for (let n = 0; n < ${LIMITS.pluginHostOpsMax * 2}; n++) ctx.emit('x', {}) },
    'test.names': async (event, ctx) => {
      const found = ${JSON.stringify(ABSENT)}.filter((name) => typeof globalThis[name] !== 'undefined')
      try { if (new Function('return typeof process')() !== 'undefined') found.push('Function') } catch {}
      try { await import('node:fs'); found.push('import') } catch {}
      ctx.log.info(found.join(', '))
    },
    // Nobody listens there: whoever gets no further than the hub is told by the hub.
    'test.network': (event, ctx) =>
      typeof fetch === 'undefined'
        ? ctx.log.info('absent')
        : fetch('http://127.0.0.1:9/').then(() => ctx.log.info('reached'), () => ctx.log.info('refused')),
  },
  actions: { result: { run: () => ({ outcome: 'delivered', detail: 'x'.repeat(${LIMITS.pluginResultBytesMax * 2}) }) } },
} })`

/** The same, but it is never loaded. */
const ENDLESS = `const end = Date.now() + ${STUBBORN_MS}; while (Date.now() < end); ${CODE}`

const bundleOf = (code: string): Bundle => ({
  pluginId: 'self-test',
  version: '1.0.0',
  code,
  sourceMap: '',
  hash: createHash('sha256').update(code).digest('hex'),
})
const BUNDLE = bundleOf(CODE)

interface Attempt {
  readonly name: string
  readonly input: Run['input']
  /** In an isolate of its own: what breaks it would take the others along. */
  readonly limits?: Partial<UnitLimits>
  /** What shows that it was stopped; null when nothing does. `asked`: what it wanted of the hub. */
  readonly held: (result: RunResult, asked: readonly string[]) => string | null
}

const event = (type: string): Run['input'] => ({
  kind: 'event',
  type: `test.${type}`,
  eventJson: JSON.stringify({ id: 'evt_test', type: `test.${type}`, v: 1, at: '2026-01-01T00:00:00.000Z', data: {} }),
})

const failsWith =
  (...codes: readonly string[]) =>
  ({ error }: RunResult): string | null =>
    error !== null && codes.includes(error.code) ? error.message : null

/** The isolate is ended, for this. */
const refused =
  (words: RegExp) =>
  ({ error }: RunResult): string | null =>
    error?.code === 'plugin_invalid_result' && words.test(error.message) ? error.message : null

const throws =
  (words: RegExp) =>
  ({ error }: RunResult): string | null =>
    error?.code === 'plugin_threw' && words.test(error.message) ? error.message : null

/** Every limit, in the order it is shown. */
const ATTEMPTS: readonly Attempt[] = [
  { name: 'CPU without a pause', input: event('slice'), limits: { sliceMs: SLICE_MS }, held: failsWith('plugin_cpu') },
  { name: 'CPU of a run', input: event('cpu'), limits: { cpuMs: CPU_MS }, held: failsWith('plugin_cpu') },
  { name: 'time', input: event('wall'), limits: { eventWallMs: WALL_MS }, held: failsWith('plugin_wall') },
  {
    name: 'heap',
    input: event('heap'),
    limits: { heapMb: HEAP_MB },
    held: failsWith('plugin_memory', 'plugin_killed'),
  },
  {
    name: 'memory outside the heap',
    input: event('external'),
    limits: { heapMb: HEAP_MB },
    held: (result) => failsWith('plugin_memory', 'plugin_killed')(result) ?? throws(/allocation failed/)(result),
  },
  { name: 'stack', input: event('stack'), held: throws(/^RangeError/) },
  { name: 'timers', input: event('timers'), held: throws(/^RangeError: At most/) },
  {
    name: 'log',
    input: event('logs'),
    held: ({ logs, logsDropped }) =>
      logs.length <= LIMITS.pluginLogLinesMax && logsDropped >= FLOOD_LINES - LIMITS.pluginLogLinesMax
        ? `${logsDropped} of ${FLOOD_LINES} lines were dropped`
        : null,
  },
  { name: 'operations', input: event('operations'), held: failsWith('capability_limit') },
  {
    name: 'requests',
    input: event('requests'),
    held: (result, asked) => (asked.length <= LIMITS.pluginHttpCallsMax ? failsWith('capability_limit')(result) : null),
  },
  {
    name: 'result',
    input: { kind: 'action', name: 'result', itemsJson: ['{"input":null}'] },
    held: failsWith('plugin_invalid_result'),
  },
  { name: 'kv value', input: event('value'), held: failsWith('capability_input') },
  { name: 'report size', input: event('size'), limits: {}, held: refused(/more than any run may/) },
  {
    name: 'names of the host',
    input: event('names'),
    held: ({ error, logs: [found] }) =>
      error === null && found?.message === '' ? 'no process, no modules, no threads' : null,
  },
  {
    name: 'network',
    input: event('network'),
    held: ({ error, logs: [line] }, asked) => {
      if (error !== null) return null
      if (line?.message === 'absent') return 'there is none'
      return line?.message === 'refused' && asked.includes('http') ? 'the hub was asked and refused' : null
    },
  },
]

const quiet: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => quiet,
}

/** Tries everything, in parallel. All lines `ok`: the sandbox holds. */
export async function testSandbox(options: SelfTestOptions): Promise<readonly SelfTestLine[]> {
  const sandbox = createSandbox({
    logger: quiet,
    limits: { ...LIMITS, childRestartBackoffMs: 0, childMessageBytesMax: REPORT_BYTES, ...options.bounds },
    flags: options.flags ?? childFlags,
  })
  try {
    // The first load starts the child; without one there is nothing to test.
    await sandbox.load(unitOf('shared', options, {}))
    const lines = await Promise.all([
      loadEndless(sandbox, options),
      ...ATTEMPTS.map((attempt) => tryOut(sandbox, attempt, options)),
    ])
    return [
      { name: 'process', level: 'ok', detail: 'no files, processes, threads or environment', fix: null },
      ...lines,
    ]
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    return [{ name: 'process', level: 'fail', detail, fix: FIX }]
  } finally {
    await sandbox.close()
  }
}

const FIX = 'install again (rm -rf node_modules && npm ci) and run a Node that this version was tested with'

async function loadEndless(sandbox: Sandbox, options: SelfTestOptions): Promise<SelfTestLine> {
  const name = 'loading'
  try {
    await sandbox.load({ ...unitOf(name, options, { loadMs: LOAD_MS }), bundle: bundleOf(ENDLESS) })
    return { name, level: 'fail', detail: 'nothing stopped it', fix: FIX }
  } catch (error) {
    if (error instanceof HubError && error.code === 'plugin_load')
      return { name, level: 'ok', detail: error.message, fix: null }
    throw error
  }
}

async function tryOut(sandbox: Sandbox, attempt: Attempt, options: SelfTestOptions): Promise<SelfTestLine> {
  const { name, input, limits, held } = attempt
  const unit = unitOf(limits === undefined ? 'shared' : name, options, limits ?? {})
  if (limits !== undefined) await sandbox.load(unit)
  const asked: string[] = []
  const capabilities: Run['capabilities'] = async (what) => {
    asked.push(what)
    throw new HubError('capability_denied', `${what} is not granted`)
  }
  const run: Run = { id: `run_${name}`, attempt: 1, input, capabilities }
  for (let tries = 1; ; tries++) {
    const result = await sandbox.runEach(unit.key, run)
    // A neighbour's breach may have cost the process; that is nobody's answer.
    if (result.error?.code === 'plugin_interrupted' && tries < TRIES_MAX) continue
    const detail = held(result, asked)
    if (detail !== null) return { name, level: 'ok', detail, fix: null }
    const came = result.error?.message ?? result.logs[0]?.message ?? ''
    return { name, level: 'fail', detail: `nothing stopped it${came === '' ? '' : `; it came to: ${came}`}`, fix: FIX }
  }
}

function unitOf(name: string, options: SelfTestOptions, limits: Partial<UnitLimits>): Unit {
  return {
    key: `self-test/${name}`,
    bundle: BUNDLE,
    config: '{}',
    group: 'builtin',
    hardened: options.hardened,
    limits: {
      heapMb: LIMITS.pluginHeapMb,
      sliceMs: PATIENT_MS,
      cpuMs: PATIENT_MS,
      eventWallMs: PATIENT_MS,
      actionWallMs: PATIENT_MS,
      routeWallMs: LIMITS.pluginRouteWallMs,
      scheduleWallMs: LIMITS.pluginScheduleWallMs,
      transformWallMs: LIMITS.pluginTransformWallMs,
      hostOpsMax: LIMITS.pluginHostOpsMax,
      httpCallsMax: LIMITS.pluginHttpCallsMax,
      logLinesMax: LIMITS.pluginLogLinesMax,
      ...limits,
      ...options.limits,
    },
  }
}
