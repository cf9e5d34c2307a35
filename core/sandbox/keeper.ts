/**
 * Keeps isolates alive: builds them in the right process, listens to what children report, decides what a breach means
 * and whom it costs. Nobody is blamed by exit code:
 *
 *   an isolate broke a limit        its lane fails if it was alone with one run, else its runs are repeated one by one
 *   an isolate cannot be ended      SIGKILL; neighbours are interrupted, the offender gets a process of its own
 *   a process dies, nobody is known everybody in it is interrupted; after the second time in a row each gets its own
 */
import { type ErrorCode, HubError } from '../errors.ts'
import type { Limits } from '../limits.ts'
import type { Logger } from '../observe/observe.ts'
import { Fleet } from './fleet.ts'
import { errorOf, Lane, type LaneEnd } from './lane.ts'
import { breachError, settingsOf, shareOut } from './plan.ts'
import type { FromChild, GuestErrorText } from './protocol.ts'
import { parseReports, readError, readSurface } from './report.ts'
import type { Run, SandboxStats, Unit, UnitSurface } from './sandbox.ts'
import type { Slot } from './slot.ts'
import { type Instance, ownSlot, type UnitState } from './unit-state.ts'

export interface SandboxOptions {
  readonly logger: Logger
  readonly limits: Limits
  /** Told when a child died: its group and why. */
  readonly onRestart?: (group: string, why: string) => void
}

const SWEEP_MS = 100
/** The hub itself stood still this long: silence of the children proves nothing. */
const HUB_LAG_MS = 500
const CAUTION_MS = 60_000
/** Tries of one run or load that are nobody's proven fault. */
export const UNCLEAR_TRIES_MAX = 3
const LOAD_RETRY_MS = 1_000
/** Deaths in a row with runs in flight: at 2 a unit goes to its own process, at 3 (alone there) it is to blame. */
const DEATHS_TO_ISOLATE = 2
const DEATHS_TO_BLAME = 3
const MB = 1_048_576

export class Keeper {
  readonly #options: SandboxOptions
  readonly #fleet: Fleet
  readonly #live = new Set<UnitState>()
  readonly #instances = new Map<number, Instance>()
  #sweeper: NodeJS.Timeout | null = null
  #lastSweepMs = 0
  #nextInstance = 1
  #nextLane = 1
  #isClosed = false

  constructor(options: SandboxOptions) {
    this.#options = options
    this.#fleet = new Fleet({
      limits: options.limits,
      onMessage: (slot, message) => this.#onMessage(slot, message),
      onDeath: (slot, why) => this.#onDeath(slot, why),
    })
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  stats(): SandboxStats {
    const present = [...this.#instances.values()].filter((instance) => !instance.isGone)
    return this.#fleet.stats((slot) => present.filter((instance) => instance.slot === slot).length)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#sweeper !== null) clearInterval(this.#sweeper)
    this.#live.clear()
    const end: LaneEnd = { why: 'interrupted', message: 'the sandbox is closing' }
    for (const instance of this.#instances.values()) this.#lose(instance, end)
    await this.#fleet.close()
  }

  /** Its first isolate is up: from now on it is brought back whenever it is lost. */
  adopt(state: UnitState): void {
    state.phase = 'live'
    this.#live.add(state)
  }

  /** The unit's isolate; builds it when there is none. */
  ensure(state: UnitState): Promise<Instance> {
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
    const slot = this.#fleet.slot(state.slotKey, unit)
    slot.builders += 1
    const child = await slot.ensure().finally(() => {
      slot.builders -= 1
    })
    this.#startSweeping()
    const instance: Instance = {
      number: this.#nextInstance++,
      state,
      slot,
      lanes: new Map(),
      surface: null,
      isGone: false,
      settle: null,
    }
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
    if (state.phase === 'retired') {
      this.#dropWhenIdle(instance)
      throw new HubError('unavailable', `The installation ${unit.key} was replaced or unloaded`)
    }
    state.instance = instance
    state.failure = null
    return instance
  }

  /** Replaced or unloaded: what is in flight ends on it, then it goes. */
  retire(state: UnitState): void {
    state.phase = 'retired'
    this.#live.delete(state)
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
    const isWanted = [...this.#live].some((state) => state.slotKey === slot.key)
    if (isUsed || isWanted) return
    this.#fleet.dismiss(slot)
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
    settle?.reject(
      new HubError(
        'plugin_interrupted',
        `The installation ${instance.state.unit.key} has to be loaded again: ${near.message}`,
      ),
    )
  }

  /** An isolate broke a limit. One lane with one run was certainly it; otherwise the runs are told apart next time. */
  #breach(instance: Instance, lanes: readonly number[], what: { code: ErrorCode; message: string }): void {
    const { state } = instance
    const suspects = lanes.filter((id) => instance.lanes.has(id))
    const only = suspects.length === 1 ? instance.lanes.get(suspects[0] as number) : undefined
    if (only?.remaining !== 1) state.cautiousUntilMs = performance.now() + CAUTION_MS
    const { pluginId, version } = state.unit.bundle
    this.#options.logger.warn(
      { plugin: pluginId, version, installation: state.unit.key, code: what.code },
      `sandbox: ${what.message}`,
    )
    const wasGone = instance.isGone
    this.#lose(instance, { why: 'breach', ...what, isCulprit: only?.remaining === 1 }, suspects)
    if (!wasGone) instance.slot.child?.send(['drop', instance.number])
    this.#reload(state)
  }

  /** Brings a unit back without waiting for its next run. */
  #reload(state: UnitState, triesLeft = UNCLEAR_TRIES_MAX): void {
    if (this.#isClosed || state.phase !== 'live') return
    this.ensure(state).catch((error: unknown) => {
      const isUnclear = error instanceof HubError && error.code === 'plugin_interrupted'
      if (isUnclear && triesLeft > 1) return this.#reload(state, triesLeft - 1)
      this.#options.logger.warn(
        { installation: state.unit.key, err: error },
        'sandbox: a unit could not be loaded again yet',
      )
    })
  }

  /** Opens a lane in an isolate; nothing is sent yet. */
  openLane(instance: Instance, runs: readonly Run[]): Lane {
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

  /** A lane of this isolate is over. */
  leave(instance: Instance, lane: Lane): void {
    instance.lanes.delete(lane.id)
    if (instance.state.phase === 'retired') this.#dropWhenIdle(instance)
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
      return this.#breach(instance, lanes, {
        code: 'plugin_invalid_result',
        message: 'the guest sent something unreadable',
      })
    }
    const { byLane, cpu } = shareOut({ reports, lanes, cpuUs: out.cpuUs, open: instance.lanes })
    for (const [id, list] of byLane) {
      if (instance.isGone) return
      if (instance.lanes.get(id)?.take(list, { ...cpu, chars: out.text.length }) !== 'over') continue
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
    state.slotKey = ownSlot(state.unit)
    if (instance.settle === null) {
      const message = `the plugin could not be stopped and its process was killed: ${why}`
      this.#breach(instance, lanes, { code: 'plugin_killed', message })
    } else this.#onRefused(instance, { name: 'Error', message: `loading could not be stopped: ${why}`, stack: '' })
    this.#fleet.kill(slot, guiltOf('stuck', state.unit))
  }

  #checkMemory(slot: Slot): void {
    const { child } = slot
    const capBytes = this.#options.limits.childRssMb * MB
    if (child === null || child.rssBytes <= capBytes) return
    const busy = child.busy.map((number) => this.#instances.get(number)).filter((instance) => instance !== undefined)
    // One that was disposed of and still runs is the likeliest to grow.
    const unending = busy.filter((instance) => instance.isGone)
    const suspects = unending.length > 0 ? unending : busy
    const [only] = suspects
    if (suspects.length !== 1 || only === undefined) return this.#fleet.kill(slot, 'memory')
    only.state.slotKey = ownSlot(only.state.unit)
    const message = `the plugin's process grew over ${this.#options.limits.childRssMb} MB and was killed`
    if (!only.isGone) this.#breach(only, [...only.lanes.keys()], { code: 'plugin_memory', message })
    this.#fleet.kill(slot, guiltOf('memory', only.state.unit))
  }

  /** The process is gone. Whoever was known to be guilty has been dealt with; the rest is interrupted or suspected. */
  #onDeath(slot: Slot, why: string): void {
    if (this.#isClosed) return
    this.#options.logger.error({ group: slot.group, why }, 'sandbox: a child process ended')
    this.#options.onRestart?.(slot.group, why.split(':')[0] as string)
    const isKnown = why.startsWith('memory: ') || why.startsWith('stuck: ')
    const lost = [...this.#instances.values()].filter((instance) => instance.slot === slot && !instance.isGone)
    for (const instance of lost) {
      const { state } = instance
      if (!isKnown && (instance.lanes.size > 0 || instance.settle !== null)) state.deaths += 1
      const isAlone = slot.group === 'own' && lost.length === 1
      if (isAlone && state.deaths >= DEATHS_TO_BLAME && instance.settle === null) {
        state.deaths = 0
        const message = `the process died ${DEATHS_TO_BLAME} times in a row while only this plugin ran in it: ${why}`
        for (const lane of instance.lanes.values())
          lane.end({ why: 'breach', code: 'plugin_killed', message, isCulprit: lane.remaining === 1 })
      } else if (!isKnown && state.deaths >= DEATHS_TO_ISOLATE) state.slotKey = ownSlot(state.unit)
      const message = `the sandbox process ended: ${why}`
      // Its own doing, but not certainly that of the runs in it now: they are repeated here, not by the caller.
      const isOwnDoing = why === guiltOf('stuck', state.unit) || why === guiltOf('memory', state.unit)
      const end: LaneEnd = isOwnDoing
        ? { why: 'breach', code: 'plugin_killed', message, isCulprit: false }
        : { why: 'interrupted', message }
      this.#lose(instance, end, [...instance.lanes.keys()])
    }
    for (const { state } of lost) this.#reload(state)
  }

  #startSweeping(): void {
    if (this.#sweeper !== null || this.#isClosed) return
    this.#lastSweepMs = performance.now()
    this.#sweeper = setInterval(() => this.#sweep(performance.now()), SWEEP_MS).unref()
  }

  #sweep(nowMs: number): void {
    const isHubLate = nowMs - this.#lastSweepMs > HUB_LAG_MS
    this.#lastSweepMs = nowMs
    for (const { lanes } of this.#instances.values()) for (const lane of lanes.values()) lane.sweep(nowMs)
    this.#fleet.checkHeartbeats(nowMs, isHubLate)
  }
}

/** Why a process was killed, with the unit that made it necessary. */
const guiltOf = (what: 'stuck' | 'memory', unit: Unit): string => `${what}: ${unit.key}`
