/** Reading what was submitted. */
import type { WorkspaceId } from '../../model.ts'
import { all, first } from '../procedure.ts'
import type { Procedure } from '../procedure.ts'
import type { ResponseRow } from '../rows.ts'
import type { ResponseQuery } from '../store.ts'
import { newestFirst, olderThan, page, when, where, within } from '../where.ts'

const COLUMNS = `workspace, id, form_id, form_version, status, client_id, started_at, submitted_at, created_at, updated_at,
  meta, data`

/** One response by its id. */
export function* getResponse(input: {
  readonly workspace: WorkspaceId
  readonly id: string
}): Procedure<ResponseRow | undefined> {
  return yield* first<ResponseRow>(`SELECT ${COLUMNS} FROM responses WHERE workspace = ? AND id = ?`, [
    input.workspace,
    input.id,
  ])
}

/** A page, newest first. */
export function* listResponses(input: {
  readonly workspace: WorkspaceId
  readonly query: ResponseQuery
}): Procedure<{ readonly rows: readonly ResponseRow[]; readonly next: string | null }> {
  const { query } = input
  const { sql, params } = where([
    ['workspace = ?', input.workspace],
    when('form_id = ?', query.form),
    when('status = ?', query.status),
    ...within(query),
    olderThan(query.after),
  ])
  const rows = yield* all<ResponseRow>(
    `SELECT ${COLUMNS} FROM responses WHERE ${sql} ORDER BY created_at DESC, id DESC LIMIT ?`,
    [...params, query.limit + 1],
  )
  return page(rows, query.limit, newestFirst)
}

/** Counts by an index; for people and reports, not for every request. */
export function* countResponses(input: {
  readonly workspace: WorkspaceId
  readonly form: string | undefined
}): Procedure<number> {
  const { sql, params } = where([['workspace = ?', input.workspace], when('form_id = ?', input.form)])
  const row = yield* first<{ n: number }>(`SELECT count(*) AS n FROM responses WHERE ${sql}`, params)
  return Number(row?.n ?? 0)
}
