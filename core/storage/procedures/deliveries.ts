/** Reading deliveries: what is due, one, a page, a count. */
import type { DeliveryState, WorkspaceId } from '../../model.ts'
import { all, allMany, first } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import type { DeliveryRow } from '../rows.ts'
import type { DeliveryQuery } from '../store.ts'
import { newestFirst, olderThan, olderThanAsText, page, when, where, within } from '../where.ts'
import type { Condition } from '../where.ts'

/** What `toDelivery` needs. */
export const DELIVERY_COLUMNS = `workspace, id, installation, plugin, kind, name, event_seq, event_id, form_id, response_id,
  order_key, pace_key, state, attempts, schedule_step, due_at_ms, created_at, finished_at, reason, error_code, error, host, input`

const GET = `SELECT ${DELIVERY_COLUMNS} FROM deliveries WHERE workspace = ? AND id = ?`

const DUE = `SELECT id FROM deliveries
  WHERE workspace = ? AND installation = ? AND finished_at IS NULL AND due_at_ms <= ? ORDER BY due_at_ms, id LIMIT ?`

/**
 * Walks from one order key to the next and takes the oldest of each, so that a long queue behind one key costs nothing;
 * deliveries without a key stand in no queue.
 */
const DUE_HEADS = `WITH RECURSIVE lane (workspace, installation) AS (SELECT ?, ?),
  keys (order_key) AS (
    SELECT (SELECT min(d.order_key) FROM deliveries d WHERE d.workspace = lane.workspace
      AND d.installation = lane.installation AND d.finished_at IS NULL AND d.order_key IS NOT NULL) FROM lane
    UNION ALL
    SELECT (SELECT min(d.order_key) FROM deliveries d WHERE d.workspace = lane.workspace
      AND d.installation = lane.installation AND d.finished_at IS NULL AND d.order_key > keys.order_key)
      FROM keys, lane WHERE keys.order_key IS NOT NULL
  ),
  heads (id) AS (
    SELECT (SELECT min(d.id) FROM deliveries d WHERE d.workspace = lane.workspace
      AND d.installation = lane.installation AND d.finished_at IS NULL AND d.order_key = keys.order_key)
      FROM keys, lane WHERE keys.order_key IS NOT NULL
  )
  SELECT id FROM (
    SELECT d.id, d.due_at_ms FROM heads, lane, deliveries d WHERE d.workspace = lane.workspace AND d.id = heads.id
    UNION ALL
    SELECT d.id, d.due_at_ms FROM lane, deliveries d WHERE d.workspace = lane.workspace
      AND d.installation = lane.installation AND d.finished_at IS NULL AND d.order_key IS NULL
  ) AS eligible WHERE due_at_ms <= ? ORDER BY due_at_ms, id LIMIT ?`

/**
 * Those due, oldest due first. The ids come from the index alone, so the ones the caller holds already cost no row; the
 * rows are then fetched one by one, since the number of exceptions must not change the statement's text.
 */
export function* loadDue(query: {
  readonly workspace: WorkspaceId
  readonly installation: string
  readonly untilMs: number
  readonly limit: number
  readonly exceptIds: readonly string[]
  readonly heads?: boolean
}): Procedure<readonly DeliveryRow[]> {
  const { workspace, installation, limit } = query
  const due = yield* all<{ id: string }>(query.heads === true ? DUE_HEADS : DUE, [
    workspace,
    installation,
    Math.floor(query.untilMs),
    limit + query.exceptIds.length,
  ])
  const except = new Set(query.exceptIds)
  const wanted = due.filter((row) => !except.has(row.id)).slice(0, limit)
  return yield* allMany<DeliveryRow>(
    GET,
    wanted.map((row): SqlValue[] => [workspace, row.id]),
  )
}

/** When the next one is due, of those due later than `afterMs`. */
export function* nextDue(input: {
  readonly workspace: WorkspaceId
  readonly installation: string
  readonly afterMs: number
}): Procedure<number | null> {
  const row = yield* first<{ due: number | null }>(
    `SELECT min(due_at_ms) AS due FROM deliveries
      WHERE workspace = ? AND installation = ? AND finished_at IS NULL AND due_at_ms > ?`,
    [input.workspace, input.installation, Math.floor(input.afterMs)],
  )
  return row?.due ?? null
}

/** One delivery by its id. */
export function* getDelivery(input: {
  readonly workspace: WorkspaceId
  readonly id: string
}): Procedure<DeliveryRow | undefined> {
  return yield* first<DeliveryRow>(GET, [input.workspace, input.id])
}

/** A page, newest first. */
export function* listDeliveries(input: {
  readonly workspace: WorkspaceId
  readonly query: DeliveryQuery
}): Procedure<{ readonly rows: readonly DeliveryRow[]; readonly next: string | null }> {
  const { workspace, query } = input
  const waiting = query.state === 'pending' || query.state === 'retrying'
  const older = waiting ? olderThanAsText(query.after) : olderThan(query.after)
  const { sql, params } = where([...(yield* conditions(workspace, query)), older])
  const rows = yield* all<DeliveryRow>(
    `SELECT ${DELIVERY_COLUMNS} FROM deliveries WHERE ${sql} ORDER BY created_at DESC, id DESC LIMIT ?`,
    [...params, query.limit + 1],
  )
  return page(rows, query.limit, newestFirst)
}

/** How many the same query would list. */
export function* countDeliveries(input: {
  readonly workspace: WorkspaceId
  readonly query: Omit<DeliveryQuery, 'limit' | 'after'>
}): Procedure<number> {
  const { sql, params } = where(yield* conditions(input.workspace, input.query))
  const row = yield* first<{ n: number }>(`SELECT count(*) AS n FROM deliveries WHERE ${sql}`, params)
  return Number(row?.n ?? 0)
}

/** What the filters of a query ask of a row; `text` is for `search.ts`. */
export function* conditions(
  workspace: WorkspaceId,
  query: Omit<DeliveryQuery, 'limit' | 'after'>,
): Procedure<readonly Condition[]> {
  return [
    ['workspace = ?', workspace],
    ...(query.event === undefined ? [] : yield* ofEvent(workspace, query.event)),
    when('installation = ?', query.installation),
    when('form_id = ?', query.form),
    when('response_id = ?', query.response),
    ...ofState(query.state),
    when('reason = ?', query.reason),
    when('error_code = ?', query.code),
    ...ofCause(query.cause),
    ...within(query),
  ]
}

/** Only dead ones have one. */
const ofCause = (cause: string | undefined): readonly Condition[] =>
  cause === undefined ? [] : [['cause = ?', cause], ["state = 'dead'"]]

/** Written so that the small indexes of dead and of waiting ones serve where they can. */
function ofState(state: DeliveryState | undefined): readonly Condition[] {
  if (state === undefined) return []
  if (state === 'dead') return [["state = 'dead'"]]
  return state === 'delivered' ? [['state = ?', state]] : [['state = ?', state], ['finished_at IS NULL']]
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
