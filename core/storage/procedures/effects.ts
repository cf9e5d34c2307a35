/** What a run asked for, written in the transaction that ends the run. */
import type { NewDelivery, WorkspaceId } from '../../model.ts'
import { allMany, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import type { Effects } from '../store.ts'
import { count } from './counters.ts'
import type { Counters } from './counters.ts'
import { append } from './events.ts'

const INSERT_DELIVERY = `INSERT INTO deliveries (workspace, id, installation, plugin, kind, name, dedupe_key, event_seq,
    event_id, form_id, response_id, order_key, state, attempts, schedule_step, due_at_ms, created_at, input)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending', 0, 0, ?, ?, ?)
  ON CONFLICT (workspace, installation, dedupe_key) DO NOTHING RETURNING id`
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

/** What was written: ids of the deliveries that are new, ids of the events appended, the last one's sequence (0: none). */
export interface EffectsWritten {
  readonly deliveryIds: readonly string[]
  readonly eventIds: readonly string[]
  readonly lastSeq: number
}

/**
 * Deliveries whose key was there before are dropped, and so is what speaks of a response that was deleted while the run
 * was under way; the last write to a kv key wins.
 */
export function* applyEffects(owner: EffectOwner, effects: Effects, counters: Counters): Procedure<EffectsWritten> {
  const { workspace, installation } = owner
  const gone = yield* goneResponses(workspace, effects)
  const stays = ({ responseId }: { readonly responseId: string | null }): boolean =>
    responseId === null || !gone.has(responseId)
  const deliveryIds = yield* insertDeliveries(owner, effects.deliveries.filter(stays), counters)
  for (const { key, value, expiresAtMs } of effects.kv) {
    if (value === undefined) {
      yield* runMany('DELETE FROM kv WHERE workspace = ? AND installation = ? AND kv_key = ?', [[workspace, installation, key]])
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
  return { deliveryIds, eventIds: events.map((event) => event.id), lastSeq }
}

function* goneResponses(workspace: WorkspaceId, effects: Effects): Procedure<ReadonlySet<string>> {
  const ids = new Set<string>()
  for (const { responseId } of effects.deliveries) if (responseId !== null) ids.add(responseId)
  for (const { responseId } of effects.events) if (responseId !== null) ids.add(responseId)
  const rows = yield* allMany<{ response_id: string }>(
    'SELECT response_id FROM erased_responses WHERE workspace = ? AND response_id = ?',
    [...ids].map((id): SqlValue[] => [workspace, id]),
  )
  return new Set(rows.map((row) => row.response_id))
}

/** Inserts pending deliveries; answers the ids of those whose key is new. */
export function* insertDeliveries(
  owner: EffectOwner,
  deliveries: readonly NewDelivery[],
  counters: Counters,
): Procedure<readonly string[]> {
  if (deliveries.length === 0) return []
  const rows = yield* allMany<{ id: string }>(
    INSERT_DELIVERY,
    deliveries.map((delivery): SqlValue[] => [
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
      Math.ceil(delivery.dueAtMs),
      owner.at,
      delivery.input,
    ]),
  )
  if (rows.length > 0) count(counters, owner, { from: null, to: 'pending', by: rows.length })
  return rows.map((row) => row.id)
}
