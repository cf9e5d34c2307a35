/** Token buckets that all processes share. Wherever Redis does not answer, the buckets of this process decide. */
import { createHash } from 'node:crypto'
import { luaScript } from './connection.ts'
import type { RedisConnection } from './connection.ts'

/** Takes as many tokens as it costs if there is one; answers how long to wait for the next, in ms. The key goes when the bucket is full. */
const TAKE = luaScript(`
  local time = redis.call('TIME')
  local now = time[1] * 1000 + time[2] / 1000
  local perMs, burst, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
  local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
  local tokens = tonumber(bucket[1] or burst)
  local passedMs = math.max(0, now - tonumber(bucket[2] or now))
  tokens = math.min(burst, tokens + passedMs * perMs)
  local waitMs = 0
  if tokens >= 1 then tokens = tokens - cost else waitMs = math.ceil((1 - tokens) / perMs) end
  redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at', string.format('%.3f', now))
  redis.call('PEXPIRE', KEYS[1], math.ceil((burst - tokens) / perMs) + 1000)
  return waitMs
`)

export interface SharedRateLimit {
  /** Answers 0 when the request may pass, else how long to wait in ms. `nowMs` is monotonic time of this process. */
  take(bucket: string, nowMs: number, cost?: number): number | Promise<number>
  /** How often Redis did not answer and this process decided alone. */
  fallbacks(): number
}

export interface SharedRateLimitOptions {
  readonly connection: RedisConnection
  /** The buckets of this process, of the same rate and burst. */
  readonly local: (bucket: string, nowMs: number, cost?: number) => number
  readonly ratePerSecond: number
  readonly burst: number
  /** First part of every key, ending in `:`. */
  readonly prefix: string
}

/** Opens buckets by name; names may be any text. */
export function openSharedRateLimit(options: SharedRateLimitOptions): SharedRateLimit {
  const { connection, local, ratePerSecond, burst, prefix } = options
  let fallbacks = 0
  return {
    take: (bucket, nowMs, cost = 1) => {
      // Counted here in any case, so that a Redis that goes away leaves no full bucket behind. What one process alone
      // has seen too much of is too much: a flood is answered from memory.
      const localWaitMs = local(bucket, nowMs, cost)
      if (localWaitMs > 0) return localWaitMs
      const name = createHash('sha256').update(bucket).digest('base64url').slice(0, 22)
      return connection.run(TAKE, [`${prefix}rate:${name}`], [ratePerSecond / 1_000, burst, cost]).then((waitMs) => {
        if (typeof waitMs === 'number') return waitMs
        fallbacks += 1
        return localWaitMs
      })
    },
    fallbacks: () => fallbacks,
  }
}
