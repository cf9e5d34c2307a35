/** Making ended deliveries run again, and waiting ones run now. */
import type { DeliveryState, WorkspaceId } from '../../model.ts'
import { all, allMany, first, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import type { DeliveryRow } from '../rows.ts'
import type { ReplayQuery } from '../store.ts'
import { when, where, within } from '../where.ts'
import type { Condition } from '../where.ts'
import { noteMove, saveLaneNotes } from './lane-notes.ts'
import type { LaneNotes } from './lane-notes.ts'
import { DELIVERY_COLUMNS } from './deliveries.ts'

/** Due now with a fresh retry schedule; id, key and the count of attempts stay. */
const REPLAY = `UPDATE deliveries SET state = 'pending', schedule_step = 0, due_at_ms = ?, finished_at = NULL, reason = NULL,
    error_code = NULL, error = NULL, cause = NULL
  WHERE workspace = ? AND id = ? RETURNING ${DELIVERY_COLUMNS}`

interface Candidate {
  readonly id: string
  readonly installation: string
  readonly state: DeliveryState
}

/** How many the same query would make pending. */
export function* countReplay(query: ReplayQuery): Procedure<number> {
  const { sql, params } = where(conditions(query))
  if (query.deliveryIds === undefined) {
    const row = yield* first<{ n: number }>(`SELECT count(*) AS n FROM deliveries WHERE ${sql}`, params)
    return Number(row?.n ?? 0)
  }
  return (yield* candidates(query, query.deliveryIds.length)).length
}

/** Oldest first, so that a replay in steps keeps the order of the first run. */
export function* replay(
  query: ReplayQuery & { readonly limit: number; readonly nowMs: number },
): Procedure<readonly DeliveryRow[]> {
  const { workspace, nowMs } = query
  const notes: LaneNotes = new Map()
  const chosen = yield* candidates(query, query.limit)
  for (const { installation, state } of chosen) {
    if (state !== 'pending') noteMove(notes, { workspace, installation }, { from: state, to: 'pending' })
  }
  yield* saveLaneNotes(notes)
  return yield* allMany<DeliveryRow>(
    REPLAY,
    chosen.map((candidate): SqlValue[] => [Math.floor(nowMs), workspace, candidate.id]),
  )
}

function* candidates(query: ReplayQuery, limit: number): Procedure<readonly Candidate[]> {
  const { sql, params } = where(conditions(query))
  const select = `SELECT id, installation, state FROM deliveries WHERE ${sql}`
  if (query.deliveryIds === undefined) {
    return yield* all<Candidate>(`${select} ORDER BY created_at, id LIMIT ?`, [...params, limit])
  }
  const ids = [...new Set(query.deliveryIds)]
  const rows = yield* allMany<Candidate>(
    `${select} AND id = ?`,
    ids.map((id) => [...params, id]),
  )
  return rows.slice(0, limit)
}

/** What was erased cannot be sent again; `states` says which of the others. */
function conditions(query: ReplayQuery): readonly Condition[] {
  return [
    ['workspace = ?', query.workspace],
    inStates(query.states),
    ['input IS NOT NULL'],
    when('installation = ?', query.installation),
    when('form_id = ?', query.form),
    when('reason = ?', query.reason),
    when('error_code = ?', query.code),
    when('host = ?', query.host),
    ...within(query),
  ]
}

/** Written so that the small index of dead ones serves where it can. */
function inStates(states: readonly DeliveryState[]): Condition {
  if (states.length === 0) return ['1 = 0']
  if (states.length === 1 && states[0] === 'dead') return ["state = 'dead'"]
  return [`state IN (${states.map(() => '?').join(', ')})`, ...states]
}

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
