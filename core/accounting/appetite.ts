/**
 * Whether an installation is a heavy eater: most of a core, by runs that each take long. Many short runs are no such thing,
 * however much they are together. Whoever is, lives apart; it costs nothing and is not told.
 */
import type { Limits } from '../limits.ts'

const WINDOW_MS = 2_000
/** So long after it was one last it is one still, or it would move to and fro. */
const STAYS_MS = 60_000

/** Times are monotonic ms. */
export class Appetite {
  readonly #limits: Pick<Limits, 'pluginApartCpuFraction' | 'pluginApartRunMs'>
  #fromMs: number
  #cpuMs = 0
  #runs = 0
  #heavyAtMs = Number.NEGATIVE_INFINITY

  constructor(limits: Pick<Limits, 'pluginApartCpuFraction' | 'pluginApartRunMs'>, nowMs: number) {
    this.#limits = limits
    this.#fromMs = nowMs
  }

  isHeavy(nowMs: number): boolean {
    return nowMs - this.#heavyAtMs < STAYS_MS
  }

  /** A run took so much. True when it may be another kind of eater now than before. */
  ate(cpuMs: number, nowMs: number): boolean {
    this.#cpuMs += cpuMs
    this.#runs += 1
    const elapsedMs = nowMs - this.#fromMs
    if (elapsedMs < WINDOW_MS) return false
    const { pluginApartCpuFraction, pluginApartRunMs } = this.#limits
    const isHeavy = this.#cpuMs / elapsedMs > pluginApartCpuFraction && this.#cpuMs / this.#runs > pluginApartRunMs
    if (isHeavy) this.#heavyAtMs = nowMs
    this.#fromMs = nowMs
    this.#cpuMs = 0
    this.#runs = 0
    return true
  }
}
