/** CPU time of runs that are under way at once in one process: what it uses meanwhile is divided evenly among them. */

export class CpuShare {
  readonly #usedMs: () => number
  readonly #running = new Set<{ ms: number }>()
  #seenMs = 0

  /** `usedMs`: of the process since it began. */
  constructor(usedMs: () => number) {
    this.#usedMs = usedMs
  }

  /** A run begins; what it answers with ends it, and answers its share in ms. */
  begin(): () => number {
    this.#divide()
    const share = { ms: 0 }
    this.#running.add(share)
    return () => {
      this.#divide()
      this.#running.delete(share)
      return share.ms
    }
  }

  #divide(): void {
    const usedMs = this.#usedMs()
    for (const share of this.#running) share.ms += (usedMs - this.#seenMs) / this.#running.size
    this.#seenMs = usedMs
  }
}
