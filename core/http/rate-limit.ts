/** Token buckets per sender: a burst at once, then a steady rate. Memory is bounded; the longest idle are forgotten first. */

/**
 * Answers 0 when the request may pass, else how long to wait in ms; a promise where other processes count along. What passes
 * takes `cost` tokens (1 unless said), also where there are fewer: the next one waits for them.
 */
export type RateLimit = (bucket: string, nowMs: number, cost?: number) => number | Promise<number>

/** One whose counts are all in memory. */
export type LocalRateLimit = (bucket: string, nowMs: number, cost?: number) => number

interface Bucket {
  readonly tokens: number
  readonly atMs: number
}

const BUCKETS_MAX = 50_000

/** `nowMs` of the calls is monotonic time. */
export function openRateLimit(options: { ratePerSecond: number; burst: number; bucketsMax?: number }): LocalRateLimit {
  const { ratePerSecond, burst, bucketsMax = BUCKETS_MAX } = options
  const buckets = new Map<string, Bucket>()
  return (name, nowMs, cost = 1) => {
    const bucket = buckets.get(name)
    const filled =
      bucket === undefined ? burst : Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) * ratePerSecond) / 1_000)
    const passes = filled >= 1
    // Deleting first moves it to the end: the map's order is the order of last use.
    buckets.delete(name)
    buckets.set(name, { tokens: passes ? filled - cost : filled, atMs: nowMs })
    if (buckets.size > bucketsMax) buckets.delete(buckets.keys().next().value as string)
    return passes ? 0 : ((1 - filled) * 1_000) / ratePerSecond
  }
}
