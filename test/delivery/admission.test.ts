/** Admission as a control loop: simulated senders against simulated destinations, no clock and no chance. */
import { describe, expect, test } from 'vitest'
import { createAdmission, nextDelayMs } from '../../core/delivery/admission.ts'
import type { PressureSample } from '../../core/delivery/admission.ts'
import { LIMITS } from '../../core/limits.ts'

const SAMPLE_MS = 20

interface Plant {
  /** Closed loop: each connection sends again when it has its answer. */
  readonly connections: number
  /** What ingest could take alone, a second. */
  readonly acceptMax: number
  readonly lanes: readonly { readonly deliverMax: number }[]
  readonly seconds: number
}

/** The hub reduced to rates: accept what the delay lets through, deliver what each lane can. */
function simulate({ connections, acceptMax, lanes, seconds }: Plant) {
  let delayMs = 0
  let accepted = 0
  const behind = lanes.map(() => 0)
  const history: {
    readonly acceptedPerSecond: number
    readonly behind: readonly number[]
    readonly delayMs: number
  }[] = []
  for (let tick = 0; tick < (seconds * 1_000) / SAMPLE_MS; tick++) {
    const answerMs = connections / (acceptMax / 1_000) + delayMs
    const acceptedPerSecond = Math.min(acceptMax, (connections / answerMs) * 1_000)
    const inflow = (acceptedPerSecond * SAMPLE_MS) / 1_000
    accepted += inflow
    const deliveredPerSecond = lanes.map(({ deliverMax }, index) => {
      const waiting = (behind[index] ?? 0) + inflow
      const out = Math.min(waiting, (deliverMax * SAMPLE_MS) / 1_000)
      behind[index] = waiting - out
      return (out * 1_000) / SAMPLE_MS
    })
    const sample: PressureSample = {
      offeredPerSecond: acceptedPerSecond,
      lanes: behind.map((waiting, index) => ({ behind: waiting, deliveredPerSecond: deliveredPerSecond[index] ?? 0 })),
    }
    delayMs = nextDelayMs(delayMs, sample, LIMITS)
    history.push({ acceptedPerSecond, behind: [...behind], delayMs })
  }
  const late = history.slice(history.length / 2)
  return {
    accepted,
    delays: history.map((entry) => entry.delayMs),
    /** Means and maxima of the second half, when it has found its place. */
    acceptedPerSecond: late.reduce((sum, entry) => sum + entry.acceptedPerSecond, 0) / late.length,
    behindMax: lanes.map((_lane, index) => Math.max(...late.map((entry) => entry.behind[index] ?? 0))),
  }
}

describe('ingest yields to a destination that could keep up', () => {
  test.each([10, 100, 1_000])(
    '%i connections: the backlog stays near the soft limit and little throughput is lost',
    (connections) => {
      const { acceptedPerSecond, behindMax } = simulate({
        connections,
        acceptMax: 7_000,
        lanes: [{ deliverMax: 5_000 }],
        seconds: 60,
      })
      expect(behindMax[0]).toBeLessThan(LIMITS.backlogSoftMax * 3)
      expect(acceptedPerSecond).toBeGreaterThan(5_000 * 0.9)
    },
  )

  test('no delay at all while delivery keeps up', () => {
    const { delays } = simulate({ connections: 100, acceptMax: 4_000, lanes: [{ deliverMax: 5_000 }], seconds: 10 })
    expect(Math.max(...delays)).toBe(0)
  })
})

describe('ingest never yields to a destination that is slow or dead', () => {
  test.each([0, 50, 1_000])('one that takes %i a second of 7,000', (deliverMax) => {
    const { delays } = simulate({
      connections: 100,
      acceptMax: 7_000,
      lanes: [{ deliverMax: 8_000 }, { deliverMax }],
      seconds: 20,
    })
    expect(Math.max(...delays)).toBe(0)
  })
})

test('the delay has a limit, and is gone soon after the pressure is', () => {
  const pressed = { offeredPerSecond: 100, lanes: [{ behind: 10 ** 6, deliveredPerSecond: 100 }] }
  let delayMs = 0
  for (let n = 0; n < 200; n++) delayMs = nextDelayMs(delayMs, pressed, LIMITS)
  expect(delayMs).toBe(LIMITS.ingestDelayMsMax)
  let steps = 0
  for (; delayMs > 0 && steps < 100; steps++)
    delayMs = nextDelayMs(delayMs, { offeredPerSecond: 100, lanes: [] }, LIMITS)
  expect(steps).toBeLessThan(25)
})

describe('when waiting is no longer enough', () => {
  const clockOf = (now: { ms: number }) => ({
    nowMs: () => now.ms,
    monotonicMs: () => now.ms,
    after: (_delayMs: number, callback: () => void) => {
      callback()
      return () => {}
    },
  })
  /** Offers `perSecond` submissions for `seconds`; answers how many were refused. */
  function offer(
    lane: { behind: number; deliveredPerSecond: number },
    { perSecond, seconds }: { perSecond: number; seconds: number },
  ): number {
    const now = { ms: 0 }
    const admission = createAdmission({ lanes: () => [lane], clock: clockOf(now), limits: LIMITS })
    let refused = 0
    for (let n = 0; n < perSecond * seconds; n += 1) {
      now.ms += 1_000 / perSecond
      try {
        void admission.wait()
      } catch (error) {
        expect(error).toMatchObject({ code: 'overloaded', retryAfterMs: 1_000 })
        refused += 1
      }
    }
    return refused
  }

  test('refuses when the backlog has no room left, and stops refusing when there is', () => {
    const lane = { behind: LIMITS.backlogHardMax + 1, deliveredPerSecond: 3_000 }
    expect(offer(lane, { perSecond: 4_000, seconds: 1 })).toBeGreaterThan(3_000)
    expect(offer({ ...lane, behind: LIMITS.backlogHardMax }, { perSecond: 4_000, seconds: 1 })).toBe(0)
  })

  test.each([0, 10])(
    'a lane that takes %i a second never refuses anybody, however far it is behind',
    (deliveredPerSecond) => {
      expect(offer({ behind: 10 ** 6, deliveredPerSecond }, { perSecond: 1, seconds: 600 })).toBe(0)
      expect(offer({ behind: 10 ** 6, deliveredPerSecond }, { perSecond: 500, seconds: 2 })).toBe(0)
    },
  )
})
