/** Whether Redis can be reached, for `manifold doctor`. */
import { Redis } from 'ioredis'
import type { Finding } from '../../finding.ts'

const ANSWER_MS = 3_000
const COSTS = 'hubs go on without it, only slower, and each counts its rate limits alone'

/** Connects once and asks for the version. Never rejects; the URL may hold a password, so it is not repeated. */
export async function lookAtRedis(url: string): Promise<Finding> {
  const place = new URL(url).host
  const client = new Redis(url, {
    lazyConnect: true,
    connectTimeout: ANSWER_MS,
    commandTimeout: ANSWER_MS,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  })
  let said = ''
  client.on('error', (error) => (said = error.message))
  try {
    await client.connect()
    const version = /^redis_version:(.+?)\r?$/m.exec(await client.info('server'))?.[1] ?? 'of an unknown version'
    return { level: 'ok', detail: `${place}, Redis ${version}; losing it costs only speed`, fix: null }
  } catch (error) {
    const why = said === '' ? (error as Error).message : said
    return {
      level: 'warn',
      detail: `${place} cannot be used (${why}): ${COSTS}`,
      fix: 'start it, or check REDIS_URL',
    }
  } finally {
    client.disconnect()
  }
}
