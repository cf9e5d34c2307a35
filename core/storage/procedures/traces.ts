/** What the log, deliveries, attempts and the history of runs hold of responses, and its end. */
import type { DeliveryState, WorkspaceId } from '../../model.ts'
import { allMany, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import { noteMove, saveLaneNotes } from './lane-notes.ts'
import type { LaneNotes } from './lane-notes.ts'
import { eraseRunsOf } from './runs.ts'

/** A delivery whose data is to go. */
export interface Erased {
  readonly id: string
  readonly installation: string
  readonly state: DeliveryState
}

/** Erases all of it, and notes the ids, so that a run that is under way brings nothing of them back. */
export function* eraseTraces(workspace: WorkspaceId, ids: readonly string[], at: string): Procedure<void> {
  if (ids.length === 0) return
  const keys = ids.map((id): SqlValue[] => [workspace, id])
  yield* runMany(
    'UPDATE events SET data = NULL, meta = NULL, form_version = NULL, started_at = NULL WHERE workspace = ? AND response_id = ?',
    keys,
  )
  const deliveries = yield* allMany<Erased>(
    'SELECT id, installation, state FROM deliveries WHERE workspace = ? AND response_id = ?',
    keys,
  )
  yield* eraseDeliveries(workspace, deliveries, at)
  yield* eraseRunsOf(keys)
  yield* runMany('INSERT INTO erased_responses (workspace, response_id) VALUES (?, ?) ON CONFLICT DO NOTHING', keys)
}

/** Inputs, exchanges and log lines go; what still waited ends here, since there is nothing left to send. */
export function* eraseDeliveries(workspace: WorkspaceId, deliveries: readonly Erased[], at: string): Procedure<void> {
  const notes: LaneNotes = new Map()
  const keys = deliveries.map(({ id }): SqlValue[] => [workspace, id])
  yield* runMany(
    `UPDATE attempts SET exchanges = '[]', logs = '[]', error = NULL WHERE workspace = ? AND delivery_id = ?`,
    keys,
  )
  yield* runMany(
    'UPDATE deliveries SET input = NULL, error = NULL, order_key = NULL, pace_key = NULL WHERE workspace = ? AND id = ?',
    keys,
  )
  const waiting = deliveries.filter(({ state }) => state === 'pending' || state === 'retrying')
  for (const { installation, state } of waiting)
    noteMove(notes, { workspace, installation }, { from: state, to: 'dead' })
  yield* runMany(
    `UPDATE deliveries SET state = 'dead', finished_at = ?, reason = 'permanent_reject', error_code = 'event_erased',
      error = 'The response was deleted before this was delivered.' WHERE workspace = ? AND id = ?`,
    waiting.map(({ id }): SqlValue[] => [at, workspace, id]),
  )
  yield* saveLaneNotes(notes)
}
