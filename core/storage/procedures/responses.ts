/** Reading what was submitted. */
import type { WorkspaceId } from '../../model.ts'
import { answeredLike, holdsAnswers } from '../answered.ts'
import { first } from '../procedure.ts'
import type { Procedure } from '../procedure.ts'
import type { ResponseRow } from '../rows.ts'
import type { ResponseQuery } from '../store.ts'
import { when, where } from '../where.ts'
import { pageOf, stretchOf } from './stretches.ts'
import type { Path } from './stretches.ts'

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

/**
 * A page in the order of creation. For what no index knows it looks through `rowsMax` at most, so it may be short and have a next
 * one all the same.
 */
export function* listResponses(input: {
  readonly workspace: WorkspaceId
  readonly query: ResponseQuery
  readonly rowsMax: number
}): Procedure<{ readonly rows: readonly ResponseRow[]; readonly next: string | null }> {
  const { workspace, query, rowsMax } = input
  const { limit, after, since, until, order = 'newest' } = query
  const also = holdsAnswers(query)
  const stretch = yield* stretchOf(pathOf(workspace, query), { order, after, since, until, also, rowsMax })
  const found = yield* pageOf<ResponseRow>(COLUMNS, stretch, limit)
  // The text may be another field's, or a key: what is read is looked at once more.
  return also === undefined ? found : { ...found, rows: found.rows.filter(({ data }) => answeredLike(data, query)) }
}

/** Few are partial, so those have indexes of their own; the state is no parameter, or they would not serve. */
const pathOf = (workspace: WorkspaceId, { form, status }: ResponseQuery): Path => ({
  table: 'responses',
  indexed: [
    ['workspace = ?', workspace],
    when('form_id = ?', form),
    status === 'partial' ? ["status = 'partial'"] : undefined,
  ],
  others: status === 'completed' ? [["status || '' = ?", status]] : [],
  isOrdered: true,
})

/** Counts by an index; for people and reports, not for every request. */
export function* countResponses(input: {
  readonly workspace: WorkspaceId
  readonly form: string | undefined
}): Procedure<number> {
  const { sql, params } = where([['workspace = ?', input.workspace], when('form_id = ?', input.form)])
  const row = yield* first<{ n: number }>(`SELECT count(*) AS n FROM responses WHERE ${sql}`, params)
  return Number(row?.n ?? 0)
}
