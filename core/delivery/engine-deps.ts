/** What delivery is given by the composition root, and what it gives. */
import type { Clock } from '../clock.ts'
import type { Limits } from '../limits.ts'
import type { Delivery, LogEvent } from '../model.ts'
import type { Logger, Meter } from '../observe/observe.ts'
import type { Queue } from '../queue/queue.ts'
import type { RunRecorder } from '../runs/history.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'
import type { Forward, Store } from '../storage/store.ts'
import type { Breakers } from './breaker.ts'
import type { MemoryQuota } from './memory-quota.ts'
import type {
  DisableInstallation,
  EventInMemory,
  FormOf,
  OpenCapabilities,
  PlacedInstallation,
  Published,
  RefuseSettings,
} from './ports.ts'
import type { LanePressure } from './pressure.ts'

export interface DeliveryEngineDeps {
  /** No other process can have had its lanes, or it is dead. */
  readonly alone: boolean
  readonly store: Pick<
    Store,
    | 'loadDue'
    | 'nextDue'
    | 'headSeq'
    | 'finishAttempts'
    | 'getEvent'
    | 'hasten'
    | 'replay'
    | 'appendEvents'
    | 'listDeliveries'
  >
  readonly sandbox: Pick<Sandbox, 'runEach'>
  readonly capabilities: OpenCapabilities
  readonly breakers: Breakers
  readonly memoryQuota: MemoryQuota
  readonly queue: Pick<Queue, 'wake' | 'drop'>
  readonly formOf: FormOf
  readonly eventInMemory: EventInMemory
  readonly published: Published
  readonly runs: RunRecorder
  readonly disable: DisableInstallation
  readonly refused: RefuseSettings
  readonly logger: Logger
  readonly meter: Meter
  readonly clock: Clock
  readonly limits: Limits
  readonly random: () => number
}

/** Delivery as the other rooms see it. */
export interface DeliveryEngine {
  /** The whole list: new ones get a lane, changed ones follow, missing ones end. Others notice nothing. */
  setInstallations(list: readonly PlacedInstallation[]): void
  /** Deliveries that were just committed (or replayed): straight into their lanes when there is room. */
  push(deliveries: readonly Delivery[]): void
  /** Events were committed. A deletion takes its deliveries, and no others, out of memory: storage says what is left of them. */
  heard(events: readonly LogEvent[]): void
  /** These deliveries are about to be written with their event: what may begin at once does, see `ahead.ts`. */
  ahead(event: LogEvent, forwards: readonly Forward[]): void
  /** The event is stored and its deliveries were pushed, or it was refused. */
  aheadOver(eventId: string): void
  /** Queue worker of `deliver` lanes. */
  work(key: string): Promise<number | null>
  /** Hosts that are left alone are tried now, with whatever waits for them. Answers the hosts. */
  probe(key: string): Promise<readonly string[]>
  pressure(): readonly LanePressure[]
  /** Resolves when nothing runs any more for an installation that was taken off the list, and its ends are written. */
  drained(key: string): Promise<void>
  /** Starts nothing new, waits for what runs up to `graceMs`, and has written what ended. What still runs then is repeated at the next start. */
  stop(graceMs: number): Promise<{ readonly released: number }>
}
