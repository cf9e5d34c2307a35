/** What a hub stands on, as the composition root hands it to the rooms: store, fleet, queue and log. */
import type { Clock } from './clock.ts'
import type { Settings } from './config/config.ts'
import type { Fleet } from './fleet/fleet.ts'
import type { Limits } from './limits.ts'
import type { Bus } from './live/bus.ts'
import type { LogEvent } from './model.ts'
import type { Logger } from './observe/observe.ts'
import type { Queue } from './queue/queue.ts'
import type { Store } from './storage/store.ts'

/** The log as this process follows it. */
export interface LogLine {
  /** Tells everybody here of events that this process committed. */
  readonly published: (events: readonly LogEvent[]) => void
  /** The log reaches so far, whoever wrote it. */
  readonly reach: (head: number) => void
  start(): Promise<void>
}

export interface Backend {
  readonly store: Store
  readonly fleet: Fleet
  /** `local` is the queue inside the process. */
  queue(local: Queue, hooks: { readonly logGrew: () => Promise<void> | void }): Queue
  /** `grown` is told when others made the log longer than memory knows. */
  log(bus: Bus, grown: (head: number) => void): LogLine
}

export interface BackendDeps {
  readonly settings: Settings
  readonly limits: Limits
  readonly clock: Clock
  readonly logger: Logger
  /** The store can no longer keep its promise. */
  readonly onFatal: (error: Error) => void
  /** What is opened is closed by it. */
  readonly closers: AsyncDisposableStack
}

/** Nobody outside this process commits anything that somebody in it waits for. */
export const ownEventsOnly = (bus: Bus): LogLine => ({
  published: (events) => bus.publish(events),
  reach: () => {},
  start: () => Promise.resolve(),
})
