/** Writes the ends of attempts: all that ended while the last write was under way go into the next one. */
import type { Clock } from '../clock.ts'
import { HubError } from '../errors.ts'
import type { Delivery, LogEvent } from '../model.ts'
import type { Logger } from '../observe/observe.ts'
import type { FinishedAttempt, Store } from '../storage/store.ts'

/** One end, with whom to tell when it is on disk. A callback, not a promise: there are thousands a second. */
export interface FinishEntry {
  readonly finished: FinishedAttempt
  /** `written`: false when the store takes everything but this one. */
  readonly committed: (written: boolean) => void
}

export interface FinisherDeps {
  readonly store: Pick<Store, 'finishAttempts'>
  readonly clock: Clock
  readonly logger: Logger
  /** `refused`: ids of those that had ended before, or are gone. */
  readonly onCommitted: (result: {
    readonly deliveries: readonly Delivery[]
    readonly events: readonly LogEvent[]
    readonly refused: readonly string[]
  }) => void
}

export interface Finisher {
  add(entry: FinishEntry): void
  /** Ends not yet on disk. */
  waiting(): number
  /** Resolves when everything added so far is on disk, or when the store has failed for good. */
  settled(): Promise<void>
}

const WRITE_ENTRIES_MAX = 500
const RETRY_MS = 100
const RETRY_MS_MAX = 5_000

/** One write at a time. A write that fails is repeated for as long as the store says that it may recover. */
export function createFinisher(deps: FinisherDeps): Finisher {
  return new GroupFinisher(deps)
}

class GroupFinisher implements Finisher {
  readonly #deps: FinisherDeps
  #entries: FinishEntry[] = []
  #writing = 0
  #scheduled = false
  #failed = false
  #retryMs = RETRY_MS
  #writeMax = WRITE_ENTRIES_MAX
  #added = 0
  #settled = 0
  #waiters: { readonly upTo: number; readonly tell: () => void }[] = []

  constructor(deps: FinisherDeps) {
    this.#deps = deps
  }

  add(entry: FinishEntry): void {
    this.#entries.push(entry)
    this.#added += 1
    this.#schedule()
  }

  waiting(): number {
    return this.#entries.length + this.#writing
  }

  async settled(): Promise<void> {
    if (this.#failed || this.#settled === this.#added) return
    await new Promise<void>((tell) => this.#waiters.push({ upTo: this.#added, tell }))
  }

  #schedule(): void {
    if (this.#scheduled || this.#writing > 0 || this.#failed || this.#entries.length === 0) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      void this.#write()
    })
  }

  async #write(): Promise<void> {
    const batch = this.#entries.splice(0, this.#nextCount())
    this.#writing = batch.length
    const written = await this.#tryWrite(batch)
    this.#writing = 0
    if (written.ok) this.#settle(batch, written.result)
    else await this.#recover(batch, written.error)
    this.#notify()
    this.#schedule()
  }

  /** Entries of one run go together: its effects happen with one of them. */
  #nextCount(): number {
    let count = Math.min(this.#writeMax, this.#entries.length)
    while (count < this.#entries.length && isTogether(this.#entries[count - 1], this.#entries[count])) count += 1
    return count
  }

  async #tryWrite(batch: readonly FinishEntry[]) {
    try {
      return { ok: true, result: await this.#deps.store.finishAttempts(batch.map(({ finished }) => finished)) } as const
    } catch (error) {
      return { ok: false, error } as const
    }
  }

  /** It is on disk, so whatever listeners do with the news, it must not be written again. */
  #settle(batch: readonly FinishEntry[], result: Parameters<FinisherDeps['onCommitted']>[0]): void {
    this.#retryMs = RETRY_MS
    this.#writeMax = Math.min(WRITE_ENTRIES_MAX, this.#writeMax * 2)
    this.#settled += batch.length
    try {
      this.#deps.onCommitted(result)
      for (const entry of batch) entry.committed(true)
    } catch (error) {
      this.#deps.logger.error({ err: error }, 'a listener for ended attempts failed')
    }
  }

  async #recover(batch: readonly FinishEntry[], error: unknown): Promise<void> {
    const { logger, clock } = this.#deps
    const code = error instanceof HubError ? error.code : 'internal'
    const mayRecover = code === 'storage_busy' || code === 'storage_full' || code === 'unavailable'
    const [first] = batch
    const isOne = batch.every((entry) => entry === first || isTogether(first, entry))
    if (!mayRecover && code !== 'storage_failed' && isOne) {
      // The store takes everything but this run: its rows stay due and the attempt is made again at the next load.
      const deliveries = batch.map(({ finished }) => finished.deliveryId)
      logger.error({ err: error, deliveries }, 'the end of an attempt cannot be written')
      this.#settled += batch.length
      for (const entry of batch) entry.committed(false)
      return
    }
    this.#entries = [...batch, ...this.#entries]
    if (code === 'storage_failed') {
      this.#failed = true
      return
    }
    if (!mayRecover) {
      // One of them is bad: each on its own, to find it.
      this.#writeMax = 1
      return
    }
    const fields = { err: error, waiting: this.#entries.length, retry_ms: this.#retryMs }
    logger.error(fields, 'ends of attempts could not be written; trying again')
    this.#scheduled = true
    await new Promise<void>((resolve) => void clock.after(this.#retryMs, resolve))
    this.#scheduled = false
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS_MAX)
  }

  #notify(): void {
    const isReady = ({ upTo }: { readonly upTo: number }): boolean => this.#failed || upTo <= this.#settled
    const ready = this.#waiters.filter(isReady)
    if (ready.length === 0) return
    this.#waiters = this.#waiters.filter((waiter) => !isReady(waiter))
    for (const { tell } of ready) tell()
  }
}

const isTogether = (left: FinishEntry | undefined, right: FinishEntry | undefined): boolean =>
  left?.finished.batch !== undefined && left.finished.batch === right?.finished.batch
