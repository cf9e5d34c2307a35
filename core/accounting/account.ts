/** Counts what the runs of one installation come to, here and, of its transforms, in other processes. */
import type { Run, RunResult } from '../sandbox/sandbox.ts'
import type { Offence } from '../sandbox/options.ts'
import { RecentSums } from './rates.ts'
import type { Rated } from './rates.ts'
import { Tally } from './tallied.ts'
import type { Tallied } from './tallied.ts'
import type { Usage } from './usage.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
/** Processes come and go; those that were not heard of for longest are forgotten. */
const TELLERS_MAX = 100

/** What an account can tell by itself. */
export type Counted = Omit<Usage, 'points' | 'pointsMax' | 'heapBytes' | 'heapPeakBytes' | 'processRssBytes'>

/** `now`: monotonic ms. */
export class Account {
  readonly #since: string
  readonly #tally = new Tally()
  readonly #lastMinute: RecentSums
  readonly #lastHour: RecentSums
  /** By process, the number of the parcel that was taken last. */
  readonly #taken = new Map<string, number>()

  /** `since`: RFC 3339. */
  constructor(since: string, nowMs: number) {
    this.#since = since
    this.#lastMinute = new RecentSums(MINUTE_MS, nowMs)
    this.#lastHour = new RecentSums(HOUR_MS, nowMs)
  }

  add(run: Run, result: RunResult, nowMs: number): void {
    this.#rate(this.#tally.add(run, result), nowMs)
  }

  /** CPU time beside all runs. */
  spent(cpuMs: number, nowMs: number): void {
    this.#rate(this.#tally.spent(cpuMs), nowMs)
  }

  /** What it did beside breaking a limit of its own. */
  offended(what: Offence): void {
    this.#tally.offended(what)
  }

  /** Parcel `n` of the process `from`, where numbers grow; false: it was taken before. */
  take({ from, n, tallied }: { from: string; n: number; tallied: Tallied }, nowMs: number): boolean {
    const before = this.#taken.get(from)
    if (before !== undefined && n <= before) return false
    this.#taken.delete(from)
    this.#taken.set(from, n)
    const [oldest] = this.#taken.keys()
    if (this.#taken.size > TELLERS_MAX && oldest !== undefined) this.#taken.delete(oldest)
    this.#rate(this.#tally.merge(tallied), nowMs)
    return true
  }

  counted(nowMs: number): Counted {
    return {
      since: this.#since,
      ...this.#tally.tallied(),
      lastMinute: this.#lastMinute.sums(nowMs),
      lastHour: this.#lastHour.sums(nowMs),
    }
  }

  #rate(amounts: Rated, nowMs: number): void {
    this.#lastMinute.add(amounts, nowMs)
    this.#lastHour.add(amounts, nowMs)
  }
}
