/** Attempts in which nothing was done: what was never tried does not die of a schedule that is there for what was. */
import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { rfc3339 } from '../../core/clock.ts'
import type { AttemptEnd } from '../../core/delivery/attempt.ts'
import { NO_EFFECTS } from '../../core/delivery/effects.ts'
import { tellOfLongWaits } from '../../core/delivery/long-waits.ts'
import { finishedAttempt } from '../../core/delivery/finished-attempt.ts'
import { verdictOf } from '../../core/delivery/outcome.ts'
import type { Verdict } from '../../core/delivery/outcome.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Delivery } from '../../core/model.ts'
import { installation, openWorld } from './world.ts'
import type { DoublePlugin } from './world.ts'

type Finished = Extract<Verdict, { kind: 'retry' }>

const MADE_MS = 1_000_000
const DAY_MS = 86_400_000
const END: AttemptEnd = {
  verdicts: [],
  effects: NO_EFFECTS,
  exchanges: [],
  hosts: [],
  host: null,
  left: false,
  hasProven: false,
  mask: (text) => text,
  result: null,
  absent: new Map(),
  startedAtMs: MADE_MS,
  durationMs: 1,
}

function after(
  ageMs: number,
  had: { scheduleStep: number; attempts: number },
  more: { untouched: boolean; afterMs?: number },
) {
  const nowMs = MADE_MS + ageMs
  const delivery = { id: 'dlv_1', state: 'retrying', createdAt: rfc3339(MADE_MS), dueAtMs: MADE_MS, ...had } as Delivery
  const { state, scheduleStep, dueAtMs, reason } = finishedAttempt({
    installation: installation({ id: 'sheet', code: {}, retry: { delaysMs: [1_000, 5_000] } }),
    delivery,
    verdict: verdictOf({ outcome: 'retry', reason: 'later', ...more }, 'retry') as Finished,
    end: END,
    runId: 'run_1',
    index: 0,
    count: 1,
    nowMs,
    limits: LIMITS,
    random: () => 0.5,
  })
  return { state, scheduleStep, waitMs: dueAtMs - nowMs, reason }
}

test('an attempt in which nothing was done takes no step of the schedule, until the delivery is three days old and was tried a hundred times', () => {
  const again = { state: 'retrying', reason: null }
  const untouched = { untouched: true }
  expect(after(1_000, { scheduleStep: 0, attempts: 0 }, untouched)).toEqual({
    ...again,
    scheduleStep: 0,
    waitMs: 1_000,
  })
  expect(after(DAY_MS, { scheduleStep: 0, attempts: 70 }, untouched)).toEqual({
    ...again,
    scheduleStep: 0,
    waitMs: 5_000,
  })
  expect(after(DAY_MS, { scheduleStep: 2, attempts: 2 }, untouched)).toMatchObject({ ...again, scheduleStep: 2 })
  expect(after(3 * DAY_MS - 1, { scheduleStep: 2, attempts: 9 }, untouched)).toMatchObject(again)
  expect(after(3 * DAY_MS, { scheduleStep: 0, attempts: 100 }, untouched)).toMatchObject({ ...again, scheduleStep: 1 })
  const buried = { state: 'dead', reason: 'receiver_failed' }
  expect(after(3 * DAY_MS, { scheduleStep: 2, attempts: 100 }, untouched)).toMatchObject(buried)
  // Replayed a week later, or back with its installation.
  const replayed = after(7 * DAY_MS, { scheduleStep: 0, attempts: 99 }, untouched)
  expect(replayed).toMatchObject({ ...again, scheduleStep: 0 })
  const long = { untouched: true, afterMs: 900_000 }
  expect(after(30 * DAY_MS, { scheduleStep: 2, attempts: 900 }, long)).toMatchObject({ ...again, scheduleStep: 2 })
  const untold = { untouched: true, afterMs: 899_999 }
  expect(after(30 * DAY_MS, { scheduleStep: 2, attempts: 900 }, untold)).toMatchObject(buried)
  expect(after(1_000, { scheduleStep: 2, attempts: 2 }, { untouched: false })).toMatchObject(buried)
})

test('a long wait is told of once a day, whatever the plugin calls it; an alert that could not be written is not lost', async () => {
  let nowMs = 20_000 * DAY_MS + 1
  let isDown = true
  const kept = new Map<string, unknown>()
  const errors: object[] = []
  const tell = tellOfLongWaits({
    store: {
      getEvent: async (_, id) => kept.get(id) as never,
      appendEvents: async (_, events) => {
        if (isDown) throw new Error('the disk is full')
        for (const event of events) kept.set(event.id, event)
        return []
      },
    },
    published: () => {},
    logger: { error: (fields: object) => void errors.push(fields) },
    clock: { nowMs: () => nowMs },
  })
  const crm = installation({ id: 'crm', code: {} })
  const wait = async (code: string, afterMs = 900_000): Promise<number> => {
    tell(crm, [verdictOf({ outcome: 'retry', reason: 'later', code, afterMs, untouched: true }, 'retry')])
    await setImmediate()
    return kept.size
  }
  expect([await wait('spent', 899_999), errors.length]).toEqual([0, 0])
  expect([await wait('spent'), errors.length]).toEqual([0, 1])
  isDown = false
  expect(await wait('spent')).toBe(1)
  expect([await wait('spent'), await wait('org_1'), await wait('org_2')]).toEqual([1, 1, 1])
  nowMs += DAY_MS
  expect([await wait('org_3'), await wait('spent')]).toEqual([2, 2])
})

test('what waited seven times without a request has its whole schedule left for the requests', async () => {
  const told: number[] = []
  const code: DoublePlugin = {
    on: { 'response.submitted': (event, ctx) => ctx.enqueue('tell', event.data ?? {}) },
    actions: {
      tell: async () => {
        told.push(told.length + 1)
        if (told.length > 9) return { outcome: 'delivered' }
        return { outcome: 'retry', reason: 'not yet', untouched: told.length <= 7 }
      },
    },
  }
  await using world = await openWorld({ installations: [{ id: 'crm', code, retry: { delaysMs: [5, 5] } }] })
  await world.submit({ n: 0 })
  await world.settled()
  expect(await world.deliveries({})).toMatchObject([{ state: 'delivered', attempts: 10, scheduleStep: 3 }])
})
