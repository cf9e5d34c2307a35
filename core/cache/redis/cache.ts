/**
 * The shared cache on Redis.
 *
 * A drop can go unheard: Redis is away, or comes back with an older snapshot, or this process is killed between a
 * change and its drop. So no process trusts what may be older than its own connection. It draws a *line* when it
 * connects, a number above all that were drawn before; each entry carries the line that was the latest when it was
 * put; entries below one's own line do not count, and may be replaced. A process whose drop was not heard draws again.
 * So a doubt costs this one process a cold cache, and nobody has to remember what he owes.
 *
 * What is kept under the state that it was made of is never dropped and never wrong (`isKeyedByState`): there every entry counts,
 * also those of a process that is gone, so whoever takes its work over goes on warm.
 *
 * A put that hung in a broken connection could arrive when the mark of a drop has gone already. So each says until when
 * it may be carried out, in the time of Redis, which a process learns with its line.
 */
import type { Clock } from '../../clock.ts'
import type { SharedCache } from '../cache.ts'
import { luaScript } from './connection.ts'
import type { RedisConnection } from './connection.ts'

const DROPPED = '-'
const DROPPED_MS = 10_000
const LINE_MS = 86_400_000
/** Well below `DROPPED_MS`, less what a load may take. */
const PUT_WITHIN_MS = 2_000
/** Longer texts are dearer to send than to load. */
const TEXT_CHARS_MAX = 262_144

/** The next line: above the last, and above all forgotten ones, since time goes on. And that time, in ms. */
const DRAW = luaScript(`
  local time = redis.call('TIME')
  local now = time[1] * 1000000 + time[2]
  local last = tonumber(redis.call('GET', KEYS[1]) or '0')
  local line = string.format('%.0f', math.max(last + 1, now))
  redis.call('SET', KEYS[1], line, 'PX', ARGV[1])
  return { line, string.format('%.0f', now / 1000) }
`)

/** Puts where nothing stands that the caller trusts; answers 0 when the caller has to draw a line first. */
const PUT = luaScript(`
  local time = redis.call('TIME')
  if time[1] * 1000 + time[2] / 1000 > tonumber(ARGV[5]) then return 0 end
  local line = redis.call('GET', KEYS[1])
  if not line or tonumber(line) < tonumber(ARGV[1]) then return 0 end
  local there = redis.call('GET', KEYS[2])
  if there then
    local stamp = string.match(there, '^(%d+):')
    if not stamp or tonumber(stamp) >= tonumber(ARGV[1]) then return 1 end
  end
  redis.call('SET', KEYS[2], line .. ':' .. ARGV[2], 'PX', ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  return 1
`)

export interface RedisCacheOptions {
  readonly connection: RedisConnection
  readonly clock: Pick<Clock, 'monotonicMs'>
  /** What it holds; caches of different names do not see each other. */
  readonly name: string
  /** First part of every key, ending in `:`. Hubs with different databases must not share it. */
  readonly prefix: string
  /** Each key says of which state its text is, so nothing is ever dropped. */
  readonly isKeyedByState?: boolean
}

/** Opens the cache of this name. */
export function openRedisCache(options: RedisCacheOptions): SharedCache {
  const { connection, clock, name, prefix, isKeyedByState = false } = options
  const lineKey = `${prefix}line:${name}`
  const keyOf = (key: string): string => `${prefix}cache:${name}:${key}`
  let line: number | null = null
  /** What to add to our time to get that of Redis. */
  let aheadMs = 0
  let drawing: Promise<void> | null = null
  /** Counts the doubts: a line drawn before the latest one is no good. */
  let doubts = 0
  let hits = 0
  let misses = 0

  const doubt = (): void => {
    line = null
    drawing = null
    doubts += 1
  }
  const draw = async (): Promise<void> => {
    const before = doubts
    const drawn = await connection.run(DRAW, [lineKey], [LINE_MS])
    if (doubts !== before) return
    drawing = null
    if (!Array.isArray(drawn)) return
    line = Number(drawn[0])
    aheadMs = Number(drawn[1]) - clock.monotonicMs()
  }
  connection.onLoss(doubt)

  const get = async (key: string): Promise<string | undefined> => {
    if (line === null && !isKeyedByState) {
      // Nothing that stands there now can be above a line that is drawn now.
      await (drawing ??= draw())
      return undefined
    }
    const trusted = line ?? 0
    const text = await connection.ask((client) => client.get(keyOf(key)))
    if (typeof text !== 'string') return undefined
    const end = text.indexOf(':')
    return end > 0 && (isKeyedByState || Number(text.slice(0, end)) >= trusted) ? text.slice(end + 1) : undefined
  }
  return {
    get: async (key) => {
      const text = await get(key)
      if (text === undefined) misses += 1
      else hits += 1
      return text
    },
    put: async (key, text, ttlMs) => {
      if (line === null && isKeyedByState) await (drawing ??= draw())
      if (line === null || text.length > TEXT_CHARS_MAX) return
      const untilMs = clock.monotonicMs() + aheadMs + PUT_WITHIN_MS
      const args = [line, text, Math.ceil(ttlMs), LINE_MS, untilMs]
      const answer = await connection.run(PUT, [lineKey, keyOf(key)], args)
      // The line is gone (flushed, evicted, another server), or the clock of Redis was set.
      if (answer === 0) doubt()
    },
    drop: async (key) => {
      const answer = await connection.ask((client) => client.set(keyOf(key), DROPPED, 'PX', DROPPED_MS))
      if (answer === undefined) doubt()
    },
    distrust: doubt,
    counts: () => ({ hits, misses }),
    close: async () => {},
  }
}
