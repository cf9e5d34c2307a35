/** What was put aside is stored after all: taken out and accepted in one transaction, so each once. */
import type { ResponseStatus, WorkspaceId } from '../../model.ts'
import { first, run } from '../procedure.ts'
import type { Procedure } from '../procedure.ts'
import type { QuarantineRow } from '../quarantine-rows.ts'
import type { QuarantineFilter, Submission } from '../store.ts'
import { oldestQuarantined, takeOut } from './quarantine.ts'
import { eraseTraces } from './traces.ts'
import { insertResponse, updateResponse } from './write-response.ts'
import type { KnownResponse, Written } from './write-response.ts'

/** With the event of its answers, whose id says when they came in: a release keeps it, however late it is. */
const FIND_STORED = `SELECT id, status, started_at, submitted_at, updated_at,
    (SELECT e.id FROM events e WHERE e.workspace = r.workspace AND e.response_id = r.id
      AND e.type IN ('response.partial', 'response.submitted') ORDER BY e.seq DESC LIMIT 1) AS event_id
  FROM responses r WHERE workspace = ? AND form_id = ? AND client_id = ?`
/** From now on a repeat is told of the response. */
const FORGET_REJECTION = 'UPDATE idempotency SET rejection = NULL WHERE workspace = ? AND idempotency_key = ?'

/** When the response is deleted, what was left under the other id goes with it. */
const NOTE_RELEASE = `INSERT INTO released_into (workspace, id, response_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`

/** `superseded`: its client completed the response meanwhile, or sent newer answers; these go. */
export type Released = { readonly submission: Submission } & (
  | { readonly accepted: Written }
  | { readonly superseded: { readonly id: string; readonly status: ResponseStatus; readonly at: string } }
)

interface StoredRow extends KnownResponse {
  readonly submitted_at: string | null
  readonly updated_at: string
  readonly event_id: string | null
}

/** The other id under which it was stored; null: its own, or not at all. */
export function* releasedInto(input: {
  readonly workspace: WorkspaceId
  readonly id: string
}): Procedure<string | null> {
  const row = yield* first<{ response_id: string }>(
    'SELECT response_id FROM released_into WHERE workspace = ? AND id = ?',
    [input.workspace, input.id],
  )
  return row?.response_id ?? null
}

/** Oldest first. No transform is asked again. */
export function* release(input: {
  readonly workspace: WorkspaceId
  readonly filter: QuarantineFilter & { readonly id?: string }
  readonly limit: number
  readonly at: string
}): Procedure<readonly Released[]> {
  const released: Released[] = []
  for (const row of yield* oldestQuarantined(input)) released.push(yield* releaseOne(row, input.at))
  return released
}

function* releaseOne(row: QuarantineRow, at: string): Procedure<Released> {
  const { workspace } = row
  yield* takeOut(workspace, row.id)
  if (row.idempotency_key !== null) yield* run(FORGET_REJECTION, [workspace, row.idempotency_key])
  const submission = submissionOf(row, at)
  const { client_id: name } = row
  const known = name === null ? undefined : yield* first<StoredRow>(FIND_STORED, [workspace, row.form_id, name])
  if (known !== undefined && (known.status === 'completed' || isNewer(known, row))) {
    // Nothing of it is left to be found by.
    yield* eraseTraces(workspace, [row.id], at)
    const { id, status, submitted_at: submittedAt, updated_at: updatedAt } = known
    return { submission, superseded: { id, status, at: submittedAt ?? updatedAt } }
  }
  if (known === undefined) return { submission, accepted: yield* insertResponse(submission) }
  yield* run(NOTE_RELEASE, [workspace, row.id, known.id])
  return { submission, accepted: yield* updateResponse(submission, known) }
}

/** Ids are sorted by the time at which they were made. */
const isNewer = ({ event_id: id, updated_at: updatedAt }: StoredRow, row: QuarantineRow): boolean =>
  id === null ? updatedAt > row.received_at : id > row.event_id

const submissionOf = (row: QuarantineRow, at: string): Submission => ({
  workspace: row.workspace,
  responseId: row.id,
  formId: row.form_id,
  formVersion: row.form_version,
  status: row.status,
  data: row.data,
  meta: row.meta,
  clientId: row.client_id,
  startedAt: row.started_at,
  at,
  submittedAt: row.submitted_at ?? row.received_at,
  ...(row.received === row.data ? {} : { received: row.received }),
  eventId: row.event_id,
  idempotency: null,
})
