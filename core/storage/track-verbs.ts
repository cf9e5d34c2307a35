/** Behaviour events, over a driver. */
import type { LogEvent } from '../model.ts'
import { mappedPage } from './mapped.ts'
import type { TrackedEvent, TrackResult } from './tracked.ts'
import type { Store } from './store.ts'
import type { Driver } from './verbs.ts'

/** The store's verbs of behaviour events. */
type TrackVerbs = Pick<
  Store,
  | 'track'
  | 'expireTracked'
  | 'foldLadder'
  | 'readLadder'
  | 'ladderHeld'
  | 'daySalt'
  | 'putAsideEvents'
  | 'listAsideEvents'
  | 'dropAsideEvents'
>

export function trackVerbs(driver: Driver): TrackVerbs {
  return {
    track: async (events) => {
      if (events.length === 0) return []
      const tracked = await driver.write('track', { events })
      return tracked.map((result, i) =>
        result.kind === 'stored' ? stored(events[i] as TrackedEvent, result.seq) : result,
      )
    },
    expireTracked: async (input) => {
      const events: LogEvent[] = []
      for (let dropped = 0; ;) {
        const slice = await driver.write('expireTrackedSlice', input)
        dropped += slice.dropped
        events.push(...slice.announced.map((event) => ({ ...event, meta: '{}', response: null })))
        if (!slice.more) return { dropped, events }
      }
    },
    foldLadder: async (input) => {
      const done = { moved: 0, dropped: 0 }
      for (;;) {
        const slice = await driver.write('foldLadderSlice', input)
        done.moved += slice.moved
        done.dropped += slice.dropped
        if (!slice.more) return done
      }
    },
    readLadder: (query) => driver.read('readLadder', query),
    ladderHeld: (workspace) => driver.read('ladderHeld', workspace),
    daySalt: (input) => driver.write('daySalt', input),
    putAsideEvents: async (workspace, events, rowsMax) =>
      events.length === 0 ? [] : driver.write('putAsideEvents', { workspace, events, rowsMax }),
    listAsideEvents: async (workspace, page) =>
      mappedPage(await driver.read('listAsideEvents', { workspace, page }), (row) => ({
        id: row.id,
        receivedAt: row.received_at,
        formId: row.form_id,
        type: row.type,
        code: row.code,
        problems: row.problems,
        event: row.event,
        clientId: row.client_id,
      })),
    dropAsideEvents: (workspace, ids) => driver.write('dropAsideEvents', { workspace, ids }),
  }
}

function stored({ clientId: _, ...event }: TrackedEvent, seq: number): TrackResult {
  return { kind: 'stored', event: { ...event, seq, responseId: null, hops: 0, response: null } }
}
