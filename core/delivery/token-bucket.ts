/** A rate limit without a timer: tokens are counted from the time that passed. */

export interface TokenBucket {
  /** Takes one if there is one. */
  take(nowMs: number): boolean
  /** Milliseconds until there is one. */
  waitMs(nowMs: number): number
}

/** At most `ratePerSecond` on average, and no more than one second's worth at once. */
export function createTokenBucket(ratePerSecond: number, nowMs: number): TokenBucket {
  const capacity = Math.max(1, ratePerSecond)
  let tokens = capacity
  let filledAtMs = nowMs
  const fill = (atMs: number): void => {
    tokens = Math.min(capacity, tokens + (Math.max(0, atMs - filledAtMs) * ratePerSecond) / 1000)
    filledAtMs = atMs
  }
  return {
    take: (atMs) => {
      fill(atMs)
      if (tokens < 1) return false
      tokens -= 1
      return true
    },
    waitMs: (atMs) => {
      fill(atMs)
      return tokens >= 1 ? 0 : Math.ceil(((1 - tokens) * 1000) / ratePerSecond)
    },
  }
}
