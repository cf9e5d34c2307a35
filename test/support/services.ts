/** Real servers for tests: a database of one's own in the Postgres of this run, and a Redis, shared or private. */
import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { freePort } from './daemon.ts'
import { initdbBinary, redisBinary, startPostgres, startRedis } from './find-services.ts'

/** URL of the Postgres of this run, a database that exists; throws one line when there is none. */
export const postgres = (): string => urlOf('MANIFOLD_TEST_POSTGRES')

/** URL of the Redis of this run, which other test files use at the same time; throws one line when there is none. */
export const redis = (): string => urlOf('MANIFOLD_TEST_REDIS')

export interface FreshDatabase extends AsyncDisposable {
  readonly url: string
}

/** `await using db = await freshDatabase()`: an empty database, dropped with whoever is still connected. */
export async function freshDatabase(): Promise<FreshDatabase> {
  const name = `manifold_test_${randomBytes(6).toString('hex')}`
  await runSql(`CREATE DATABASE ${name}`)
  const url = new URL(postgres())
  url.pathname = `/${name}`
  return {
    url: url.href,
    [Symbol.asyncDispose]: () => runSql(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  }
}

export interface FreshPrefix extends AsyncDisposable {
  readonly url: string
  /** Ends in `:`; nobody else's keys begin so. */
  readonly prefix: string
}

/** `await using keys = await freshPrefix()`: a corner of the shared Redis, emptied afterwards. */
export async function freshPrefix(): Promise<FreshPrefix> {
  const url = redis()
  const prefix = `manifold-test-${randomBytes(6).toString('hex')}:`
  return {
    url,
    prefix,
    [Symbol.asyncDispose]: async () => {
      const client = new Redis(url)
      for await (const keys of client.scanStream({ match: `${prefix}*`, count: 1_000 }) as AsyncIterable<string[]>) {
        if (keys.length > 0) await client.unlink(...keys)
      }
      client.disconnect()
    },
  }
}

export interface PrivateRedis extends AsyncDisposable {
  readonly url: string
  /** Of the server that runs now, for signals (SIGSTOP: it stalls). */
  readonly pid: number
  /** Kills it outright; what it held is gone. */
  kill(): Promise<void>
  /** On the same port again, empty. */
  start(): Promise<void>
}

/** `await using server = await privateRedis()`: one that a test may kill, stall and flush. `args`: such as `--maxmemory`. */
export async function privateRedis(args: readonly string[] = []): Promise<PrivateRedis> {
  const binary = await redisBinary()
  const port = await freePort()
  let server = await startRedis({ binary, port, args })
  const kill = async () => {
    try {
      process.kill(server.pid, 'SIGKILL')
    } catch {
      // Gone already.
    }
    await server.stop()
  }
  return {
    url: server.url,
    get pid() {
      return server.pid
    },
    kill,
    start: async () => {
      server = await startRedis({ binary, port, args })
    },
    [Symbol.asyncDispose]: kill,
  }
}

export interface PrivatePostgres extends AsyncDisposable {
  readonly url: string
  /** `pg_ctl restart -m immediate`: as after a crash. */
  crash(): Promise<void>
  /** `pg_ctl stop -m immediate`. */
  stop(): Promise<void>
  /** On the same port and the same data. */
  start(): Promise<void>
}

/** `await using server = await privatePostgres()`: one with fsync that a test may crash, stop and start. */
export async function privatePostgres(): Promise<PrivatePostgres> {
  const server = await startPostgres(await initdbBinary(), 'on')
  return {
    url: server.url,
    crash: () => server.control('restart'),
    stop: () => server.control('stop'),
    start: () => server.control('start'),
    [Symbol.asyncDispose]: async () => {
      // One that `pg_ctl` started is no child of whoever ends the others.
      await server.control('stop').catch(() => {})
      await server.stop()
    },
  }
}

function urlOf(name: string): string {
  const url = process.env[`${name}_URL`]
  if (url !== undefined) return url
  throw new Error(`${name}_URL is not set: run the tests with \`npm test\`.`)
}

async function runSql(statement: string): Promise<void> {
  const client = new Client({ connectionString: postgres() })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
