/**
 * Finds Postgres and Redis for the tests: the server on its standard local port, else a local binary started on a free
 * port, else (Debian, root) one that apt installs. Where none of it works, one line says what is missing and what to do.
 */
import { execFile } from 'node:child_process'
import { access, readdir } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { daemonDir, freePort, ownerOf, startDaemon } from './daemon.ts'
import { until } from './wait.ts'

const run = promisify(execFile)
const APT_TIMEOUT_MS = 300_000
const PROBE_TIMEOUT_MS = 2_000
const START_TIMEOUT_MS = 30_000
const POSTGRES_HOME = '/usr/lib/postgresql'

export interface FoundService {
  readonly url: string
  /** Ends what was started; a server that was there already is left alone. */
  stop(): Promise<void>
}

/** Throws one line when there is no Postgres to be had. */
export async function findPostgres(): Promise<FoundService> {
  const there = standardPostgres()
  if (await answersPostgres(there)) return { url: there, stop: async () => {} }
  return await startPostgres(await initdbBinary())
}

/** Throws one line when there is no Redis to be had. */
export async function findRedis(): Promise<FoundService> {
  const there = 'redis://127.0.0.1:6379'
  if (await answersRedis(there)) return { url: there, stop: async () => {} }
  const server = await startRedis({ binary: await redisBinary(), port: await freePort() })
  return { url: server.url, stop: server.stop }
}

/** Where `redis-server` is; throws one line when there is none. */
export async function redisBinary(): Promise<string> {
  const binary = (await inPath('redis-server')) ?? (await install('redis-server', () => inPath('redis-server')))
  if (binary !== undefined) return binary
  throw new Error(
    'These tests need Redis: there is no redis-server to start. Install it with `sudo apt-get install redis-server`.',
  )
}

/** A Redis of our own that keeps nothing on disk; resolves when it answers. */
export async function startRedis(options: {
  readonly binary: string
  readonly port: number
  /** More arguments, such as `['--maxmemory', '1mb']`. */
  readonly args?: readonly string[]
}): Promise<FoundService & { readonly pid: number }> {
  const dir = await daemonDir('redis')
  const fixed = [
    '--port',
    String(options.port),
    '--bind',
    '127.0.0.1',
    '--dir',
    dir,
    '--save',
    '',
    '--appendonly',
    'no',
  ]
  // DEBUG SLEEP is how a test makes a server stand still; before version 7 it needs no permission.
  const { stdout } = await run(options.binary, ['--version'])
  const debug = Number(/v=(\d+)/.exec(stdout)?.[1] ?? 7) < 7 ? [] : ['--enable-debug-command', 'yes']
  const command = [options.binary, ...fixed, ...debug, ...(options.args ?? [])]
  const daemon = await startDaemon({ dir, command })
  const url = `redis://127.0.0.1:${options.port}`
  return await up({ url, pid: daemon.pid, stop: daemon.stop }, () => answersRedis(url))
}

/** As libpq would find it, with `postgres` where the environment names nobody. */
function standardPostgres(): string {
  const {
    PGHOST = '127.0.0.1',
    PGPORT = '5432',
    PGUSER = 'postgres',
    PGPASSWORD,
    PGDATABASE = 'postgres',
  } = process.env
  const password = PGPASSWORD === undefined ? '' : `:${encodeURIComponent(PGPASSWORD)}`
  // A socket folder stands where a host would, in escaped form.
  const host = PGHOST.startsWith('/') ? encodeURIComponent(PGHOST) : PGHOST
  return `postgres://${encodeURIComponent(PGUSER)}${password}@${host}:${PGPORT}/${encodeURIComponent(PGDATABASE)}`
}

/** True when it lets us in and lets us make databases. */
async function answersPostgres(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: PROBE_TIMEOUT_MS })
  client.on('error', () => {})
  try {
    await client.connect()
    const { rows } = await client.query<{ may: boolean }>(
      'SELECT rolsuper OR rolcreatedb AS may FROM pg_roles WHERE rolname = current_user',
    )
    return rows[0]?.may === true
  } catch {
    return false
  } finally {
    await client.end().catch(() => {})
  }
}

async function answersRedis(url: string): Promise<boolean> {
  const client = new Redis(url, {
    lazyConnect: true,
    retryStrategy: () => null,
    connectTimeout: PROBE_TIMEOUT_MS,
    commandTimeout: PROBE_TIMEOUT_MS,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    return (await client.ping()) === 'PONG'
  } catch {
    return false
  } finally {
    client.disconnect()
  }
}

/** The programs of an installed Postgres; throws one line when there is none. */
export async function initdbBinary(): Promise<string> {
  const initdb = (await postgresBinary('initdb')) ?? (await install('postgresql', () => postgresBinary('initdb')))
  if (initdb !== undefined) return initdb
  throw new Error(
    'These tests need PostgreSQL: none answers on 127.0.0.1:5432 and no binary is installed. Install it with `sudo apt-get install postgresql`, or name a server by PGHOST, PGPORT, PGUSER and PGPASSWORD.',
  )
}

export interface OwnPostgres extends FoundService {
  /** `pg_ctl`; whatever ends the server ends it at once, as a crash does. */
  control(verb: 'start' | 'stop' | 'restart'): Promise<void>
}

/** A Postgres of our own; resolves when it answers. `fsync`: off is for tests that end no server. */
export async function startPostgres(initdb: string, fsync: 'on' | 'off' = 'off'): Promise<OwnPostgres> {
  // Postgres refuses to run as root.
  const owner = userInfo().uid === 0 ? ((await ownerOf('postgres')) ?? (await ownerOf('nobody'))) : undefined
  const dir = await daemonDir('postgres', owner)
  const data = join(dir, 'data')
  await run(initdb, ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync'], {
    ...owner,
    cwd: dir,
  })
  const port = await freePort()
  const settings = { listen_addresses: '127.0.0.1', unix_socket_directories: dir, fsync, max_connections: '200' }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const command = [join(initdb, '..', 'postgres'), '-D', data, '-p', String(port), ...flags]
  const daemon = await startDaemon({ dir, owner, command })
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  const control = async (verb: 'start' | 'stop' | 'restart'): Promise<void> => {
    const how = verb === 'start' ? ['-o', `-p ${port} ${flags.join(' ')}`] : ['-m', 'immediate']
    // The server it starts goes on writing there, so it must not be a pipe of ours.
    const log = ['-l', join(dir, 'control.log')]
    await run(join(initdb, '..', 'pg_ctl'), [verb, '-D', data, '-w', '-s', ...how, ...log], { ...owner, cwd: dir })
  }
  return await up({ url, stop: daemon.stop, control }, () => answersPostgres(url))
}

/** Waits until it answers; one that never does is ended. */
async function up<Service extends FoundService>(service: Service, answers: () => Promise<boolean>): Promise<Service> {
  try {
    await until(`an answer of ${service.url}`, answers, { timeoutMs: START_TIMEOUT_MS, everyMs: 20 })
    return service
  } catch (error) {
    await service.stop()
    throw error
  }
}

/** Debian keeps the programs of each version in a folder of its own, out of PATH; the newest is taken. */
async function postgresBinary(name: string): Promise<string | undefined> {
  const versions = (await readdir(POSTGRES_HOME).catch(() => [])).toSorted((a, b) => Number(b) - Number(a))
  for (const version of versions) {
    const file = join(POSTGRES_HOME, version, 'bin', name)
    if (await isThere(file)) return file
  }
  return await inPath(name)
}

async function inPath(name: string): Promise<string | undefined> {
  for (const dir of (process.env['PATH'] ?? '').split(delimiter)) {
    if (dir !== '' && (await isThere(join(dir, name)))) return join(dir, name)
  }
  return undefined
}

const isThere = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  )

/** Installs a Debian package when we may; answers what `find` finds then. */
async function install(name: string, find: () => Promise<string | undefined>): Promise<string | undefined> {
  if (userInfo().uid !== 0 || (await inPath('apt-get')) === undefined) return undefined
  process.stderr.write(`manifold: installing ${name} for the tests (only needed once) ...\n`)
  const options = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }, timeout: APT_TIMEOUT_MS }
  const apt = (...args: string[]) =>
    run('apt-get', ['-qq', '-o', 'DPkg::Lock::Timeout=120', ...args], options).then(
      () => true,
      () => false,
    )
  if (!(await apt('install', '-y', name))) {
    await apt('update')
    await apt('install', '-y', name)
  }
  return await find()
}
