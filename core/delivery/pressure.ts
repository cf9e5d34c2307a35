/** How much the lanes have before them, and which of them it says something about. */
import type { Breakers } from './breaker.ts'
import type { Lane } from './lane.ts'
import { isRunnable } from './ports.ts'
import type { RateWindow } from './rate-window.ts'

/** One lane's part in the hub's pressure. */
export interface LanePressure {
  readonly key: string
  /** Runs, is not throttled by its admin, and no breaker holds it back. */
  readonly healthy: boolean
  /**
   * In memory, waiting to run, never attempted, and caused by an event of this process's own time: what ingest brought.
   * Replays and what an earlier process left behind are nobody's reason to slow ingest down.
   */
  readonly fresh: number
  readonly running: number
  readonly deliveredPerSecond: number
}

/** `monoMs` is monotonic time. */
export const pressureOf = (
  lanes: ReadonlyMap<string, { readonly lane: Lane; readonly delivered: RateWindow }>,
  breakers: Pick<Breakers, 'isOpen'>,
  monoMs: number,
): readonly LanePressure[] =>
  [...lanes].map(([key, { lane, delivered }]) => ({
    key,
    healthy: isRunnable(lane.state) && lane.installation.ratePerSecond === null && !breakers.isOpen(key),
    fresh: lane.fresh(),
    running: lane.running(),
    deliveredPerSecond: delivered.perSecond(monoMs),
  }))
