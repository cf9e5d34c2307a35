/** What costs points and what does not, row by row of the limits. */
import { describe, expect, it } from 'vitest'
import { costBeside, costOf, offenceCost } from '../../core/accounting/cost.ts'
import { ERRORS } from '../../core/errors.ts'
import type { ErrorCode } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import type { RunResult } from '../../core/sandbox/sandbox.ts'
import { actionOf, EVENT, resultOf } from './runs.ts'

const points = (result: RunResult, input = EVENT): number => costOf(input, result, LIMITS)?.points ?? 0

describe('CPU', () => {
  it('is free up to a bound for each run, and costs by the millisecond above it', () => {
    expect(points(resultOf({ cpuMs: LIMITS.pluginCpuFreeMs }))).toBe(0)
    expect(points(resultOf({ cpuMs: 300 }))).toBeCloseTo(50)
    expect(points(resultOf({ cpuMs: 550 }))).toBeCloseTo(100)
    expect(costOf(EVENT, resultOf({ cpuMs: 300 }), { ...LIMITS, pluginCpuPointsPerSecond: 2_000 })?.points).toBeCloseTo(
      500,
    )
  })

  it('beside runs costs as well: loading above the same bound, what goes on after a run from the first millisecond', () => {
    expect(costBeside(LIMITS.pluginCpuFreeMs, 'loading', LIMITS)).toBeNull()
    expect(costBeside(300, 'loading', LIMITS)).toEqual({ points: expect.closeTo(50), cause: 'CPU in loading' })
    expect(costBeside(300, 'ended runs', LIMITS)).toEqual({ points: expect.closeTo(60), cause: 'CPU in ended runs' })
  })

  it('of the hub that reads what a run reported is never free, and is counted once', () => {
    expect(points(resultOf({ cpuMs: 40, readingMs: 30 }))).toBeCloseTo(6)
    expect(points(resultOf({ cpuMs: 300, readingMs: 30 }))).toBeCloseTo(50)
    expect(points(resultOf({ cpuMs: 40, readingMs: 30 }), actionOf(10))).toBeCloseTo(6)
  })

  it('of a batch is free for each of its items', () => {
    expect(points(resultOf({ cpuMs: 500 }), actionOf(10))).toBe(0)
    expect(points(resultOf({ cpuMs: 500 }), actionOf(5))).toBeCloseTo(50)
  })

  it('of thousands of honest runs a second costs nothing, however much it is together', () => {
    const day = Array.from({ length: 5_000 }, () => points(resultOf({ cpuMs: 0.4, durationMs: 900, httpCalls: 1 })))
    expect(Math.max(...day)).toBe(0)
  })
})

describe('broken limits', () => {
  it('cost what the limits say, and name the handler', () => {
    expect(costOf(EVENT, resultOf({ code: 'plugin_cpu' }), LIMITS)).toEqual({
      points: LIMITS.pluginCpuBreachPoints,
      cause: 'CPU in handler response.submitted',
    })
    expect(costOf(actionOf(1), resultOf({ code: 'plugin_memory', cpuMs: 200 }), LIMITS)).toEqual({
      points: LIMITS.pluginMemoryBreachPoints,
      cause: 'memory in action post',
    })
    expect(offenceCost('killed', LIMITS).points).toBe(LIMITS.pluginKilledPoints)
    expect(offenceCost('bridge', { ...LIMITS, pluginBridgePoints: 7 })).toEqual({
      points: 7,
      cause: 'tampering with the sandbox',
    })
    expect(offenceCost('load', { ...LIMITS, pluginLoadBreachPoints: 3 })).toEqual({
      points: 3,
      cause: 'code that could not be loaded',
    })
  })

  it('of a transform cost nothing: whoever sends responses must not have it paused', () => {
    const input = { kind: 'transform', name: 'contact', responseJson: '{}' } as const
    for (const code of ['plugin_cpu', 'plugin_memory', 'plugin_wall'] as const)
      expect(costOf(input, resultOf({ code, cpuMs: 400 }), LIMITS)).toBeNull()
    expect(costOf(input, resultOf({ cpuMs: 400 }), LIMITS)).toBeNull()
  })

  it('cost no more than the CPU they took where that is more', () => {
    expect(points(resultOf({ code: 'plugin_cpu', cpuMs: 2_050 }))).toBeCloseTo(400)
  })

  it('of time cost only those who waited for nobody', () => {
    expect(points(resultOf({ code: 'plugin_wall', durationMs: 10_000 }))).toBe(LIMITS.pluginWallBreachPoints)
    expect(points(resultOf({ code: 'plugin_wall', durationMs: 10_000, httpCalls: 1 }))).toBe(0)
    expect(points(resultOf({ code: 'plugin_wall', durationMs: 10_000, hostOps: 1 }))).toBe(0)
  })
})

it('no other error costs anything', () => {
  const costly = (Object.keys(ERRORS) as ErrorCode[]).filter((code) => points(resultOf({ code })) > 0)
  expect(costly.toSorted()).toEqual(['plugin_cpu', 'plugin_memory', 'plugin_wall'])
})
