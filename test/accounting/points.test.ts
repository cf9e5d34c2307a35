/** The bucket of points: what is left, when there is enough again, and what it tells. */
import { expect, it } from 'vitest'
import { Points } from '../../core/accounting/points.ts'
import { RecentSums } from '../../core/accounting/rates.ts'
import { LIMITS } from '../../core/limits.ts'

const CPU = { points: 100, cause: 'CPU in handler response.submitted' }
const { pluginPointsMax: MAX, pluginPointsPerSecond: PER_SECOND } = LIMITS

it('is full at first, fills by itself and never over its brim', () => {
  const points = new Points(LIMITS, 0)
  expect(points.left(1_000)).toBe(MAX)
  expect(points.take(CPU, 1_000)).toBe(MAX - 100)
  expect(points.left(2_000)).toBe(MAX - 100 + PER_SECOND)
  expect(points.left(3_600_000)).toBe(MAX)
})

it('says when there will be so many', () => {
  const points = new Points(LIMITS, 0, 0)
  const waitMs = points.msUntil(100, 0)
  expect(waitMs).toBe((100 / PER_SECOND) * 1_000)
  expect(points.left(waitMs - 1)).toBeLessThan(100)
  expect(points.left(waitMs)).toBeGreaterThanOrEqual(100)
  expect(points.msUntil(MAX * 2, 0)).toBeLessThan(Infinity)
})

it('forgives what is taken beyond its end, so that a usual pause is enough to come back', () => {
  const points = new Points(LIMITS, 0)
  expect(points.take({ points: MAX * 5, cause: 'x' }, 0)).toBeLessThan(0)
  expect(points.left(LIMITS.pluginPauseMs)).toBeCloseTo((LIMITS.pluginPauseMs / 1_000) * PER_SECOND, -1)
})

it('tells how much it gave, since when, and mostly for what; from anew when it was full in between', () => {
  const points = new Points(LIMITS, 0)
  points.take({ points: 999, cause: 'memory in action post' }, 0)
  for (let n = 0; n < 100; n += 1) points.take(CPU, 240_000)
  expect(points.story(240_000)).toBe('used 10,000 points in 1 second, mostly CPU in handler response.submitted')
  points.take({ points: 1, cause: 'memory in action post' }, 480_000)
  expect(points.story(480_000)).toBe('used 10,001 points in 4 minutes, mostly CPU in handler response.submitted')
})

it('sums of the last minute lose what is older', () => {
  const sums = new RecentSums(60_000, 0)
  const one = { runs: 1, failed: 0, cpuMs: 2, wallMs: 3, hostOps: 4, httpCalls: 5 }
  sums.add(one, 0)
  sums.add(one, 30_000)
  expect(sums.sums(59_000)).toEqual({ runs: 2, failed: 0, cpuMs: 4, wallMs: 6, hostOps: 8, httpCalls: 10 })
  expect(sums.sums(61_000)).toMatchObject({ runs: 1 })
  expect(sums.sums(10_000_000)).toMatchObject({ runs: 0, cpuMs: 0 })
  sums.add(one, 10_000_000)
  expect(sums.sums(10_000_000)).toMatchObject({ runs: 1 })
})
