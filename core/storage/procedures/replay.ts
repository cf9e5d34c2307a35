/** Making ended deliveries run again, and waiting ones run now; or deleting them. */
import type { DeliveryState, WorkspaceId } from '../../model.ts'
import { all, allMany, first, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import type { DeliveryRow } from '../rows.ts'
import { discardEvent } from '../discard-trace.ts'
import type { DiscardTrace } from '../discard-trace.ts'
import type { ReplayQuery } from '../store.ts'
import { newestFirst, when, where } from '../where.ts'
import type { Place } from '../where.ts'
import { eraseSharedRuns, sharedRunsOf } from './batches.ts'
import { append } from './events.ts'
import { noteMove, saveLaneNotes } from './lane-notes.ts'
import type { LaneNotes } from './lane-notes.ts'
import { DELIVERY_COLUMNS } from './deliveries.ts'
import { eraseSaid } from './said.ts'
import { pathByIds, pathOf } from './delivery-paths.ts'
import type { DeliveryFilter } from './delivery-paths.ts'
import { boundsOf, pageOf, stretchOf } from './stretches.ts'
import type { Stretch } from './stretches.ts'

/** Due now with a fresh retry schedule; id, key and the count of attempts stay. */
const REPLAY = `UPDATE deliveries SET state = 'pending', schedule_step = 0, due_at_ms = ?, finished_at = NULL, reason = NULL,
    error_code = NULL, error = NULL, cause = NULL
  WHERE workspace = ? AND id = ? RETURNING ${DELIVERY_COLUMNS}`

const CANDIDATE = 'created_at, id, installation, state, error_code'

interface Candidate extends Place {
  readonly installation: string
  readonly state: DeliveryState
  readonly error_code: string | null
}

/** Of those that match: how many may be made pending, and where to go on counting; a slice looks at so many rows. */
export function* countReplaySlice(
  query: ReplayQuery & { readonly rowsMax: number },
): Procedure<{ readonly n: number; readonly next: string | null }> {
  if (query.deliveryIds !== undefined) return { n: (yield* named(query, query.deliveryIds)).length, next: null }
  const { conditions, end } = yield* matching({ ...query, isCount: true })
  const { sql, params } = where(conditions)
  const row = yield* first<{ n: number }>(`SELECT count(*) AS n FROM deliveries WHERE ${sql}`, params)
  return { n: Number(row?.n ?? 0), next: end === undefined ? null : newestFirst(end) }
}

const DISCARD_ATTEMPTS = 'DELETE FROM attempts WHERE workspace = ? AND delivery_id = ?'
const DISCARD = 'DELETE FROM deliveries WHERE workspace = ? AND id = ?'

/** Deletes some of those that match with their attempts, oldest first, and writes down that it did; nothing is left that keeps their keys from others. */
export function* discardDeliveries(
  query: ReplayQuery & { readonly limit: number; readonly rowsMax: number; readonly trace: DiscardTrace },
): Procedure<{ readonly n: number; readonly next: string | null }> {
  const { workspace, trace } = query
  const notes: LaneNotes = new Map()
  const { rows, next } = yield* chosenBy(query)
  for (const { installation, state } of rows) noteMove(notes, { workspace, installation }, { from: state, to: null })
  yield* saveLaneNotes(notes)
  const keys = rows.map(({ id }): SqlValue[] => [workspace, id])
  // Nothing would lead to the record, nor to the words that others repeat, any more when the response is deleted.
  yield* eraseSharedRuns(yield* sharedRunsOf(keys))
  yield* eraseSaid(workspace, rows)
  yield* runMany(DISCARD_ATTEMPTS, keys)
  yield* runMany(DISCARD, keys)
  if (rows.length > 0) yield* append(workspace, [discardEvent(trace, rows.length)])
  return { n: rows.length, next }
}

/** Oldest first, so that a replay in steps keeps the order of the first run. */
export function* replay(
  query: ReplayQuery & { readonly limit: number; readonly nowMs: number; readonly rowsMax: number },
): Procedure<{ readonly rows: readonly DeliveryRow[]; readonly next: string | null }> {
  const { workspace, nowMs } = query
  const notes: LaneNotes = new Map()
  const chosen = yield* chosenBy(query)
  for (const { installation, state } of chosen.rows) {
    if (state !== 'pending') noteMove(notes, { workspace, installation }, { from: state, to: 'pending' })
  }
  yield* saveLaneNotes(notes)
  const rows = yield* allMany<DeliveryRow>(
    REPLAY,
    chosen.rows.map((candidate): SqlValue[] => [Math.floor(nowMs), workspace, candidate.id]),
  )
  return { rows, next: chosen.next }
}

/** What was erased cannot be sent again; `states` says which of the others. Counts and replays ask for no more and no less. */
const filterOf = (query: ReplayQuery): DeliveryFilter =>
  query.erasedToo === true ? query : { ...query, hasInput: true }

function* chosenBy(
  query: ReplayQuery & { readonly limit: number; readonly rowsMax: number },
): Procedure<{ readonly rows: readonly Candidate[]; readonly next: string | null }> {
  const { deliveryIds, limit } = query
  if (deliveryIds !== undefined) return { rows: (yield* named(query, deliveryIds)).slice(0, limit), next: null }
  return yield* pageOf<Candidate>(CANDIDATE, yield* matching(query), limit)
}

function* matching(query: ReplayQuery & { readonly rowsMax: number; readonly isCount?: true }): Procedure<Stretch> {
  return yield* stretchOf(yield* pathOf(query.workspace, filterOf(query)), { ...query, order: 'oldest' })
}

function* named(query: ReplayQuery, ids: readonly string[]): Procedure<readonly Candidate[]> {
  const path = pathByIds(query.workspace, filterOf(query))
  const { since, until } = query
  const { sql, params } = where([...path.indexed, ...boundsOf(path, { order: 'oldest', since, until }), ...path.others])
  return yield* allMany<Candidate>(
    `SELECT ${CANDIDATE} FROM deliveries WHERE ${sql} AND id = ?`,
    [...new Set(ids)].map((id) => [...params, id]),
  )
}

/** Rows that one `countReplaySlice` looks at: other readers wait some milliseconds at most. */
export const COUNT_SLICE_ROWS = 10_000

/** Rows of one `hastenSlice`: other writers wait a few milliseconds at most. */
export const HASTEN_SLICE_ROWS = 1_000

/** Makes a slice of the waiting ones due now; answers how many, and fewer than the slice when that was the last. */
export function* hastenSlice(input: {
  readonly workspace: WorkspaceId
  readonly installation: string
  readonly host: string | null
  readonly nowMs: number
}): Procedure<number> {
  const { workspace, installation } = input
  const nowMs = Math.floor(input.nowMs)
  const { sql, params } = where([
    ['workspace = ?', workspace],
    ['installation = ?', installation],
    ['finished_at IS NULL'],
    ['due_at_ms > ?', nowMs],
    when('host = ?', input.host ?? undefined),
  ])
  const rows = yield* all<{ id: string }>(`SELECT id FROM deliveries WHERE ${sql} LIMIT ?`, [
    ...params,
    HASTEN_SLICE_ROWS,
  ])
  return yield* runMany(
    'UPDATE deliveries SET due_at_ms = ? WHERE workspace = ? AND id = ?',
    rows.map(({ id }): SqlValue[] => [nowMs, workspace, id]),
  )
}
