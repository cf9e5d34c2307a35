/** A small map in memory whose least recently used entries leave first and whose entries do not live for ever. */
import type { Clock } from '../clock.ts'
import type { CacheCounts } from './cache.ts'

/** Entries by key. */
export interface Lru<Value extends object | string> {
  /** Counts as a use, and as a hit or a miss. */
  get(key: string): Value | undefined
  /** Counts as a use and as a hit; nothing is counted where there is none, since a `get` will follow. */
  peek(key: string): Value | undefined
  /** Lives for the whole time from now on, also where it replaces another. */
  set(key: string, value: Value): void
  delete(key: string): void
  clear(): void
  counts(): CacheCounts
}

interface Entry<Value> {
  readonly value: Value
  readonly untilMs: number
}

/** `entriesMax` bounds the number of entries, `ttlMs` their life in monotonic time. */
export function openLru<Value extends object | string>(options: {
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly entriesMax: number
  readonly ttlMs: number
}): Lru<Value> {
  const { clock, entriesMax, ttlMs } = options
  // A map's order is the order of insertion: deleting first makes it the order of last use.
  const entries = new Map<string, Entry<Value>>()
  let hits = 0
  let misses = 0
  const find = (key: string): Entry<Value> | undefined => {
    const entry = entries.get(key)
    if (entry === undefined || entry.untilMs > clock.monotonicMs()) return entry
    entries.delete(key)
    return undefined
  }
  const peek = (key: string): Value | undefined => {
    const entry = find(key)
    if (entry === undefined) return undefined
    hits += 1
    entries.delete(key)
    entries.set(key, entry)
    return entry.value
  }
  return {
    get: (key) => {
      const value = peek(key)
      if (value === undefined) misses += 1
      return value
    },
    peek,
    set: (key, value) => {
      entries.delete(key)
      entries.set(key, { value, untilMs: clock.monotonicMs() + ttlMs })
      if (entries.size > entriesMax) entries.delete(entries.keys().next().value as string)
    },
    delete: (key) => void entries.delete(key),
    clear: () => entries.clear(),
    counts: () => ({ hits, misses }),
  }
}
