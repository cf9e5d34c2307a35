/** The statistics of experiments against published values, and against experiments in which there is nothing to find. */
import { expect, test } from 'vitest'
import {
  alwaysValid,
  chiSquareP,
  newcombe,
  sampleRatioP,
  twoProportionsP,
  wilson,
} from '../../plugins/analytics/behaviour/statistics.ts'
import { seeded } from '../support/seeded.ts'

test('tails of the chi-square distribution are those of the tables', () => {
  for (const [statistic, degrees, p] of [
    [3.841459, 1, 0.05],
    [6.634897, 1, 0.01],
    [10.82757, 1, 0.001],
    [5.991465, 2, 0.05],
    [16.26624, 3, 0.001],
    [18.30704, 10, 0.05],
    [3.940299, 10, 0.95],
    [124.3421, 100, 0.05],
  ] as const)
    expect(chiSquareP(statistic, degrees), `${statistic} at ${degrees}`).toBeCloseTo(p, 6)
  expect(chiSquareP(0, 1)).toBe(1)
})

test("intervals are those of Newcombe's papers", () => {
  // Newcombe 1998a, table I: 81 of 263, 15 of 148, 0 of 20.
  expect(wilson(81, 263)).toEqual({ low: expect.closeTo(0.2553, 4), high: expect.closeTo(0.3662, 4) })
  expect(wilson(15, 148)).toEqual({ low: expect.closeTo(0.0624, 4), high: expect.closeTo(0.1605, 4) })
  expect(wilson(0, 20)).toEqual({ low: 0, high: expect.closeTo(0.1611, 4) })
  // Newcombe 1998b, table II, method 10: 56 of 70 against 48 of 80, 9 of 10 against 3 of 10.
  expect(newcombe({ hits: 48, trials: 80 }, { hits: 56, trials: 70 })).toEqual({
    low: expect.closeTo(0.0524, 4),
    high: expect.closeTo(0.3339, 4),
  })
  expect(newcombe({ hits: 3, trials: 10 }, { hits: 9, trials: 10 })).toEqual({
    low: expect.closeTo(0.1705, 4),
    high: expect.closeTo(0.809, 4),
  })
  expect([wilson(0, 0), newcombe({ hits: 0, trials: 0 }, { hits: 1, trials: 2 })]).toEqual([null, null])
})

test('a test of two proportions, and of shares; nothing counted tells nothing', () => {
  // 15 % and 20 % of 1,000 each: z = 2.942.
  expect(twoProportionsP({ hits: 150, trials: 1_000 }, { hits: 200, trials: 1_000 })).toBeCloseTo(0.00326, 4)
  expect(twoProportionsP({ hits: 0, trials: 10 }, { hits: 0, trials: 10 })).toBeNull()
  expect(sampleRatioP([5_000, 5_000])).toBe(1)
  expect(sampleRatioP([5_100, 4_900])).toBeCloseTo(chiSquareP(4, 1), 12)
  expect(sampleRatioP([200, 100], [2, 1])).toBe(1)
  expect(sampleRatioP([0, 0])).toBeNull()
})

test('whoever looks after every hundred visitors finds a difference that is none in fewer than 5 of 100 experiments', () => {
  const random = seeded(process.env['MANIFOLD_TEST_SEED'] ?? '7')
  const EXPERIMENTS = 400
  let always = 0
  let naive = 0
  for (let n = 0; n < EXPERIMENTS; n += 1) {
    const found = { always: false, naive: false }
    const [a, b] = [
      { hits: 0, trials: 0 },
      { hits: 0, trials: 0 },
    ]
    for (let visitor = 0; visitor < 10_000; visitor += 1) {
      const one = visitor % 2 === 0 ? a : b
      one.trials += 1
      if (random.next() < 0.2) one.hits += 1
      if (visitor < 200 || visitor % 100 !== 0) continue
      const interval = alwaysValid(a, b)
      if (interval !== null && (interval.low > 0 || interval.high < 0)) found.always = true
      if ((twoProportionsP(a, b) ?? 1) < 0.05) found.naive = true
    }
    if (found.always) always += 1
    if (found.naive) naive += 1
  }
  expect(always / EXPERIMENTS, `seed ${random.seed}`).toBeLessThan(0.05)
  // The guard is needed: looking often at what is made for one look finds something in a third of them.
  expect(naive / EXPERIMENTS, `seed ${random.seed}`).toBeGreaterThan(0.2)
})
