/** Behaviour events, over a driver. */
import type { TrackedEvent, TrackResult } from './tracked.ts'
import type { Store } from './store.ts'
import type { Driver } from './verbs.ts'

/** The store's verbs of behaviour events. */
export function trackVerbs(driver: Driver): Pick<Store, 'track'> {
  return {
    track: async (events) => {
      if (events.length === 0) return []
      const tracked = await driver.write('track', { events })
      return tracked.map((result, i) =>
        result.kind === 'stored' ? stored(events[i] as TrackedEvent, result.seq) : result,
      )
    },
  }
}

function stored({ clientId: _, ...event }: TrackedEvent, seq: number): TrackResult {
  return { kind: 'stored', event: { ...event, seq, responseId: null, hops: 0, response: null } }
}
