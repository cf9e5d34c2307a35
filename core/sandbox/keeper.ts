/**
 * Keeps isolates alive: builds them in the right process, listens to what children report, decides what a breach means
 * and whom it costs. Nobody is blamed by exit code:
 *
 *   an isolate broke a limit        its lane fails if it was alone with one run, else its runs are repeated one by one
 *   an isolate cannot be ended      SIGKILL; neighbours are interrupted, the offender gets a process of its own
 *   a process dies, nobody is known everybody in it is interrupted; after the second time in a row each gets its own
 */
import { HubError } from '../errors.ts'
import { guiltOf, judgeDeath } from './deaths.ts'
import { Fleet } from './fleet.ts'
import { Lane, type LaneEnd } from './lane.ts'
import type { CpuPlace, SandboxOptions } from './options.ts'
import { type BreachNews, breachError, hostile, loadError, loadOrder, shareOut } from './plan.ts'
import type { BreachKind, FromChild, GuestErrorText, LastSlice } from './protocol.ts'
import { beginReading } from './reading.ts'
import { parseReports, readError, readSurface } from './report.ts'
import type { Run, SandboxStats, UnitSurface } from './sandbox.ts'
import type { Slot } from './slot.ts'
import { aloneSlot, isStrayTooMuch, largestHeaps, newInstance, noteHeap, placeOf, unitStats } from './unit-state.ts'
import type { Instance, UnitState } from './unit-state.ts'

const SWEEP_MS = 100
/** The hub itself stood still this long: silence of the children proves nothing. */
const HUB_LAG_MS = 500
const CAUTION_MS = 60_000
/** Tries of one run or load that are nobody's proven fault. */
export const UNCLEAR_TRIES_MAX = 3
const LOAD_RETRY_MS = 1_000
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
      flags: options.flags,
      onMessage: (slot, message) => this.#onMessage(slot, message),
      onDeath: (slot, why) => this.#onDeath(slot, why),
    })
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  stats(): SandboxStats {
    const present = [...this.#instances.values()].filter((instance) => !instance.isGone)
    const processes = this.#fleet.stats((slot) => present.filter((instance) => instance.slot === slot).length)
    return { ...processes, units: [...this.#live].map(unitStats) }
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
    const instance = newInstance(this.#nextInstance++, state, slot)
    this.#instances.set(instance.number, instance)
    const loaded = new Promise<UnitSurface>((resolve, reject) => {
      instance.settle = { resolve, reject }
    })
    child.send(['load', instance.number, loadOrder(unit, bounds, performance.now() < state.cautiousUntilMs)])
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
  #breach(instance: Instance, lanes: readonly number[], what: BreachNews): void {
    const { state } = instance
    const suspects = lanes.filter((id) => instance.lanes.has(id))
    const only = suspects.length === 1 ? instance.lanes.get(suspects[0] as number) : undefined
    const isCulprit = only?.remaining === 1
    if (!isCulprit) state.cautiousUntilMs = performance.now() + CAUTION_MS
    // What fails a run is told with the run.
    if (!isCulprit) this.#warn(state, what.message, { code: what.code, at: placeOf(state, what.stack) })
    if (!isCulprit) this.#spent(instance, what.cpuUs ?? 0, suspects.length === 0 ? 'ended runs' : 'broken runs')
    const wasGone = instance.isGone
    if (what.isHostile === true) this.#options.onOffence?.(state.unit.key, 'bridge')
    this.#lose(instance, { why: 'breach', ...what, isCulprit }, suspects)
    if (!wasGone) instance.slot.child?.send(['drop', instance.number])
    this.#reload(state)
  }

  /** Brings a unit back without waiting for its next run. */
  #reload(state: UnitState, triesLeft = UNCLEAR_TRIES_MAX): void {
    if (this.#isClosed || state.phase !== 'live') return
    this.ensure(state).catch((error: unknown) => {
      const isUnclear = error instanceof HubError && error.code === 'plugin_interrupted'
      if (isUnclear && triesLeft > 1) return this.#reload(state, triesLeft - 1)
      this.#warn(state, 'a unit could not be loaded again yet', { err: error })
    })
  }

  #warn({ unit }: UnitState, message: string, fields: object): void {
    const { pluginId: plugin, version } = unit.bundle
    this.#options.logger.warn({ plugin, version, installation: unit.key, ...fields }, `sandbox: ${message}`)
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
      onHostile: (message) => this.#breach(instance, [id], hostile(message)),
      onOver: (end) => this.#breach(instance, [id], { code: 'plugin_cpu', ...end }),
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
    if (message[0] === 'beat') {
      for (const [number, bytes] of message[3]) noteHeap(slot, this.#instances.get(number), bytes)
      return this.#checkMemory(slot)
    }
    const instance = this.#instances.get(message[1])
    if (instance === undefined || instance.slot !== slot) return
    switch (message[0]) {
      case 'loaded':
        this.#spent(instance, message[2], 'loading')
        instance.settle?.resolve(readSurface(message[3]))
        instance.settle = null
        return
      case 'refused':
        this.#spent(instance, message[2], 'loading')
        this.#options.onOffence?.(instance.state.unit.key, 'load')
        return this.#onRefused(instance, message[3])
      case 'out':
        return this.#onReports(instance, message[2], { cpuUs: message[3], text: message[4] })
      case 'stray':
        return this.#onStray(instance, message[2], message[3])
      case 'breach':
        return this.#onBreach(instance, message[3], { kind: message[2], last: message[4] })
      case 'stuck':
        return this.#onStuck(instance, message[2], message[3])
      default:
        message satisfies never
    }
  }

  #onBreach(instance: Instance, lanes: readonly number[], what: { kind: BreachKind; last: LastSlice }): void {
    if (instance.isGone) return this.#spent(instance, what.last.cpuUs, 'ended runs')
    for (const report of parseReports(what.last.reports) ?? [])
      if (lanes.includes(report.l)) instance.lanes.get(report.l)?.hear(report)
    const { cpuUs, stack } = what.last
    this.#breach(instance, lanes, { ...breachError(what.kind, instance.state.unit), cpuUs, stack })
  }

  #onRefused(instance: Instance, raw: GuestErrorText): void {
    const { state, settle } = instance
    const error = loadError(state.unit, raw)
    state.failure = { error, untilMs: performance.now() + LOAD_RETRY_MS }
    instance.settle = null
    this.#forget(instance)
    settle?.reject(error)
    this.#closeIfEmpty(instance.slot)
  }

  #onReports(instance: Instance, lanes: readonly number[], out: { cpuUs: number; text: string }): void {
    if (instance.isGone) return this.#spent(instance, out.cpuUs, 'ended runs')
    const endOfReading = beginReading(out.text.length, this.#options.limits)
    const reports = parseReports(out.text)
    const reading = endOfReading()
    const cpuUs = out.cpuUs + reading.us
    if (reports === null)
      return this.#breach(instance, lanes, { ...hostile('the guest sent something unreadable'), cpuUs })
    const isStray = !lanes.some((id) => instance.lanes.has(id))
    if (isStray) this.#spent(instance, cpuUs, 'ended runs')
    if (isStray && isStrayTooMuch(instance, cpuUs)) {
      const message = `code of ended runs used more than ${instance.state.unit.limits.cpuMs} ms of CPU within a minute`
      return this.#breach(instance, [], { code: 'plugin_cpu', message })
    }
    const { byLane, cpu } = shareOut({ reports, lanes, cpuUs, readingUs: reading.chargedUs, open: instance.lanes })
    for (const [id, list] of byLane) {
      if (instance.isGone) return
      const taken = instance.lanes.get(id)?.take(list, { ...cpu, chars: out.text.length })
      if (taken === 'over') this.#beCautious(instance)
    }
  }

  /** CPU time that no run tells. */
  #spent({ state }: Instance, cpuUs: number, where: CpuPlace): void {
    if (cpuUs > 0) this.#options.onCpu?.(state.unit.key, cpuUs / 1_000, where)
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
    // What was said is told with the runs it concerns, where secrets are taken out of it.
    if (only === undefined) {
      const at = placeOf(instance.state, thrown.stack)
      return this.#warn(instance.state, 'a promise of a run that is over was rejected, and nothing handled it', { at })
    }
    const message = `unhandled rejection: ${thrown.message}`
    if (suspects.length === 1 && only.remaining === 1) return only.fail(thrown)
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
    state.slotKey = aloneSlot(state.unit, state.slotKey)
    if (instance.settle === null) {
      const message = `the plugin could not be stopped and its process was killed: ${why}`
      this.#breach(instance, lanes, { code: 'plugin_killed', message })
    } else this.#onRefused(instance, { name: 'Error', message: `loading could not be stopped: ${why}`, stack: '' })
    this.#options.onOffence?.(state.unit.key, 'killed')
    this.#fleet.kill(slot, guiltOf('stuck', state.unit))
  }

  #checkMemory(slot: Slot): void {
    const { child } = slot
    if (child === null || child.rssBytes <= this.#options.limits.childRssMb * MB) return
    const busy = child.busy.map((number) => this.#instances.get(number)).filter((instance) => instance !== undefined)
    // One that was disposed of and still runs is the likeliest to grow.
    const unending = busy.filter((instance) => instance.isGone)
    const suspects = unending.length > 0 ? unending : busy
    const [only] = suspects
    if (suspects.length !== 1 || only === undefined) {
      const fields = { group: slot.group, heaps: largestHeaps(this.#instances.values(), slot) }
      this.#options.logger.warn(fields, 'sandbox: a process grew too large; whose doing it is, is not certain')
      return this.#fleet.kill(slot, 'memory')
    }
    only.state.slotKey = aloneSlot(only.state.unit, only.state.slotKey)
    const message = `the plugin's process grew over ${this.#options.limits.childRssMb} MB and was killed`
    if (!only.isGone) this.#breach(only, [...only.lanes.keys()], { code: 'plugin_memory', message })
    this.#options.onOffence?.(only.state.unit.key, 'killed')
    this.#fleet.kill(slot, guiltOf('memory', only.state.unit))
  }

  /** The process is gone. Whoever was known to be guilty has been dealt with; the rest is interrupted or suspected. */
  #onDeath(slot: Slot, why: string): void {
    if (this.#isClosed) return
    this.#options.logger.error({ group: slot.group, why }, 'sandbox: a child process ended')
    this.#options.onRestart?.(slot.group, why.split(':')[0] as string)
    const lost = [...this.#instances.values()].filter((instance) => instance.slot === slot && !instance.isGone)
    const death = { why, isOwn: slot.group === 'own', lost: lost.length }
    const blamed = new Set<string>()
    for (const instance of lost) {
      const { state } = instance
      const { deaths, moves, blame, isOwnDoing } = judgeDeath(instance, death)
      state.deaths = deaths
      if (moves) state.slotKey = aloneSlot(state.unit, state.slotKey)
      if (blame !== null) {
        blamed.add(state.unit.key)
        this.#condemn(instance, `the process of the plugin is gone: ${blame}`)
      }
      const message = `the sandbox process ended: ${why}`
      const end: LaneEnd = isOwnDoing
        ? { why: 'breach', code: 'plugin_killed', message, isCulprit: false }
        : { why: 'interrupted', message }
      this.#lose(instance, end, [...instance.lanes.keys()])
    }
    for (const key of blamed) this.#options.onOffence?.(key, 'killed')
    for (const { state } of lost) this.#reload(state)
  }

  /** Its process is gone and it is to blame, for what it did in these runs or as it was loaded. */
  #condemn(instance: Instance, message: string): void {
    const { state, lanes, settle } = instance
    this.#warn(state, message, { code: 'plugin_killed' })
    for (const lane of lanes.values())
      lane.end({ why: 'breach', code: 'plugin_killed', message, isCulprit: lane.remaining === 1 })
    if (settle !== null) this.#onRefused(instance, { name: 'Error', message, stack: '' })
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
