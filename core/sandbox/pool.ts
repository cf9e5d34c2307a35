/**
 * The sandbox of the hub: units in isolates, isolates in child processes, runs in lanes. Children only report; what a
 * breach means and whom it costs is decided here, and nobody is blamed by exit code:
 *
 *   an isolate broke a limit        its lane fails if it was alone with one run, else its runs are repeated one by one
 *   an isolate cannot be ended      SIGKILL; neighbours are interrupted, the offender gets a process of its own
 *   a process dies, nobody is known everybody in it is interrupted; after the second time in a row each gets its own
 */
import { type ErrorCode, HubError } from '../errors.ts'
import type { Limits } from '../limits.ts'
import type { Logger } from '../observe/observe.ts'
import { errorOf, Lane, type LaneEnd } from './lane.ts'
import type { FromChild, GuestErrorText, GuestSettings } from './protocol.ts'
import { NO_EFFECTS, parseReports, readError, readSurface } from './report.ts'
import type { Run, RunResult, Sandbox, SandboxStats, Unit, UnitSurface } from './sandbox.ts'
import { Slot } from './slot.ts'

export interface SandboxOptions {
  readonly logger: Logger
  readonly limits: Limits
  /** Told when a child died: its group and why. */
  readonly onRestart?: (group: string, why: string) => void
}

/** Opens the sandbox. Children start when the first unit is loaded. */
export const createSandbox = (options: SandboxOptions): Sandbox => new Pool(options)

const SWEEP_MS = 100
/** The hub itself stood still this long: silence of the children proves nothing. */
const HUB_LAG_MS = 500
const BATCH_CHARS_MAX = 1_048_576
const BATCH_RUNS_MAX = 200
const CAUTION_MS = 60_000
/** Tries of one run or load that are nobody's proven fault. */
const UNCLEAR_TRIES_MAX = 3
const LOAD_RETRY_MS = 1_000
/** Deaths in a row with runs in flight: at 2 a unit goes to its own process, at 3 (alone there) it is to blame. */
const DEATHS_TO_ISOLATE = 2
const DEATHS_TO_BLAME = 3
const MB = 1_048_576

/** A loaded unit. Its instance goes and comes back; the unit stays until it is replaced or unloaded. */
interface UnitState {
  readonly unit: Unit
  slotKey: string
  instance: Instance | null
  building: Promise<Instance> | null
  cautiousUntilMs: number
  deaths: number
  failure: { readonly error: HubError; readonly untilMs: number } | null
  isRetired: boolean
}

/** One isolate in one child. */
interface Instance {
  readonly number: number
  readonly state: UnitState
  readonly slot: Slot
  readonly lanes: Map<number, Lane>
  surface: UnitSurface | null
  isGone: boolean
  settle: { readonly resolve: (surface: UnitSurface) => void; readonly reject: (error: HubError) => void } | null
}

class Pool implements Sandbox {
  readonly #options: SandboxOptions
  readonly #units = new Map<string, UnitState>()
  readonly #slots = new Map<string, Slot>()
  readonly #instances = new Map<number, Instance>()
  #sweeper: NodeJS.Timeout | null = null
  #lastSweepMs = 0
  #nextInstance = 1
  #nextLane = 1
  #restarts = 0
  #kills = 0
  #isClosed = false

  constructor(options: SandboxOptions) {
    this.#options = options
  }

  async load(unit: Unit): Promise<UnitSurface> {
    if (this.#isClosed) throw new HubError('unavailable', 'The sandbox is closed')
    const old = this.#units.get(unit.key)
    const keepsOwn = old !== undefined && old.slotKey !== old.unit.group && old.unit.bundle.hash === unit.bundle.hash
    const state: UnitState = {
      unit,
      slotKey: keepsOwn || unit.group === 'own' ? `own:${unit.key}` : unit.group,
      instance: null,
      building: null,
      cautiousUntilMs: 0,
      deaths: 0,
      failure: null,
      isRetired: false,
    }
    const instance = await this.#firstInstance(state)
    const previous = this.#units.get(unit.key)
    this.#units.set(unit.key, state)
    if (previous !== undefined) this.#retire(previous)
    return instance.surface as UnitSurface
  }

  async unload(key: string): Promise<void> {
    const state = this.#units.get(key)
    if (state === undefined) return
    this.#units.delete(key)
    this.#retire(state)
  }

  async runBatch(key: string, runs: readonly Run[]): Promise<readonly RunResult[]> {
    const results: RunResult[] = []
    let isSolo = performance.now() < (this.#units.get(key)?.cautiousUntilMs ?? 0)
    let unclear = 0
    while (results.length < runs.length) {
      const part = nextPart(runs, results.length, isSolo)
      const { end, lane } = await this.#runLane(key, part)
      results.push(...lane.results)
      if (end.why === 'done') {
        unclear = 0
        continue
      }
      if (end.why === 'interrupted') {
        results.push(...runs.slice(results.length).map((run) => this.#failed(key, run, { code: 'plugin_interrupted', message: end.message })))
        break
      }
      // Nothing of what the broken isolate did is trusted: what has no result yet is run again, one by one.
      isSolo = true
      if (end.isCulprit || lane.remaining > 1) continue
      unclear += 1
      const run = runs[results.length]
      if (unclear >= UNCLEAR_TRIES_MAX && run !== undefined) {
        results.push(this.#failed(key, run, end))
        unclear = 0
      }
    }
    return results
  }

  async runEach(key: string, run: Run): Promise<RunResult> {
    const { end, lane } = await this.#runLane(key, [run])
    const [result] = lane.results
    if (result !== undefined) return result
    const message = end.why === 'done' ? 'the run ended without a result' : end.message
    return this.#failed(key, run, { code: 'plugin_interrupted', message })
  }

  stats(): SandboxStats {
    const living = [...this.#slots.values()].filter((slot) => slot.child !== null)
    return {
      children: living.map((slot) => ({
        group: slot.group,
        pid: slot.child?.pid ?? 0,
        rssBytes: slot.child?.rssBytes ?? 0,
        units: [...this.#instances.values()].filter((instance) => instance.slot === slot && !instance.isGone).length,
      })),
      restarts: this.#restarts,
      kills: this.#kills,
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#sweeper !== null) clearInterval(this.#sweeper)
    const slots = [...this.#slots.values()]
    this.#slots.clear()
    for (const instance of [...this.#instances.values()]) this.#lose(instance, { why: 'interrupted', message: 'the sandbox is closing' })
    this.#units.clear()
    await Promise.all(slots.map((slot) => slot.close()))
  }

  // ── runs ────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #runLane(key: string, runs: readonly Run[]): Promise<{ end: LaneEnd; lane: { results: readonly RunResult[]; remaining: number } }> {
    const state = this.#units.get(key)
    if (state === undefined) throw new HubError('unavailable', `The installation ${key} is not loaded`)
    const instance = state.instance ?? (await this.#ensure(state).catch((error: unknown) => asHubError(error)))
    if (instance instanceof HubError) return this.#notBuilt(key, runs, instance)
    const lane = this.#openLane(instance, runs)
    lane.start()
    const end = await lane.ended
    instance.lanes.delete(lane.id)
    if (end.why === 'done') state.deaths = 0
    if (state.isRetired) this.#dropWhenIdle(instance)
    return { end, lane }
  }

  /** The isolate could not be rebuilt: either somebody else was in the way, or the plugin itself fails every run. */
  #notBuilt(key: string, runs: readonly Run[], error: HubError): { end: LaneEnd; lane: { results: readonly RunResult[]; remaining: number } } {
    if (error.code !== 'plugin_load') return { end: { why: 'interrupted', message: error.message }, lane: { results: [], remaining: runs.length } }
    return { end: { why: 'done' }, lane: { results: runs.map((run) => this.#failed(key, run, error)), remaining: 0 } }
  }

  #openLane(instance: Instance, runs: readonly Run[]): Lane {
    const { number, slot, state } = instance
    const id = this.#nextLane++
    const lane = new Lane({
      id,
      unit: state.unit,
      runs,
      bounds: this.#options.limits,
      logger: this.#options.logger,
      command: (text) => {
        if (!instance.isGone) slot.child?.send(['step', number, id, text])
      },
      onHostile: (message) => this.#breach(instance, [id], { code: 'plugin_invalid_result', message }),
    })
    instance.lanes.set(id, lane)
    return lane
  }

  #failed(key: string, run: Run, parts: { code: ErrorCode; message: string }): RunResult {
    const unit = this.#units.get(key)?.unit
    const error = unit === undefined ? new HubError(parts.code, parts.message) : errorOf({ unit, run, code: parts.code, message: parts.message })
    return { id: run.id, value: null, effects: NO_EFFECTS, logs: [], logsDropped: 0, cpuMs: 0, durationMs: 0, error }
  }

  // ── isolates ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The first build of a unit: a neighbour's fault is tried again, its own is the caller's to hear. */
  async #firstInstance(state: UnitState): Promise<Instance> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#ensure(state)
      } catch (error) {
        const isOwn = error instanceof HubError && error.code === 'plugin_load'
        if (isOwn || tries >= UNCLEAR_TRIES_MAX || this.#isClosed) throw error
      }
    }
  }

  #ensure(state: UnitState): Promise<Instance> {
    if (state.instance !== null) return Promise.resolve(state.instance)
    if (state.failure !== null && performance.now() < state.failure.untilMs) return Promise.reject(state.failure.error)
    state.building ??= this.#build(state).finally(() => {
      state.building = null
    })
    return state.building
  }

  async #build(state: UnitState): Promise<Instance> {
    const { unit } = state
    const { limits: bounds } = this.#options
    const slot = this.#slot(state.slotKey, unit)
    slot.builders += 1
    const child = await slot.ensure().finally(() => {
      slot.builders -= 1
    })
    this.#startSweeping()
    const instance: Instance = { number: this.#nextInstance++, state, slot, lanes: new Map(), surface: null, isGone: false, settle: null }
    this.#instances.set(instance.number, instance)
    const loaded = new Promise<UnitSurface>((resolve, reject) => {
      instance.settle = { resolve, reject }
    })
    child.send([
      'load',
      instance.number,
      {
        code: unit.bundle.code,
        config: unit.config,
        settings: JSON.stringify(settingsOf(unit, bounds)),
        heapMb: unit.limits.heapMb,
        sliceMs: unit.limits.sliceMs,
        loadMs: bounds.pluginLoadMs,
        cautious: performance.now() < state.cautiousUntilMs,
      },
    ])
    if (child.isDead) this.#lose(instance, { why: 'interrupted', message: 'its process has just ended' })
    instance.surface = await loaded
    state.instance = instance
    state.failure = null
    return instance
  }

  /** Replaced or unloaded: what is in flight ends on it, then it goes. */
  #retire(state: UnitState): void {
    state.isRetired = true
    if (state.instance !== null) this.#dropWhenIdle(state.instance)
  }

  #dropWhenIdle(instance: Instance): void {
    if (instance.lanes.size > 0 || instance.isGone) return
    this.#forget(instance)
    instance.slot.child?.send(['drop', instance.number])
    this.#closeIfEmpty(instance.slot)
  }

  #forget(instance: Instance): void {
    instance.isGone = true
    if (instance.state.instance === instance) instance.state.instance = null
    // A child may still say that the isolate is stuck; its number is kept until the next sweeps are over.
    setTimeout(() => this.#instances.delete(instance.number), this.#options.limits.childHeartbeatMs * 2).unref()
  }

  #closeIfEmpty(slot: Slot): void {
    const isUsed = [...this.#instances.values()].some((instance) => instance.slot === slot && !instance.isGone)
    const isWanted = [...this.#units.values()].some((state) => state.slotKey === slot.key)
    if (isUsed || isWanted || slot.builders > 0) return
    this.#slots.delete(slot.key)
    void slot.close()
  }

  /** The isolate is gone. Lanes named in `end` get it; the others were only near. */
  #lose(instance: Instance, end: LaneEnd, suspects: readonly number[] = []): void {
    if (instance.isGone) return
    this.#forget(instance)
    const { settle, lanes } = instance
    instance.settle = null
    const near: LaneEnd = { why: 'interrupted', message: end.why === 'done' ? '' : end.message }
    for (const lane of lanes.values()) lane.end(end.why === 'breach' && suspects.includes(lane.id) ? end : near)
    lanes.clear()
    settle?.reject(new HubError('plugin_interrupted', `The installation ${instance.state.unit.key} has to be loaded again: ${near.message}`))
  }

  /** An isolate broke a limit. One lane with one run was certainly it; otherwise the runs are told apart next time. */
  #breach(instance: Instance, lanes: readonly number[], what: { code: ErrorCode; message: string }): void {
    const { state } = instance
    const suspects = lanes.filter((id) => instance.lanes.has(id))
    const only = suspects.length === 1 ? instance.lanes.get(suspects[0] as number) : undefined
    if (only?.remaining !== 1) state.cautiousUntilMs = performance.now() + CAUTION_MS
    const { pluginId, version } = state.unit.bundle
    this.#options.logger.warn({ plugin: pluginId, version, installation: state.unit.key, code: what.code }, `sandbox: ${what.message}`)
    const wasGone = instance.isGone
    this.#lose(instance, { why: 'breach', ...what, isCulprit: only?.remaining === 1 }, suspects)
    if (!wasGone) instance.slot.child?.send(['drop', instance.number])
    this.#reload(state)
  }

  /** Brings a unit back without waiting for its next run. */
  #reload(state: UnitState, triesLeft = UNCLEAR_TRIES_MAX): void {
    if (this.#isClosed || state.isRetired || this.#units.get(state.unit.key) !== state) return
    this.#ensure(state).catch((error: unknown) => {
      const isUnclear = error instanceof HubError && error.code === 'plugin_interrupted'
      if (isUnclear && triesLeft > 1) return this.#reload(state, triesLeft - 1)
      this.#options.logger.warn({ installation: state.unit.key, err: error }, 'sandbox: a unit could not be loaded again yet')
    })
  }

  // ── processes ───────────────────────────────────────────────────────────────────────────────────────────────────

  #slot(key: string, unit: Unit): Slot {
    const known = this.#slots.get(key)
    if (known !== undefined) return known
    const slot = new Slot({
      key,
      group: key.startsWith('own:') ? 'own' : unit.group,
      backoffMs: this.#options.limits.childRestartBackoffMs,
      events: { onMessage: (from, message) => this.#onMessage(from, message), onDeath: (from, why) => this.#onDeath(from, why) },
    })
    this.#slots.set(key, slot)
    return slot
  }

  #onMessage(slot: Slot, message: FromChild): void {
    if (message[0] === 'ready') return
    if (message[0] === 'beat') return this.#checkMemory(slot)
    const instance = this.#instances.get(message[1])
    if (instance === undefined || instance.slot !== slot) return
    switch (message[0]) {
      case 'loaded':
        instance.settle?.resolve(readSurface(message[2]))
        instance.settle = null
        return
      case 'refused':
        return this.#onRefused(instance, message[2])
      case 'out':
        return this.#onReports(instance, message[2], { cpuUs: message[3], text: message[4] })
      case 'stray':
        return this.#onStray(instance, message[2], message[3])
      case 'breach':
        return this.#breach(instance, message[3], breachError(message[2], instance.state.unit))
      case 'stuck':
        return this.#onStuck(instance, message[2], message[3])
      default:
        message satisfies never
    }
  }

  #onRefused(instance: Instance, raw: GuestErrorText): void {
    const { state, settle } = instance
    const thrown = readError(raw) ?? { name: 'Error', message: 'it failed to load', stack: '' }
    const message = thrown.name === 'Error' ? thrown.message : `${thrown.name}: ${thrown.message}`
    const error = errorOf({ unit: state.unit, code: 'plugin_load', message, stack: thrown.stack })
    state.failure = { error, untilMs: performance.now() + LOAD_RETRY_MS }
    instance.settle = null
    this.#forget(instance)
    settle?.reject(error)
    this.#closeIfEmpty(instance.slot)
  }

  #onReports(instance: Instance, lanes: readonly number[], out: { cpuUs: number; text: string }): void {
    if (instance.isGone) return
    const reports = out.text === '' ? [] : parseReports(out.text)
    if (reports === null) {
      return this.#breach(instance, lanes, { code: 'plugin_invalid_result', message: 'the guest sent something unreadable' })
    }
    // A slice executed the runs that ended in it and, in each lane that goes on, one more.
    let executed = 0
    const byLane = new Map<number, typeof reports[number][]>(lanes.map((id) => [id, []]))
    for (const report of reports) {
      if (report.c === undefined) executed += 1
      const list = byLane.get(report.l)
      if (list === undefined) byLane.set(report.l, [report])
      else list.push(report)
    }
    for (const [id, list] of byLane) {
      const lane = instance.lanes.get(id)
      if (lane !== undefined && list.filter((report) => report.c === undefined).length < lane.remaining) executed += 1
    }
    const cpu = { shareUs: out.cpuUs / Math.max(1, executed), isAlone: executed <= 1 }
    for (const [id, list] of byLane) {
      if (instance.isGone) return
      if (instance.lanes.get(id)?.take(list, cpu) !== 'over') continue
      if (cpu.isAlone) {
        const message = `the run used more than ${instance.state.unit.limits.cpuMs} ms of CPU`
        this.#breach(instance, [id], { code: 'plugin_cpu', message })
      } else this.#beCautious(instance)
    }
  }

  #beCautious(instance: Instance): void {
    instance.state.cautiousUntilMs = performance.now() + CAUTION_MS
    instance.slot.child?.send(['cautious', instance.number])
  }

  /** An unhandled rejection: the isolate lives on, but somebody's work is not done. */
  #onStray(instance: Instance, lanes: readonly number[], raw: GuestErrorText): void {
    const thrown = readError(raw)
    if (instance.isGone || thrown === null) return
    const suspects = lanes.map((id) => instance.lanes.get(id)).filter((lane) => lane !== undefined)
    const [only] = suspects
    const message = `unhandled rejection: ${thrown.message}`
    this.#options.logger.warn({ installation: instance.state.unit.key }, `sandbox: ${message}`)
    if (suspects.length === 1 && only?.remaining === 1) return only.fail(thrown)
    if (suspects.length > 1) this.#beCautious(instance)
    for (const lane of suspects) {
      // Handlers can be repeated, their effects are not committed yet; single runs may have acted outside and go on.
      if (lane.remaining <= 1 && suspects.length > 1) continue
      lane.end({ why: 'breach', code: 'plugin_threw', message, isCulprit: false })
      instance.slot.child?.send(['step', instance.number, lane.id, `{"k":"drop","l":${lane.id}}`])
      instance.lanes.delete(lane.id)
    }
  }

  #onStuck(instance: Instance, lanes: readonly number[], why: string): void {
    const { state, slot } = instance
    state.slotKey = `own:${state.unit.key}`
    if (instance.settle !== null) this.#onRefused(instance, { name: 'Error', message: `loading could not be stopped: ${why}`, stack: '' })
    else this.#breach(instance, lanes, { code: 'plugin_killed', message: `the plugin could not be stopped and its process was killed: ${why}` })
    this.#kill(slot, stuckBy(state.unit))
  }

  #checkMemory(slot: Slot): void {
    const { child } = slot
    const capBytes = this.#options.limits.childRssMb * MB
    if (child === null || child.rssBytes <= capBytes) return
    const busy = child.busy.map((number) => this.#instances.get(number)).filter((instance) => instance !== undefined && !instance.isGone)
    const [only] = busy
    if (busy.length === 1 && only !== undefined) {
      only.state.slotKey = `own:${only.state.unit.key}`
      const message = `the plugin's process grew over ${this.#options.limits.childRssMb} MB and was killed`
      this.#breach(only, [...only.lanes.keys()], { code: 'plugin_memory', message })
    }
    this.#kill(slot, 'memory')
  }

  #kill(slot: Slot, why: string): void {
    if (slot.child === null) return
    this.#kills += 1
    slot.child.kill(why)
  }

  /** The process is gone. Whoever was known to be guilty has been dealt with; the rest is interrupted or suspected. */
  #onDeath(slot: Slot, why: string): void {
    if (this.#isClosed) return
    this.#restarts += 1
    this.#options.logger.error({ group: slot.group, why }, 'sandbox: a child process ended')
    this.#options.onRestart?.(slot.group, why.split(':')[0] as string)
    const isKnown = why === 'memory' || why.startsWith('stuck')
    const lost = [...this.#instances.values()].filter((instance) => instance.slot === slot && !instance.isGone)
    for (const instance of lost) {
      const { state } = instance
      if (!isKnown && (instance.lanes.size > 0 || instance.settle !== null)) state.deaths += 1
      const isAlone = slot.group === 'own' && lost.length === 1
      if (isAlone && state.deaths >= DEATHS_TO_BLAME && instance.settle === null) {
        state.deaths = 0
        const message = `the process died ${DEATHS_TO_BLAME} times in a row while only this plugin ran in it: ${why}`
        for (const lane of instance.lanes.values()) lane.end({ why: 'breach', code: 'plugin_killed', message, isCulprit: lane.remaining === 1 })
      } else if (!isKnown && state.deaths >= DEATHS_TO_ISOLATE) state.slotKey = `own:${state.unit.key}`
      const message = `the sandbox process ended: ${why}`
      // Its own doing, but not certainly that of the runs in it now: they are repeated here, not by the caller.
      const isOwnDoing = why === stuckBy(state.unit)
      const end: LaneEnd = isOwnDoing ? { why: 'breach', code: 'plugin_killed', message, isCulprit: false } : { why: 'interrupted', message }
      this.#lose(instance, end, [...instance.lanes.keys()])
    }
    for (const { state } of lost) this.#reload(state)
  }

  // ── clocks ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #startSweeping(): void {
    if (this.#sweeper !== null || this.#isClosed) return
    this.#lastSweepMs = performance.now()
    this.#sweeper = setInterval(() => this.#sweep(performance.now()), SWEEP_MS).unref()
  }

  #sweep(nowMs: number): void {
    const isHubLate = nowMs - this.#lastSweepMs > HUB_LAG_MS
    this.#lastSweepMs = nowMs
    for (const { lanes } of this.#instances.values()) for (const lane of lanes.values()) lane.sweep(nowMs)
    for (const slot of this.#slots.values()) {
      const { child } = slot
      if (child === null || !child.isReady) continue
      if (isHubLate) child.lastSignMs = nowMs
      else if (nowMs - child.lastSignMs > this.#options.limits.childHeartbeatMs) this.#kill(slot, 'no heartbeat')
    }
  }
}

const stuckBy = (unit: Unit): string => `stuck: ${unit.key}`

const asHubError = (error: unknown): HubError =>
  error instanceof HubError ? error : new HubError('unavailable', 'The sandbox cannot start a process', { cause: error })

function breachError(kind: 'slice' | 'memory' | 'oversize', unit: Unit): { code: ErrorCode; message: string } {
  const { sliceMs, heapMb } = unit.limits
  if (kind === 'slice') return { code: 'plugin_cpu', message: `the plugin kept the CPU for more than ${sliceMs} ms without a pause` }
  if (kind === 'memory') return { code: 'plugin_memory', message: `the plugin used more than ${heapMb} MB of memory` }
  return { code: 'plugin_invalid_result', message: 'the guest sent more than any run may' }
}

/** The next runs to send together: bounded by count and by size, and one at a time when somebody has to be found. */
function nextPart(runs: readonly Run[], from: number, isSolo: boolean): readonly Run[] {
  if (isSolo) return runs.slice(from, from + 1)
  let chars = 0
  let to = from
  while (to < runs.length && to - from < BATCH_RUNS_MAX) {
    const { input } = runs[to] as Run
    chars += input.kind === 'event' ? input.eventJson.length : input.kind === 'action' ? input.itemsJson.reduce((sum, item) => sum + item.length, 0) : 1_024
    if (to > from && chars > BATCH_CHARS_MAX) break
    to += 1
  }
  return runs.slice(from, to)
}

function settingsOf(unit: Unit, bounds: Limits): GuestSettings {
  const { hostOpsMax, httpCallsMax, logLinesMax, sliceMs } = unit.limits
  return {
    installation: unit.key.slice(unit.key.indexOf('/') + 1),
    hostOpsMax,
    httpCallsMax,
    logLinesMax,
    logLineCharsMax: bounds.pluginLogLineCharsMax,
    timersMax: bounds.pluginTimersMax,
    resultBytesMax: bounds.pluginResultBytesMax,
    routeBodyBytesMax: bounds.pluginRouteBodyBytesMax,
    httpRequestBytesMax: bounds.pluginHttpRequestBytesMax,
    kvKeyCharsMax: bounds.pluginKvKeyCharsMax,
    kvValueBytesMax: bounds.pluginKvValueBytesMax,
    sliceBudgetMs: sliceMs / 2,
  }
}
