/**
 * A page of a stretch of an index. What no index knows is asked of so many rows a page and no more; where the looking ended is
 * found in the index before a row is read.
 */
import { all } from '../procedure.ts'
import type { Procedure } from '../procedure.ts'
import type { Order } from '../queries.ts'
import { newestFirst, page, placeOf, timeBound, when, where } from '../where.ts'
import type { Condition, Place } from '../where.ts'

/** Which index answers a question, and what is left to ask of the rows it brings. */
export interface Path {
  readonly table: 'deliveries' | 'responses'
  /** What one index answers. */
  readonly indexed: readonly Condition[]
  /** Asked of each row, in a spelling that no index answers: so the planner has no other choice. */
  readonly others: readonly Condition[]
  /** The index is in the order of creation. Elsewhere the rows are few, and sorted. */
  readonly isOrdered: boolean
}

/** What a page is asked for. */
export interface Asked {
  readonly order: Order
  /** Where the page before ended. */
  readonly after?: string | undefined
  readonly since?: string | undefined
  readonly until?: string | undefined
  /** Beyond the filters; no index knows it either. */
  readonly also?: Condition
  /** So many rows are looked at for a page where filters are left that no index knows, */
  readonly rowsMax: number
  /** and also where none are: all rows are counted, not only a page of them. */
  readonly isCount?: true
}

/** Where a page looks: conditions and the order of the rows, and the place where the looking ends before the rows do. */
export interface Stretch {
  readonly table: Path['table']
  readonly conditions: readonly Condition[]
  readonly order: string
  readonly end: Place | undefined
}

/** Finds the stretch of the index that a page is of. */
export function* stretchOf(path: Path, asked: Asked): Procedure<Stretch> {
  const { order: direction, also, rowsMax, isCount } = asked
  const by = direction === 'newest' ? 'DESC' : 'ASC'
  const order = `ORDER BY created_at ${by}, id ${by}`
  const whole = [...path.indexed, ...boundsOf(path, asked)]
  // Where rows must be sorted anyway, the filters may as well come first.
  const looked = path.isOrdered ? whole : [...whole, ...path.others]
  const isBounded = isCount === true || also !== undefined || (path.isOrdered && path.others.length > 0)
  const end = isBounded ? yield* endOf(path.table, { conditions: looked, order }, rowsMax) : undefined
  const conditions = [...path.indexed, ...boundsOf(path, asked, end), ...path.others, also]
  return { table: path.table, conditions, order, end }
}

/** The last of so many rows, when there are more. */
function* endOf(
  table: Path['table'],
  { conditions, order }: Pick<Stretch, 'conditions' | 'order'>,
  rowsMax: number,
): Procedure<Place | undefined> {
  const { sql, params } = where(conditions)
  const rows = yield* all<Place>(`SELECT created_at, id FROM ${table} WHERE ${sql} ${order} LIMIT 2 OFFSET ?`, [
    ...params,
    rowsMax - 1,
  ])
  return rows.length === 2 ? rows[0] : undefined
}

/** At most one bound at each end, so that the planner cannot take the looser one. */
export function boundsOf(
  { isOrdered }: Path,
  { order, after, since, until }: Pick<Asked, 'order' | 'after' | 'since' | 'until'>,
  end?: Place,
): readonly Condition[] {
  const from = timeBound(since, 'since')
  const to = timeBound(until, 'until')
  const place = after === undefined ? undefined : placeOf(after)
  const at = (operator: string, { created_at: time, id }: Place): Condition =>
    isOrdered
      ? [`(created_at, id) ${operator} (?, ?)`, time, id]
      : [`created_at || '~' || id ${operator} ?`, newestFirst({ created_at: time, id })]
  const time = (operator: string, bound: string | undefined): Condition =>
    when(isOrdered ? `created_at ${operator} ?` : `created_at || '' ${operator} ?`, bound)
  if (order === 'newest') {
    const isInside = place !== undefined && (to === undefined || place.created_at < to)
    return [isInside ? at('<', place) : time('<', to), end === undefined ? time('>=', from) : at('>=', end)]
  }
  const isInside = place !== undefined && (from === undefined || place.created_at >= from)
  return [isInside ? at('>', place) : time('>=', from), end === undefined ? time('<', to) : at('<=', end)]
}

/** A page of rows; short, even empty, with a `next` all the same where the looking ended before the rows did. */
export function* pageOf<Row extends Place>(
  columns: string,
  stretch: Stretch,
  limit: number,
): Procedure<{ readonly rows: readonly Row[]; readonly next: string | null }> {
  const { table, conditions } = stretch
  const { sql, params } = where(conditions)
  const rows = yield* all<Row>(`SELECT ${columns} FROM ${table} WHERE ${sql} ${stretch.order} LIMIT ?`, [
    ...params,
    limit + 1,
  ])
  const found = page(rows, limit, newestFirst)
  return found.next === null && stretch.end !== undefined ? { ...found, next: newestFirst(stretch.end) } : found
}
