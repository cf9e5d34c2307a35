/** Plugins from source text in a temporary folder, loaded into a real sandbox with real child processes. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Json } from '../../core/contract/index.ts'
import { HubError } from '../../core/errors.ts'
import { LIMITS, type Limits } from '../../core/limits.ts'
import type { Logger } from '../../core/observe/observe.ts'
import { bundlePlugin } from '../../core/sandbox/bundle.ts'
import type { SandboxOptions } from '../../core/sandbox/options.ts'
import { createSandbox } from '../../core/sandbox/pool.ts'
import type { Run, RunResult, Sandbox, Unit, UnitLimits, UnitSurface } from '../../core/sandbox/sandbox.ts'
import { tempDir } from '../support/temp.ts'

export const UNIT_LIMITS: UnitLimits = {
  heapMb: 32,
  sliceMs: 500,
  cpuMs: 500,
  eventWallMs: 10_000,
  actionWallMs: 20_000,
  routeWallMs: 5_000,
  scheduleWallMs: 60_000,
  transformWallMs: 250,
  hostOpsMax: 50,
  httpCallsMax: 20,
  logLinesMax: 100,
}

export interface Bench extends AsyncDisposable {
  readonly sandbox: Sandbox
  /** Every line the sandbox logged. */
  readonly log: { level: string; fields: object; message: string }[]
  readonly restarts: { group: string; why: string }[]
  /** Writes, bundles and loads a plugin; `source` is its index.ts, or several files. */
  plugin(name: string, source: string | Record<string, string>, options?: PluginOptions): Promise<UnitSurface>
  unit(name: string, source: string | Record<string, string>, options?: PluginOptions): Promise<Unit>
}

export interface PluginOptions {
  readonly limits?: Partial<UnitLimits>
  readonly config?: Json
  readonly group?: Unit['group']
  readonly key?: string
  readonly hardened?: boolean
}

/** `await using bench = await openBench()`. */
export async function openBench(
  limits: Partial<Limits> = {},
  more: Pick<SandboxOptions, 'onOffence' | 'onCpu' | 'flags'> = {},
): Promise<Bench> {
  const dir = await tempDir('sandbox')
  const log: Bench['log'] = []
  const restarts: Bench['restarts'] = []
  const line = (level: string) => (fields: object, message: string) => void log.push({ level, fields, message })
  const logger: Logger = {
    debug: line('debug'),
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
    child: () => logger,
  }
  const sandbox = createSandbox({
    logger,
    limits: { ...LIMITS, ...limits },
    onRestart: (group, why) => restarts.push({ group, why }),
    ...more,
  })
  let count = 0
  const unit: Bench['unit'] = async (name, source, options = {}) => {
    const folder = join(dir.path, `${name}-${++count}`)
    for (const [path, text] of Object.entries(typeof source === 'string' ? { 'index.ts': source } : source)) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), text)
    }
    const bundle = await bundlePlugin({
      dir: folder,
      main: 'index.ts',
      pluginId: name,
      version: '1.2.3',
      bytesMax: LIMITS.pluginBundleBytesMax,
    })
    return {
      key: options.key ?? `default/${name}`,
      bundle,
      config: JSON.stringify(options.config ?? {}),
      limits: { ...UNIT_LIMITS, ...options.limits },
      group: options.group ?? 'community',
      hardened: options.hardened ?? false,
    }
  }
  return {
    sandbox,
    log,
    restarts,
    unit,
    plugin: async (name, source, options) => sandbox.load(await unit(name, source, options)),
    [Symbol.asyncDispose]: async () => {
      await sandbox.close()
      await dir[Symbol.asyncDispose]()
    },
  }
}

/** A plugin with one handler whose body is `body` (`event` and `ctx` in scope). */
export const onEvent = (body: string, top = ''): string => `import { definePlugin } from 'manifold/plugin'
${top}
export default definePlugin({
  on: { 'response.submitted': async (event, ctx) => {
${body}
  } },
})
`

let runs = 0

/** A run of `response.submitted` with this event data. */
export function eventRun(data: Json = {}, capabilities: Run['capabilities'] = refuseAll): Run {
  const n = ++runs
  const event = { id: `evt_${n}`, type: 'response.submitted', v: 1, at: '2026-01-02T03:04:05.000Z', data }
  return {
    id: `run_${n}`,
    attempt: 1,
    input: { kind: 'event', type: event.type, eventJson: JSON.stringify(event) },
    capabilities,
    eventId: event.id,
  }
}

/** A run of anything else. */
export const runOf = (input: Run['input'], capabilities: Run['capabilities'] = refuseAll): Run => ({
  id: `run_${++runs}`,
  attempt: 1,
  input,
  capabilities,
})

export const refuseAll: Run['capabilities'] = async (name) => {
  throw new HubError('capability_denied', `${name} is not granted`)
}

/** Repeats a run until it was not interrupted by a neighbour, as the pump does. */
export async function untilRun(sandbox: Sandbox, key: string, run: () => Run): Promise<RunResult> {
  for (let tries = 0; tries < 50; tries++) {
    const [result] = await sandbox.runBatch(key, [run()])
    if (result !== undefined && result.error?.code !== 'plugin_interrupted') return result
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`${key} was interrupted 50 times`)
}
