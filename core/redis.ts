/** The part of the composition root that `REDIS_URL` switches on: what processes share to be quick, and the feed. */
import { createHash, randomUUID } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SharedCache } from './cache/cache.ts'
import { noSharedCache } from './cache/none/cache.ts'
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
  /** What native plugins have computed. */
  readonly plugins: SharedCache
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
  if (url === null)
    return { forms: noSharedCache, plugins: noSharedCache, rateLimit: local, publish: () => {}, gauges: {}, probes: {} }
  // Only a hub with Redis loads its library.
  const [{ connectRedis }, { openRedisCache }, { openSharedRateLimit }] = await Promise.all([
    import('./cache/redis/connection.ts'),
    import('./cache/redis/cache.ts'),
    import('./cache/redis/rate-limit.ts'),
  ])
  const connection = await connectRedis({ url, clock, logger })
  closers.defer(() => connection.close())
  const prefix = `manifold:${await databaseMark(settings)}:`
  const rateLimit = openSharedRateLimit({ connection, prefix, local, ...rate })
  const feed = openFeed(connection)
  return {
    forms: openRedisCache({ connection, clock, name: 'forms', prefix }),
    plugins: openRedisCache({ connection, clock, name: 'plugins', prefix, isKeyedByState: true }),
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
async function databaseMark({ databaseUrl, dataDir }: SharingDeps['settings']): Promise<string> {
  const url = databaseUrl === null ? null : new URL(databaseUrl)
  // Not the user and the password: processes of one hub may have different ones.
  const host = url === null ? '' : `${url.host}${url.searchParams.get('host') ?? ''}`
  const place = url === null ? `${dataDir} ${await folderId(dataDir)}` : `${host}${url.pathname}`
  return createHash('sha256').update(place).digest('hex').slice(0, 8)
}

/**
 * Of a data folder: two containers may both call theirs `/data`. It stands in a file and not in the database, so that a backup that
 * is put back elsewhere is another hub. Where it cannot be kept it is of this start alone, which costs what was in the cache.
 */
async function folderId(dataDir: string): Promise<string> {
  const file = join(dataDir, FOLDER_ID)
  const known = await readFile(file, 'utf8').catch(() => '')
  if (known !== '') return known
  const id = randomUUID()
  await writeFile(file, id, { mode: 0o600 }).catch(() => undefined)
  return id
}

const FOLDER_ID = 'redis-id'
