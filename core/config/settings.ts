/**
 * Flags and environment: what a running process cannot change. One table makes the parser, `--help` and the README's table;
 * this file is the only one that reads `process.env`.
 */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import ipaddr from 'ipaddr.js'
import type { Settings } from './config.ts'

/** One row: every row has an environment name, most have a flag. */
export interface SettingRow<Name extends keyof Settings = keyof Settings> {
  readonly name: Name
  /** As commander writes it; null for what must not stand in a process list. */
  readonly flag: string | null
  readonly env: string
  /** In words, for help and README. */
  readonly fallback: string
  readonly help: string
  /** Throws an Error whose message continues "<flag or variable> ...". */
  readonly parse: (text: string) => Settings[Name]
}

const fail = (message: string): never => {
  throw new Error(message)
}

const oneOf =
  <Choice extends string>(...choices: readonly Choice[]) =>
  (text: string): Choice =>
    choices.find((choice) => choice === text) ?? fail(`must be ${choices.join(', ')} (got "${text}")`)

const port = (text: string): number => {
  const value = Number(text)
  return /^\d{1,5}$/.test(text) && value <= 65_535 ? value : fail(`must be a port from 0 to 65535 (got "${text}")`)
}

const yesOrNo = (text: string): boolean => {
  if (/^(1|true|yes|on)$/i.test(text)) return true
  return /^(0|false|no|off)$/i.test(text) ? false : fail(`must be true or false (got "${text}")`)
}

const ranges = (text: string): readonly string[] =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => {
      if (ipaddr.isValidCIDR(part)) return part
      return ipaddr.isValid(part)
        ? `${part}/${part.includes(':') ? 128 : 32}`
        : fail(`must be addresses or CIDR ranges separated by commas (got "${part}")`)
    })

const adminKey = (text: string): string => (text.length >= 8 ? text : fail('must have at least 8 characters'))

const urlOf =
  (...protocols: readonly string[]) =>
  (text: string): string => {
    // The text may hold a password, so it is never repeated.
    const protocol = URL.canParse(text) ? new URL(text).protocol : null
    if (protocol !== null && protocols.includes(protocol)) return text
    return fail(`must be a URL that begins with ${protocols.map((each) => `${each}//`).join(' or ')}`)
  }

const databaseUrl = (text: string): string => {
  const url = urlOf('postgres:', 'postgresql:')(text)
  return new URL(url).pathname.length > 1 ? url : fail('must name a database, as in postgres://host/manifold')
}

const CONNECTIONS_MIN = 6
const CONNECTIONS_MAX = 50

const connections = (text: string): number => {
  const value = Number(text)
  const fits = Number.isInteger(value) && value >= CONNECTIONS_MIN && value <= CONNECTIONS_MAX
  return fits ? value : fail(`must be a number from ${CONNECTIONS_MIN} to ${CONNECTIONS_MAX} (got "${text}")`)
}

type Rows = { readonly [Name in keyof Settings]: SettingRow<Name> }

/** Every setting there is. */
export const SETTINGS: Rows = {
  configFile: {
    name: 'configFile',
    flag: '--config <file>',
    env: 'MANIFOLD_CONFIG',
    fallback: './manifold.yaml if there is one',
    help: 'the configuration file',
    parse: (text) => resolve(text),
  },
  dataDir: {
    name: 'dataDir',
    flag: '--data <dir>',
    env: 'MANIFOLD_DATA',
    fallback: './.manifold',
    help: 'folder for the database, caches and the lock file',
    parse: (text) => resolve(text),
  },
  host: {
    name: 'host',
    flag: '--host <address>',
    env: 'MANIFOLD_HOST',
    fallback: '127.0.0.1',
    help: 'address to listen on; 0.0.0.0 for all',
    parse: (text) => text,
  },
  port: {
    name: 'port',
    flag: '--port <n>',
    env: 'MANIFOLD_PORT',
    fallback: '8420',
    help: 'port to listen on; 0 takes any free one',
    parse: port,
  },
  role: {
    name: 'role',
    flag: '--role <role>',
    env: 'MANIFOLD_ROLE',
    fallback: 'all',
    help: 'all, api (takes submissions) or worker (runs plugins)',
    parse: oneOf('all', 'api', 'worker'),
  },
  demo: {
    name: 'demo',
    flag: '--demo',
    env: 'MANIFOLD_DEMO',
    fallback: 'false',
    help: 'set up forms, responses and a receiver to look at',
    parse: yesOrNo,
  },
  production: {
    name: 'production',
    flag: '--production',
    env: 'MANIFOLD_PRODUCTION',
    fallback: 'false',
    help: 'plugins of `pluginDirs` whose files changed wait for `manifold plugin approve`',
    parse: yesOrNo,
  },
  adminKey: {
    name: 'adminKey',
    flag: null,
    env: 'MANIFOLD_ADMIN_KEY',
    fallback: 'made and shown once',
    help: 'the first admin key',
    parse: adminKey,
  },
  logLevel: {
    name: 'logLevel',
    flag: '--log-level <level>',
    env: 'MANIFOLD_LOG_LEVEL',
    fallback: 'info',
    help: 'debug, info, warn, error or silent',
    parse: oneOf('debug', 'info', 'warn', 'error', 'silent'),
  },
  trustedProxies: {
    name: 'trustedProxies',
    flag: '--trusted-proxies <cidrs>',
    env: 'MANIFOLD_TRUSTED_PROXIES',
    fallback: 'none',
    help: 'reverse proxies whose X-Forwarded-For is believed, separated by commas',
    parse: ranges,
  },
  advertiseUrl: {
    name: 'advertiseUrl',
    flag: '--advertise-url <url>',
    env: 'MANIFOLD_ADVERTISE_URL',
    fallback: 'where it listens',
    help: 'where other processes of the hub reach this one',
    parse: urlOf('http:', 'https:'),
  },
  databaseUrl: {
    name: 'databaseUrl',
    flag: null,
    env: 'DATABASE_URL',
    fallback: 'SQLite in the data folder',
    help: '`postgres://…`: storage and queue for many processes',
    parse: databaseUrl,
  },
  databaseReplicaUrl: {
    name: 'databaseReplicaUrl',
    flag: null,
    env: 'DATABASE_REPLICA_URL',
    fallback: 'none',
    help: 'a read replica for lists and counts',
    parse: databaseUrl,
  },
  databaseConnectionsMax: {
    name: 'databaseConnectionsMax',
    flag: null,
    env: 'MANIFOLD_DATABASE_CONNECTIONS_MAX',
    fallback: '10',
    help: 'connections of this process to Postgres, 6 to 50',
    parse: connections,
  },
  redisUrl: {
    name: 'redisUrl',
    flag: null,
    env: 'REDIS_URL',
    fallback: 'none',
    help: '`redis://…`: shared cache, shared rate limits, the feed `form:events`',
    parse: urlOf('redis:', 'rediss:'),
  },
}

/** Flags as commander leaves them, by setting name. */
export type Flags = { readonly [Name in keyof Settings]?: string | boolean | undefined }

export type Environment = Readonly<Record<string, string | undefined>>

/** The process environment. Rooms that need a variable are given it; none reads it. */
export const environment = (): Environment => process.env

/** What the CLI as a client of a running hub reads from the environment. */
export const clientEnvironment = (
  env: Environment,
): { url: string | undefined; key: string | undefined; color: boolean } => ({
  url: env['MANIFOLD_URL'] || undefined,
  key: env['MANIFOLD_KEY'] || undefined,
  color: (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb',
})

/** Flags win over environment, environment over defaults. All mistakes at once. */
export function readSettings(
  flags: Flags,
  env: Environment,
): { readonly settings: Settings } | { readonly problems: readonly string[] } {
  const problems: string[] = []
  const read = <Name extends keyof Settings>(name: Name, fallback: () => Settings[Name]): Settings[Name] => {
    const row = SETTINGS[name]
    const flag = flags[name]
    const value = flag === undefined ? env[row.env] : String(flag)
    if (value === undefined || value === '') return fallback()
    try {
      return row.parse(value)
    } catch (error) {
      problems.push(`${flag === undefined ? row.env : (row.flag ?? '').split(' ')[0]} ${(error as Error).message}`)
      return fallback()
    }
  }
  const settings: Settings = {
    configFile: read('configFile', () => (existsSync('manifold.yaml') ? resolve('manifold.yaml') : null)),
    dataDir: read('dataDir', () => resolve('.manifold')),
    host: read('host', () => '127.0.0.1'),
    port: read('port', () => 8420),
    role: read('role', () => 'all'),
    demo: read('demo', () => false),
    production: read('production', () => false),
    adminKey: read('adminKey', () => null),
    logLevel: read('logLevel', () => 'info'),
    trustedProxies: read('trustedProxies', () => []),
    advertiseUrl: read('advertiseUrl', () => null),
    databaseUrl: read('databaseUrl', () => null),
    databaseReplicaUrl: read('databaseReplicaUrl', () => null),
    databaseConnectionsMax: read('databaseConnectionsMax', () => 10),
    redisUrl: read('redisUrl', () => null),
  }
  return problems.length > 0 ? { problems } : { settings }
}

/** The README's table, one line a row. */
export function settingsTable(): string {
  const rows = Object.values(SETTINGS).map(
    (row) => `| ${row.flag === null ? '' : `\`${row.flag}\``} | \`${row.env}\` | ${row.fallback} | ${row.help} |`,
  )
  return ['| flag | environment | default | meaning |', '| --- | --- | --- | --- |', ...rows].join('\n')
}
