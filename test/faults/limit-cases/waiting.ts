/** Trips the limits of waiting work, here or in the tests of the rooms that apply them. */
import { expect } from 'vitest'
import { systemClock } from '../../../core/clock.ts'
import { createAdmission, nextDelayMs } from '../../../core/delivery/admission.ts'
import { LIMITS } from '../../../core/limits.ts'
import type { LimitCases } from './world.ts'

/** A destination that keeps up with what comes in, this far behind. */
const behindBy = (behind: number) => ({ offeredPerSecond: 100, lanes: [{ behind, deliveredPerSecond: 100 }] })
const admit = (behind: number) =>
  createAdmission({ lanes: () => behindBy(behind).lanes, clock: systemClock, limits: LIMITS }).wait

export const waiting: LimitCases<
  | 'backlogSoftMax'
  | 'backlogHardMax'
  | 'ingestDelayMsMax'
  | 'pumpBatchEventsMax'
  | 'pumpBatchMsMax'
  | 'pumpBatchEffectsMax'
  | 'laneMemoryDeliveriesMax'
  | 'recentEventsMax'
  | 'recentEventsBytesMax'
  | 'replayRowsPerStepMax'
  | 'replayStepsPerRequestMax'
  | 'replayEventsMax'
  | 'deliverySearchRowsMax'
  | 'responseSearchRowsMax'
  | 'responseSearchMsMax'
  | 'deadGroupRowsMax'
  | 'deadGroupsMax'
  | 'hopsMax'
  | 'sqliteBusyTimeoutMs'
  | 'walBytesMax'
> = {
  backlogSoftMax: () => {
    expect(nextDelayMs(0, behindBy(LIMITS.backlogSoftMax), LIMITS)).toBe(0)
    expect(nextDelayMs(0, behindBy(LIMITS.backlogSoftMax + 1), LIMITS)).toBeGreaterThan(0)
  },
  backlogHardMax: () => {
    expect(admit(LIMITS.backlogHardMax)).not.toThrow()
    expect(admit(LIMITS.backlogHardMax + 1)).toThrow(expect.objectContaining({ code: 'overloaded' }))
  },
  ingestDelayMsMax: {
    in: 'test/delivery/admission.test.ts',
    test: 'the delay has a limit, and is gone soon after the pressure is',
  },
  pumpBatchEventsMax: {
    in: 'test/pump/pump.test.ts',
    test: 'events come in order and in batches no larger than the limit',
  },
  pumpBatchMsMax: {
    in: 'test/pump/batch-size.test.ts',
    test: 'of a handler that takes its time, only as many as take no longer than the limit',
  },
  pumpBatchEffectsMax: {
    in: 'test/pump/batch-size.test.ts',
    test: 'of a handler that asks for much, only as many as ask for no more than the limit',
  },
  laneMemoryDeliveriesMax: {
    in: 'test/delivery/engine.test.ts',
    test: 'more than memory holds: the rest waits in storage and follows',
  },
  recentEventsMax: { in: 'test/pump/recent-events.test.ts', test: 'keeps no more than its limit of entries' },
  recentEventsBytesMax: {
    in: 'test/pump/recent-events.test.ts',
    test: 'keeps no more than its limit of bytes, but always the newest',
  },
  replayRowsPerStepMax: {
    in: 'test/delivery/engine.test.ts',
    test: 'replay: one, a filter, in steps, so many a request; what dies again at once is taken only once',
  },
  replayStepsPerRequestMax: {
    in: 'test/delivery/engine.test.ts',
    test: 'replay: one, a filter, in steps, so many a request; what dies again at once is taken only once',
  },
  replayEventsMax: {
    in: 'test/flow/75-replay-events.test.ts',
    test: 'no more events at once than the limit, and none where there is none',
  },
  responseSearchRowsMax: {
    in: 'test/storage/lists.test.ts',
    test: 'a search looks through so many responses at once, and goes on as long as it has time',
  },
  responseSearchMsMax: {
    in: 'test/storage/lists.test.ts',
    test: 'a search looks through so many responses at once, and goes on as long as it has time',
  },
  deliverySearchRowsMax: {
    in: 'test/contract/store/search.ts',
    test: 'looks through so many rows a page, and goes on from there',
  },
  deadGroupRowsMax: {
    in: 'test/contract/store/search.ts',
    test: 'groups the newest, and says when there were more',
  },
  deadGroupsMax: {
    in: 'test/contract/store/search.ts',
    test: 'shows the largest groups, and says when there were more',
  },
  hopsMax: {
    in: 'test/faults/20-plugin-floods.test.ts',
    test: 'F-20 a plugin that answers its own events: the circle ends at the hop limit, recorded, neighbours whole',
  },
  sqliteBusyTimeoutMs: {
    in: 'test/faults/05-busy.test.ts',
    test: 'F-05 a second writer holds the lock: 503 with Retry-After and never 500, health answers, and it recovers',
  },
  walBytesMax: {
    in: 'test/faults/storage-sqlite.test.ts',
    test: 'stays bounded under load, though a reader holds a snapshot for a while',
  },
}
