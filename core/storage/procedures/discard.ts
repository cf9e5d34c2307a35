/** The end of what was put aside and is not stored: every copy of it goes, as with a response that is deleted. */
import type { NewEvent, WorkspaceId } from '../../model.ts'
import { all, allMany, first, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import { append } from './events.ts'
import { eraseTraces } from './traces.ts'

/** Rows a slice may touch: each has an event, and perhaps runs and deliveries. */
const SLICE_ROWS = 200

/** What has to be known of a row to erase it. */
export interface AsideKey {
  readonly workspace: WorkspaceId
  readonly id: string
  readonly idempotency_key: string | null
}

/** That a sender was refused stays, so that a repeat is refused again; what it was told may quote its answers. */
const FORGET_WORDS = `UPDATE idempotency SET rejection = '{"code":"","message":""}'
  WHERE workspace = ? AND idempotency_key = ? AND rejection IS NOT NULL`

/** Deletes one for good; answers the sequence of its event, null when it is not there. */
export function* discard(input: {
  readonly workspace: WorkspaceId
  readonly id: string
  readonly event: NewEvent
}): Procedure<number | null> {
  const { workspace, id, event } = input
  const row = yield* first<AsideKey>(
    'SELECT workspace, id, idempotency_key FROM quarantine WHERE workspace = ? AND id = ?',
    [workspace, id],
  )
  if (row === undefined) return null
  yield* eraseAside([row], event.at)
  return yield* append(workspace, [event])
}

/** Drops one slice of what came before this time; `more` says that another is due. `at`: now. */
export function* purgeQuarantineSlice(input: {
  readonly before: string
  readonly at: string
}): Procedure<{ readonly dropped: number; readonly more: boolean }> {
  const rows = yield* all<AsideKey>(
    'SELECT workspace, id, idempotency_key FROM quarantine WHERE received_at < ? ORDER BY received_at LIMIT ?',
    [input.before, SLICE_ROWS],
  )
  yield* eraseAside(rows, input.at)
  return { dropped: rows.length, more: rows.length === SLICE_ROWS }
}

/** Erases these rows with everything that is left of them elsewhere. */
export function* eraseAside(rows: readonly AsideKey[], at: string): Procedure<void> {
  for (const [workspace, ofOne] of Map.groupBy(rows, (row) => row.workspace))
    yield* eraseTraces(
      workspace,
      ofOne.map(({ id }) => id),
      at,
    )
  yield* runMany(
    FORGET_WORDS,
    rows.flatMap(({ workspace, idempotency_key: key }): SqlValue[][] => (key === null ? [] : [[workspace, key]])),
  )
  yield* runMany(
    'DELETE FROM quarantine WHERE workspace = ? AND id = ?',
    rows.map(({ workspace, id }): SqlValue[] => [workspace, id]),
  )
}

/**
 * What is a part of these responses: what was sent later under the same client's id and put aside was answered with the
 * response's id, and what was released into one of them has left traces under the id it had before.
 */
export function* eraseAsideOf(workspace: WorkspaceId, ids: readonly string[], at: string): Procedure<void> {
  const keys = ids.map((id): SqlValue[] => [workspace, id])
  const clients = yield* allMany<{ form_id: string; client_id: string | null }>(
    'SELECT form_id, client_id FROM responses WHERE workspace = ? AND id = ?',
    keys,
  )
  const aside = yield* allMany<AsideKey>(
    'SELECT workspace, id, idempotency_key FROM quarantine WHERE workspace = ? AND form_id = ? AND client_id = ?',
    clients.flatMap((row): SqlValue[][] => (row.client_id === null ? [] : [[workspace, row.form_id, row.client_id]])),
  )
  yield* eraseAside(aside, at)
  const released = yield* allMany<{ id: string }>(
    'SELECT id FROM released_into WHERE workspace = ? AND response_id = ?',
    keys,
  )
  yield* eraseTraces(
    workspace,
    released.map(({ id }) => id),
    at,
  )
  yield* runMany('DELETE FROM released_into WHERE workspace = ? AND response_id = ?', keys)
}
