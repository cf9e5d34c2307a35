/**
 * Durable wake-ups: "there is work in this lane at this time". The work itself is rows of storage; a lost wake-up
 * would be work forgotten, so implementations must survive a restart. All pass `test/contract/queue.ts`.
 */

/** `pump:` reads the log for an installation, `deliver:` runs its due deliveries, `schedule:` fires its timetable. */
export type LaneKind = 'pump' | 'deliver' | 'schedule'

export interface Lane {
  readonly kind: LaneKind
  readonly workspace: string
  readonly installation: string
}

/** Drains a lane as far as it can now; answers when to come back (unix ms), or null when nothing waits. */
export type LaneWorker = (lane: Lane) => Promise<number | null>

export interface Queue {
  /** Starts calling `worker`: never twice at the same time for one lane; a throw is retried with backoff. */
  start(worker: LaneWorker): Promise<void>
  /** There is work in this lane at `atMs` (or now). Cheap to repeat; the earliest wins. */
  wake(lane: Lane, atMs?: number): void
  /** Forgets a lane whose installation is gone. */
  drop(lane: Lane): void
  /** Wake-ups waiting, by kind, for metrics. */
  depth(): Readonly<Record<LaneKind, number>>
  /** No new calls; resolves when running ones have returned. */
  stop(): Promise<void>
}
