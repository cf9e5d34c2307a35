/** Writes the ends of attempts: all that ended while the last write was under way go into the next one. */
import type { Clock } from '../clock.ts'
import { HubError } from '../errors.ts'
import type { Delivery, LogEvent } from '../model.ts'
import type { Logger } from '../observe/observe.ts'
import type { FinishedAttempt, Store } from '../storage/store.ts'

/** One end, with whom to tell when it is on disk. A callback, not a promise: there are thousands a second. */
export interface FinishEntry {
  readonly finished: FinishedAttempt
  readonly committed: () => void
}

export interface FinisherDeps {
  readonly store: Pick<Store, 'finishAttempts'>
  readonly clock: Clock
  readonly logger: Logger
  readonly onCommitted: (result: { deliveries: readonly Delivery[]; events: readonly LogEvent[] }) => void
}

export interface Finisher {
  add(entry: FinishEntry): void
  /** Ends not yet on disk. */
  waiting(): number
  /** Resolves when nothing waits, or with what is left when the store has failed for good. */
  settled(): Promise<void>
}

const WRITE_ENTRIES_MAX = 500
const RETRY_MS = 100
const RETRY_MS_MAX = 5_000

/** One write at a time. A write that fails is repeated for as long as the store says that it may recover. */
export function createFinisher({ store, clock, logger, onCommitted }: FinisherDeps): Finisher {
  let entries: FinishEntry[] = []
  let writing = 0
  let scheduled = false
  let failed = false
  let retryMs = RETRY_MS
  let writeMax = WRITE_ENTRIES_MAX
  let waiters: (() => void)[] = []

  const schedule = (): void => {
    if (scheduled || writing > 0 || failed || entries.length === 0) return
    scheduled = true
    setImmediate(() => {
      scheduled = false
      void write()
    })
  }

  const write = async (): Promise<void> => {
    const batch = entries.length > writeMax ? entries.splice(0, writeMax) : entries
    if (batch === entries) entries = []
    writing = batch.length
    try {
      const result = await store.finishAttempts(batch.map(({ finished }) => finished))
      retryMs = RETRY_MS
      writing = 0
      if (writeMax < WRITE_ENTRIES_MAX) writeMax *= 2
      onCommitted(result)
      for (const entry of batch) entry.committed()
    } catch (error) {
      writing = 0
      await recover(batch, error)
    }
    if (entries.length === 0 || failed) notify()
    schedule()
  }

  const recover = async (batch: FinishEntry[], error: unknown): Promise<void> => {
    const code = error instanceof HubError ? error.code : 'internal'
    if (code === 'storage_failed') {
      entries = batch.concat(entries)
      failed = true
      return
    }
    const mayRecover = code === 'storage_busy' || code === 'storage_full' || code === 'unavailable'
    if (!mayRecover && batch.length === 1) {
      // The store takes everything but this: its row stays due and the attempt is made again at the next load.
      logger.error({ err: error, delivery: batch[0]?.finished.deliveryId }, 'the end of an attempt cannot be written')
      batch[0]?.committed()
      return
    }
    entries = batch.concat(entries)
    if (!mayRecover) {
      writeMax = 1
      return
    }
    logger.error({ err: error, waiting: entries.length, retryMs }, 'ends of attempts could not be written; trying again')
    scheduled = true
    await new Promise<void>((resolve) => void clock.after(retryMs, resolve))
    scheduled = false
    retryMs = Math.min(retryMs * 2, RETRY_MS_MAX)
  }

  const notify = (): void => {
    const told = waiters
    waiters = []
    for (const tell of told) tell()
  }

  return {
    add: (entry) => {
      entries.push(entry)
      schedule()
    },
    waiting: () => entries.length + writing,
    settled: async () => {
      if (failed || entries.length + writing === 0) return
      await new Promise<void>((resolve) => waiters.push(resolve))
    },
  }
}
