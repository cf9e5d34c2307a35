/** Reading deliveries: what is due, one, a page, a count. */
import type { WorkspaceId } from '../../model.ts'
import { all, allMany, first } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import type { DeliveryRow } from '../rows.ts'
import type { DeliveryQuery, DuePlace } from '../store.ts'
import { holds, likeText, where } from '../where.ts'
import type { Condition } from '../where.ts'
import { pathOf } from './delivery-paths.ts'
import type { DeliveryFilter } from './delivery-paths.ts'
import { boundsOf, pageOf, stretchOf } from './stretches.ts'

/** What `toDelivery` needs. */
export const DELIVERY_COLUMNS = `workspace, id, installation, plugin, kind, name, dedupe_key, event_seq, event_id, form_id, response_id,
  order_key, pace_key, state, attempts, schedule_step, due_at_ms, created_at, finished_at, reason, error_code, error, host, input`

const GET = `SELECT ${DELIVERY_COLUMNS} FROM deliveries WHERE workspace = ? AND id = ?`

const DUE = `SELECT id FROM deliveries
  WHERE workspace = ? AND installation = ? AND finished_at IS NULL AND due_at_ms <= ? ORDER BY due_at_ms, id LIMIT ?`

const DUE_FROM = `SELECT id FROM deliveries
  WHERE workspace = ? AND installation = ? AND finished_at IS NULL AND due_at_ms <= ? AND (due_at_ms, id) >= (?, ?)
  ORDER BY due_at_ms, id LIMIT ?`

/** No delivery comes before it. */
const BEGINNING: DuePlace = { dueAtMs: 0, id: '' }

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
  ) AS eligible WHERE due_at_ms <= ? AND (due_at_ms, id) >= (?, ?) ORDER BY due_at_ms, id LIMIT ?`

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
  readonly from?: DuePlace
}): Procedure<readonly DeliveryRow[]> {
  const { workspace, installation, limit } = query
  const countMax = limit + query.exceptIds.length
  const lane = [workspace, installation, Math.floor(query.untilMs)]
  const from = query.from ?? (query.heads === true ? BEGINNING : undefined)
  const due =
    from === undefined
      ? yield* all<{ id: string }>(DUE, [...lane, countMax])
      : yield* all<{ id: string }>(query.heads === true ? DUE_HEADS : DUE_FROM, [
          ...lane,
          from.dueAtMs,
          from.id,
          countMax,
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
  readonly rowsMax: number
}): Procedure<{ readonly rows: readonly DeliveryRow[]; readonly next: string | null }> {
  const { workspace, query, rowsMax } = input
  const { limit, after, since, until, text } = query
  const path = yield* pathOf(workspace, filterOf(query), rowsMax)
  const also = text === undefined ? undefined : holdsText(text)
  const stretch = yield* stretchOf(path, { order: 'newest', after, since, until, also, rowsMax })
  return yield* pageOf<DeliveryRow>(DELIVERY_COLUMNS, stretch, limit)
}

/** How many the same query would list. */
export function* countDeliveries(input: {
  readonly workspace: WorkspaceId
  readonly query: Omit<DeliveryQuery, 'limit' | 'after' | 'text'>
}): Procedure<number> {
  const { since, until } = input.query
  const path = yield* pathOf(input.workspace, filterOf(input.query))
  const { sql, params } = where([...path.indexed, ...boundsOf(path, { order: 'newest', since, until }), ...path.others])
  const row = yield* first<{ n: number }>(`SELECT count(*) AS n FROM deliveries WHERE ${sql}`, params)
  return Number(row?.n ?? 0)
}

const filterOf = ({ state, ...filter }: Omit<DeliveryQuery, 'limit' | 'after' | 'text'>): DeliveryFilter =>
  state === undefined ? filter : { ...filter, states: [state] }

const OF_ITSELF = ['error', 'error_code', 'host']

/** That the text stands in what became of the delivery or, when asked for, in its input or the answers of its response. */
function holdsText(text: NonNullable<DeliveryQuery['text']>): Condition {
  const like = likeText(text.words)
  // Answers are JSON: quotes and the like stand in them as it writes them.
  const inJson = likeText(JSON.stringify(text.words).slice(1, -1))
  const own = OF_ITSELF.map((name) => holds(`COALESCE(${name}, '')`)).join(' OR ')
  const answers = ` OR ${holds(`COALESCE(input, '')`)} OR EXISTS (SELECT 1 FROM responses r
    WHERE r.workspace = deliveries.workspace AND r.id = deliveries.response_id AND ${holds('r.data')})`
  return [
    // An OR alone might be looked up by ids.
    `CASE WHEN id = ? OR response_id = ? OR event_id = ? OR ${own}${text.inAnswers ? answers : ''} THEN 1 ELSE 0 END = 1`,
    text.words,
    text.words,
    text.words,
    ...OF_ITSELF.map(() => like),
    ...(text.inAnswers ? [inJson, inJson] : []),
  ]
}
