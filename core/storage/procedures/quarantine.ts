/** Responses that were put aside: written, read, counted. How one is released is in `release.ts`, how one is deleted in `discard.ts`. */
import { FORM_MISMATCH } from '../../model.ts'
import type { QuarantineVerdict, WorkspaceId } from '../../model.ts'
import { all, first, run } from '../procedure.ts'
import type { Procedure } from '../procedure.ts'
import type { QuarantineRow } from '../quarantine-rows.ts'
import type { Aside, PageQuery, QuarantineFilter, Submission } from '../store.ts'
import { olderThan, page, timeBound, when, where } from '../where.ts'
import type { Condition } from '../where.ts'
import { append } from './events.ts'

const COLUMNS = `workspace, id, form_id, form_version, status, verdict, code, message, installation, plugin, client_id,
  idempotency_key, event_id, started_at, submitted_at, received_at, received, meta, data`
const INSERT = `INSERT INTO quarantine (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

/** What the caller does not know already of what was written. */
export interface PutAside {
  readonly id: string
  readonly eventSeq: number
  /** Payload of the `response.quarantined` event: JSON text, without a single answer. */
  readonly eventData: string
}

/** Writes it and its event. */
export function* putAside(submission: Submission, aside: Aside): Procedure<PutAside> {
  const { workspace, responseId, formId, status, at, data, received = data } = submission
  yield* run(INSERT, [
    workspace,
    responseId,
    formId,
    submission.formVersion,
    status,
    aside.verdict,
    aside.code,
    aside.message,
    aside.installation,
    aside.plugin,
    submission.clientId,
    submission.idempotency?.key ?? null,
    submission.eventId,
    submission.startedAt,
    submission.submittedAt ?? null,
    at,
    received,
    submission.meta,
    data,
  ])
  const eventData = JSON.stringify({
    id: responseId,
    form_id: formId,
    status,
    verdict: aside.verdict,
    reason: aside.code,
    installation: aside.installation,
  })
  const event = { id: aside.eventId, type: 'response.quarantined', at, formId, responseId, hops: 0, data: eventData }
  return { id: responseId, eventSeq: yield* append(workspace, [event]), eventData }
}

/** Deletes the row; false when it is not there. */
export function* takeOut(workspace: WorkspaceId, id: string): Procedure<boolean> {
  return (yield* run('DELETE FROM quarantine WHERE workspace = ? AND id = ?', [workspace, id])) > 0
}

/** One by its id. */
export function* getQuarantined(input: {
  readonly workspace: WorkspaceId
  readonly id: string
}): Procedure<QuarantineRow | undefined> {
  return yield* first<QuarantineRow>(`SELECT ${COLUMNS} FROM quarantine WHERE workspace = ? AND id = ?`, [
    input.workspace,
    input.id,
  ])
}

/** A page, newest first. */
export function* listQuarantine(input: {
  readonly workspace: WorkspaceId
  readonly query: QuarantineFilter & PageQuery
}): Procedure<{ readonly rows: readonly QuarantineRow[]; readonly next: string | null }> {
  const { query } = input
  const { sql, params } = where([...conditions(input.workspace, query), olderThan(query.after, 'received_at')])
  const rows = yield* all<QuarantineRow>(
    `SELECT ${COLUMNS} FROM quarantine WHERE ${sql} ORDER BY received_at DESC, id DESC LIMIT ?`,
    [...params, query.limit + 1],
  )
  return page(rows, query.limit, ({ received_at: at, id }) => `${at}~${id}`)
}

/** The first ones, oldest first; none that its form did not take: those have to be held against it again. */
export function* oldestQuarantined(input: {
  readonly workspace: WorkspaceId
  readonly filter: QuarantineFilter & { readonly id?: string }
  readonly limit: number
}): Procedure<readonly QuarantineRow[]> {
  const { workspace, filter } = input
  const fits: Condition = ['code <> ?', FORM_MISMATCH]
  const { sql, params } = where([...conditions(workspace, filter), when('id = ?', filter.id), fits])
  return yield* all<QuarantineRow>(`SELECT ${COLUMNS} FROM quarantine WHERE ${sql} ORDER BY received_at, id LIMIT ?`, [
    ...params,
    input.limit,
  ])
}

/** Counts by an index, and by looking at what it finds. */
export function* countQuarantine(input: {
  readonly workspace: WorkspaceId
  readonly filter: QuarantineFilter
}): Procedure<number> {
  const { sql, params } = where(conditions(input.workspace, input.filter))
  const row = yield* first<{ n: number }>(`SELECT count(*) AS n FROM quarantine WHERE ${sql}`, params)
  return Number(row?.n ?? 0)
}

/** Of all workspaces. */
export function* quarantineCounts(): Procedure<readonly { readonly verdict: QuarantineVerdict; readonly n: number }[]> {
  return yield* all('SELECT verdict, count(*) AS n FROM quarantine GROUP BY verdict', [])
}

const conditions = (workspace: WorkspaceId, filter: QuarantineFilter): readonly Condition[] => [
  ['workspace = ?', workspace],
  when('form_id = ?', filter.form),
  when('installation = ?', filter.installation),
  when('verdict = ?', filter.verdict),
  when('code = ?', filter.reason),
  when('received_at >= ?', timeBound(filter.since, 'since')),
  when('received_at < ?', timeBound(filter.until, 'until')),
]
