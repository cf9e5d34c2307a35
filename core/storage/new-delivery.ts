/** A delivery as it is right after it was written. Pure. */
import type { Delivery, NewDelivery, WorkspaceId } from '../model.ts'

/** Whose it is, and its creation time in RFC 3339. */
export interface DeliveryOwner {
  readonly workspace: WorkspaceId
  readonly installation: string
  readonly plugin: string
  readonly at: string
}

export const newDelivery = (owner: DeliveryOwner, { key: _key, failed, ...delivery }: NewDelivery): Delivery => ({
  ...delivery,
  paceKey: delivery.paceKey ?? null,
  workspace: owner.workspace,
  installation: owner.installation,
  plugin: owner.plugin,
  dueAtMs: Math.ceil(delivery.dueAtMs),
  state: failed?.state ?? 'pending',
  attempts: failed === undefined ? 0 : 1,
  scheduleStep: failed?.scheduleStep ?? 0,
  createdAt: owner.at,
  finishedAt: failed?.state === 'dead' ? owner.at : null,
  reason: failed?.reason ?? null,
  errorCode: failed?.errorCode ?? null,
  error: failed?.error ?? null,
  host: null,
})
