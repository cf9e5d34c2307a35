/** What /metrics says of caches and of Redis: sums of those who count, and nothing where there is no Redis. */
import { expect, test } from 'vitest'
import { openObserve } from '../../core/observe/open.ts'

const samplesOf = (text: string, part: RegExp) =>
  text.split('\n').filter((line) => !line.startsWith('#') && part.test(line))

test('hits and misses by cache and level, Redis, the feed and the rate limits', async () => {
  const observe = openObserve({ level: 'silent' })
  let hits = 3
  observe.gauges({
    caches: () => [
      ['forms', 'l1', { hits, misses: 1 }],
      ['forms', 'l2', { hits: 0, misses: 2 }],
    ],
    redis: () => ({ up: true, feedDropped: 4, rateLimitFallbacks: 5 }),
  })
  await observe.metricsText()
  hits = 7
  const text = await observe.metricsText()
  expect(samplesOf(text, /cache|redis|feed|rate_limit/)).toEqual([
    'manifold_redis_up 1',
    'manifold_cache_hits_total{cache="forms",level="l1"} 7',
    'manifold_cache_hits_total{cache="forms",level="l2"} 0',
    'manifold_cache_misses_total{cache="forms",level="l1"} 1',
    'manifold_cache_misses_total{cache="forms",level="l2"} 2',
    'manifold_feed_dropped_total 4',
    'manifold_rate_limit_fallbacks_total 5',
  ])
  expect(text).toContain('# TYPE manifold_cache_hits_total counter')
})

test('one that cannot be read leaves the others standing', async () => {
  const observe = openObserve({ level: 'silent' })
  observe.gauges({
    caches: () => {
      throw new Error('no')
    },
    redis: () => ({ up: false, feedDropped: 0, rateLimitFallbacks: 0 }),
  })
  const text = await observe.metricsText()
  expect(samplesOf(text, /cache_/)).toEqual([])
  expect(samplesOf(text, /redis_up/)).toEqual(['manifold_redis_up 0'])
})

test('a hub without Redis says nothing of it', async () => {
  const observe = openObserve({ level: 'silent' })
  const text = await observe.metricsText()
  expect(samplesOf(text, /redis_up|rate_limit_fallbacks|feed_dropped/)).toEqual([])
})
