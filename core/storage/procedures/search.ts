/**
 * Deliveries by what is said in them, and dead ones by their cause. No index knows either, so a page looks through so many
 * rows, newest first, and says where it stopped; the other filters say which rows.
 */
import type { DeadReason, WorkspaceId } from '../../model.ts'
import { causeOf, wordsOf } from '../cause.ts'
import { all, allMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import type { DeliveryRow } from '../rows.ts'
import type { DeadGroup, DeliveryQuery } from '../store.ts'
import { newestFirst, olderThan, where } from '../where.ts'
import { conditions, DELIVERY_COLUMNS } from './deliveries.ts'

const GET = `SELECT ${DELIVERY_COLUMNS} FROM deliveries WHERE workspace = ? AND id = ?`
const OF_ITSELF = ['error', 'error_code', 'host', 'input']

interface Looked {
  readonly id: string
  readonly created_at: string
  readonly installation: string
  readonly error_code: string | null
  readonly error: string | null
  readonly hit: number
}

/** A page of those that hold the text and died of the cause; shorter than its limit where the looking ended first. */
export function* searchDeliveries(input: {
  readonly workspace: WorkspaceId
  readonly query: DeliveryQuery
  readonly rowsMax: number
}): Procedure<{ readonly rows: readonly DeliveryRow[]; readonly next: string | null }> {
  const { workspace, query, rowsMax } = input
  const { sql, params } = where([...(yield* conditions(workspace, query)), olderThan(query.after)])
  const hit = holds(query.text)
  const looked = yield* all<Looked>(
    `SELECT id, created_at, installation, error_code, error, ${hit.sql} AS hit FROM deliveries
      WHERE ${sql} ORDER BY created_at DESC, id DESC LIMIT ?`,
    [...hit.params, ...params, rowsMax + 1],
  )
  const found: Looked[] = []
  let last: Looked | undefined
  for (const row of looked.slice(0, rowsMax)) {
    if (found.length === query.limit) break
    last = row
    const isCause =
      query.cause === undefined ||
      causeOf({ installation: row.installation, code: row.error_code, error: row.error }) === query.cause
    if (Number(row.hit) === 1 && isCause) found.push(row)
  }
  const rows = yield* allMany<DeliveryRow>(
    GET,
    found.map(({ id }): SqlValue[] => [workspace, id]),
  )
  const isAll = last === undefined || last === looked.at(-1)
  return { rows, next: isAll ? null : newestFirst(last as Looked) }
}

/** 1 where the text stands in the delivery itself or, when asked for, in the answers of its response. Letter case does not matter. */
function holds(text: DeliveryQuery['text']): { readonly sql: string; readonly params: readonly SqlValue[] } {
  if (text === undefined) return { sql: '1', params: [] }
  const like = `%${text.words.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`
  // Answers are JSON: quotes and the like stand in them as it writes them.
  const inJson = `%${JSON.stringify(text.words)
    .slice(1, -1)
    .replaceAll(/[\\%_]/g, String.raw`\$&`)}%`
  const has = (column: string): string => String.raw`lower(${column}) LIKE lower(?) ESCAPE '\'`
  const own = OF_ITSELF.map((name) => has(`COALESCE(${name}, '')`)).join(' OR ')
  const answers = ` OR EXISTS (SELECT 1 FROM responses r
    WHERE r.workspace = deliveries.workspace AND r.id = deliveries.response_id AND ${has('r.data')})`
  return {
    sql: `CASE WHEN id = ? OR response_id = ? OR event_id = ? OR ${own}${text.inAnswers ? answers : ''} THEN 1 ELSE 0 END`,
    params: [
      text.words,
      text.words,
      text.words,
      ...OF_ITSELF.map((name) => (name === 'input' ? inJson : like)),
      ...(text.inAnswers ? [inJson] : []),
    ],
  }
}

interface GroupRow {
  readonly installation: string
  readonly reason: DeadReason | null
  readonly error_code: string | null
  readonly error: string | null
  readonly n: number
  readonly first_at: string
  readonly last_at: string
  readonly example: string
}

/** The newest `rowsMax` dead letters that match, by cause: the largest groups first. */
export function* groupDead(input: {
  readonly workspace: WorkspaceId
  readonly query: Omit<DeliveryQuery, 'limit' | 'after' | 'text' | 'cause'>
  readonly rowsMax: number
}): Procedure<{ readonly groups: readonly DeadGroup[]; readonly whole: boolean }> {
  const { workspace, query, rowsMax } = input
  const { sql, params } = where(yield* conditions(workspace, { ...query, state: 'dead' }))
  const rows = yield* all<GroupRow>(
    `SELECT installation, reason, error_code, error, count(*) AS n, min(created_at) AS first_at,
        max(created_at) AS last_at, max(id) AS example
      FROM (SELECT installation, reason, error_code, error, created_at, id FROM deliveries
        WHERE ${sql} ORDER BY created_at DESC, id DESC LIMIT ?) AS dead
      GROUP BY installation, reason, error_code, error`,
    [...params, rowsMax],
  )
  const groups = new Map<string, DeadGroup>()
  for (const row of rows) {
    const { installation, reason, error_code: code, error } = row
    const cause = causeOf({ installation, code, error })
    const known = groups.get(cause)
    // Many die in one millisecond; ids sort by time.
    const isNewer =
      known === undefined ||
      row.last_at > known.lastAt ||
      (row.last_at === known.lastAt && row.example > known.exampleId)
    groups.set(cause, {
      cause,
      installation,
      reason,
      code,
      message: wordsOf(error),
      count: (known?.count ?? 0) + Number(row.n),
      firstAt: known === undefined || row.first_at < known.firstAt ? row.first_at : known.firstAt,
      lastAt: isNewer ? row.last_at : known.lastAt,
      exampleId: isNewer ? row.example : known.exampleId,
      exampleError: isNewer ? error : known.exampleError,
    })
  }
  const seen = rows.reduce((sum, { n }) => sum + Number(n), 0)
  return { groups: [...groups.values()].toSorted((a, b) => b.count - a.count), whole: seen < rowsMax }
}
