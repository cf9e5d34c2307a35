/**
 * Which index answers a question about deliveries, and what is left to ask of the rows it brings. What no index knows is
 * asked of so many rows a page and no more; where the looking ended is found in the index before a row is read.
 */
import type { DeliveryState, WorkspaceId } from '../../model.ts'
import { all, first } from '../procedure.ts'
import type { Procedure } from '../procedure.ts'
import type { DeliveryQuery, ReplayQuery } from '../store.ts'
import { newestFirst, page, placeOf, timeBound, when, where } from '../where.ts'
import type { Condition, Place } from '../where.ts'

/** All that lists, counts and replays can be narrowed down by, but words. */
export type DeliveryFilter = Omit<DeliveryQuery, 'limit' | 'after' | 'text' | 'state'> &
  Pick<ReplayQuery, 'host' | 'endedBy'> & {
    readonly states?: readonly DeliveryState[] | undefined
    /** What was erased has nothing left that could be sent. */
    readonly hasInput?: true
  }

interface Path {
  /** What one index answers. */
  readonly indexed: readonly Condition[]
  /** Asked of each row, in a spelling that no index answers: so the planner has no other choice. */
  readonly others: readonly Condition[]
  /** The index is in the order of creation. Elsewhere the rows are few, and sorted. */
  readonly isOrdered: boolean
}

/** Newest first is for people, oldest first for whoever works them off. */
export type Order = 'newest' | 'oldest'

/** Those that are named by their ids. */
export const pathByIds = (workspace: WorkspaceId, filter: DeliveryFilter): Path => ({
  indexed: [['workspace = ?', workspace]],
  others: othersOf(filter),
  isOrdered: false,
})

/** The index for these filters. */
export function* pathOf(workspace: WorkspaceId, filter: DeliveryFilter): Procedure<Path> {
  const { event, response, installation, form, reason, cause } = filter
  const states = filter.states === undefined ? undefined : [...new Set(filter.states)]
  const own: Condition = ['workspace = ?', workspace]
  if (event !== undefined || response !== undefined) {
    const few = [
      own,
      ...(event === undefined ? [] : yield* ofEvent(workspace, event)),
      when('response_id = ?', response),
    ]
    return { indexed: few, others: othersOf({ ...filter, states }), isOrdered: false }
  }
  const byInstallation = when('installation = ?', installation)
  if (
    states !== undefined &&
    states.length > 0 &&
    states.every((state) => state === 'pending' || state === 'retrying')
  ) {
    const waiting = [own, byInstallation, ['finished_at IS NULL']] as const
    return { indexed: waiting, others: othersOf({ ...filter, states, installation: undefined }), isOrdered: false }
  }
  // Only what is dead has a reason and a cause. The state is no parameter, or the small indexes of dead ones would not serve.
  const isDead = states?.length === 1 && states[0] === 'dead'
  if (isDead || reason !== undefined || cause !== undefined) {
    const rest = { ...filter, states: isDead ? undefined : states }
    const dead: Condition = ["state = 'dead'"]
    return cause === undefined
      ? {
          indexed: [own, byInstallation, dead],
          others: othersOf({ ...rest, installation: undefined }),
          isOrdered: true,
        }
      : { indexed: [own, ['cause = ?', cause], dead], others: othersOf({ ...rest, cause: undefined }), isOrdered: true }
  }
  const rest = installation === undefined ? { ...filter, form: undefined } : { ...filter, installation: undefined }
  const lane = installation === undefined ? when('form_id = ?', form) : byInstallation
  return { indexed: [own, lane], others: othersOf({ ...rest, states }), isOrdered: true }
}

function othersOf({
  installation,
  form,
  states,
  reason,
  code,
  cause,
  host,
  endedBy,
  hasInput,
}: DeliveryFilter): readonly Condition[] {
  const others = [
    when("installation || '' = ?", installation),
    when("form_id || '' = ?", form),
    ofStates(states),
    when("reason || '' = ?", reason),
    when("error_code || '' = ?", code),
    when("cause || '' = ?", cause),
    when("host || '' = ?", host),
    when('finished_at <= ?', endedBy),
    hasInput === true ? (['input IS NOT NULL'] as const) : undefined,
  ]
  return others.filter((condition) => condition !== undefined)
}

function ofStates(states: readonly DeliveryState[] | undefined): Condition {
  if (states === undefined) return undefined
  if (states.length === 0) return ['1 = 0']
  return [`state || '' IN (${states.map(() => '?').join(', ')})`, ...states]
}

/** Deliveries are indexed by response, or by event when there is none; the event itself says which it is. */
function* ofEvent(workspace: WorkspaceId, eventId: string): Procedure<readonly Condition[]> {
  const event = yield* first<{ response_id: string | null }>(
    'SELECT response_id FROM events WHERE id = ? AND workspace = ?',
    [eventId, workspace],
  )
  const responseId = event?.response_id ?? null
  return [['event_id = ?', eventId], responseId === null ? ['response_id IS NULL'] : ['response_id = ?', responseId]]
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
  const end = isBounded ? yield* endOf(looked, order, rowsMax) : undefined
  const conditions = [...path.indexed, ...boundsOf(path, asked, end), ...path.others, also]
  return { conditions, order, end }
}

/** The last of so many rows, when there are more. */
function* endOf(conditions: readonly Condition[], order: string, rowsMax: number): Procedure<Place | undefined> {
  const { sql, params } = where(conditions)
  const rows = yield* all<Place>(`SELECT created_at, id FROM deliveries WHERE ${sql} ${order} LIMIT 2 OFFSET ?`, [
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
  const { sql, params } = where(stretch.conditions)
  const rows = yield* all<Row>(`SELECT ${columns} FROM deliveries WHERE ${sql} ${stretch.order} LIMIT ?`, [
    ...params,
    limit + 1,
  ])
  const found = page(rows, limit, newestFirst)
  return found.next === null && stretch.end !== undefined ? { ...found, next: newestFirst(stretch.end) } : found
}
