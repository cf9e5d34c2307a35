/**
 * Keeps the points of installations and draws the consequences: whoever has few left runs one delivery at a time, whoever
 * has none stands still for a while and comes back by itself, whoever does so again and again stays out until somebody
 * looks. Only what is worth a row is remembered in one (when a pause ends, and the pauses before it): whoever takes an
 * installation over goes on from that.
 */
import type { Clock } from '../clock.ts'
import type { Limits } from '../limits.ts'
import type { Logger } from '../observe/observe.ts'
import type { Roster } from '../registry/roster.ts'
import type { Sentence, Standing } from '../registry/standing.ts'
import { isRunning } from '../registry/states.ts'
import type { InstallationMove } from '../registry/states.ts'
import { Appetite } from './appetite.ts'
import type { Cost } from './cost.ts'
import { Points } from './points.ts'

const RETRY_MS = 5_000

export interface WardenDeps {
  readonly roster: () => Pick<Roster, 'find' | 'judge'>
  /** Where it runs from now on: with the others, or where it harms nobody. */
  readonly setApart: (key: string, isApart: boolean) => Promise<void>
  readonly clock: Clock
  readonly limits: Limits
  readonly logger: Logger
}

type Verdict = readonly [move: InstallationMove, sentence: Omit<Sentence, 'state'>]

interface Ward {
  hash: string
  /** As seen last. */
  state: Standing['state']
  points: Points
  /** There were none left; a moment later there are some, and it has to stand still all the same. */
  isSpent: boolean
  readonly appetite: Appetite
  /** A change of state is being written. */
  isMoving: boolean
  cancel: () => void
}

/** One a process, for the installations that run here. */
export class Warden {
  readonly #deps: WardenDeps
  readonly #wards = new Map<string, Ward>()
  readonly #writing = new Set<Promise<void>>()
  #isClosed = false

  constructor(deps: WardenDeps) {
    this.#deps = deps
  }

  /** Ends all waiting; resolves when the states that are being written are written or refused. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const { cancel } of this.#wards.values()) cancel()
    this.#wards.clear()
    await Promise.all(this.#writing)
  }

  /** The keys of all that run here; asks the roster how each stands. */
  look(keys: readonly string[]): void {
    if (this.#isClosed) return
    const wanted = new Set(keys)
    for (const [key, ward] of this.#wards) {
      if (wanted.has(key)) continue
      ward.cancel()
      this.#wards.delete(key)
    }
    for (const key of keys) {
      const standing = this.#deps.roster().find(key)
      if (standing !== undefined) this.#see(key, standing)
    }
  }

  /** What is left; undefined for one that does not run here. */
  left(key: string): number | undefined {
    return this.#wards.get(key)?.points.left(this.#deps.clock.monotonicMs())
  }

  /** A run took so much CPU, whatever it costs. */
  ran(key: string, cpuMs: number): void {
    const ward = this.#wards.get(key)
    if (ward?.appetite.ate(cpuMs, this.#deps.clock.monotonicMs()) === true) this.#place(key, ward)
  }

  /** Takes the points of one run or one breach. */
  charge(key: string, cost: Cost): void {
    const ward = this.#wards.get(key)
    if (ward === undefined) return
    if (ward.points.take(cost, this.#deps.clock.monotonicMs()) < 0) ward.isSpent = true
    this.#consider(key, ward)
  }

  /** Whether it has to be held back, or to stand still. */
  #consider(key: string, ward: Ward): void {
    const standing = this.#deps.roster().find(key)
    if (ward.isMoving || standing === undefined || !isRunning(standing.state)) return
    const { pluginPointsMax, pluginDegradedFraction } = this.#deps.limits
    if (ward.isSpent) return this.#exhaust(key, ward, standing)
    const left = ward.points.left(this.#deps.clock.monotonicMs())
    if (left >= pluginPointsMax * pluginDegradedFraction || standing.state !== 'ready') return
    const reason = `runs one delivery at a time: ${this.#story(ward)}`
    this.#judge(key, ward, ['degrade', { reason }])
  }

  #see(key: string, standing: Standing): void {
    const { clock, limits } = this.#deps
    const { state, installation } = standing
    const nowMs = clock.monotonicMs()
    let ward = this.#wards.get(key)
    if (ward === undefined) {
      const points = new Points(limits, nowMs, this.#leftOf(standing))
      const appetite = new Appetite(limits, nowMs)
      const { hash } = installation
      ward = { hash, state, points, isSpent: false, appetite, isMoving: false, cancel: () => {} }
      this.#wards.set(key, ward)
    }
    // Other code or settings, or somebody who says that it may try again.
    const isPardoned = ward.hash !== installation.hash || (state === 'ready' && !isRunning(ward.state))
    if (isPardoned) ward.points = new Points(limits, nowMs)
    if (isPardoned || !isRunning(state)) ward.isSpent = false
    ward.hash = installation.hash
    ward.state = state
    this.#arm(key, ward, standing)
    this.#place(key, ward)
  }

  /** Who is held back, or eats most of a core, does so where the others do not feel it. */
  #place(key: string, { state, appetite }: Ward): void {
    const { setApart, logger, clock } = this.#deps
    if (!isRunning(state)) return
    setApart(key, state === 'degraded' || appetite.isHeavy(clock.monotonicMs())).catch((error: unknown) =>
      logger.warn({ err: error, installation: key }, 'an installation could not be moved to another process'),
    )
  }

  /** What one has that another process has seen to so far: what its state says. */
  #leftOf({ state, pausesAtMs }: Standing): number {
    const { limits, clock } = this.#deps
    if (state === 'degraded') return limits.pluginPointsMax * limits.pluginDegradedFraction
    const pausedAtMs = pausesAtMs.at(-1)
    if (state !== 'paused' || pausedAtMs === undefined) return limits.pluginPointsMax
    return Math.max(0, ((clock.nowMs() - pausedAtMs) / 1_000) * limits.pluginPointsPerSecond)
  }

  /** The next change that time alone brings. */
  #arm(key: string, ward: Ward, { state, returnsAtMs }: Standing): void {
    const { clock, limits } = this.#deps
    ward.cancel()
    ward.cancel = () => {}
    if (state === 'paused' && returnsAtMs !== null)
      ward.cancel = clock.after(returnsAtMs - clock.nowMs(), () => this.#comeBack(key, ward))
    else if (state === 'degraded') {
      const waitMs = ward.points.msUntil(limits.pluginPointsMax * limits.pluginReadyFraction, clock.monotonicMs())
      ward.cancel = clock.after(waitMs, () => this.#recover(key, ward))
    }
  }

  #comeBack(key: string, ward: Ward): void {
    const standing = this.#deps.roster().find(key)
    if (standing?.state !== 'paused' || standing.returnsAtMs === null) return
    // A long wait is cut into several, and the wall clock may have been set.
    if (standing.returnsAtMs > this.#deps.clock.nowMs()) return this.#arm(key, ward, standing)
    const left = Math.round(ward.points.left(this.#deps.clock.monotonicMs())).toLocaleString('en-GB')
    const reason = `back from a pause with ${left} points: runs one delivery at a time until it has more`
    this.#judge(key, ward, ['return', { reason }])
  }

  #recover(key: string, ward: Ward): void {
    const standing = this.#deps.roster().find(key)
    if (standing?.state !== 'degraded') return
    const { limits, clock } = this.#deps
    const enough = limits.pluginPointsMax * limits.pluginReadyFraction
    if (ward.points.msUntil(enough, clock.monotonicMs()) > 0) return this.#arm(key, ward, standing)
    this.#judge(key, ward, ['recover', { reason: null }])
  }

  #exhaust(key: string, ward: Ward, { pausesAtMs }: Standing): void {
    const { clock, limits } = this.#deps
    const nowMs = clock.nowMs()
    const counting = pausesAtMs.filter((atMs) => atMs > nowMs - limits.pluginPausesWindowMs)
    const pauses = [...counting, nowMs]
    if (pauses.length >= limits.pluginPausesMax) {
      const reason = `ran out of points ${pauses.length} times within a day, at last: ${this.#story(ward)}; look at it, then resume it`
      this.#judge(key, ward, ['disable', { reason, pausesAtMs: pauses }])
      return
    }
    const returnsAtMs = nowMs + limits.pluginPauseMs
    const until = new Date(returnsAtMs).toISOString().slice(11, 16)
    const reason = `paused until ${until} UTC: ${this.#story(ward)}`
    this.#judge(key, ward, ['exhaust', { reason, returnsAtMs, pausesAtMs: pauses }])
  }

  #story(ward: Ward): string {
    return ward.points.story(this.#deps.clock.monotonicMs())
  }

  /** What could not be written is tried again after a while, if it is still due then. */
  #judge(key: string, ward: Ward, [move, sentence]: Verdict): void {
    const { roster, logger, clock } = this.#deps
    const before = roster().find(key)?.state
    const again = (): void => {
      const standing = roster().find(key)
      if (standing === undefined || this.#wards.get(key) !== ward) return
      this.#arm(key, ward, standing)
      this.#consider(key, ward)
    }
    ward.isMoving = true
    const writing = roster()
      .judge(key, move, sentence)
      .then(
        () => {
          ward.isMoving = false
          // More may have been used while this was written.
          if (roster().find(key)?.state !== before && this.#wards.get(key) === ward) this.#consider(key, ward)
        },
        (error: unknown) => {
          ward.isMoving = false
          if (this.#isClosed) return
          logger.error({ err: error, installation: key, move }, 'a state could not be written; trying again')
          ward.cancel()
          ward.cancel = clock.after(RETRY_MS, again)
        },
      )
    this.#writing.add(writing)
    void writing.finally(() => this.#writing.delete(writing))
  }
}
