/** The end of attempts: the delivery moves on, its log row is written, its effects happen. */
import type { DeliveryState, NewEvent, WorkspaceId } from '../../model.ts'
import { all, first, run } from '../procedure.ts'
import type { Procedure } from '../procedure.ts'
import type { AttemptRow, DeliveryRow } from '../rows.ts'
import type { FinishedAttempt } from '../store.ts'
import { count, saveCounters } from './counters.ts'
import type { Counters } from './counters.ts'
import { applyEffects } from './effects.ts'
import type { EffectsWritten } from './effects.ts'
import { append } from './events.ts'

/** Which state may follow which when an attempt ends. Terminal states are left only by replay. */
const NEXT = {
  pending: ['pending', 'retrying', 'delivered', 'dead'],
  retrying: ['retrying', 'delivered', 'dead'],
  delivered: [],
  dead: [],
} as const satisfies Record<DeliveryState, readonly DeliveryState[]>

const MOVE = `UPDATE deliveries SET state = ?, attempts = attempts + 1, schedule_step = ?, due_at_ms = ?, finished_at = ?,
    reason = ?, error_code = ?, error = ?, host = ?
  WHERE workspace = ? AND id = ? AND state = ? RETURNING attempts, event_seq, event_id, form_id, response_id`
const LOG_ATTEMPT = `INSERT INTO attempts
  (workspace, delivery_id, n, at, duration_ms, outcome, error_code, error, exchanges, logs)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

/** An attempt whose exchanges and log lines are text already, with the id of a `delivery.dead` event should it come to that. */
export interface Finished extends Omit<FinishedAttempt, 'attempt'> {
  readonly attempt: Omit<FinishedAttempt['attempt'], 'exchanges' | 'logs'>
  readonly exchanges: string
  readonly logs: string
  readonly deadEventId: string
  /** RFC 3339; when the attempt ended. */
  readonly endedAt: string
}

/** What became of one attempt; null: refused, because its delivery is gone or ended. */
export type FinishedResult = (EffectsWritten & { readonly deadEvent: (NewEvent & { readonly seq: number }) | null }) | null

type Moved = Pick<DeliveryRow, 'attempts' | 'event_seq' | 'event_id' | 'form_id' | 'response_id'>

interface Health {
  readonly workspace: WorkspaceId
  readonly installation: string
  successAt: string | null
  failureAt: string | null
  error: string | null
}

/** Each attempt stands alone: a refused one leaves the others whole. */
export function* finishAttempts(finished: readonly Finished[]): Procedure<readonly FinishedResult[]> {
  const counters: Counters = new Map()
  const healths = new Map<string, Health>()
  const results: FinishedResult[] = []
  for (const each of finished) {
    const result = yield* finishOne(each, counters)
    results.push(result)
    if (result !== null) noteHealth(healths, each)
  }
  yield* saveCounters(counters)
  for (const health of healths.values()) yield* saveHealth(health)
  return results
}

function* finishOne(each: Finished, counters: Counters): Procedure<FinishedResult> {
  const { workspace, deliveryId, state, attempt } = each
  const before = yield* first<{ state: DeliveryState }>('SELECT state FROM deliveries WHERE workspace = ? AND id = ?', [
    workspace,
    deliveryId,
  ])
  if (before === undefined || !(NEXT[before.state] as readonly DeliveryState[]).includes(state)) return null
  const ended = state === 'delivered' || state === 'dead'
  const moved = yield* first<Moved>(MOVE, [
    state,
    each.scheduleStep,
    Math.ceil(each.dueAtMs),
    ended ? each.endedAt : null,
    each.reason,
    each.errorCode,
    each.error,
    each.host,
    workspace,
    deliveryId,
    before.state,
  ])
  if (moved === undefined) return null
  if (before.state !== state) count(counters, each, { from: before.state, to: state })
  const { at, durationMs, outcome, errorCode, error } = attempt
  yield* run(LOG_ATTEMPT, [
    workspace,
    deliveryId,
    moved.attempts,
    at,
    durationMs,
    outcome,
    errorCode,
    error,
    each.exchanges,
    each.logs,
  ])
  const { installation, plugin, endedAt } = each
  const written = yield* applyEffects({ workspace, installation, plugin, at: endedAt }, each.effects, counters)
  return { ...written, deadEvent: state === 'dead' ? yield* logDeath(each, moved) : null }
}

/** One hop further than its cause, so that a plugin that fails on `delivery.dead` itself runs into the hop limit. */
function* logDeath(each: Finished, moved: Moved): Procedure<NewEvent & { readonly seq: number }> {
  const cause =
    moved.event_seq === null
      ? undefined
      : yield* first<{ hops: number }>('SELECT hops FROM events WHERE seq = ? AND workspace = ?', [
          moved.event_seq,
          each.workspace,
        ])
  const event: NewEvent = {
    id: each.deadEventId,
    type: 'delivery.dead',
    at: each.endedAt,
    formId: moved.form_id,
    responseId: moved.response_id,
    hops: (cause?.hops ?? 0) + 1,
    data: JSON.stringify({
      delivery_id: each.deliveryId,
      installation: each.installation,
      plugin: each.plugin,
      reason: each.reason,
      code: each.errorCode,
      message: each.error,
    }),
  }
  return { ...event, seq: yield* append(each.workspace, [event]) }
}

function noteHealth(healths: Map<string, Health>, each: Finished): void {
  const key = `${each.workspace}/${each.installation}`
  let health = healths.get(key)
  if (health === undefined) {
    const { workspace, installation } = each
    health = { workspace, installation, successAt: null, failureAt: null, error: null }
    healths.set(key, health)
  }
  if (each.attempt.outcome === 'delivered') {
    health.successAt = each.endedAt
    return
  }
  health.failureAt = each.endedAt
  health.error = each.error ?? each.attempt.error ?? each.errorCode
}

function* saveHealth(health: Health): Procedure<void> {
  yield* run(
    `UPDATE installations SET last_success_at = coalesce(?, last_success_at), last_failure_at = coalesce(?, last_failure_at),
      last_error = coalesce(?, last_error) WHERE workspace = ? AND id = ?`,
    [health.successAt, health.failureAt, health.error, health.workspace, health.installation],
  )
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
