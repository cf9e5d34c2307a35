/** Behaviour events, over a driver. */
import type { TrackedEvent, TrackResult } from './tracked.ts'
import type { Store } from './store.ts'
import type { Driver } from './verbs.ts'

/** The store's verbs of behaviour events. */
export function trackVerbs(driver: Driver): Pick<Store, 'track' | 'expireTracked' | 'daySalt'> {
  return {
    track: async (events) => {
      if (events.length === 0) return []
      const tracked = await driver.write('track', { events })
      return tracked.map((result, i) =>
        result.kind === 'stored' ? stored(events[i] as TrackedEvent, result.seq) : result,
      )
    },
    expireTracked: async (before) => {
      const workspaces = new Set<string>()
      for (let dropped = 0; ;) {
        const slice = await driver.write('expireTrackedSlice', { before })
        dropped += slice.dropped
        for (const workspace of slice.workspaces) workspaces.add(workspace)
        if (!slice.more) return { dropped, workspaces: [...workspaces] }
      }
    },
    daySalt: (input) => driver.write('daySalt', input),
  }
}

function stored({ clientId: _, ...event }: TrackedEvent, seq: number): TrackResult {
  return { kind: 'stored', event: { ...event, seq, responseId: null, hops: 0, response: null } }
}
