/** How many events cross at once: many, unless they take long or ask for much. */
import { describe, expect, it } from 'vitest'
import { LIMITS } from '../../core/limits.ts'
import { BatchSize } from '../../core/pump/batch-size.ts'
import { openWorld } from '../delivery/world.ts'
import type { DoublePlugin } from '../delivery/world.ts'

const { pumpBatchEventsMax: EVENTS, pumpBatchMsMax: MS, pumpBatchEffectsMax: EFFECTS } = LIMITS
const NOTHING = { deliveries: [], kv: [], events: [], tallies: [] }
const tallies = (rows: number) => ({
  ...NOTHING,
  tallies: Array.from({ length: rows }, (_, n) => ({ name: `t${n}`, by: 1 })),
})

describe('the size of the next batch', () => {
  it('begins small and grows to the limit', () => {
    const size = new BatchSize(LIMITS)
    expect(size.events).toBeLessThan(EVENTS)
    for (let n = 0; n < 10; n += 1) size.learn({ count: size.events, effects: NOTHING }, 1)
    expect(size.events).toBe(EVENTS)
  })

  it('of a handler that takes its time, only as many as take no longer than the limit', () => {
    const size = new BatchSize(LIMITS)
    size.learn({ count: 16, effects: NOTHING }, MS * 4)
    expect(size.events).toBe(4)
    size.learn({ count: 1, effects: NOTHING }, MS * 60)
    expect(size.events).toBe(1)
    size.learn({ count: 1, effects: NOTHING }, MS)
    expect(size.events).toBe(2)
    // Interrupted before the first was through: that says nothing.
    size.learn({ count: 0, effects: NOTHING }, MS * 60)
    expect(size.events).toBe(2)
  })

  it('of a handler that asks for much, only as many as ask for no more than the limit', () => {
    const size = new BatchSize(LIMITS)
    size.learn({ count: 10, effects: tallies(EFFECTS * 2) }, 1)
    expect(size.events).toBe(5)
    size.learn({ count: 5, effects: tallies(EFFECTS) }, 1)
    expect(size.events).toBe(10)
  })
})

it('the pump keeps to it: what emits much goes in small batches, every event once', async () => {
  const seen: unknown[] = []
  const code: DoublePlugin = {
    on: {
      'response.submitted': (event, ctx) => {
        seen.push(event.data?.['n'])
        for (let n = 0; n < 4; n += 1) ctx.emit('smoke', { n })
      },
    },
  }
  await using world = await openWorld({ installations: [{ id: 'a', code }], limits: { pumpBatchEffectsMax: 20 } })
  await world.submit(...Array.from({ length: 30 }, (_, n) => ({ n })))
  await world.caughtUp()
  expect(seen).toEqual(Array.from({ length: 30 }, (_, n) => n))
  const [first, ...rest] = world.sandbox.crossings
  expect(first).toBe(16)
  expect(rest[0]).toBe(5)
})
