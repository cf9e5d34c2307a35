/** Sums over the last minute and the last hour: a ring of slots each, so that old ones fall out by themselves. */

/** What is summed. */
export const RATED = ['runs', 'failed', 'cpuMs', 'wallMs', 'hostOps', 'httpCalls'] as const
export type Rated = { readonly [name in (typeof RATED)[number]]: number }

const SLOTS = 60

/** The sums of the last `spanMs`, to the grain of a sixtieth of it. Times are monotonic ms. */
export class RecentSums {
  readonly #slotMs: number
  readonly #sums = new Float64Array(SLOTS * RATED.length)
  #slot: number

  constructor(spanMs: number, nowMs: number) {
    this.#slotMs = spanMs / SLOTS
    this.#slot = Math.floor(nowMs / this.#slotMs)
  }

  add(amounts: Rated, nowMs: number): void {
    this.#forward(nowMs)
    const at = (this.#slot % SLOTS) * RATED.length
    for (const [i, name] of RATED.entries()) this.#sums[at + i] = (this.#sums[at + i] ?? 0) + amounts[name]
  }

  sums(nowMs: number): Rated {
    this.#forward(nowMs)
    const total = (column: number): number => {
      let sum = 0
      for (let at = column; at < this.#sums.length; at += RATED.length) sum += this.#sums[at] ?? 0
      return sum
    }
    return Object.fromEntries(RATED.map((name, i) => [name, total(i)])) as Rated
  }

  #forward(nowMs: number): void {
    const slot = Math.floor(nowMs / this.#slotMs)
    const from = Math.max(this.#slot, slot - SLOTS)
    for (let passed = from + 1; passed <= slot; passed++) {
      const at = (passed % SLOTS) * RATED.length
      this.#sums.fill(0, at, at + RATED.length)
    }
    this.#slot = Math.max(this.#slot, slot)
  }
}
