/** Deleting responses, and with them every copy of their data: log, deliveries, attempts, runs. */
import type { NewEvent, WorkspaceId } from '../../model.ts'
import { all, first, run, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import { eraseAside, eraseAsideOf } from './discard.ts'
import type { AsideKey } from './discard.ts'
import { dropAsideEventsOf } from './event-quarantine.ts'
import { append } from './events.ts'
import { endHooksOfForm } from './hooks.ts'
import { eraseLooseRuns } from './runs.ts'
import { ERASED_COLUMNS, eraseDeliveries, eraseTraces } from './traces.ts'
import type { Erased } from './traces.ts'

/** Rows a slice may touch: small enough that other writers wait a few milliseconds at most. */
const SLICE_ROWS = 200

/** Deletes one response; answers the sequence of its event, null when there is no such response. */
export function* deleteResponse(input: {
  readonly workspace: WorkspaceId
  readonly id: string
  readonly event: NewEvent
}): Procedure<number | null> {
  const found = yield* first('SELECT id FROM responses WHERE workspace = ? AND id = ?', [input.workspace, input.id])
  if (found === undefined) return null
  yield* eraseResponses(input.workspace, [input.id], input.event.at)
  return yield* append(input.workspace, [input.event])
}

/** Removes the form, ends its hooks and notes that its responses are to go; `eraseSlice` does the rest. Null when there is none. */
export function* deleteForm(input: {
  readonly workspace: WorkspaceId
  readonly id: string
  readonly event: NewEvent
}): Procedure<number | null> {
  const { workspace, id } = input
  const removed = yield* run('DELETE FROM forms WHERE workspace = ? AND id = ?', [workspace, id])
  if (removed === 0) return null
  yield* run('DELETE FROM form_versions WHERE workspace = ? AND id = ?', [workspace, id])
  yield* endHooksOfForm(workspace, id, input.event.at)
  const seq = yield* append(workspace, [input.event])
  yield* run('INSERT INTO erasures (workspace, form_id, before_seq) VALUES (?, ?, ?)', [workspace, id, seq])
  return seq
}

/** A form whose responses are being deleted. */
export interface Erasure {
  readonly workspace: WorkspaceId
  readonly form_id: string
  readonly before_seq: number
}

/** What is left to do from before. */
export function* erasures(): Procedure<readonly Erasure[]> {
  return yield* all<Erasure>('SELECT workspace, form_id, before_seq FROM erasures ORDER BY workspace, form_id', [])
}

/** One slice of a form's deletion; true when that was the last. */
export function* eraseSlice(input: {
  readonly workspace: WorkspaceId
  readonly formId: string
  readonly at: string
}): Procedure<boolean> {
  const { workspace, formId } = input
  const erasure = yield* first<Erasure>('SELECT before_seq FROM erasures WHERE workspace = ? AND form_id = ?', [
    workspace,
    formId,
  ])
  if (erasure === undefined) return true
  const aside = yield* all<AsideKey>(
    'SELECT workspace, id, idempotency_key FROM quarantine WHERE workspace = ? AND form_id = ? LIMIT ?',
    [workspace, formId, SLICE_ROWS],
  )
  yield* eraseAside(aside, input.at)
  if (aside.length > 0) return false
  const responses = yield* all<{ id: string }>('SELECT id FROM responses WHERE workspace = ? AND form_id = ? LIMIT ?', [
    workspace,
    formId,
    SLICE_ROWS,
  ])
  if (responses.length > 0) {
    const ids = responses.map((row) => row.id)
    yield* eraseResponses(workspace, ids, input.at)
    return false
  }
  if ((yield* eraseLooseEvents(workspace, formId, erasure.before_seq)) > 0) return false
  yield* dropAsideEventsOf(workspace, formId)
  if ((yield* eraseLooseDeliveries(workspace, formId, input.at)) > 0) return false
  if ((yield* eraseLooseRuns(workspace, formId, SLICE_ROWS)) > 0) return false
  yield* run('DELETE FROM erasures WHERE workspace = ? AND form_id = ?', [workspace, formId])
  return true
}

function* eraseResponses(workspace: WorkspaceId, ids: readonly string[], at: string): Procedure<void> {
  const keys = ids.map((id): SqlValue[] => [workspace, id])
  yield* eraseAsideOf(workspace, ids, at)
  yield* eraseTraces(workspace, ids, at)
  yield* runMany('DELETE FROM response_notes WHERE workspace = ? AND response_id = ?', keys)
  yield* runMany('DELETE FROM responses WHERE workspace = ? AND id = ?', keys)
  yield* run('UPDATE log_head SET responses = responses - ? WHERE only_row = 1', [ids.length])
}

/** Events of the form that belong to no response (page views and the like), up to the deletion itself. */
function* eraseLooseEvents(workspace: WorkspaceId, formId: string, beforeSeq: number): Procedure<number> {
  const events = yield* all<{ seq: number }>(
    `SELECT seq FROM events WHERE workspace = ? AND form_id = ? AND response_id IS NULL AND data IS NOT NULL AND seq < ?
      LIMIT ?`,
    [workspace, formId, beforeSeq, SLICE_ROWS],
  )
  yield* runMany(
    'UPDATE events SET data = NULL, meta = NULL, client_id = NULL WHERE seq = ?',
    events.map(({ seq }) => [seq]),
  )
  return events.length
}

function* eraseLooseDeliveries(workspace: WorkspaceId, formId: string, at: string): Procedure<number> {
  const deliveries = yield* all<Erased>(
    `SELECT ${ERASED_COLUMNS} FROM deliveries
      WHERE workspace = ? AND form_id = ? AND response_id IS NULL AND input IS NOT NULL LIMIT ?`,
    [workspace, formId, SLICE_ROWS],
  )
  yield* eraseDeliveries(workspace, deliveries, at)
  return deliveries.length
}
