/** What the log, deliveries, attempts and the history of runs hold of responses, and its end. */
import type { DeliveryState, WorkspaceId } from '../../model.ts'
import { causeOf } from '../cause.ts'
import { allMany, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import { eraseSharedRuns, sharedRunsOf } from './batches.ts'
import { noteMove, saveLaneNotes } from './lane-notes.ts'
import type { LaneNotes } from './lane-notes.ts'
import { eraseRunsOf } from './runs.ts'
import { eraseSaid } from './said.ts'

/** A delivery whose data is to go. */
export interface Erased {
  readonly id: string
  readonly installation: string
  readonly state: DeliveryState
  readonly error_code: string | null
}

/** What `Erased` is made of. */
export const ERASED_COLUMNS = 'id, installation, state, error_code'

/** What a delivery says of itself that still waited. */
const GONE = { code: 'event_erased', error: 'The response was deleted before this was delivered.' } as const

/** Erases all of it, and notes the ids, so that a run that is under way brings nothing of them back. */
export function* eraseTraces(workspace: WorkspaceId, ids: readonly string[], at: string): Procedure<void> {
  if (ids.length === 0) return
  const keys = ids.map((id): SqlValue[] => [workspace, id])
  yield* runMany(
    'UPDATE events SET data = NULL, meta = NULL, form_version = NULL, started_at = NULL WHERE workspace = ? AND response_id = ?',
    keys,
  )
  const deliveries = yield* allMany<Erased>(
    `SELECT ${ERASED_COLUMNS} FROM deliveries WHERE workspace = ? AND response_id = ?`,
    keys,
  )
  yield* eraseDeliveries(workspace, deliveries, at)
  yield* runMany(
    'UPDATE installations SET last_error = NULL, last_error_delivery = NULL WHERE workspace = ? AND last_error_delivery = ?',
    keys,
  )
  yield* eraseRunsOf(keys)
  yield* runMany(
    `INSERT INTO erased_responses (workspace, response_id, batches_erased) VALUES (?, ?, 1)
      ON CONFLICT (workspace, response_id) DO UPDATE SET batches_erased = 1`,
    keys,
  )
}

/** Inputs, exchanges and log lines go, also those of the runs that they shared; what still waited ends here, since there is nothing left to send. */
export function* eraseDeliveries(workspace: WorkspaceId, deliveries: readonly Erased[], at: string): Procedure<void> {
  const notes: LaneNotes = new Map()
  const keys = deliveries.map(({ id }): SqlValue[] => [workspace, id])
  yield* eraseSharedRuns(yield* sharedRunsOf(keys))
  yield* runMany(
    `UPDATE attempts SET exchanges = '[]', logs = '[]', error = NULL WHERE workspace = ? AND delivery_id = ?`,
    keys,
  )
  yield* runMany(
    `UPDATE deliveries SET input = NULL, error = NULL, order_key = NULL, pace_key = NULL, cause = ?
      WHERE workspace = ? AND id = ?`,
    deliveries.map((delivery): SqlValue[] => [causeLeft(delivery), workspace, delivery.id]),
  )
  yield* eraseSaid(workspace, deliveries)
  const waiting = deliveries.filter(isWaiting)
  for (const { installation, state } of waiting)
    noteMove(notes, { workspace, installation }, { from: state, to: 'dead' })
  yield* runMany(
    `UPDATE deliveries SET state = 'dead', finished_at = ?, reason = 'permanent_reject', error_code = ?, error = ?
      WHERE workspace = ? AND id = ?`,
    waiting.map(({ id }): SqlValue[] => [at, GONE.code, GONE.error, workspace, id]),
  )
  yield* saveLaneNotes(notes)
}

const isWaiting = ({ state }: Erased): boolean => state === 'pending' || state === 'retrying'

/** Of a dead one its code alone is left: its words may have quoted the response. */
function causeLeft(erased: Erased): string | null {
  const { installation, error_code: code } = erased
  if (isWaiting(erased)) return causeOf({ installation, ...GONE })
  return erased.state === 'dead' ? causeOf({ installation, code, error: null }) : null
}
