/** What a run asked for, written in the transaction that ends the run. */
import type { DeliveryState, NewDelivery, WorkspaceId } from '../../model.ts'
import { causeOf } from '../cause.ts'
import { allMany, first, run, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import type { DeliveryRow } from '../rows.ts'
import type { Effects } from '../store.ts'
import { logDeath } from './deaths.ts'
import type { Death } from './deaths.ts'
import { DELIVERY_COLUMNS } from './deliveries.ts'
import { append } from './events.ts'
import { noteMove, noteOutcome } from './lane-notes.ts'
import type { LaneNotes } from './lane-notes.ts'

const INSERT_DELIVERY = `INSERT INTO deliveries (workspace, id, installation, plugin, kind, name, dedupe_key, event_seq,
    event_id, form_id, response_id, order_key, pace_key, state, attempts, schedule_step, due_at_ms, created_at, finished_at,
    reason, error_code, error, cause, input)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (workspace, installation, dedupe_key) DO NOTHING`
/** One that no attempt was made of yet: what is not named is null. */
const INSERT_PENDING = `INSERT INTO deliveries (workspace, id, installation, plugin, kind, name, dedupe_key, event_seq,
    event_id, form_id, response_id, order_key, pace_key, state, attempts, schedule_step, due_at_ms, created_at, input)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending', 0, 0, ?, ?, ?)
  ON CONFLICT (workspace, installation, dedupe_key) DO NOTHING`
/** Also the statement of `attempts.ts`. */
export const INSERT_ATTEMPT = `INSERT INTO attempts
  (workspace, delivery_id, n, at, duration_ms, outcome, error_code, error, exchanges, logs, batch)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
const SET_KV = `INSERT INTO kv (workspace, installation, kv_key, value, expires_at_ms) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (workspace, installation, kv_key) DO UPDATE SET value = excluded.value, expires_at_ms = excluded.expires_at_ms`
const ADD_TALLY = `INSERT INTO tallies (workspace, installation, name, value) VALUES (?, ?, ?, ?)
  ON CONFLICT (workspace, installation, name) DO UPDATE SET value = tallies.value + excluded.value`

const FIND_KEY = `SELECT id, state, attempts FROM deliveries
  WHERE workspace = ? AND installation = ? AND dedupe_key = ? AND input IS NOT NULL`
/** Id, key and the count of attempts stay; the retry schedule begins anew with the attempt that failed just now. */
const REOPEN = `UPDATE deliveries SET state = ?, attempts = attempts + 1, schedule_step = ?, due_at_ms = ?, finished_at = ?,
    reason = ?, error_code = ?, error = ?, cause = ?
  WHERE workspace = ? AND id = ? RETURNING ${DELIVERY_COLUMNS}`

/** On whose behalf, and when. */
export interface EffectOwner {
  readonly workspace: WorkspaceId
  readonly installation: string
  readonly plugin: string
  /** RFC 3339; the creation time of new deliveries. */
  readonly at: string
}

/** Ids of the deliveries that are new, rows of ended ones that are open again or died again, and events of the deaths. */
export interface DeliveriesWritten {
  readonly deliveryIds: readonly string[]
  readonly reopened: readonly DeliveryRow[]
  readonly deaths: readonly Death[]
}

/** What was written: deliveries, ids of the events appended and the last one's sequence (0: none). */
export interface EffectsWritten extends DeliveriesWritten {
  readonly eventIds: readonly string[]
  readonly lastSeq: number
}

/**
 * Deliveries whose key was there before are dropped (a failed handler run opens its own again), and so is what speaks of a response that was deleted while the run
 * was under way; the last write to a kv key wins.
 */
export function* applyEffects(owner: EffectOwner, effects: Effects, notes: LaneNotes): Procedure<EffectsWritten> {
  const { workspace, installation } = owner
  const gone = yield* goneResponses(workspace, effects)
  const stays = ({ responseId }: { readonly responseId: string | null }): boolean =>
    responseId === null || !gone.has(responseId)
  const made = yield* insertDeliveries(owner, effects.deliveries.filter(stays), notes)
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
  return { ...made, eventIds: events.map((event) => event.id), lastSeq }
}

const NONE: ReadonlySet<string> = new Set()

function* goneResponses(workspace: WorkspaceId, effects: Effects): Procedure<ReadonlySet<string>> {
  const ids = new Set<string>()
  for (const { responseId } of effects.deliveries) if (responseId !== null) ids.add(responseId)
  for (const { responseId } of effects.events) if (responseId !== null) ids.add(responseId)
  if (ids.size === 0) return NONE
  // Nearly always nothing was ever erased, and one look tells so for all.
  const any = yield* first('SELECT 1 AS found FROM erased_responses WHERE workspace = ? LIMIT 1', [workspace])
  if (any === undefined) return NONE
  const rows = yield* allMany<{ response_id: string }>(
    'SELECT response_id FROM erased_responses WHERE workspace = ? AND response_id = ?',
    [...ids].map((id): SqlValue[] => [workspace, id]),
  )
  return new Set(rows.map((row) => row.response_id))
}

/**
 * Inserts deliveries whose key is new; those of a failed handler run are born with their first attempt. When such a run
 * repeats one that ended before (after a backfill), its failure is another attempt of the delivery that is there.
 */
export function* insertDeliveries(
  owner: EffectOwner,
  deliveries: readonly NewDelivery[],
  notes: LaneNotes,
): Procedure<DeliveriesWritten> {
  if (deliveries.length === 0) return { deliveryIds: [], reopened: [], deaths: [] }
  const failed = deliveries.filter((delivery) => delivery.failed !== undefined)
  const pending = failed.length === 0 ? deliveries : deliveries.filter((delivery) => delivery.failed === undefined)
  const inserted =
    (yield* runMany(
      INSERT_PENDING,
      pending.map((delivery) => pendingRow(owner, delivery)),
    )) +
    (yield* runMany(
      INSERT_DELIVERY,
      failed.map((delivery) => rowOf(owner, delivery)),
    ))
  const deliveryIds =
    inserted === deliveries.length ? idsOf(deliveries) : yield* presentIds(owner.workspace, deliveries)
  const fresh = new Set(deliveryIds)
  const deaths: Death[] = []
  const reopened: DeliveryRow[] = []
  let bornCount = 0
  for (const delivery of failed) {
    if (delivery.failed === undefined) continue
    if (fresh.has(delivery.id)) {
      bornCount += 1
      noteMove(notes, owner, { from: null, to: delivery.failed.state })
      deaths.push(...(yield* noteFailed(owner, delivery, { id: delivery.id, n: 1, notes })))
      continue
    }
    const again = yield* reopen(owner, delivery, notes)
    reopened.push(...again.rows)
    deaths.push(...again.deaths)
  }
  const waiting = deliveryIds.length - bornCount
  if (waiting > 0) noteMove(notes, owner, { from: null, to: 'pending', by: waiting })
  return { deliveryIds, reopened, deaths }
}

/** One that still waits is left alone: it will make its attempt by itself. */
function* reopen(
  owner: EffectOwner,
  delivery: NewDelivery,
  notes: LaneNotes,
): Procedure<{ readonly rows: readonly DeliveryRow[]; readonly deaths: readonly Death[] }> {
  const { failed } = delivery
  const { workspace, installation, at } = owner
  const found = yield* first<{ id: string; state: DeliveryState; attempts: number }>(FIND_KEY, [
    workspace,
    installation,
    delivery.key,
  ])
  const ended = found?.state === 'delivered' || found?.state === 'dead'
  if (failed === undefined || found === undefined || !ended) return { rows: [], deaths: [] }
  const { state, reason, errorCode, error } = failed
  const cause = causeOfFailed(owner, failed)
  const finishedAt = state === 'dead' ? at : null
  const dueAtMs = Math.ceil(delivery.dueAtMs)
  const rows = yield* allMany<DeliveryRow>(REOPEN, [
    [state, failed.scheduleStep, dueAtMs, finishedAt, reason, errorCode, error, cause, workspace, found.id],
  ])
  if (found.state !== state) noteMove(notes, owner, { from: found.state, to: state })
  const deaths = yield* noteFailed(owner, delivery, { id: found.id, n: Number(found.attempts) + 1, notes })
  return { rows, deaths }
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

/** The columns every delivery begins with. */
const rowHead = (owner: EffectOwner, delivery: NewDelivery): readonly SqlValue[] => [
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
  delivery.paceKey ?? null,
]

const pendingRow = (owner: EffectOwner, delivery: NewDelivery): SqlValue[] => [
  ...rowHead(owner, delivery),
  Math.ceil(delivery.dueAtMs),
  owner.at,
  delivery.input,
]

function rowOf(owner: EffectOwner, delivery: NewDelivery): SqlValue[] {
  const { failed } = delivery
  const attempts = failed === undefined ? 0 : 1
  return [
    ...rowHead(owner, delivery),
    failed?.state ?? 'pending',
    attempts,
    failed?.scheduleStep ?? 0,
    Math.ceil(delivery.dueAtMs),
    owner.at,
    failed?.state === 'dead' ? owner.at : null,
    failed?.reason ?? null,
    failed?.errorCode ?? null,
    failed?.error ?? null,
    failed === undefined ? null : causeOfFailed(owner, failed),
    delivery.input,
  ]
}

const causeOfFailed = (
  { installation }: EffectOwner,
  { state, errorCode: code, error }: NonNullable<NewDelivery['failed']>,
): string | null => (state === 'dead' ? causeOf({ installation, code, error }) : null)

/** The log row of a handler run that failed, its lane's health, and the event when it was the end. */
function* noteFailed(
  owner: EffectOwner,
  delivery: NewDelivery,
  attempted: { readonly id: string; readonly n: number; readonly notes: LaneNotes },
): Procedure<readonly Death[]> {
  const { failed } = delivery
  const { id, n, notes } = attempted
  if (failed === undefined) return []
  const { attempt, state, reason, errorCode, error } = failed
  noteOutcome(notes, owner, {
    at: owner.at,
    ok: false,
    hasProven: false,
    error: error ?? errorCode,
    code: errorCode,
    deliveryId: id,
  })
  yield* run(INSERT_ATTEMPT, [
    owner.workspace,
    id,
    n,
    attempt.at,
    attempt.durationMs,
    attempt.outcome,
    attempt.errorCode,
    attempt.error,
    JSON.stringify(attempt.exchanges),
    JSON.stringify(attempt.logs),
    null,
  ])
  if (state !== 'dead') return []
  const { eventSeq, formId, responseId } = delivery
  return [
    yield* logDeath(owner, { deliveryId: id, eventSeq, formId, responseId, reason, code: errorCode, message: error }),
  ]
}
