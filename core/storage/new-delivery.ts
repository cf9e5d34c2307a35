/** A delivery as it is right after it was written. Pure. */
import type { Delivery, NewDelivery, WorkspaceId } from '../model.ts'

/** Whose it is, and its creation time in RFC 3339. */
export interface DeliveryOwner {
  readonly workspace: WorkspaceId
  readonly installation: string
  readonly plugin: string
  readonly at: string
}

/** In the key of a delivery that somebody caused by hand, to try an installation; the id of what made it follows. */
export const TEST_MARK = '~test:'
const TESTS = /~test:(run|dlv)_[0-9a-f-]{36}$/

/** A key that a plugin chose, which may be made of answers: nobody but the hub marks what was caused by hand. */
export const unmarkedKey = (key: string): string => (TESTS.test(key) ? `${key}~` : key)

/** `isTest` of a delivery with this key. */
export const testMark = (key: string): Pick<Delivery, 'isTest'> =>
  key.includes(TEST_MARK) && TESTS.test(key) ? { isTest: true } : {}

export const newDelivery = (owner: DeliveryOwner, { key, failed, ...delivery }: NewDelivery): Delivery => ({
  ...delivery,
  ...testMark(key),
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
