/**
 * What comes and goes, by the minute and the workspace: counted in memory where it happens, added to the store's table once a
 * second. A kill loses that second of numbers, and nothing else.
 */
import type { Clock } from '../clock.ts'
import type { WorkspaceId } from '../model.ts'
import type { Store, TrafficCount } from '../storage/store.ts'
import type { Counters, Logger, Meter } from './observe.ts'

/** How long deliveries took is counted up to each of these, so that minutes and processes can be added up. */
export const TIME_BOUNDS_MS: readonly number[] = [
  ...[1, 10, 100, 1_000].flatMap((power) => [1, 1.5, 2, 3, 5, 7].map((step) => Math.ceil(step * power))),
  ...[10, 20, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 86_400].map((seconds) => seconds * 1_000),
]

const MINUTE_MS = 60_000
const WRITE_AFTER_MS = 1_000

interface TrafficDeps {
  readonly store: Pick<Store, 'addTraffic'>
  readonly clock: Pick<Clock, 'after' | 'nowMs'>
  readonly logger: Logger
  readonly meter: Counters
  readonly closers: AsyncDisposableStack
}

/** The meter of a process, with its traffic; closing writes what was told last. */
export function withTraffic({ store, clock, logger, meter, closers }: TrafficDeps): Meter {
  /** A write is planned while there are any. */
  let waiting = new Map<string, { -readonly [Part in keyof TrafficCount]: TrafficCount[Part] }>()
  let cancel = (): void => {}
  const add = (workspace: WorkspaceId, what: string, count: number): void => {
    if (waiting.size === 0) cancel = clock.after(WRITE_AFTER_MS, () => void written())
    const minute = Math.floor(clock.nowMs() / MINUTE_MS)
    const key = `${workspace}/${minute}/${what}`
    const known = waiting.get(key)
    if (known === undefined) waiting.set(key, { workspace, minute, what, count })
    else known.count += count
  }
  const written = async (): Promise<void> => {
    cancel()
    const counts = [...waiting.values()]
    waiting = new Map()
    if (counts.length === 0) return
    try {
      await store.addTraffic(counts)
    } catch (error) {
      logger.warn({ err: error }, 'what came and went could not be counted')
    }
  }
  closers.defer(written)
  return {
    ...meter,
    responseCame: (workspace) => add(workspace, 'responses', 1),
    deliveryMade: (workspace, tookMs) => add(workspace, `within:${boundOf(tookMs)}`, 1),
    deliveryFailed: (workspace) => add(workspace, 'failed', 1),
  }
}

/** What took longer than the last bound counts there. */
const boundOf = (tookMs: number): number =>
  TIME_BOUNDS_MS.find((bound) => tookMs <= bound) ?? (TIME_BOUNDS_MS.at(-1) as number)

/** Of a stretch of time. */
export interface TrafficSum {
  responses: number
  delivered: number
  failed: number
  /** Deliveries by the bound they took at most. */
  readonly times: Map<number, number>
}

/** Rows of the store, added up. */
export function sumOf(rows: readonly Pick<TrafficCount, 'what' | 'count'>[]): TrafficSum {
  const sum: TrafficSum = { responses: 0, delivered: 0, failed: 0, times: new Map() }
  for (const { what, count } of rows) {
    if (what === 'responses' || what === 'failed') sum[what] += count
    else {
      const bound = Number(what.slice('within:'.length))
      sum.delivered += count
      sum.times.set(bound, (sum.times.get(bound) ?? 0) + count)
    }
  }
  return sum
}

/** What this share of the deliveries took at most; null: there were none. */
export function timeWithin(
  { times, delivered }: Pick<TrafficSum, 'times' | 'delivered'>,
  share: number,
): number | null {
  let running = 0
  for (const [bound, count] of [...times].toSorted(([one], [other]) => one - other)) {
    running += count
    if (running >= delivered * share) return bound
  }
  return null
}
