/** The event that says a delivery will not be tried again by itself. */
import { newId } from '../../ids.ts'
import type { DeadReason, NewEvent, WorkspaceId } from '../../model.ts'
import { first } from '../procedure.ts'
import type { Procedure } from '../procedure.ts'
import { append } from './events.ts'

/** A `delivery.dead` event with its place in the log. */
export type Death = NewEvent & { readonly seq: number }

/** Appends it. One hop further than its cause, so that a plugin that fails on `delivery.dead` runs into the hop limit. */
export function* logDeath(
  owner: {
    readonly workspace: WorkspaceId
    readonly installation: string
    readonly plugin: string
    readonly at: string
  },
  dead: {
    readonly deliveryId: string
    readonly eventSeq: number | null
    readonly formId: string | null
    readonly responseId: string | null
    readonly reason: DeadReason | null
    readonly code: string | null
    readonly message: string | null
  },
): Procedure<Death> {
  const { workspace, installation, plugin, at } = owner
  const cause =
    dead.eventSeq === null
      ? undefined
      : yield* first<{ hops: number }>('SELECT hops FROM events WHERE seq = ? AND workspace = ?', [
          dead.eventSeq,
          workspace,
        ])
  const { reason, code, message } = dead
  const event: NewEvent = {
    id: newId('event'),
    type: 'delivery.dead',
    at,
    formId: dead.formId,
    responseId: dead.responseId,
    hops: (cause?.hops ?? 0) + 1,
    data: JSON.stringify({ delivery_id: dead.deliveryId, installation, plugin, reason, code, message }),
  }
  return { ...event, seq: yield* append(workspace, [event]) }
}
