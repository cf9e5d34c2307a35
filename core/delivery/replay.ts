/**
 * Replay: deliveries that ended are made due again, in steps, under their own ids. Ways to have something again:
 *
 *   replay      deliveries that exist: same id, attempts go on counting, a fresh retry schedule (this file)
 *   backfill    events an installation never handled: its cursor moves back; what was made before is not made twice,
 *               because a delivery's key is unique for ever
 *   test-send   one event once more, although it was handled: its deliveries get keys of their own (`Pump.runOnce`)
 *   replay of   the same for the last events an installation would get, oldest first (`replay-events.ts`): what an
 *   events      author wants after a change of a plugin
 */
import type { Clock } from '../clock.ts'
import type { Limits } from '../limits.ts'
import type { Delivery } from '../model.ts'
import type { ReplayQuery, Store } from '../storage/store.ts'

export interface ReplayDeps {
  readonly store: Pick<Store, 'replay'>
  /** Hands them to their lanes. */
  readonly push: (deliveries: readonly Delivery[]) => void
  readonly clock: Clock
  readonly limits: Pick<Limits, 'replayRowsPerStepMax' | 'replayStepsPerRequestMax'>
}

/** How many are due again, and where to go on (`after`) when there may be more; null: that was all. */
export interface Replayed {
  readonly replayed: number
  readonly next: string | null
}

/**
 * All that are named, or so many steps of those that match, oldest first. The order is that of their creation, so one that
 * dies again at once is not taken a second time, and those behind it get their turn.
 */
export async function replayDeliveries(
  deps: ReplayDeps,
  { rowsMax = Infinity, ...query }: ReplayQuery & { readonly rowsMax?: number | undefined },
): Promise<Replayed> {
  const { store, push, clock, limits } = deps
  const { replayRowsPerStepMax: stepMax, replayStepsPerRequestMax: stepsMax } = limits
  let replayed = 0
  const step = async (part: Pick<ReplayQuery, 'deliveryIds' | 'after'>): Promise<string | null> => {
    const { items, next } = await store.replay({
      ...query,
      ...part,
      limit: Math.min(stepMax, rowsMax - replayed),
      nowMs: clock.nowMs(),
    })
    replayed += items.length
    push(items)
    return next
  }
  const ids = query.deliveryIds
  if (ids !== undefined) {
    for (let from = 0; from < ids.length; from += stepMax) await step({ deliveryIds: ids.slice(from, from + stepMax) })
    return { replayed, next: null }
  }
  let next = await step({ after: query.after })
  for (let steps = 1; next !== null && steps < stepsMax && replayed < rowsMax; steps += 1)
    next = await step({ after: next })
  return { replayed, next }
}
