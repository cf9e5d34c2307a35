/** How many a second, over the last second: ten slots, no timer, no list of times. */

const SLOT_MS = 100
const SLOTS = 10

export interface RateWindow {
  add(count: number, nowMs: number): void
  perSecond(nowMs: number): number
}

/** Starts at zero; `nowMs` must come from a clock that does not go back. */
export function createRateWindow(): RateWindow {
  const counts = Array.from({ length: SLOTS }, () => 0)
  let newest = 0
  const advance = (nowMs: number): number => {
    const slot = Math.floor(nowMs / SLOT_MS)
    if (slot > newest) {
      for (let next = Math.max(newest + 1, slot - SLOTS + 1); next <= slot; next++) counts[next % SLOTS] = 0
      newest = slot
    }
    return newest % SLOTS
  }
  return {
    add: (count, nowMs) => {
      const slot = advance(nowMs)
      counts[slot] = (counts[slot] ?? 0) + count
    },
    perSecond: (nowMs) => {
      advance(nowMs)
      return (counts.reduce((sum, count) => sum + count, 0) * 1000) / (SLOTS * SLOT_MS)
    },
  }
}
