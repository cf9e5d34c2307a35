/** The counters of each installation's deliveries, collected over a transaction and written once. */
import type { DeliveryState, WorkspaceId } from '../../model.ts'
import { all, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import type { LaneRow } from '../rows.ts'

type Delta = { readonly workspace: WorkspaceId; readonly installation: string } & Record<DeliveryState, number>

/** Changes of the counters within one transaction. */
export type Counters = Map<string, Delta>

/** Notes that `by` deliveries left the one state (null: they are new) and entered the other. */
export function count(
  counters: Counters,
  lane: { readonly workspace: WorkspaceId; readonly installation: string },
  move: { readonly from: DeliveryState | null; readonly to: DeliveryState; readonly by?: number },
): void {
  const key = `${lane.workspace}/${lane.installation}`
  let delta = counters.get(key)
  if (delta === undefined) {
    const { workspace, installation } = lane
    delta = { workspace, installation, pending: 0, retrying: 0, delivered: 0, dead: 0 }
    counters.set(key, delta)
  }
  const by = move.by ?? 1
  if (move.from !== null) delta[move.from] -= by
  delta[move.to] += by
}

/** Writes them. */
export function* saveCounters(counters: Counters): Procedure<void> {
  if (counters.size === 0) return
  yield* runMany(
    `INSERT INTO lane_counts (workspace, installation, pending, retrying, delivered, dead) VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (workspace, installation) DO UPDATE SET pending = lane_counts.pending + excluded.pending,
        retrying = lane_counts.retrying + excluded.retrying, delivered = lane_counts.delivered + excluded.delivered,
        dead = lane_counts.dead + excluded.dead`,
    [...counters.values()].map((delta): SqlValue[] => [
      delta.workspace,
      delta.installation,
      delta.pending,
      delta.retrying,
      delta.delivered,
      delta.dead,
    ]),
  )
}

/** All lanes, each with its oldest waiting delivery. */
export function* laneCounts(): Procedure<readonly LaneRow[]> {
  return yield* all<LaneRow>(
    `SELECT c.workspace, c.installation, c.pending, c.retrying, c.delivered, c.dead,
      (SELECT min(d.created_at) FROM deliveries d
        WHERE d.workspace = c.workspace AND d.installation = c.installation AND d.finished_at IS NULL) AS oldest_at
      FROM lane_counts c ORDER BY c.workspace, c.installation`,
    [],
  )
}
