/**
 * Deliveries by what is said in them, and dead ones by their cause. No index knows words, so a page looks through so many
 * rows, newest first, and says where it stopped; the other filters say which rows.
 */
import type { WorkspaceId } from '../../model.ts'
import { wordsOf } from '../cause.ts'
import { all, allMany, first } from '../procedure.ts'
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
  readonly hit: number
}

/** A page of those that hold the text; shorter than its limit where the looking ended first. */
export function* searchDeliveries(input: {
  readonly workspace: WorkspaceId
  readonly query: DeliveryQuery
  readonly rowsMax: number
}): Procedure<{ readonly rows: readonly DeliveryRow[]; readonly next: string | null }> {
  const { workspace, query, rowsMax } = input
  const { sql, params } = where([...(yield* conditions(workspace, query)), olderThan(query.after)])
  const hit = holds(query.text)
  const looked = yield* all<Looked>(
    `SELECT id, created_at, ${hit.sql} AS hit FROM deliveries
      WHERE ${sql} ORDER BY created_at DESC, id DESC LIMIT ?`,
    [...hit.params, ...params, rowsMax + 1],
  )
  const found: Looked[] = []
  let last: Looked | undefined
  for (const row of looked.slice(0, rowsMax)) {
    if (found.length === query.limit) break
    last = row
    if (Number(row.hit) === 1) found.push(row)
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
  readonly cause: string | null
  readonly n: number
  readonly first_at: string
  readonly last_at: string
  readonly example: string
}

type Example = Pick<DeliveryRow, 'id' | 'installation' | 'reason' | 'error_code' | 'error'>

/**
 * The newest `rowsMax` dead letters that match, by cause: the largest groups first, so many of them. The index knows the
 * causes; of rows only the examples are read. What upkeep has not named yet is in no group, and then they are not whole.
 */
export function* groupDead(input: {
  readonly workspace: WorkspaceId
  readonly query: Omit<DeliveryQuery, 'limit' | 'after' | 'text' | 'cause'>
  readonly rowsMax: number
  readonly groupsMax: number
}): Procedure<{ readonly groups: readonly DeadGroup[]; readonly whole: boolean }> {
  const { workspace, query, rowsMax, groupsMax } = input
  const { sql, params } = where(yield* conditions(workspace, { ...query, state: 'dead' }))
  const dead = `SELECT cause, created_at, id FROM deliveries WHERE ${sql} ORDER BY created_at DESC, id DESC`
  const more = yield* first(`${dead} LIMIT 1 OFFSET ?`, [...params, rowsMax])
  const found = yield* all<GroupRow>(
    `SELECT cause, count(*) AS n, min(created_at) AS first_at, max(created_at) AS last_at, max(id) AS example
      FROM (${dead} LIMIT ?) AS dead GROUP BY cause ORDER BY n DESC, cause LIMIT ?`,
    [...params, rowsMax, groupsMax + 2],
  )
  const named = found.filter(({ cause }) => cause !== null)
  const shown = named.slice(0, groupsMax)
  const examples = yield* allMany<Example>(
    'SELECT id, installation, reason, error_code, error FROM deliveries WHERE workspace = ? AND id = ?',
    shown.map(({ example }): SqlValue[] => [workspace, example]),
  )
  const byId = new Map(examples.map((example) => [example.id, example]))
  return {
    groups: shown.flatMap((row) => groupOf(row, byId.get(row.example))),
    whole: more === undefined && shown.length === found.length,
  }
}

function groupOf(row: GroupRow, example: Example | undefined): readonly DeadGroup[] {
  if (row.cause === null || example === undefined) return []
  const { installation, reason, error_code: code, error } = example
  return [
    {
      cause: row.cause,
      installation,
      reason,
      code,
      message: wordsOf(error),
      count: Number(row.n),
      firstAt: row.first_at,
      lastAt: row.last_at,
      exampleId: row.example,
      exampleError: error,
    },
  ]
}
