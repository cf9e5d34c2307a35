/**
 * How many events go to a handler at once: as many as there may be, while they are done soon and ask for little. Of a
 * handler that takes its time, or asks for much, fewer, so that a pause does not wait for it, and nobody for its commit.
 */
import type { Limits } from '../limits.ts'
import type { Effects } from '../storage/store.ts'

/** Before anything is known. */
const FIRST_EVENTS = 16

type Bounds = Pick<Limits, 'pumpBatchEventsMax' | 'pumpBatchMsMax' | 'pumpBatchEffectsMax'>

export class BatchSize {
  readonly #limits: Bounds
  #events: number

  constructor(limits: Bounds) {
    this.#limits = limits
    this.#events = Math.min(FIRST_EVENTS, limits.pumpBatchEventsMax)
  }

  /** For the next batch, at least one. */
  get events(): number {
    return this.#events
  }

  /** So many took so long and asked for so much. */
  learn({ count, effects }: { readonly count: number; readonly effects: Effects }, elapsedMs: number): void {
    if (count === 0) return
    const { pumpBatchEventsMax, pumpBatchMsMax, pumpBatchEffectsMax } = this.#limits
    const rows = effects.deliveries.length + effects.events.length + effects.kv.length + effects.tallies.length
    const share = Math.max(elapsedMs / pumpBatchMsMax, rows / pumpBatchEffectsMax)
    const fitting = share > 1 ? Math.floor(count / share) : this.#events * 2
    this.#events = Math.max(1, Math.min(fitting, pumpBatchEventsMax))
  }
}
