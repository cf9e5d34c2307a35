/** Behaviour events that were put aside: what their family did not take, until it is sent again, discarded or too old. */
import type { WorkspaceId } from '../../model.ts'
import { all, allMany, first, run, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import type { PageQuery } from '../queries.ts'
import type { AsideEvent } from '../tracked.ts'
import { page, when, where } from '../where.ts'

interface AsideRow {
  readonly id: string
  readonly received_at: string
  readonly form_id: string | null
  readonly type: string
  readonly code: string
  readonly problems: string
  readonly event: string
  readonly client_id: string
}

const COLUMNS = 'id, received_at, form_id, type, code, problems, event, client_id'
const INSERT = `INSERT INTO event_quarantine (workspace, ${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (workspace, client_id) DO NOTHING`

/** Of one workspace, as many as there is room for. Answers the ids under which each of them stands there, in order; null: full. */
export function* putAsideEvents(input: {
  readonly workspace: WorkspaceId
  readonly events: readonly AsideEvent[]
  readonly rowsMax: number
}): Procedure<readonly (string | null)[]> {
  const { workspace, events, rowsMax } = input
  const held = yield* first<{ held: number }>('SELECT count(*) AS held FROM event_quarantine WHERE workspace = ?', [
    workspace,
  ])
  yield* runMany(
    INSERT,
    events
      .slice(0, Math.max(0, rowsMax - Number(held?.held ?? 0)))
      .map(({ id, receivedAt, formId, type, code, problems, event, clientId }): SqlValue[] => [
        workspace,
        id,
        receivedAt,
        formId,
        type,
        code,
        problems,
        event,
        clientId,
      ]),
  )
  const found = yield* allMany<{ id: string; client_id: string }>(
    'SELECT id, client_id FROM event_quarantine WHERE workspace = ? AND client_id = ?',
    events.map(({ clientId }): SqlValue[] => [workspace, clientId]),
  )
  const ids = new Map(found.map(({ id, client_id: client }) => [client, id]))
  return events.map(({ clientId }) => ids.get(clientId) ?? null)
}

/** Oldest first. */
export function* listAsideEvents(input: {
  readonly workspace: WorkspaceId
  readonly page: PageQuery
}): Procedure<{ readonly rows: readonly AsideRow[]; readonly next: string | null }> {
  const { limit, after } = input.page
  const { sql, params } = where([['workspace = ?', input.workspace], when('id > ?', after)])
  const rows = yield* all<AsideRow>(`SELECT ${COLUMNS} FROM event_quarantine WHERE ${sql} ORDER BY id LIMIT ?`, [
    ...params,
    limit + 1,
  ])
  return page(rows, limit, ({ id }) => id)
}

/** Answers how many were there. */
export function* dropAsideEvents(input: {
  readonly workspace: WorkspaceId
  readonly ids: readonly string[]
}): Procedure<number> {
  return yield* runMany(
    'DELETE FROM event_quarantine WHERE workspace = ? AND id = ?',
    input.ids.map((id): SqlValue[] => [input.workspace, id]),
  )
}

/** What was about a form that is deleted. */
export function* dropAsideEventsOf(workspace: WorkspaceId, formId: string): Procedure<void> {
  yield* run('DELETE FROM event_quarantine WHERE workspace = ? AND form_id = ?', [workspace, formId])
}

/** What is older than what events say is kept. */
export function* expireAsideEvents(before: string): Procedure<void> {
  yield* run('DELETE FROM event_quarantine WHERE received_at < ?', [before])
}
