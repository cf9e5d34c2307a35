/** What a run asked for, written in the transaction that ends the run. */
import type { NewDelivery, WorkspaceId } from '../../model.ts'
import { allMany, first, run, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import type { Effects } from '../store.ts'
import { logDeath } from './deaths.ts'
import type { Death } from './deaths.ts'
import { append } from './events.ts'
import { noteMove, noteOutcome } from './lane-notes.ts'
import type { LaneNotes } from './lane-notes.ts'

const INSERT_DELIVERY = `INSERT INTO deliveries (workspace, id, installation, plugin, kind, name, dedupe_key, event_seq,
    event_id, form_id, response_id, order_key, state, attempts, schedule_step, due_at_ms, created_at, finished_at, reason,
    error_code, error, input)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (workspace, installation, dedupe_key) DO NOTHING`
/** Also the statement of `attempts.ts`. */
export const INSERT_ATTEMPT = `INSERT INTO attempts
  (workspace, delivery_id, n, at, duration_ms, outcome, error_code, error, exchanges, logs)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
const SET_KV = `INSERT INTO kv (workspace, installation, kv_key, value, expires_at_ms) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (workspace, installation, kv_key) DO UPDATE SET value = excluded.value, expires_at_ms = excluded.expires_at_ms`
const ADD_TALLY = `INSERT INTO tallies (workspace, installation, name, value) VALUES (?, ?, ?, ?)
  ON CONFLICT (workspace, installation, name) DO UPDATE SET value = tallies.value + excluded.value`

/** On whose behalf, and when. */
export interface EffectOwner {
  readonly workspace: WorkspaceId
  readonly installation: string
  readonly plugin: string
  /** RFC 3339; the creation time of new deliveries. */
  readonly at: string
}

/**
 * What was written: ids of the deliveries that are new, events of those that were born dead, ids of the events appended
 * and the last one's sequence (0: none).
 */
export interface EffectsWritten {
  readonly deliveryIds: readonly string[]
  readonly deaths: readonly Death[]
  readonly eventIds: readonly string[]
  readonly lastSeq: number
}

/**
 * Deliveries whose key was there before are dropped, and so is what speaks of a response that was deleted while the run
 * was under way; the last write to a kv key wins.
 */
export function* applyEffects(owner: EffectOwner, effects: Effects, notes: LaneNotes): Procedure<EffectsWritten> {
  const { workspace, installation } = owner
  const gone = yield* goneResponses(workspace, effects)
  const stays = ({ responseId }: { readonly responseId: string | null }): boolean =>
    responseId === null || !gone.has(responseId)
  const { deliveryIds, deaths } = yield* insertDeliveries(owner, effects.deliveries.filter(stays), notes)
  for (const { key, value, expiresAtMs } of effects.kv) {
    if (value === undefined) {
      yield* runMany('DELETE FROM kv WHERE workspace = ? AND installation = ? AND kv_key = ?', [
        [workspace, installation, key],
      ])
    } else {
      const expires = expiresAtMs === null ? null : Math.ceil(expiresAtMs)
      yield* runMany(SET_KV, [[workspace, installation, key, value, expires]])
    }
  }
  yield* runMany(
    ADD_TALLY,
    effects.tallies.map(({ name, by }): SqlValue[] => [workspace, installation, name, by]),
  )
  const events = effects.events.filter(stays)
  const lastSeq = yield* append(workspace, events)
  return { deliveryIds, deaths, eventIds: events.map((event) => event.id), lastSeq }
}

const NONE: ReadonlySet<string> = new Set()

const NOBODY: ReadonlySet<string> = new Set()

function* goneResponses(workspace: WorkspaceId, effects: Effects): Procedure<ReadonlySet<string>> {
  const ids = new Set<string>()
  for (const { responseId } of effects.deliveries) if (responseId !== null) ids.add(responseId)
  for (const { responseId } of effects.events) if (responseId !== null) ids.add(responseId)
  if (ids.size === 0) return NONE
  const any = yield* first('SELECT 1 AS found FROM erased_responses WHERE workspace = ? LIMIT 1', [workspace])
  if (any === undefined) return NONE
  if (ids.size === 0) return ids
  // Nearly always nothing was ever erased, and one look at an empty table tells so for all.
  const some = yield* first<{ response_id: string }>('SELECT response_id FROM erased_responses LIMIT 1', [])
  if (some === undefined) return NOBODY
  const rows = yield* allMany<{ response_id: string }>(
    'SELECT response_id FROM erased_responses WHERE workspace = ? AND response_id = ?',
    [...ids].map((id): SqlValue[] => [workspace, id]),
  )
  return new Set(rows.map((row) => row.response_id))
}

/** Inserts deliveries whose key is new; those of a failed handler run are born with their first attempt. */
export function* insertDeliveries(
  owner: EffectOwner,
  deliveries: readonly NewDelivery[],
  notes: LaneNotes,
): Procedure<{ readonly deliveryIds: readonly string[]; readonly deaths: readonly Death[] }> {
  if (deliveries.length === 0) return { deliveryIds: [], deaths: [] }
  const inserted = yield* runMany(
    INSERT_DELIVERY,
    deliveries.map((delivery) => rowOf(owner, delivery)),
  )
  const deliveryIds =
    inserted === deliveries.length ? idsOf(deliveries) : yield* presentIds(owner.workspace, deliveries)
  const fresh = new Set(deliveryIds)
  const failedOnes = deliveries.filter(({ id, failed }) => failed !== undefined && fresh.has(id))
  const deaths: Death[] = []
  for (const delivery of failedOnes) deaths.push(...(yield* bornFailed(owner, delivery, notes)))
  const pending = deliveryIds.length - failedOnes.length
  if (pending > 0) noteMove(notes, owner, { from: null, to: 'pending', by: pending })
  return { deliveryIds, deaths }
}

const idsOf = (rows: readonly { readonly id: string }[]): readonly string[] => rows.map(({ id }) => id)

/** Which of them were inserted; asked only when some were not. */
function* presentIds(workspace: WorkspaceId, deliveries: readonly NewDelivery[]): Procedure<readonly string[]> {
  const rows = yield* allMany<{ id: string }>(
    'SELECT id FROM deliveries WHERE workspace = ? AND id = ?',
    deliveries.map(({ id }): SqlValue[] => [workspace, id]),
  )
  return idsOf(rows)
}

function rowOf(owner: EffectOwner, delivery: NewDelivery): SqlValue[] {
  const { failed } = delivery
  const attempts = failed === undefined ? 0 : 1
  return [
    owner.workspace,
    delivery.id,
    owner.installation,
    owner.plugin,
    delivery.kind,
    delivery.name,
    delivery.key,
    delivery.eventSeq,
    delivery.eventId,
    delivery.formId,
    delivery.responseId,
    delivery.orderKey,
    failed?.state ?? 'pending',
    attempts,
    attempts,
    Math.ceil(delivery.dueAtMs),
    owner.at,
    failed?.state === 'dead' ? owner.at : null,
    failed?.reason ?? null,
    failed?.errorCode ?? null,
    failed?.error ?? null,
    delivery.input,
  ]
}

function* bornFailed(owner: EffectOwner, delivery: NewDelivery, notes: LaneNotes): Procedure<readonly Death[]> {
  const { failed, id } = delivery
  if (failed === undefined) return []
  const { attempt, state, reason, errorCode, error } = failed
  noteMove(notes, owner, { from: null, to: state })
  noteOutcome(notes, owner, { at: owner.at, ok: false, error: error ?? errorCode })
  yield* run(INSERT_ATTEMPT, [
    owner.workspace,
    id,
    1,
    attempt.at,
    attempt.durationMs,
    attempt.outcome,
    attempt.errorCode,
    attempt.error,
    JSON.stringify(attempt.exchanges),
    JSON.stringify(attempt.logs),
  ])
  if (state !== 'dead') return []
  const { eventSeq, formId, responseId } = delivery
  return [
    yield* logDeath(owner, { deliveryId: id, eventSeq, formId, responseId, reason, code: errorCode, message: error }),
  ]
}
