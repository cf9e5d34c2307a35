/**
 * The log of a hub of several processes, followed by each of them: what others wrote is read once and told on the bus
 * like its own, so nobody who listens there has to know who wrote it.
 */
import type { LogEvent } from '../model.ts'
import type { Logger } from '../observe/observe.ts'
import type { Store } from '../storage/store.ts'

export interface TailDeps {
  readonly store: Pick<Store, 'readEvents' | 'headSeq'>
  readonly publish: (events: readonly LogEvent[]) => void
  /** The log reaches so far and not all of it was told: who reads it has to read it from storage. */
  readonly grown: (head: number) => void
  readonly logger: Logger
}

export interface Tail {
  /** Events this process committed: published now, and passed over when the log is read. */
  own(events: readonly LogEvent[]): void
  /** The log reaches so far. Cheap to repeat. */
  reach(head: number): void
  /** Begins at the end of the log as it is now. */
  start(): Promise<void>
  stop(): Promise<void>
}

const READ_EVENTS_MAX = 1_000
/** Whoever is so far behind reads the log for themselves; the bus is for news. */
const BEHIND_EVENTS_MAX = 10_000

export function createTail(deps: TailDeps): Tail {
  /** Up to here everything was told. */
  let seen = Number.POSITIVE_INFINITY
  let head = 0
  let reading: Promise<void> | null = null
  let stopped = false
  /** Own sequences beyond `seen`. */
  const own = new Set<number>()

  /** What comes next and was told already needs no reading. */
  const passOwn = (): void => {
    while (own.delete(seen + 1)) seen += 1
  }
  const read = async (): Promise<void> => {
    for (passOwn(); seen < head && !stopped; passOwn()) {
      if (head - seen > BEHIND_EVENTS_MAX) {
        seen = head - BEHIND_EVENTS_MAX
        deps.grown(head)
        for (const seq of own) if (seq <= seen) own.delete(seq)
      }
      const events = await deps.store.readEvents({ afterSeq: seen, limit: READ_EVENTS_MAX })
      const last = events.at(-1)
      if (last === undefined) return
      seen = Math.max(seen, last.seq)
      const others = events.filter(({ seq }) => !own.delete(seq))
      if (others.length > 0) deps.publish(others)
    }
  }
  const follow = (): void => {
    if (stopped || reading !== null) return
    passOwn()
    if (seen >= head) return
    reading = read()
      .catch((error: unknown) => {
        deps.logger.warn({ err: error }, 'the log of other processes could not be read')
        deps.grown(head)
      })
      .finally(() => {
        reading = null
      })
  }
  return {
    own: (events) => {
      for (const { seq } of events) if (seq > seen || seen === Number.POSITIVE_INFINITY) own.add(seq)
      deps.publish(events)
    },
    reach: (seq) => {
      head = Math.max(head, seq)
      follow()
    },
    start: async () => {
      seen = await deps.store.headSeq()
      for (const seq of own) if (seq <= seen) own.delete(seq)
      follow()
    },
    stop: async () => {
      stopped = true
      await reading
    },
  }
}
