/** The end of attempts: the delivery moves on, its log row is written, its effects happen. */
import { HubError } from '../../errors.ts'
import type { DeliveryState, WorkspaceId } from '../../model.ts'
import { causeOf } from '../cause.ts'
import { all, allMany, first, run, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import type { AttemptRow, DeliveryRow } from '../rows.ts'
import type { Effects, FinishedAttempt } from '../store.ts'
import { eraseOfDeleted } from './batches.ts'
import { logDeath } from './deaths.ts'
import type { Death } from './deaths.ts'
import { applyEffects, INSERT_ATTEMPT } from './effects.ts'
import type { EffectsWritten } from './effects.ts'
import { noteMove, noteOutcome, saveLaneNotes } from './lane-notes.ts'
import type { LaneNotes } from './lane-notes.ts'

/** Which state may follow which when an attempt ends. Terminal states are left only by replay. */
const NEXT = {
  pending: ['pending', 'retrying', 'delivered', 'dead'],
  retrying: ['retrying', 'delivered', 'dead'],
  delivered: [],
  dead: [],
} as const satisfies Record<DeliveryState, readonly DeliveryState[]>

const LOOK = `SELECT state, attempts, event_seq, form_id, response_id FROM deliveries WHERE workspace = ? AND id = ?`
const MOVE = `UPDATE deliveries SET state = ?, attempts = attempts + 1, schedule_step = ?, due_at_ms = ?, finished_at = ?,
    reason = ?, error_code = ?, error = ?, host = ?, cause = ?
  WHERE workspace = ? AND id = ? AND state = ? AND attempts = ?`

const LOOK_MANY = `SELECT id, state, attempts FROM deliveries WHERE workspace = ? AND id = ?`
const MOVE_DELIVERED = `UPDATE deliveries SET state = 'delivered', attempts = attempts + 1, schedule_step = ?,
    finished_at = ?, reason = NULL, error_code = NULL, error = NULL, host = ?
  WHERE workspace = ? AND id = ? AND attempts = ?`
const INSERT_DELIVERED = `INSERT INTO attempts (workspace, delivery_id, n, at, duration_ms, outcome, exchanges, logs, batch)
  VALUES (?, ?, ?, ?, ?, 'delivered', ?, ?, ?)`

/** An attempt whose exchanges and log lines are text already. */
export interface Finished extends Omit<FinishedAttempt, 'attempt'> {
  readonly attempt: Omit<FinishedAttempt['attempt'], 'exchanges' | 'logs'>
  readonly exchanges: string
  readonly logs: string
  /** RFC 3339; when the attempt ended. */
  readonly endedAt: string
}

/** What became of one attempt; null: refused, because its delivery is gone or ended. */
export type FinishedResult = (EffectsWritten & { readonly death: Death | null }) | null

type Before = Pick<DeliveryRow, 'state' | 'attempts' | 'event_seq' | 'form_id' | 'response_id'>

const NO_EFFECTS: Effects = { deliveries: [], kv: [], events: [], tallies: [] }

/** Each attempt stands alone: a refused one leaves the others whole, and the effects of its batch to the next. */
export function* finishAttempts(finished: readonly Finished[]): Procedure<readonly FinishedResult[]> {
  const notes: LaneNotes = new Map()
  const results: FinishedResult[] = []
  const batchesDone = new Set<string>()
  const simple = yield* finishSimple(finished, notes)
  for (const [i, each] of finished.entries()) {
    const done = simple.get(i)
    if (done !== undefined) {
      results.push(done)
      continue
    }
    const { batch } = each
    const isDone = batch !== undefined && batchesDone.has(batch)
    const result = yield* finishOne(isDone ? { ...each, effects: NO_EFFECTS } : each, notes)
    if (batch !== undefined && result !== null) batchesDone.add(batch)
    results.push(result)
  }
  yield* saveLaneNotes(notes)
  yield* eraseOfDeleted(
    finished.flatMap(({ workspace, deliveryId, batch, attempt: { error } }, i) =>
      batch === undefined || results[i] !== null ? [] : [{ workspace, deliveryId, batch, error }],
    ),
  )
  return results
}

const NOTHING_MORE = { deliveryIds: [], reopened: [], deaths: [], eventIds: [], lastSeq: 0, death: null } as const

/**
 * The many: delivered or to be tried again, and nothing follows from it. All rows of a table with one statement; by their
 * places. A receiver that is down must not hold the writer longer than one that works.
 */
function* finishSimple(
  finished: readonly Finished[],
  notes: LaneNotes,
): Procedure<ReadonlyMap<number, FinishedResult>> {
  const results = new Map<number, FinishedResult>()
  const simple = new Map<string, { readonly place: number; readonly each: Finished }>()
  for (const [place, each] of finished.entries()) {
    // Of a delivery that ends twice only the first is simple; the second meets its end and is refused.
    if (isSimple(each) && !simple.has(each.deliveryId)) simple.set(each.deliveryId, { place, each })
  }
  const looks = [...simple.values()].map(({ each }): SqlValue[] => [each.workspace, each.deliveryId])
  const before = yield* allMany<Pick<DeliveryRow, 'id' | 'state' | 'attempts'>>(LOOK_MANY, looks)
  const delivered: Rows = { moves: [], attempts: [] }
  const retrying: Rows = { moves: [], attempts: [] }
  for (const row of before) {
    const { place, each } = simple.get(row.id) as { place: number; each: Finished }
    if (!mayFollow(row, each)) continue
    const { workspace, deliveryId, scheduleStep, endedAt, host, attempt, exchanges, logs, batch = null } = each
    if (each.state === 'delivered') {
      delivered.moves.push([scheduleStep, endedAt, host, workspace, deliveryId, row.attempts])
      const { at, durationMs } = attempt
      delivered.attempts.push([workspace, deliveryId, row.attempts + 1, at, durationMs, exchanges, logs, batch])
    } else {
      retrying.moves.push(moveOf(each, row))
      retrying.attempts.push(attemptOf(each, row))
    }
    if (row.state !== each.state) noteMove(notes, each, { from: row.state, to: each.state })
    noteEnd(notes, each)
    results.set(place, NOTHING_MORE)
  }
  const moved = (yield* runMany(MOVE_DELIVERED, delivered.moves)) + (yield* runMany(MOVE, retrying.moves))
  if (moved !== delivered.moves.length + retrying.moves.length)
    throw new HubError('storage_busy', 'A delivery was changed by somebody else meanwhile.')
  yield* runMany(INSERT_DELIVERED, delivered.attempts)
  yield* runMany(INSERT_ATTEMPT, retrying.attempts)
  for (const { place } of simple.values()) if (!results.has(place)) results.set(place, null)
  return results
}

const mayFollow = (before: Moved, { state, attemptsBefore }: Finished): boolean =>
  (NEXT[before.state] as readonly DeliveryState[]).includes(state) &&
  (attemptsBefore === undefined || attemptsBefore === before.attempts)

interface Rows {
  readonly moves: SqlValue[][]
  readonly attempts: SqlValue[][]
}

const isSimple = ({ state, effects }: Finished): boolean =>
  (state === 'delivered' || state === 'retrying') &&
  effects.deliveries.length + effects.kv.length + effects.events.length + effects.tallies.length === 0

function* finishOne(each: Finished, notes: LaneNotes): Procedure<FinishedResult> {
  const { workspace, deliveryId, state, installation, plugin, endedAt } = each
  const before = yield* first<Before>(LOOK, [workspace, deliveryId])
  if (before === undefined || !mayFollow(before, each)) return null
  const moved = yield* run(MOVE, moveOf(each, before))
  if (moved === 0) return null
  if (before.state !== state) noteMove(notes, each, { from: before.state, to: state })
  noteEnd(notes, each)
  yield* run(INSERT_ATTEMPT, attemptOf(each, before))
  const owner = { workspace, installation, plugin, at: endedAt }
  const written = yield* applyEffects(owner, each.effects, notes)
  if (state !== 'dead') return { ...written, death: null }
  const { event_seq: eventSeq, form_id: formId, response_id: responseId } = before
  const { reason, errorCode: code, error: message } = each
  const death = yield* logDeath(owner, { deliveryId, eventSeq, formId, responseId, reason, code, message })
  return { ...written, death }
}

type Moved = Pick<DeliveryRow, 'state' | 'attempts'>

/** What `MOVE` takes. */
function moveOf(each: Finished, before: Moved): SqlValue[] {
  const { workspace, installation, deliveryId, state, scheduleStep, dueAtMs, endedAt, reason, errorCode, error, host } =
    each
  const finishedAt = state === 'delivered' || state === 'dead' ? endedAt : null
  const cause = state === 'dead' ? causeOf({ installation, code: errorCode, error }) : null
  const values = [state, scheduleStep, Math.ceil(dueAtMs), finishedAt, reason, errorCode, error, host, cause]
  return [...values, workspace, deliveryId, before.state, before.attempts]
}

/** What `INSERT_ATTEMPT` takes. */
function attemptOf(each: Finished, before: Moved): SqlValue[] {
  const { workspace, deliveryId, attempt, exchanges, logs, batch = null } = each
  const { at, durationMs, outcome, errorCode, error } = attempt
  return [workspace, deliveryId, before.attempts + 1, at, durationMs, outcome, errorCode, error, exchanges, logs, batch]
}

function noteEnd(notes: LaneNotes, each: Finished): void {
  const { outcome, error, errorCode } = each.attempt
  const ok = outcome === 'delivered'
  const told = ok ? null : (each.error ?? error ?? each.errorCode)
  noteOutcome(notes, each, {
    at: each.endedAt,
    ok,
    hasProven: each.hasProven === true,
    error: told,
    code: ok ? null : (each.errorCode ?? errorCode),
    deliveryId: each.deliveryId,
  })
}

/** The attempts of a delivery, first to last. */
export function* listAttempts(input: {
  readonly workspace: WorkspaceId
  readonly deliveryId: string
}): Procedure<readonly AttemptRow[]> {
  return yield* all<AttemptRow>(
    `SELECT delivery_id, n, at, duration_ms, outcome, error_code, error, exchanges, logs FROM attempts
      WHERE workspace = ? AND delivery_id = ? ORDER BY n`,
    [input.workspace, input.deliveryId],
  )
}
