/** The one connection of this process to Redis: whoever asks waits for a tenth of a second at most, and never fails. */
import { createHash } from 'node:crypto'
import { Redis } from 'ioredis'
import type { RedisOptions } from 'ioredis'
import type { Clock } from '../../clock.ts'
import type { Logger } from '../../observe/observe.ts'

/** A Lua script of ours. Make it once, with `luaScript`. */
export interface LuaScript {
  readonly text: string
  readonly sha1: string
}

export interface RedisConnection {
  /**
   * Runs commands; undefined when Redis is away, stalled, refuses, or does not answer within 100 ms. Once it did not
   * answer, one caller a second finds out whether it does again; the others are told at once that it does not.
   * Commands reach Redis in the order of these calls.
   */
  ask<Answer>(command: (client: Redis) => Promise<Answer>): Promise<Answer | undefined>
  /** Like `ask`, for a script: it travels once, afterwards only its name does. */
  run(script: LuaScript, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>
  /** `listener` is called each time the connection is lost, before there is another. */
  onLoss(listener: () => void): void
  /** True while Redis answers. */
  isUp(): boolean
  /** For health reports: `up`, or why not. */
  describe(): string
  /** Sends what is on its way, for half a second at most. */
  close(): Promise<void>
}

const ANSWER_TIMEOUT_MS = 100
const PAUSE_MS = 1_000
/** A connection on which nothing has been answered for this long is given up for a new one. */
const HANG_MS = 5_000
const CONNECT_TIMEOUT_MS = 2_000
const FIRST_CONNECT_WAIT_MS = 1_000
const KEEP_ALIVE_MS = 10_000
const RETRY_MS_MIN = 50
const RETRY_MS_MAX = 1_000
const CLOSE_MS_MAX = 500
const LATE = Symbol('late')
const CLOSED = 'the connection was closed'

const OPTIONS: RedisOptions = {
  connectionName: 'manifold',
  connectTimeout: CONNECT_TIMEOUT_MS,
  disconnectTimeout: CLOSE_MS_MAX,
  keepAlive: KEEP_ALIVE_MS,
  // What was not answered on one connection is not sent again on the next: by then it may put back what was changed.
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  retryStrategy: (tries) => Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(tries, 5)),
  // A primary that became a replica: the address leads to another one by now.
  reconnectOnError: (error) => error.message.startsWith('READONLY'),
}

export interface RedisConnectionOptions {
  /** `redis://` or `rediss://`, with user, password and database index as need be. Never logged. */
  readonly url: string
  readonly clock: Clock
  readonly logger: Logger
  /** How long anybody waits for an answer; default 100. */
  readonly answerTimeoutMs?: number
}

/** Waits a second at most for the first answer; a Redis that is away is no reason not to start. */
export async function connectRedis(options: RedisConnectionOptions): Promise<RedisConnection> {
  const { url, clock, logger, answerTimeoutMs = ANSWER_TIMEOUT_MS } = options
  const client = new Redis(url, OPTIONS)
  const listeners: (() => void)[] = []
  const news = openNews(logger)
  const patience = openPatience(clock)
  let closing = false
  const answered = (): void => {
    patience.answered()
    if (client.status === 'ready') news.up()
  }
  const ask: RedisConnection['ask'] = async (command) => {
    if (closing || client.status !== 'ready' || !patience.mayAsk()) return undefined
    try {
      const answer = await withinTime(clock, command(client), answerTimeoutMs)
      if (answer !== LATE) {
        answered()
        return answer
      }
      news.down(`no answer within ${answerTimeoutMs} ms`)
      if (patience.late() && client.status === 'ready') client.disconnect(true)
    } catch (error) {
      // Whoever refuses (out of memory, no permission) is there; a connection that broke off says so itself.
      if (isRefusal(error)) {
        answered()
        news.refusal(error.message)
      }
    }
    return undefined
  }
  let lastError = CLOSED
  client.on('error', (error: Error) => {
    lastError = error.message
  })
  client.on('connect', () => {
    // Connected to a Redis that does not even say whether it is ready.
    clock.after(HANG_MS, () => {
      if (client.status === 'connect') client.disconnect(true)
    })
  })
  client.on('ready', () => {
    lastError = CLOSED
    answered()
  })
  client.on('close', () => {
    for (const listener of listeners) listener()
    if (!closing) news.down(lastError)
  })
  await firstNews(client, clock)
  return {
    ask,
    run: (script, keys, args) => ask((redis) => runScript(redis, script, [keys.length, ...keys, ...args])),
    onLoss: (listener) => void listeners.push(listener),
    isUp: () => client.status === 'ready' && patience.isWhole(),
    describe: () => news.describe(),
    close: async () => {
      closing = true
      if (client.status === 'ready') await withinTime(clock, client.quit(), CLOSE_MS_MAX).catch(() => {})
      client.disconnect()
    },
  }
}

/** Who may still wait for a Redis that is connected but has stopped answering. */
function openPatience(clock: Clock) {
  let stall: { readonly sinceMs: number; nextTryMs: number } | null = null
  return {
    isWhole: (): boolean => stall === null,
    /** During a stall true once a second. */
    mayAsk: (): boolean => {
      if (stall === null) return true
      const nowMs = clock.monotonicMs()
      if (nowMs < stall.nextTryMs) return false
      stall.nextTryMs = nowMs + PAUSE_MS
      return true
    },
    answered: (): void => {
      stall = null
    },
    /** True when it has lasted so long that the connection itself must be dead. */
    late: (): boolean => {
      const nowMs = clock.monotonicMs()
      stall ??= { sinceMs: nowMs, nextTryMs: 0 }
      stall.nextTryMs = nowMs + PAUSE_MS
      return nowMs - stall.sinceMs > HANG_MS
    },
  }
}

/** Names a script by its hash, as Redis does. */
export const luaScript = (text: string): LuaScript => ({ text, sha1: createHash('sha1').update(text).digest('hex') })

async function runScript(client: Redis, script: LuaScript, rest: readonly (string | number)[]): Promise<unknown> {
  const [count = 0, ...others] = rest
  try {
    return await client.evalsha(script.sha1, count, ...others)
  } catch (error) {
    // A Redis that was started anew, or flushed of its scripts, is told once more.
    if (!isRefusal(error) || !error.message.startsWith('NOSCRIPT')) throw error
    return await client.eval(script.text, count, ...others)
  }
}

/** An error that Redis itself answered; ioredis names them so. */
const isRefusal = (error: unknown): error is Error => error instanceof Error && error.name === 'ReplyError'

function withinTime<Answer>(clock: Clock, answer: Promise<Answer>, timeoutMs: number): Promise<Answer | typeof LATE> {
  return new Promise((resolve, reject) => {
    // When this process was the slow one, the answer has arrived meanwhile and is read before the immediate.
    const cancel = clock.after(timeoutMs, () => setImmediate(() => resolve(LATE)))
    answer.finally(cancel).then(resolve, reject)
  })
}

function firstNews(client: Redis, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    client.once('ready', () => resolve())
    client.once('close', () => resolve())
    clock.after(FIRST_CONNECT_WAIT_MS, resolve)
  })
}

/** Says each change once: retries are not news. Only texts are logged: an error of ioredis carries the password. */
function openNews(logger: Logger) {
  let state: 'unknown' | 'up' | 'down' = 'unknown'
  let why = 'not connected yet'
  let refused = ''
  return {
    up: (): void => {
      if (state !== 'up') logger.info({}, state === 'down' ? 'Redis is back' : 'connected to Redis')
      state = 'up'
    },
    down: (reason: string): void => {
      if (state !== 'down')
        logger.warn({ reason }, 'Redis is away: caches and rate limits are of this process alone, the feed is silent')
      state = 'down'
      why = reason
    },
    refusal: (reason: string): void => {
      if (reason !== refused) logger.warn({ reason }, 'Redis refuses a command')
      refused = reason
    },
    describe: (): string => (state === 'up' ? 'up' : `away: ${why}`),
  }
}
