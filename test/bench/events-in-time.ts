/** The clockwork of a simulation: what is due when, in order; chance that comes out the same every time; things one waits for. */

/** Runs what was planned, in the order of its time. */
export class Timeline {
  readonly #heap: { readonly atMs: number; readonly act: () => void }[] = []
  nowMs = 0

  after(delayMs: number, act: () => void): void {
    const heap = this.#heap
    heap.push({ atMs: this.nowMs + delayMs, act })
    for (let at = heap.length - 1; at > 0;) {
      const parent = (at - 1) >> 1
      if (!this.#swapUnlessSorted(parent, at)) break
      at = parent
    }
  }

  runUntil(endMs: number): void {
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= endMs; next = this.#heap[0]) {
      this.nowMs = next.atMs
      this.#removeFirst()
      next.act()
    }
    this.nowMs = endMs
  }

  #removeFirst(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    heap[0] = last
    for (let at = 0; ;) {
      const left = 2 * at + 1
      if (left >= heap.length) return
      const child = left + 1 < heap.length && this.#at(left + 1) < this.#at(left) ? left + 1 : left
      if (!this.#swapUnlessSorted(at, child)) return
      at = child
    }
  }

  #swapUnlessSorted(upper: number, lower: number): boolean {
    if (this.#at(upper) <= this.#at(lower)) return false
    const heap = this.#heap
    const moved = heap[upper] as (typeof heap)[number]
    heap[upper] = heap[lower] as (typeof heap)[number]
    heap[lower] = moved
    return true
  }

  #at(index: number): number {
    return this.#heap[index]?.atMs ?? Infinity
  }
}

/** Some number of places; who finds none waits in line. Counts how long they were taken. */
export class Places {
  readonly #timeline: Timeline
  readonly #count: number
  readonly #line: (() => void)[] = []
  #taken = 0
  #busyMs = 0

  constructor(timeline: Timeline, count: number) {
    this.#timeline = timeline
    this.#count = count
  }

  take(use: () => void): void {
    if (this.#taken >= this.#count) return void this.#line.push(use)
    this.#taken += 1
    use()
  }

  give(): void {
    const next = this.#line.shift()
    if (next === undefined) this.#taken -= 1
    else next()
  }

  /** Takes a place for that long. */
  hold(durationMs: number, then: () => void): void {
    this.take(() => {
      this.#timeline.after(durationMs, () => {
        this.#busyMs += durationMs
        this.give()
        then()
      })
    })
  }

  /** Time that somebody held a place in another way than by `hold`. */
  charge(durationMs: number): void {
    this.#busyMs += durationMs
  }

  /** Share of the time so far that the places were in use. */
  utilisation(): number {
    return this.#busyMs / Math.max(1, this.#timeline.nowMs) / this.#count
  }
}

/** Uniform on [0, 1), the same sequence for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let word = Math.imul(state ^ (state >>> 15), state | 1)
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61)
    return ((word ^ (word >>> 14)) >>> 0) / 4_294_967_296
  }
}

export const exponential = (random: () => number, mean: number): number => -Math.log(1 - random()) * mean

/** `sigma` of the logarithm: 1 means that one in twenty takes five times the median. */
export const lognormal = (random: () => number, { median, sigma }: { median: number; sigma: number }): number =>
  median * Math.exp(sigma * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()))
