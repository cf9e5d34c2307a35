/** The shared cache of a hub without Redis: it remembers nothing. */
import type { SharedCache } from '../cache.ts'

/** Answers at once, always with a miss, and counts nothing. */
export const noSharedCache: SharedCache = {
  isNone: true,
  get: () => undefined,
  put: async () => {},
  drop: async () => {},
  distrust: () => {},
  counts: () => ({ hits: 0, misses: 0 }),
  close: async () => {},
}
