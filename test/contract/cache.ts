/** What every shared cache promises: it may forget, but it never tells what was dropped, never fails, never hangs. */
import { describe, expect, test } from 'vitest'
import type { SharedCache } from '../../core/cache/cache.ts'
import { sleep, until } from '../support/wait.ts'

/** A place that several processes share. */
export interface CachePlace {
  /** The view of one more process. */
  open(): Promise<SharedCache>
  remove(): Promise<void>
}

export interface CacheImplementation {
  readonly name: string
  /** False for one that remembers nothing; then every look-up must be a miss. */
  readonly remembers: boolean
  readonly place: () => Promise<CachePlace>
}

const HOUR_MS = 3_600_000
const ODD = ['', ':', '-', '7:text', 'a\u0000b', 'Grüße 🙂', '{"a":[1,"\\n"]}', '\r\n*1\r\n']

/** Runs the contract on one implementation. */
export function cacheContract({ name, remembers, place }: CacheImplementation): void {
  /** Two processes that have both begun: what is older than a process may be a miss for it. */
  const using = async (use: (one: SharedCache, other: SharedCache) => Promise<void>): Promise<void> => {
    const shared = await place()
    const opened = [await shared.open(), await shared.open()] as const
    try {
      for (const cache of opened) await cache.get('the first look-up')
      await use(...opened)
    } finally {
      for (const cache of opened) await cache.close()
      await shared.remove()
    }
  }
  const kept = (text: string): string | undefined => (remembers ? text : undefined)

  describe(`the cache contract: ${name}`, () => {
    test('what nobody put is a miss', () =>
      using(async (one) => {
        expect(await one.get('a')).toBeUndefined()
      }))

    test('what one process put, all get; keys do not mix', () =>
      using(async (one, other) => {
        await one.put('a', 'text of a', HOUR_MS)
        await one.put('b', 'text of b', HOUR_MS)
        expect(await one.get('a')).toBe(kept('text of a'))
        expect(await other.get('a')).toBe(kept('text of a'))
        expect(await other.get('b')).toBe(kept('text of b'))
      }))

    test('any text is a key and a value', () =>
      using(async (one, other) => {
        for (const text of ODD) await one.put(`key ${text}`, text, HOUR_MS)
        for (const text of ODD) expect(await other.get(`key ${text}`)).toBe(kept(text))
      }))

    test('an entry ends with its time', () =>
      using(async (one) => {
        await one.put('a', 'brief', 1_500)
        expect(await one.get('a')).toBe(kept('brief'))
        await until('its end', async () => (await one.get('a')) === undefined)
      }))

    test('what stands there is not replaced', () =>
      using(async (one, other) => {
        await one.put('a', 'first', HOUR_MS)
        await other.put('a', 'second', HOUR_MS)
        expect(await one.get('a')).toBe(kept('first'))
        expect(await other.get('a')).toBe(kept('first'))
      }))

    test('what is dropped is gone for all', () =>
      using(async (one, other) => {
        await one.put('a', 'old', HOUR_MS)
        await one.put('b', 'stays', HOUR_MS)
        await other.drop('a')
        expect(await one.get('a')).toBeUndefined()
        expect(await other.get('a')).toBeUndefined()
        expect(await one.get('b')).toBe(kept('stays'))
      }))

    test('whoever loaded before the drop does not bring the old text back', () =>
      using(async (one, other) => {
        await one.get('a')
        await other.drop('a')
        await one.put('a', 'old', HOUR_MS)
        await sleep(50)
        expect(await one.get('a')).toBeUndefined()
        expect(await other.get('a')).toBeUndefined()
      }))

    test('a look-up after a drop is a miss, even when nobody waited for the drop', () =>
      using(async (one) => {
        await one.put('a', 'old', HOUR_MS)
        void one.drop('a')
        expect(await one.get('a')).toBeUndefined()
      }))

    test('a process that missed changes is not answered with what stands there, may replace it, and others keep theirs', () =>
      using(async (one, other) => {
        await one.put('a', 'old', HOUR_MS)
        one.distrust()
        expect(await one.get('a')).toBeUndefined()
        expect(await one.get('a')).toBeUndefined()
        expect(await other.get('a')).toBe(kept('old'))
        await one.put('a', 'new', HOUR_MS)
        expect(await one.get('a')).toBe(kept('new'))
        expect(await other.get('a')).toBe(kept('new'))
      }))

    test('a text of ten million characters costs no more than a miss', () =>
      using(async (one) => {
        await one.put('a', 'x'.repeat(10_000_000), HOUR_MS)
        const text = await one.get('a')
        expect([undefined, 10_000_000]).toContain(text?.length)
      }))

    test('hits and misses are counted', () =>
      using(async (one) => {
        const before = one.counts()
        await one.put('a', 'text', HOUR_MS)
        await one.get('a')
        await one.get('nobody put this')
        const { hits, misses } = one.counts()
        expect([hits - before.hits, misses - before.misses]).toEqual(remembers ? [1, 1] : [0, 0])
      }))

    test('a thousand questions at once are all answered', () =>
      using(async (one) => {
        await one.put('n', 'text', HOUR_MS)
        const answers = await Promise.all(Array.from({ length: 1_000 }, async () => one.get('n')))
        expect(new Set(answers)).toEqual(new Set([kept('text')]))
      }))
  })
}
