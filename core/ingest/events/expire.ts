/** Behaviour events by age: what they say leaves the log, and whoever keeps copies hears of it from the log. */
import { rfc3339 } from '../../clock.ts'
import { newId } from '../../ids.ts'
import type { LogEvent } from '../../model.ts'
import type { Store } from '../../storage/store.ts'

/** The event that says so: everything of `track.*` received before `data.before` is gone. */
export const EXPIRED = 'events.expired'

export interface ExpireInput {
  readonly store: Pick<Store, 'expireTracked' | 'appendEvents'>
  readonly published: (events: readonly LogEvent[]) => void
  readonly nowMs: number
  readonly keepMs: number
}

/** How many were forgotten. */
export async function expireEvents({ store, published, nowMs, keepMs }: ExpireInput): Promise<number> {
  const before = rfc3339(nowMs - keepMs)
  const { dropped, workspaces } = await store.expireTracked(before)
  for (const workspace of workspaces) {
    const event = {
      id: newId('event', nowMs),
      type: EXPIRED,
      at: rfc3339(nowMs),
      formId: null,
      responseId: null,
      hops: 0,
      data: JSON.stringify({ before }),
    }
    published(await store.appendEvents(workspace, [event]))
  }
  return dropped
}
