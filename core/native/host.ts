/**
 * The sandbox's interface for plugins that run natively: one process a plugin version, started with its first installation.
 * A process that dies is started again by the next run; what was under way in it is told as interrupted and so repeated.
 */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { HubError } from '../errors.ts'
import type { Json } from '../contract/index.ts'
import type { Logger } from '../observe/observe.ts'
import type { Run, RunResult, Sandbox, SandboxStats, Unit, UnitSurface } from '../sandbox/sandbox.ts'
import { NativeProcess } from './process.ts'
import type { ErrorText, FromNative, NativeResult } from './protocol.ts'
import { asText, codeOf, errorOf, failed, wallMsOf } from './results.ts'

/** Answers what an installation asks for outside its runs. */
export type NativeService = (key: string, name: string, args: Json) => Promise<unknown>

export interface NativeOptions {
  readonly logger: Logger
  /** Folder for what native plugins keep. */
  readonly dir: string
  readonly service: NativeService
  readonly onRestart: (group: string, why: string) => void
  /** How long an installation may take to open. Default: a minute. */
  readonly openWallMs?: number
  /** How long its process may say nothing. Default: 10 s. */
  readonly silenceMs?: number
}

/** A run that waits for its result. */
interface Pending {
  readonly unit: Unit
  readonly run: Run
  readonly resolve: (result: RunResult) => void
}

/** Runs of one crossing, of which the first is under way. */
interface Lane {
  readonly waiting: Pending[]
  /** Monotonic time. */
  sinceMs: number
}

/** How often it is looked whether one takes longer than it may, and how much longer it may: only what hangs is meant. */
const LOOK_EVERY_MS = 500
const GRACE_MS = 1_000
/** A process that does not answer for so long hangs with all that it runs. */
const SILENCE_MS = 10_000
/** What opens makes sure of what it keeps; what shuts only closes it. */
const OPEN_WALL_MS = 60_000
const SHUT_WALL_MS = 5_000

interface Opening {
  readonly promise: Promise<UnitSurface>
  readonly resolve: (surface: UnitSurface) => void
  readonly reject: (error: HubError) => void
}

/** One version of one plugin. */
class Host {
  readonly #options: NativeOptions
  readonly #pluginId: string
  readonly #units = new Map<string, Unit>()
  readonly #opening = new Map<string, Opening>()
  readonly #lanes = new Map<number, Lane>()
  readonly #shut = new Map<string, () => void>()
  /** Ids of runs for which the process was killed. */
  readonly #late = new Set<string>()
  #watch: NodeJS.Timeout | null = null
  #process: NativeProcess | null = null
  /** When the process was asked whether it is there, monotonic; null: it has answered. */
  #askedMs: number | null = null
  #lane = 0

  constructor(pluginId: string, options: NativeOptions) {
    this.#pluginId = pluginId
    this.#options = options
  }

  get unitCount(): number {
    return this.#units.size
  }

  get pid(): number | null {
    return this.#process?.pid ?? null
  }

  open(unit: Unit): Promise<UnitSurface> {
    this.#units.set(unit.key, unit)
    return this.#ensure(unit)
  }

  async shut(key: string): Promise<void> {
    const unit = this.#units.get(key)
    const opening = this.#opening.get(key)
    this.#units.delete(key)
    this.#opening.delete(key)
    const text = { message: 'it was shut while it opened', stack: '' }
    opening?.reject(errorOf(unit, null, { code: 'plugin_load', text }))
    if (this.#process === null) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#shut.set(key, resolve)
    const child = this.#process
    child.send({ kind: 'shut', key })
    await this.#within(SHUT_WALL_MS, promise, child)
  }

  async run(key: string, runs: readonly Run[]): Promise<readonly RunResult[]> {
    const unit = this.#units.get(key)
    if (unit === undefined) throw new HubError('unavailable', `The installation ${key} is not loaded`)
    try {
      if (!(await inTime(this.#ensure(unit), runs[0]?.deadlineMs)))
        throw new HubError('unavailable', 'It is not open yet', { retryAfterMs: OPEN_SOON_MS })
    } catch (error) {
      if (error instanceof HubError && error.code === 'unavailable') throw error
      return runs.map((run) => failed(unit, run, { code: 'plugin_load', text: asText(error) }))
    }
    this.#lane += 1
    const lane = this.#lane
    const results = runs.map((run) => {
      const { promise, resolve } = Promise.withResolvers<RunResult>()
      return { promise, pending: { unit, run, resolve } }
    })
    this.#lanes.set(lane, { waiting: results.map(({ pending }) => pending), sinceMs: performance.now() })
    this.#watch ??= setInterval(() => this.#look(), LOOK_EVERY_MS).unref()
    this.#process?.send({
      kind: 'run',
      key,
      lane,
      runs: runs.map((run) => ({
        id: run.id,
        attempt: run.attempt,
        input: run.input,
        seq: run.seq ?? null,
        deadlineMs: run.deadlineMs ?? null,
        wallMs: wallMsOf(unit, run),
      })),
    })
    for (const { id, signal } of runs) if (signal !== undefined) this.#cancelWith(signal, id)
    return Promise.all(results.map(({ promise }) => promise))
  }

  async close(): Promise<void> {
    const child = this.#process
    if (child === null) return
    await Promise.all([...this.#units.keys()].map((key) => this.shut(key)))
    await child.close()
  }

  /** Whoever waited has gone: the run is told. */
  #cancelWith(signal: AbortSignal, run: string): void {
    const cancel = (): void => this.#process?.send({ kind: 'cancel', run })
    if (signal.aborted) cancel()
    else signal.addEventListener('abort', cancel, { once: true })
  }

  /** Opened in a process that lives; many may wait for it. */
  #ensure(unit: Unit): Promise<UnitSurface> {
    const known = this.#opening.get(unit.key)
    if (known !== undefined) return known.promise
    const opening = Promise.withResolvers<UnitSurface>()
    opening.promise.catch(() => undefined)
    this.#opening.set(unit.key, opening)
    const { native } = unit
    if (native === undefined) throw new HubError('internal', `The plugin "${this.#pluginId}" is not native`)
    this.#process ??= this.#start()
    this.#process.send({
      kind: 'open',
      key: unit.key,
      main: pathToFileURL(join(native.dir, native.main)).href,
      dir: join(this.#options.dir, ...unit.key.split('/')),
      config: unit.config,
      grant: native.grant,
    })
    const walled = this.#within(this.#options.openWallMs ?? OPEN_WALL_MS, opening.promise, this.#process)
    walled.catch(() => undefined)
    return opening.promise
  }

  /** A process that takes longer is ended, which ends whatever waits for it. */
  async #within(ms: number, work: Promise<unknown>, child: NativeProcess): Promise<void> {
    const late = setTimeout(() => child.kill(), ms).unref()
    await work.finally(() => clearTimeout(late))
  }

  #start(): NativeProcess {
    const child: NativeProcess = new NativeProcess({
      onMessage: (message) => this.#hear(child, message),
      onDeath: (why) => this.#died(child, why),
    })
    return child
  }

  #hear(child: NativeProcess, message: FromNative): void {
    switch (message.kind) {
      case 'opened': {
        const opening = this.#opening.get(message.key)
        if (message.surface !== undefined) return opening?.resolve(message.surface)
        this.#opening.delete(message.key)
        const unit = this.#units.get(message.key)
        const text = message.error ?? { message: 'it said nothing', stack: '' }
        return opening?.reject(errorOf(unit, null, { code: 'plugin_load', text }))
      }
      case 'shut':
        this.#shut.get(message.key)?.()
        return void this.#shut.delete(message.key)
      case 'ran':
        return this.#ran(message.lane, message.result)
      case 'say': {
        const { level, key, fields } = message
        return this.#options.logger[level]({ installation: key, plugin: this.#pluginId, ...fields }, message.message)
      }
      case 'here':
        this.#askedMs = null
        return
      case 'call':
        return void this.#serve(child, message)
    }
  }

  /** They come in the order in which they were sent. */
  #ran(lane: number, result: NativeResult): void {
    const under = this.#lanes.get(lane)
    const first = under?.waiting.shift()
    if (under === undefined || first === undefined) return
    under.sinceMs = performance.now()
    if (under.waiting.length === 0) this.#lanes.delete(lane)
    const { unit, run } = first
    const { error, ...ended } = result
    first.resolve({
      ...ended,
      id: run.id,
      logsDropped: 0,
      readingMs: 0,
      hostOps: 0,
      httpCalls: 0,
      error: error === null ? null : errorOf(unit, run, { code: codeOf(error), text: error }),
    })
  }

  async #serve(
    child: NativeProcess,
    { call, key, run, name, args }: Extract<FromNative, { kind: 'call' }>,
  ): Promise<void> {
    try {
      const value = await (run === null ? this.#options.service(key, name, args) : this.#capability(run, name, args))
      child.send({ kind: 'answer', call, value })
    } catch (error) {
      const { message, stack = '' } = error instanceof Error ? error : new Error(String(error))
      const code = error instanceof HubError ? error.code : 'internal'
      child.send({ kind: 'answer', call, error: { message, stack, code } })
    }
  }

  #capability(id: string, name: string, args: Json): Promise<unknown> {
    for (const { waiting } of this.#lanes.values()) {
      const found = waiting.find(({ run }) => run.id === id)
      if (found !== undefined) return found.run.capabilities(name, args)
    }
    throw new HubError('capability_limit', 'The run has ended; its context can no longer be used')
  }

  /**
   * There are no slices to break here. A route that is late is given up alone: whoever asked is told, and the others of its
   * process go on. What else is late stands in the way of its lane, and a process that says nothing in that of all: these
   * are ended, and the other runs are repeated in the next one.
   */
  #look(): void {
    if (this.#lanes.size === 0 && this.#watch !== null) {
      clearInterval(this.#watch)
      this.#watch = null
      return
    }
    const nowMs = performance.now()
    for (const [lane, { waiting, sinceMs }] of this.#lanes) {
      const [first] = waiting
      if (first === undefined || leftMs(first, nowMs - sinceMs) > -GRACE_MS) continue
      if (first.run.input.kind === 'route') this.#giveUp(lane, first)
      else {
        this.#late.add(first.run.id)
        this.#process?.kill()
      }
    }
    if (this.#askedMs === null) {
      this.#askedMs = nowMs
      this.#process?.send({ kind: 'there' })
    } else if (nowMs - this.#askedMs > (this.#options.silenceMs ?? SILENCE_MS)) this.#process?.kill()
  }

  #giveUp(lane: number, { unit, run, resolve }: Pending): void {
    this.#lanes.delete(lane)
    this.#process?.send({ kind: 'cancel', run: run.id })
    const text = { message: `it took longer than ${wallMsOf(unit, run)} ms and was given up`, stack: '' }
    resolve(failed(unit, run, { code: 'plugin_wall', text }))
  }

  #died(child: NativeProcess, why: string): void {
    if (this.#process !== child) return
    this.#process = null
    this.#askedMs = null
    if (this.#units.size > 0) this.#options.onRestart('native', why)
    const text: ErrorText = { message: why, stack: '' }
    for (const [key, opening] of this.#opening) {
      this.#opening.delete(key)
      opening.reject(errorOf(this.#units.get(key), null, { code: 'plugin_load', text }))
    }
    for (const done of this.#shut.values()) done()
    this.#shut.clear()
    const pending = [...this.#lanes.values()].flatMap(({ waiting }) => waiting)
    this.#lanes.clear()
    for (const { unit, run, resolve } of pending) {
      const isLate = this.#late.delete(run.id)
      const wall = { message: `it took longer than ${wallMsOf(unit, run)} ms, so its process was ended`, stack: '' }
      resolve(failed(unit, run, isLate ? { code: 'plugin_wall', text: wall } : { code: 'plugin_interrupted', text }))
    }
  }
}

/** Opens the native side. Processes start with the first installation of their plugin. */
export function createNative(options: NativeOptions): Sandbox {
  /** By plugin and hash of its sources: code that was loaded once cannot be loaded anew in the same process. */
  const hosts = new Map<string, Host>()
  const byUnit = new Map<string, Host>()
  const leave = async (key: string, host: Host): Promise<void> => {
    await host.shut(key)
    if (host.unitCount > 0) return
    for (const [name, each] of hosts) if (each === host) hosts.delete(name)
    await host.close()
  }
  const hostOf = (key: string): Host => {
    const host = byUnit.get(key)
    if (host === undefined) throw new HubError('unavailable', `The installation ${key} is not loaded`)
    return host
  }
  return {
    load: async (unit) => {
      const { key, bundle } = unit
      const name = `${bundle.pluginId}@${bundle.hash}`
      // One keeper of a folder at a time: the old one ends before the new one opens.
      const before = byUnit.get(key)
      byUnit.delete(key)
      if (before !== undefined) await leave(key, before)
      const host = hosts.get(name) ?? new Host(bundle.pluginId, options)
      hosts.set(name, host)
      byUnit.set(key, host)
      return host.open(unit)
    },
    unload: async (key) => {
      const host = byUnit.get(key)
      byUnit.delete(key)
      if (host !== undefined) await leave(key, host)
    },
    setApart: async () => undefined,
    runBatch: async (key, runs) => hostOf(key).run(key, runs),
    runEach: async (key, run) => (await hostOf(key).run(key, [run]))[0] as RunResult,
    stats: (): SandboxStats => ({
      children: [...hosts.values()].flatMap(({ pid, unitCount: units }) =>
        pid === null ? [] : [{ group: 'native', hardened: false, pid, rssBytes: 0, units }],
      ),
      units: [],
      restarts: 0,
      kills: 0,
    }),
    close: async () => {
      byUnit.clear()
      await Promise.all([...hosts.values()].map((host) => host.close()))
      hosts.clear()
    },
  }
}

const OPEN_SOON_MS = 1_000

/** Whether it came about before this time. */
async function inTime(work: Promise<unknown>, deadlineMs = Infinity): Promise<boolean> {
  if (!Number.isFinite(deadlineMs)) return work.then(() => true)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), Math.max(0, deadlineMs - Date.now()))
  })
  return Promise.race([work.then(() => true), late]).finally(() => clearTimeout(timer))
}

/** What is left of its time, when it has been under way for so long. */
const leftMs = ({ unit, run }: Pending, forMs: number): number =>
  run.deadlineMs === undefined ? wallMsOf(unit, run) - forMs : run.deadlineMs - Date.now()
