/** One submission becomes a response and an event, once, however often it is sent. */
import { FORM_MISMATCH } from '../../model.ts'
import type { NewDelivery, ResponseStatus } from '../../model.ts'
import { answersHash, sameAnswers } from '../answers.ts'
import { all, first, run, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import type { Rejection, Submission } from '../store.ts'
import { isPlain } from '../submitted-event.ts'
import { insertDeliveries } from './effects.ts'
import type { EffectOwner } from './effects.ts'
import { saveLaneNotes } from './lane-notes.ts'
import type { LaneNotes } from './lane-notes.ts'
import { putAside, takeOut } from './quarantine.ts'
import type { PutAside } from './quarantine.ts'
import { insertResponse, takeSequences, updateResponse } from './write-response.ts'
import type { Written } from './write-response.ts'

const FIND_KEY = `SELECT body_hash, response_id, event_id, status, at, expires_at_ms, rejection FROM idempotency
  WHERE workspace = ? AND idempotency_key = ?`
const REMEMBER_KEY = `INSERT INTO idempotency
  (workspace, idempotency_key, body_hash, response_id, event_id, status, at, expires_at_ms, rejection)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (workspace, idempotency_key) DO UPDATE SET body_hash = excluded.body_hash,
    response_id = excluded.response_id, event_id = excluded.event_id, status = excluded.status, at = excluded.at,
    expires_at_ms = excluded.expires_at_ms, rejection = excluded.rejection`
/** What is stored under the client's id, and the newest that was put aside under it. */
const FIND_CLIENT = `SELECT 0 AS held, id, status, started_at, submitted_at, updated_at, data, received_hash,
    NULL AS verdict, NULL AS code, NULL AS message, NULL AS event_id
  FROM responses WHERE workspace = ? AND form_id = ? AND client_id = ?
  UNION ALL SELECT * FROM (SELECT 1, id, status, started_at, submitted_at, received_at, received, NULL, verdict, code, message, event_id
    FROM quarantine WHERE workspace = ? AND form_id = ? AND client_id = ? ORDER BY id DESC LIMIT 1) AS aside`
const FIND_EVENT = `SELECT id FROM events WHERE workspace = ? AND response_id = ? AND type = 'response.submitted'`
/** The many: new, final, asked about by nobody. What is not named is null. */
const INSERT_COMPLETED = `INSERT INTO responses (workspace, id, form_id, form_version, status, started_at, submitted_at,
  created_at, updated_at, meta, data) VALUES (?, ?, ?, ?, 'completed', ?, ?, ?, ?, ?, ?)`
const INSERT_SUBMITTED = `INSERT INTO events (seq, id, workspace, type, at, form_id, response_id, hops)
  VALUES (?, ?, ?, 'response.submitted', ?, ?, ?, 0)`

/** What became of a submission, without what the caller knows already. */
export type Accepted =
  /** `deliveryIds`: those of `forwards` that were made; absent: none. */
  | (Written & { readonly deliveryIds?: readonly string[] })
  | (PutAside & { readonly kind: 'quarantined'; readonly responseId: string; readonly completes: boolean })
  | {
      readonly kind: 'duplicate'
      readonly responseId: string
      readonly status: ResponseStatus
      readonly at: string
      readonly eventId?: string
      readonly differs?: true
      readonly rejection?: Rejection
    }
  | { readonly kind: 'mismatch' }

interface KeyRow {
  readonly body_hash: string
  readonly response_id: string
  readonly event_id: string
  readonly status: ResponseStatus
  readonly at: string
  readonly expires_at_ms: number
  readonly rejection: string | null
}

interface ClientRow {
  readonly held: 0 | 1
  readonly id: string
  readonly status: ResponseStatus
  readonly started_at: string | null
  readonly submitted_at: string | null
  readonly updated_at: string
  /** Of a held one: as received. */
  readonly data: string
  readonly received_hash: string | null
  readonly verdict: string | null
  readonly code: string | null
  readonly message: string | null
  readonly event_id: string | null
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

/**
 * All rows of a table with one prepared statement, all sequences with one update. They are taken late, since whoever else
 * wants some waits for the commit.
 */
function* acceptPlain(submissions: readonly Submission[]): Procedure<readonly Accepted[]> {
  yield* runMany(
    INSERT_COMPLETED,
    submissions.map(
      ({ workspace, responseId, formId, formVersion, startedAt, at, submittedAt = at, meta, data }): SqlValue[] => [
        workspace,
        responseId,
        formId,
        formVersion,
        startedAt,
        submittedAt,
        at,
        at,
        meta,
        data,
      ],
    ),
  )
  const from = yield* takeSequences(submissions.length, submissions.length)
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

function* acceptOne(submission: Submission, idempotencyTtlMs: number): Procedure<Accepted> {
  const { workspace, idempotency } = submission
  const repeat = idempotency === null ? undefined : yield* repeated(submission, idempotency)
  if (repeat !== undefined) return repeat
  const { known, held } = yield* underClientId(submission)
  if (known?.status === 'completed') return yield* duplicateOf(submission, known)
  const givesWay = held !== undefined && (isOlderState(held) || isMended(submission, held))
  if (held !== undefined && !givesWay) {
    const answer = repeatOfHeld(submission, held, known?.id ?? held.id)
    if (answer !== undefined) return answer
  }
  // Newer answers take the place of the partial ones that were put aside, as they do of stored ones, and keep their id.
  const older = givesWay ? held : undefined
  if (older !== undefined) yield* takeOut(workspace, older.id)
  const owned = older === undefined ? submission : { ...submission, responseId: older.id }
  const accepted = yield* write(owned, known, older !== undefined)
  if (idempotency !== null) {
    const { aside } = submission
    yield* run(REMEMBER_KEY, [
      workspace,
      idempotency.key,
      idempotency.bodyHash,
      accepted.responseId,
      submission.eventId,
      submission.status,
      submission.submittedAt ?? submission.at,
      Date.parse(submission.at) + idempotencyTtlMs,
      aside?.verdict === 'rejected' ? JSON.stringify({ code: aside.code, message: aside.message ?? '' }) : null,
    ])
  }
  return accepted
}

function* write(
  submission: Submission,
  known: ClientRow | undefined,
  isLater: boolean,
): Procedure<Extract<Accepted, { kind: 'stored' | 'completed' | 'quarantined' }>> {
  const completes = submission.status === 'completed' && (known !== undefined || isLater)
  if (submission.aside !== undefined) {
    const aside = yield* putAside(submission, submission.aside)
    return { kind: 'quarantined', ...aside, responseId: known?.id ?? submission.responseId, completes }
  }
  if (known !== undefined) return yield* updateResponse(submission, known)
  const written = yield* insertResponse(submission)
  return completes ? { ...written, kind: 'completed' } : written
}

function* underClientId({
  workspace,
  formId,
  clientId,
}: Submission): Procedure<{ readonly known: ClientRow | undefined; readonly held: ClientRow | undefined }> {
  const name = [workspace, formId, clientId]
  const rows = clientId === null ? [] : yield* all<ClientRow>(FIND_CLIENT, [...name, ...name])
  return { known: rows.find(({ held }) => held === 0), held: rows.find(({ held }) => held === 1) }
}

const isOlderState = ({ status, verdict }: ClientRow): boolean => status === 'partial' && verdict !== 'rejected'

/** The form takes now what it did not take then, or it came with other answers. A late partial one mends no completed one. */
function isMended({ status, aside, data, received = data }: Submission, held: ClientRow): boolean {
  if (held.code !== FORM_MISMATCH || (status === 'partial' && held.status === 'completed')) return false
  return aside?.code !== FORM_MISMATCH || !sameAnswers(received, held.data)
}

/** What was refused may be sent again with other answers; what waits in quarantine looks stored to its sender. */
function repeatOfHeld(submission: Submission, held: ClientRow, responseId: string): Accepted | undefined {
  const isSame = sameAnswers(submission.received ?? submission.data, held.data)
  const base = {
    kind: 'duplicate',
    responseId,
    status: held.status,
    at: held.submitted_at ?? held.updated_at,
    ...(held.event_id === null ? {} : { eventId: held.event_id }),
  } as const
  const isOlder = held.code === FORM_MISMATCH && submission.status === 'partial' && held.status === 'completed'
  if (held.verdict === 'rejected')
    return isSame || isOlder
      ? { ...base, rejection: { code: held.code ?? '', message: held.message ?? '' } }
      : undefined
  return submission.status === 'completed' && !isSame ? { ...base, differs: true } : base
}

function* repeated(
  submission: Submission,
  idempotency: NonNullable<Submission['idempotency']>,
): Procedure<Accepted | undefined> {
  const row = yield* first<KeyRow>(FIND_KEY, [submission.workspace, idempotency.key])
  if (row === undefined || row.expires_at_ms <= Date.parse(submission.at)) return undefined
  if (row.body_hash !== idempotency.bodyHash) return { kind: 'mismatch' }
  const duplicate = {
    kind: 'duplicate',
    responseId: row.response_id,
    status: row.status,
    at: row.at,
    eventId: row.event_id,
  } as const
  return row.rejection === null ? duplicate : { ...duplicate, rejection: JSON.parse(row.rejection) as Rejection }
}

function* duplicateOf(submission: Submission, known: ClientRow): Procedure<Accepted> {
  const event = yield* first<{ id: string }>(FIND_EVENT, [submission.workspace, known.id])
  const at = known.submitted_at ?? known.updated_at
  // A partial one that comes late is an older state of the same answers, and may differ.
  const differs = submission.status === 'completed' && !isRepeat(submission, known)
  const base = { kind: 'duplicate', responseId: known.id, status: known.status, at } as const
  const duplicate = differs ? { ...base, differs } : base
  return event === undefined ? duplicate : { ...duplicate, eventId: event.id }
}

/** What was sent is compared with what was sent, whatever transforms made of it. */
function isRepeat({ data, received = data }: Submission, known: ClientRow): boolean {
  return known.received_hash === null
    ? sameAnswers(received, known.data)
    : answersHash(received) === known.received_hash
}
