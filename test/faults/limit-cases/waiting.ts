/** Where the limits of waiting work are tripped. */
import type { LimitCases } from './world.ts'

export const waiting: LimitCases<
  | 'backlogSoftMax' | 'backlogHardMax' | 'ingestDelayMsMax' | 'pumpBatchEventsMax' | 'laneMemoryDeliveriesMax' | 'recentEventsMax'
  | 'recentEventsBytesMax' | 'replayRowsPerStepMax' | 'hopsMax' | 'sqliteBusyTimeoutMs' | 'walBytesMax'
> = {
  backlogSoftMax: { in: 'test/delivery/admission.test.ts', test: 'waits longer and longer, up to the limit, while a fast lane is behind' },
  backlogHardMax: { in: 'test/delivery/admission.test.ts', test: 'refuses when the backlog has no room left' },
  ingestDelayMsMax: { in: 'test/delivery/admission.test.ts', test: 'waits longer and longer, up to the limit, while a fast lane is behind' },
  pumpBatchEventsMax: { in: 'test/pump/pump.test.ts', test: '' },
  laneMemoryDeliveriesMax: { in: 'test/delivery/engine.test.ts', test: '' },
  recentEventsMax: { in: 'test/pump/recent-events.test.ts', test: '' },
  recentEventsBytesMax: { in: 'test/pump/recent-events.test.ts', test: '' },
  replayRowsPerStepMax: { in: 'test/delivery/engine.test.ts', test: '' },
  hopsMax: {
    in: 'test/faults/20-plugin-floods.test.ts',
    test: 'F-20 a plugin that answers its own events: the circle ends at the hop limit, recorded, neighbours whole',
  },
  sqliteBusyTimeoutMs: {
    in: 'test/faults/05-busy.test.ts',
    test: 'F-05 a second writer holds the lock: 503 with Retry-After and never 500, health answers, and it recovers',
  },
  walBytesMax: { in: 'test/storage/sqlite.test.ts', test: '' },
}
