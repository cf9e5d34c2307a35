/** What a plugin asks for when it reads its counters. */
import { expect, test } from 'vitest'
import { eventRun, onEvent, openBench } from './harness.ts'

test('counters are read by prefix, from where the last page ended', async () => {
  await using bench = await openBench()
  await bench.plugin('counts', onEvent(`await ctx.tallies(); await ctx.tallies('a'); await ctx.tallies('a', 'ab')`))
  const asked: unknown[] = []
  const run = eventRun({}, async (name, args) => {
    asked.push([name, args])
    return {}
  })
  expect((await bench.sandbox.runEach('default/counts', run)).error).toBeNull()
  expect(asked).toEqual([
    ['tallies', { prefix: '' }],
    ['tallies', { prefix: 'a' }],
    ['tallies', { prefix: 'a', after: 'ab' }],
  ])
})
