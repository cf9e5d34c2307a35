/** The part of the composition root that `REDIS_URL` switches on: what processes share to be quick, and the feed. */
import { createHash } from 'node:crypto'
import type { SharedCache } from './cache/cache.ts'
import { noSharedCache } from './cache/none/cache.ts'
import { openRedisCache } from './cache/redis/cache.ts'
import { connectRedis } from './cache/redis/connection.ts'
import { openSharedRateLimit } from './cache/redis/rate-limit.ts'
import type { Clock } from './clock.ts'
import type { Settings } from './config/config.ts'
import type { RateLimit } from './http/rate-limit.ts'
import { openRateLimit } from './http/rate-limit.ts'
import type { Limits } from './limits.ts'
import { openFeed } from './live/redis/feed.ts'
import type { LogEvent } from './model.ts'
import type { Probe } from './observe/health.ts'
import type { Logger } from './observe/observe.ts'
import type { GaugeSources } from './observe/open.ts'

export interface Sharing {
  readonly forms: SharedCache
  readonly rateLimit: RateLimit
  /** Tells the feed of events that this process committed. */
  readonly publish: (events: readonly LogEvent[]) => void
  readonly gauges: Pick<GaugeSources, 'redis'>
  /** Says how Redis is; it never makes a hub unready, since a hub does without it. */
  readonly probes: Readonly<Record<string, Probe>>
}

export interface SharingDeps {
  readonly settings: Pick<Settings, 'redisUrl' | 'databaseUrl' | 'dataDir'>
  readonly limits: Pick<Limits, 'publicRatePerSecond' | 'publicRateBurst'>
  readonly clock: Clock
  readonly logger: Logger
  /** What is opened is closed by it. */
  readonly closers: AsyncDisposableStack
}

/** Connects to Redis where the settings name one; waits a second at most, and starts without it when need be. */
export async function openSharing({ settings, limits, clock, logger, closers }: SharingDeps): Promise<Sharing> {
  const rate = { ratePerSecond: limits.publicRatePerSecond, burst: limits.publicRateBurst }
  const local = openRateLimit(rate)
  const { redisUrl: url } = settings
  if (url === null) return { forms: noSharedCache, rateLimit: local, publish: () => {}, gauges: {}, probes: {} }
  const connection = await connectRedis({ url, clock, logger })
  closers.defer(() => connection.close())
  const prefix = `manifold:${databaseMark(settings)}:`
  const rateLimit = openSharedRateLimit({ connection, prefix, local, ...rate })
  const feed = openFeed(connection)
  return {
    forms: openRedisCache({ connection, clock, name: 'forms', prefix }),
    rateLimit: rateLimit.take,
    publish: feed.publish,
    gauges: {
      redis: () => ({
        up: connection.isUp(),
        feedDropped: feed.dropped(),
        rateLimitFallbacks: rateLimit.fallbacks(),
      }),
    },
    probes: { redis: () => connection.describe() },
  }
}

/** Hubs with different databases may use one Redis: a form of one must not be answered to the other. */
function databaseMark({ databaseUrl, dataDir }: SharingDeps['settings']): string {
  const url = databaseUrl === null ? null : new URL(databaseUrl)
  // Not the user and the password: processes of one hub may have different ones.
  const place = url === null ? dataDir : `${url.host}${url.searchParams.get('host') ?? ''}${url.pathname}`
  return createHash('sha256').update(place).digest('hex').slice(0, 8)
}
