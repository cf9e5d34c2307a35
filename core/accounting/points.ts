/** The points of one installation: a bucket that fills by itself, and what it was emptied for. */
import type { Limits } from '../limits.ts'
import type { Cost } from './cost.ts'

/** What goes below is forgiven: a pause of the usual length is then enough to come back with. */
const LEFT_MIN = -1
const MS_PER_SECOND = 1_000
const MINUTE_MS = 60_000
const SECONDS_SHOWN_MAX_MS = 100_000

/** Times are monotonic ms. */
export class Points {
  readonly #max: number
  readonly #perMs: number
  #left: number
  #countedAtMs: number
  /** Since it was full. */
  #sinceMs: number
  #spent = 0
  readonly #byCause = new Map<string, number>()

  /** Full, or with `left` of it. */
  constructor(limits: Limits, nowMs: number, left: number = limits.pluginPointsMax) {
    this.#max = limits.pluginPointsMax
    this.#perMs = limits.pluginPointsPerSecond / MS_PER_SECOND
    this.#left = Math.min(this.#max, left)
    this.#countedAtMs = nowMs
    this.#sinceMs = nowMs
  }

  /** How many there are. */
  left(nowMs: number): number {
    this.#left = Math.min(this.#max, this.#left + Math.max(0, nowMs - this.#countedAtMs) * this.#perMs)
    this.#countedAtMs = nowMs
    return this.#left
  }

  /** Takes them, and answers how many are left. */
  take({ points, cause }: Cost, nowMs: number): number {
    if (this.left(nowMs) >= this.#max) {
      this.#sinceMs = nowMs
      this.#spent = 0
      this.#byCause.clear()
    }
    this.#left = Math.max(LEFT_MIN, this.#left - points)
    this.#spent += points
    this.#byCause.set(cause, (this.#byCause.get(cause) ?? 0) + points)
    return this.#left
  }

  /** Ms until there are so many, if none are taken meanwhile. */
  msUntil(points: number, nowMs: number): number {
    return Math.max(0, Math.ceil((Math.min(points, this.#max) - this.left(nowMs)) / this.#perMs))
  }

  /** `used 10,350 points in 4 minutes, mostly CPU in handler response.submitted`. */
  story(nowMs: number): string {
    const [most] = [...this.#byCause].toSorted(([, one], [, other]) => other - one)
    const spent = Math.round(this.#spent).toLocaleString('en-GB')
    const cause = most === undefined ? '' : `, mostly ${most[0]}`
    return `used ${spent} points in ${durationText(nowMs - this.#sinceMs)}${cause}`
  }
}

function durationText(ms: number): string {
  const [amount, unit] =
    ms < SECONDS_SHOWN_MAX_MS
      ? ([Math.max(1, Math.round(ms / MS_PER_SECOND)), 'second'] as const)
      : ([Math.round(ms / MINUTE_MS), 'minute'] as const)
  return `${amount} ${unit}${amount === 1 ? '' : 's'}`
}
