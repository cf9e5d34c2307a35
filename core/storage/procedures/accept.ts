/** One submission becomes a response and an event, once, however often it is sent. */
import { isDeepStrictEqual } from 'node:util'
import type { NewDelivery, ResponseStatus } from '../../model.ts'
import { first, run, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import type { Submission } from '../store.ts'
import { isPlain } from '../submitted-event.ts'
import { insertDeliveries } from './effects.ts'
import type { EffectOwner } from './effects.ts'
import { headSeq, INSERT_EVENT } from './events.ts'
import { saveLaneNotes } from './lane-notes.ts'
import type { LaneNotes } from './lane-notes.ts'

const FIND_KEY = `SELECT body_hash, response_id, event_id, status, at, expires_at_ms FROM idempotency
  WHERE workspace = ? AND idempotency_key = ?`
const REMEMBER_KEY = `INSERT INTO idempotency
  (workspace, idempotency_key, body_hash, response_id, event_id, status, at, expires_at_ms)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (workspace, idempotency_key) DO UPDATE SET body_hash = excluded.body_hash,
    response_id = excluded.response_id, event_id = excluded.event_id, status = excluded.status, at = excluded.at, expires_at_ms = excluded.expires_at_ms`
const FIND_CLIENT = `SELECT id, status, started_at, submitted_at, updated_at, data FROM responses
  WHERE workspace = ? AND form_id = ? AND client_id = ?`
const FIND_EVENT = `SELECT id FROM events WHERE workspace = ? AND response_id = ? AND type = 'response.submitted'`
const INSERT_RESPONSE = `INSERT INTO responses (workspace, id, form_id, form_version, status, client_id, started_at,
  submitted_at, created_at, updated_at, meta, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
const UPDATE_RESPONSE = `UPDATE responses SET form_version = ?, status = ?, started_at = ?, submitted_at = ?,
  updated_at = ?, meta = ?, data = ? WHERE workspace = ? AND id = ? AND status = 'partial'`
const TAKE_SEQUENCES = 'UPDATE log_head SET seq = seq + ?, responses = responses + ? WHERE only_row = 1'
/** The many: new, final, asked about by nobody. What is not named is null. */
const INSERT_COMPLETED = `INSERT INTO responses (workspace, id, form_id, form_version, status, started_at, submitted_at,
  created_at, updated_at, meta, data) VALUES (?, ?, ?, ?, 'completed', ?, ?, ?, ?, ?, ?)`
const INSERT_SUBMITTED = `INSERT INTO events (seq, id, workspace, type, at, form_id, response_id, hops)
  VALUES (?, ?, ?, 'response.submitted', ?, ?, ?, 0)`

/** What became of a submission, without what the caller knows already. */
export type Accepted =
  | {
      readonly kind: 'stored' | 'completed'
      readonly seq: number
      readonly responseId: string
      readonly startedAt: string | null
      /** Those of `forwards` that were made; absent: none. */
      readonly deliveryIds?: readonly string[]
    }
  | {
      readonly kind: 'duplicate'
      readonly responseId: string
      readonly status: ResponseStatus
      readonly at: string
      readonly eventId?: string
      readonly differs?: true
    }
  | { readonly kind: 'mismatch' }

interface KeyRow {
  readonly body_hash: string
  readonly response_id: string
  readonly event_id: string
  readonly status: ResponseStatus
  readonly at: string
  readonly expires_at_ms: number
}

interface ClientRow {
  readonly id: string
  readonly status: ResponseStatus
  readonly started_at: string | null
  readonly submitted_at: string | null
  readonly updated_at: string
  readonly data: string
}

export interface AcceptInput {
  readonly submissions: readonly Submission[]
  readonly idempotencyTtlMs: number
}

/** Accepts in order; a later row of the same call sees the earlier ones. */
export function* accept(input: AcceptInput): Procedure<readonly Accepted[]> {
  const { submissions } = input
  const accepted = submissions.every(isPlain)
    ? yield* acceptPlain(submissions)
    : yield* acceptEach(submissions, input.idempotencyTtlMs)
  const made = yield* forward(submissions, accepted)
  if (made.size === 0) return accepted
  return accepted.map((result, i) => {
    const ids = (submissions[i]?.forwards ?? []).map(({ delivery }) => delivery.id).filter((id) => made.has(id))
    return 'seq' in result && ids.length > 0 ? { ...result, deliveryIds: ids } : result
  })
}

function* acceptEach(submissions: readonly Submission[], idempotencyTtlMs: number): Procedure<readonly Accepted[]> {
  const accepted: Accepted[] = []
  for (const submission of submissions) accepted.push(yield* acceptOne(submission, idempotencyTtlMs))
  return accepted
}

/** All rows of a table with one prepared statement, all sequences with one update. */
function* acceptPlain(submissions: readonly Submission[]): Procedure<readonly Accepted[]> {
  const from = yield* takeSequences(submissions.length, submissions.length)
  yield* runMany(
    INSERT_COMPLETED,
    submissions.map(({ workspace, responseId, formId, formVersion, startedAt, at, meta, data }): SqlValue[] => [
      workspace,
      responseId,
      formId,
      formVersion,
      startedAt,
      at,
      at,
      at,
      meta,
      data,
    ]),
  )
  yield* runMany(
    INSERT_SUBMITTED,
    submissions.map(({ eventId, workspace, at, formId, responseId }, i): SqlValue[] => [
      from + i,
      eventId,
      workspace,
      at,
      formId,
      responseId,
    ]),
  )
  return submissions.map(({ responseId, startedAt }, i) => ({ kind: 'stored', seq: from + i, responseId, startedAt }))
}

/**
 * The deliveries that come with responses; their keys are those a reader of the log would give them later. Answers the
 * ids of those that were made.
 */
function* forward(submissions: readonly Submission[], accepted: readonly Accepted[]): Procedure<ReadonlySet<string>> {
  const groups = new Map<string, { readonly owner: EffectOwner; readonly deliveries: NewDelivery[] }>()
  for (const [i, { workspace, at, forwards = [] }] of submissions.entries()) {
    const result = accepted[i]
    if (result === undefined || !('seq' in result)) continue
    for (const { installation, plugin, delivery } of forwards) {
      const key = `${workspace}/${installation}/${at}`
      let group = groups.get(key)
      if (group === undefined) {
        group = { owner: { workspace, installation, plugin, at }, deliveries: [] }
        groups.set(key, group)
      }
      group.deliveries.push({ ...delivery, eventSeq: result.seq })
    }
  }
  const made = new Set<string>()
  const notes: LaneNotes = new Map()
  for (const { owner, deliveries } of groups.values()) {
    const { deliveryIds } = yield* insertDeliveries(owner, deliveries, notes)
    for (const id of deliveryIds) made.add(id)
  }
  yield* saveLaneNotes(notes)
  return made
}

/** Takes that many; answers the first. The update holds the row until the commit. */
function* takeSequences(count: number, responses: number): Procedure<number> {
  yield* run(TAKE_SEQUENCES, [count, responses])
  return (yield* headSeq()) - count + 1
}

function* acceptOne(submission: Submission, idempotencyTtlMs: number): Procedure<Accepted> {
  const { workspace, idempotency, clientId } = submission
  const repeat = idempotency === null ? undefined : yield* repeated(submission, idempotency)
  if (repeat !== undefined) return repeat
  const known =
    clientId === null ? undefined : yield* first<ClientRow>(FIND_CLIENT, [workspace, submission.formId, clientId])
  if (known !== undefined && known.status === 'completed') {
    return yield* duplicateOf(submission, known)
  }
  const written = known === undefined ? yield* insert(submission) : yield* update(submission, known)
  if (idempotency !== null) {
    const expiresAtMs = Date.parse(submission.at) + idempotencyTtlMs
    yield* run(REMEMBER_KEY, [
      workspace,
      idempotency.key,
      idempotency.bodyHash,
      written.responseId,
      submission.eventId,
      submission.status,
      submission.at,
      expiresAtMs,
    ])
  }
  return written
}

function* repeated(
  submission: Submission,
  idempotency: NonNullable<Submission['idempotency']>,
): Procedure<Accepted | undefined> {
  const row = yield* first<KeyRow>(FIND_KEY, [submission.workspace, idempotency.key])
  if (row === undefined || row.expires_at_ms <= Date.parse(submission.at)) return undefined
  if (row.body_hash !== idempotency.bodyHash) return { kind: 'mismatch' }
  return { kind: 'duplicate', responseId: row.response_id, status: row.status, at: row.at, eventId: row.event_id }
}

function* duplicateOf(submission: Submission, known: ClientRow): Procedure<Accepted> {
  const event = yield* first<{ id: string }>(FIND_EVENT, [submission.workspace, known.id])
  const at = known.submitted_at ?? known.updated_at
  // A partial one that comes late is an older state of the same answers, and may differ.
  const differs = submission.status === 'completed' && !sameAnswers(submission.data, known.data)
  const base = { kind: 'duplicate', responseId: known.id, status: known.status, at } as const
  const duplicate = differs ? { ...base, differs } : base
  return event === undefined ? duplicate : { ...duplicate, eventId: event.id }
}

/** The order of the keys says nothing. */
const sameAnswers = (one: string, other: string): boolean =>
  one === other || isDeepStrictEqual(JSON.parse(one), JSON.parse(other))

type Written = Extract<Accepted, { seq: number }>

function* insert(submission: Submission): Procedure<Written> {
  const { workspace, responseId, formId, formVersion, status, clientId, startedAt, at, meta, data } = submission
  const submittedAt = status === 'completed' ? at : null
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
  ])
  const seq = yield* log(submission, { responseId, startedAt, inserted: 1 })
  return { kind: 'stored', seq, responseId, startedAt }
}

/** A partial response gets newer answers, or its final ones; the row is final from then on. */
function* update(submission: Submission, known: ClientRow): Procedure<Written> {
  const { workspace, formVersion, status, at, meta, data } = submission
  const startedAt = known.started_at ?? submission.startedAt
  const submittedAt = status === 'completed' ? at : null
  yield* run(UPDATE_RESPONSE, [formVersion, status, startedAt, submittedAt, at, meta, data, workspace, known.id])
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
