/** What came and went, by the minute. */
import { describe, expect, it } from 'vitest'
import { LIMITS } from '../../../core/limits.ts'
import type { SharedStore } from '../store.ts'
import { AT_MS } from './fixtures.ts'

const MINUTE_MS = 60_000
const FIRST = Math.floor(AT_MS / MINUTE_MS / 60) * 60

export function trafficPart(shared: SharedStore): void {
  describe('traffic', () => {
    it('adds up what several processes tell of the same minute, for each workspace alone', async () => {
      const { store, workspace } = shared()
      const told = { workspace, minute: FIRST, what: 'responses', count: 2 }
      await store.addTraffic([told, { ...told, what: 'within:20', count: 1 }, { ...told, minute: FIRST + 59 }])
      await store.addTraffic([told, { ...told, minute: FIRST + 60 }, { ...told, workspace: `${workspace}-other` }])
      const query = { workspace, sinceMinute: FIRST }
      expect(await store.traffic({ ...query, stepMinutes: 1 })).toEqual([
        { minute: FIRST, what: 'responses', count: 4 },
        { minute: FIRST, what: 'within:20', count: 1 },
        { minute: FIRST + 59, what: 'responses', count: 2 },
        { minute: FIRST + 60, what: 'responses', count: 2 },
      ])
      expect(await store.traffic({ ...query, stepMinutes: 60 })).toEqual([
        { minute: FIRST, what: 'responses', count: 6 },
        { minute: FIRST, what: 'within:20', count: 1 },
        { minute: FIRST + 60, what: 'responses', count: 2 },
      ])
      expect(await store.traffic({ ...query, sinceMinute: FIRST + 60, stepMinutes: 1 })).toHaveLength(1)
    })

    it('drops what is older than it is kept', async () => {
      const { store, workspace } = shared()
      const told = { workspace, minute: FIRST, what: 'failed', count: 1 }
      await store.addTraffic([told, { ...told, minute: FIRST + 1 }])
      await store.purge((FIRST + 1) * MINUTE_MS + LIMITS.trafficKeptMs)
      expect(await store.traffic({ workspace, sinceMinute: FIRST, stepMinutes: 1 })).toEqual([
        { minute: FIRST + 1, what: 'failed', count: 1 },
      ])
    })
  })
}
