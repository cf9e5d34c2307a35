/** Dead letters by their cause. */
import type { WorkspaceId } from '../../model.ts'
import { wordsOf } from '../cause.ts'
import { all, allMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import type { DeliveryRow } from '../rows.ts'
import type { DeadGroup, DeliveryQuery } from '../store.ts'
import { where } from '../where.ts'
import { pathOf } from './delivery-paths.ts'
import { stretchOf } from './stretches.ts'

interface GroupRow {
  readonly cause: string | null
  readonly n: number
  readonly first_at: string
  readonly last_at: string
  readonly example: string
}

type Example = Pick<DeliveryRow, 'id' | 'installation' | 'reason' | 'error_code' | 'error'>

/**
 * Those that match of the newest `rowsMax` dead letters, by cause: the largest groups first, so many of them. The index knows the
 * causes; of rows only the examples are read. What upkeep has not named yet is in no group, and then they are not whole.
 */
export function* groupDead(input: {
  readonly workspace: WorkspaceId
  readonly query: Omit<DeliveryQuery, 'limit' | 'after' | 'text' | 'cause'>
  readonly rowsMax: number
  readonly groupsMax: number
}): Procedure<{ readonly groups: readonly DeadGroup[]; readonly whole: boolean }> {
  const { workspace, query, rowsMax, groupsMax } = input
  const { since, until, state: _state, ...filter } = query
  const path = yield* pathOf(workspace, { ...filter, states: ['dead'] })
  const { conditions, order, end } = yield* stretchOf(path, { order: 'newest', since, until, rowsMax, isCount: true })
  const { sql, params } = where(conditions)
  const found = yield* all<GroupRow>(
    `SELECT cause, count(*) AS n, min(created_at) AS first_at, max(created_at) AS last_at, max(id) AS example
      FROM (SELECT cause, created_at, id FROM deliveries WHERE ${sql} ${order} LIMIT ?) AS dead GROUP BY cause ORDER BY n DESC, cause LIMIT ?`,
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
    whole: end === undefined && shown.length === found.length,
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
