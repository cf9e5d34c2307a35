/**
 * Behaviour events by age: what they say leaves the log, what they come to stays on the ladder, and whoever keeps copies hears of
 * it from the log.
 */
import { randomBytes } from 'node:crypto'
import { rfc3339 } from '../../clock.ts'
import type { Limits } from '../../limits.ts'
import type { LogEvent } from '../../model.ts'
import type { Store } from '../../storage/store.ts'
import type { EventSettings } from './families.ts'

const SALT_BYTES = 32

export interface ExpireInput extends Pick<EventSettings, 'keepMs' | 'ladder'> {
  readonly store: Pick<Store, 'expireTracked' | 'foldLadder'>
  readonly published: (events: readonly LogEvent[]) => void
  readonly limits: Pick<Limits, 'ladderValuesMax'>
  readonly nowMs: number
}

/** How many were forgotten. */
export async function expireEvents(input: ExpireInput): Promise<number> {
  const { store, published, limits, nowMs, keepMs, ladder } = input
  const on = { ladder, nowMs, valuesMax: limits.ladderValuesMax }
  const { dropped, events } = await store.expireTracked({
    before: rfc3339(nowMs - keepMs),
    at: rfc3339(nowMs),
    counting: { ...on, keepMs, freshSalt: randomBytes(SALT_BYTES).toString('hex') },
  })
  if (events.length > 0) published(events)
  await store.foldLadder(on)
  return dropped
}
