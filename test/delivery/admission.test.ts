/** Admission: who makes ingest wait, who must not, and where waiting ends. */
import { describe, expect, test } from 'vitest'
import { createAdmission, nextDelayMs } from '../../core/delivery/admission.ts'
import type { PressureSample } from '../../core/delivery/admission.ts'
import { LIMITS } from '../../core/limits.ts'

const lane = (behind: number, deliveredPerSecond: number) => ({ behind, deliveredPerSecond })
const settle = (sample: PressureSample, rounds = 50): number => {
  let delayMs = 0
  for (let round = 0; round < rounds; round += 1) delayMs = nextDelayMs(delayMs, sample, LIMITS)
  return delayMs
}

describe('nextDelayMs', () => {
  test('does not wait while the fast keep up', () => {
    expect(settle({ acceptedPerSecond: 5_000, lanes: [lane(LIMITS.backlogSoftMax, 4_000)] })).toBe(0)
  })
  test('waits longer and longer, up to the limit, while a fast lane is behind', () => {
    const sample = { acceptedPerSecond: 5_000, lanes: [lane(LIMITS.backlogSoftMax * 2, 4_000)] }
    expect(settle(sample, 2)).toBeGreaterThan(0)
    expect(settle(sample, 5)).toBeGreaterThan(settle(sample, 2))
    expect(settle(sample, 1_000)).toBe(LIMITS.ingestDelayMsMax)
  })
  test('never waits for a slow or dead destination, however far it is behind', () => {
    expect(settle({ acceptedPerSecond: 5_000, lanes: [lane(1_000_000, 10), lane(1_000_000, 0)] })).toBe(0)
  })
  test('lets go when the backlog is gone', () => {
    let delayMs: number = LIMITS.ingestDelayMsMax
    for (let round = 0; round < 30; round += 1) delayMs = nextDelayMs(delayMs, { acceptedPerSecond: 100, lanes: [lane(0, 100)] }, LIMITS)
    expect(delayMs).toBe(0)
  })
})

describe('createAdmission', () => {
  const clockAt = (ms: { value: number }) => ({
    nowMs: () => ms.value,
    monotonicMs: () => ms.value,
    after: (delayMs: number, callback: () => void) => {
      ms.value += delayMs
      callback()
      return () => {}
    },
  })
  test('is free of charge when nothing is behind, and refuses when the backlog has no room left', () => {
    const now = { value: 0 }
    let behind = 0
    const sample = () => ({ acceptedPerSecond: 100, lanes: [lane(behind, 100)] })
    const admission = createAdmission({ sample, clock: clockAt(now), limits: LIMITS })
    expect(admission.wait()).toBeUndefined()
    behind = LIMITS.backlogHardMax + 1
    now.value += 1_000
    expect(() => admission.wait()).toThrow(expect.objectContaining({ code: 'overloaded', retryAfterMs: 1_000 }))
    behind = 0
    now.value += 1_000
    expect(() => admission.wait()).not.toThrow()
  })
})
