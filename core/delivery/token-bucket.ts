/** A rate limit without a timer: tokens are counted from the time that passed. */

export interface TokenBucket {
  /** Takes so many (default: one) if there is one; what is missing of them is owed, and nothing is taken until it is paid. */
  take(nowMs: number, count?: number): boolean
  /** Milliseconds until there is one. */
  waitMs(nowMs: number): number
  /** As if nothing had ever been taken. */
  isFull(nowMs: number): boolean
}

/** What a lane takes its runs from; null: as many as there are. */
export const rateLimitOf = (
  { ratePerSecond }: { readonly ratePerSecond: number | null },
  nowMs: number,
): TokenBucket | null => (ratePerSecond === null ? null : createTokenBucket(ratePerSecond, nowMs))

/** At most `ratePerSecond` on average, and no more than `capacity` (default: one second's worth) at once. */
export function createTokenBucket(
  ratePerSecond: number,
  nowMs: number,
  capacity = Math.max(1, ratePerSecond),
): TokenBucket {
  let tokens = capacity
  let filledAtMs = nowMs
  const fill = (atMs: number): void => {
    tokens = Math.min(capacity, tokens + (Math.max(0, atMs - filledAtMs) * ratePerSecond) / 1000)
    filledAtMs = atMs
  }
  return {
    take: (atMs, count = 1) => {
      fill(atMs)
      if (tokens < 1) return false
      tokens -= count
      return true
    },
    waitMs: (atMs) => {
      fill(atMs)
      return tokens >= 1 ? 0 : Math.ceil(((1 - tokens) * 1000) / ratePerSecond)
    },
    isFull: (atMs) => {
      fill(atMs)
      return tokens === capacity
    },
  }
}
