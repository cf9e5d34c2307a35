/** The small map in memory: who leaves first, how long an entry lives, what counts as a hit. */
import { expect, test } from 'vitest'
import { openLru } from '../../core/cache/lru.ts'

function lruOf(entriesMax: number) {
  let nowMs = 0
  const lru = openLru<string>({ clock: { monotonicMs: () => nowMs }, entriesMax, ttlMs: 1_000 })
  return { lru, pass: (ms: number) => void (nowMs += ms) }
}

test('the one not used for longest makes room', () => {
  const { lru } = lruOf(2)
  lru.set('a', 'A')
  lru.set('b', 'B')
  lru.get('a')
  lru.set('c', 'C')
  expect(['a', 'b', 'c'].map((key) => lru.get(key))).toEqual(['A', undefined, 'C'])
})

test('replacing takes no room and is a use', () => {
  const { lru } = lruOf(2)
  lru.set('a', 'A')
  lru.set('b', 'B')
  lru.set('a', 'A2')
  lru.set('c', 'C')
  expect(['a', 'b', 'c'].map((key) => lru.peek(key))).toEqual(['A2', undefined, 'C'])
})

test('an entry lives for its time from when it was set, however often it is used', () => {
  const { lru, pass } = lruOf(2)
  lru.set('a', 'A')
  pass(999)
  expect(lru.get('a')).toBe('A')
  pass(1)
  expect(lru.peek('a')).toBeUndefined()
  expect(lru.get('a')).toBeUndefined()
  lru.set('a', 'A2')
  pass(999)
  expect(lru.get('a')).toBe('A2')
})

test('what is deleted is gone', () => {
  const { lru } = lruOf(2)
  lru.set('a', 'A')
  lru.delete('a')
  expect(lru.get('a')).toBeUndefined()
})

test('answers are hits, the rest are misses, also where the time is over; a peek in vain is neither', () => {
  const { lru, pass } = lruOf(2)
  lru.get('a')
  lru.set('a', 'A')
  lru.get('a')
  lru.peek('a')
  pass(1_000)
  lru.peek('a')
  lru.get('a')
  expect(lru.counts()).toEqual({ hits: 2, misses: 2 })
})
