/** Writing one response with its event, new or over a partial one. */
import type { ResponseStatus } from '../../model.ts'
import { answersHash } from '../answers.ts'
import { first, run } from '../procedure.ts'
import type { Procedure } from '../procedure.ts'
import type { Submission } from '../store.ts'
import { INSERT_EVENT } from './events.ts'

const INSERT_RESPONSE = `INSERT INTO responses (workspace, id, form_id, form_version, status, client_id, started_at,
  submitted_at, created_at, updated_at, meta, data, received_hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
const UPDATE_RESPONSE = `UPDATE responses SET form_version = ?, status = ?, started_at = ?, submitted_at = ?,
  updated_at = ?, meta = ?, data = ?, received_hash = ? WHERE workspace = ? AND id = ? AND status = 'partial'`
const TAKE_SEQUENCES = 'UPDATE log_head SET seq = seq + ?, responses = responses + ? WHERE only_row = 1 RETURNING seq'

export interface Written {
  readonly kind: 'stored' | 'completed'
  readonly seq: number
  readonly responseId: string
  readonly startedAt: string | null
}

/** A partial response that is stored already. */
export interface KnownResponse {
  readonly id: string
  readonly status: ResponseStatus
  readonly started_at: string | null
}

/** Takes that many; answers the first. The update holds the row until the commit. */
export function* takeSequences(count: number, responses: number): Procedure<number> {
  const head = yield* first<{ seq: number }>(TAKE_SEQUENCES, [count, responses])
  return (head as { seq: number }).seq - count + 1
}

/** Only where a repeat could be compared with it, and other answers are stored than came. */
const hashOf = ({ clientId, received }: Submission): string | null =>
  clientId === null || received === undefined ? null : answersHash(received)

/** A new response and its event. */
export function* insertResponse(submission: Submission): Procedure<Written> {
  const { workspace, responseId, formId, formVersion, status, clientId, startedAt, at, meta, data } = submission
  const submittedAt = status === 'completed' ? (submission.submittedAt ?? at) : null
  yield* run(INSERT_RESPONSE, [
    workspace,
    responseId,
    formId,
    formVersion,
    status,
    clientId,
    startedAt,
    submittedAt,
    at,
    at,
    meta,
    data,
    hashOf(submission),
  ])
  const seq = yield* log(submission, { responseId, startedAt, inserted: 1 })
  return { kind: 'stored', seq, responseId, startedAt }
}

/** A partial response gets newer answers, or its final ones; the row is final from then on. */
export function* updateResponse(submission: Submission, known: KnownResponse): Procedure<Written> {
  const { workspace, formVersion, status, at, meta, data } = submission
  const startedAt = known.started_at ?? submission.startedAt
  const submittedAt = status === 'completed' ? (submission.submittedAt ?? at) : null
  yield* run(UPDATE_RESPONSE, [
    formVersion,
    status,
    startedAt,
    submittedAt,
    at,
    meta,
    data,
    hashOf(submission),
    workspace,
    known.id,
  ])
  const seq = yield* log(submission, { responseId: known.id, startedAt, inserted: 0 })
  return { kind: status === 'completed' ? 'completed' : 'stored', seq, responseId: known.id, startedAt }
}

/** The event of a completed response points at the row; that of a partial one keeps its own copy. */
function* log(
  submission: Submission,
  written: { readonly responseId: string; readonly startedAt: string | null; readonly inserted: 0 | 1 },
): Procedure<number> {
  const seq = yield* takeSequences(1, written.inserted)
  const partial = submission.status === 'partial'
  yield* run(INSERT_EVENT, [
    seq,
    submission.eventId,
    submission.workspace,
    partial ? 'response.partial' : 'response.submitted',
    submission.at,
    submission.formId,
    written.responseId,
    0,
    partial ? submission.data : null,
    partial ? submission.meta : null,
    partial ? submission.formVersion : null,
    partial ? written.startedAt : null,
  ])
  return seq
}
