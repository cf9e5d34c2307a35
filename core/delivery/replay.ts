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
  readonly store: Pick<Store, 'replay' | 'listDeliveries'>
  /** Hands them to their lanes. */
  readonly push: (deliveries: readonly Delivery[]) => void
  readonly clock: Clock
  readonly limits: Pick<Limits, 'replayRowsPerStepMax' | 'pageItemsMax'>
}

/** Told after each step. */
export type ReplayProgress = (done: number, total: number) => void

/**
 * Answers how many are due again. The ids are gathered before the first is replayed: one that dies again at once must
 * not be taken a second time, and those behind it must get their turn.
 */
export async function replayDeliveries(
  deps: ReplayDeps,
  query: ReplayQuery,
  progress: ReplayProgress = () => {},
): Promise<number> {
  const { store, push, clock, limits } = deps
  const ids = query.deliveryIds ?? (await matchingIds(deps, query))
  let replayed = 0
  for (let from = 0; from < ids.length; from += limits.replayRowsPerStepMax) {
    const deliveryIds = ids.slice(from, from + limits.replayRowsPerStepMax)
    const made = await store.replay({ ...query, deliveryIds, limit: deliveryIds.length, nowMs: clock.nowMs() })
    replayed += made.length
    push(made)
    progress(Math.min(ids.length, from + deliveryIds.length), ids.length)
  }
  return replayed
}

/** How many a replay of the same query would take now. */
export const countReplay = async (
  deps: Pick<ReplayDeps, 'limits'> & { readonly store: Pick<Store, 'countReplay' | 'listDeliveries'> },
  query: ReplayQuery,
): Promise<number> =>
  query.cause === undefined ? deps.store.countReplay(query) : (await matchingIds(deps, query)).length

/** Oldest first, so that a replay keeps the order of the first run. */
async function matchingIds(
  { store, limits }: Pick<ReplayDeps, 'limits'> & { readonly store: Pick<Store, 'listDeliveries'> },
  query: ReplayQuery,
): Promise<readonly string[]> {
  const { workspace, installation, form, reason, code, cause, since, until, host } = query
  const found: string[] = []
  for (const state of query.states) {
    let after: string | undefined
    do {
      const page = await store.listDeliveries(workspace, {
        installation,
        form,
        reason,
        code,
        cause,
        since,
        until,
        state,
        limit: limits.pageItemsMax,
        after,
      })
      for (const { id, host: last } of page.items) if (host === undefined || host === last) found.push(id)
      after = page.next ?? undefined
    } while (after !== undefined)
  }
  // Ids sort by creation.
  return found.sort()
}
