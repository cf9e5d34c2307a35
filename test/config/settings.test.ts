/** Flags and environment: who wins, what is refused, and that the table is all there is. */
import { resolve } from 'node:path'
import { expect, it } from 'vitest'
import { readSettings, SETTINGS, settingsTable } from '../../core/config/settings.ts'

const settings = (flags: Parameters<typeof readSettings>[0], env: Record<string, string> = {}) => {
  const result = readSettings(flags, env)
  return 'settings' in result ? result.settings : result.problems
}

it('defaults', () => {
  expect(settings({})).toEqual({
    configFile: null,
    dataDir: resolve('.manifold'),
    host: '127.0.0.1',
    port: 8420,
    role: 'all',
    demo: false,
    production: false,
    adminKey: null,
    logLevel: 'info',
    trustedProxies: [],
    advertiseUrl: null,
    databaseUrl: null,
    databaseReplicaUrl: null,
    databaseConnectionsMax: 10,
    redisUrl: null,
  })
})

it('the environment sets every one of them, and flags win', () => {
  const env = {
    MANIFOLD_CONFIG: 'a.yaml',
    MANIFOLD_DATA: '/d',
    MANIFOLD_HOST: '0.0.0.0',
    MANIFOLD_PORT: '0',
    MANIFOLD_ROLE: 'api',
    MANIFOLD_DEMO: 'true',
    MANIFOLD_PRODUCTION: 'true',
    MANIFOLD_ADMIN_KEY: 'a key that is long',
    MANIFOLD_LOG_LEVEL: 'debug',
    MANIFOLD_TRUSTED_PROXIES: '10.0.0.1, 192.168.0.0/16 ,::1',
    MANIFOLD_ADVERTISE_URL: 'http://hub-1.internal:8420',
    DATABASE_URL: 'postgres://hub:word@db.example/hub',
    DATABASE_REPLICA_URL: 'postgresql://hub:word@replica.example/hub',
    MANIFOLD_DATABASE_CONNECTIONS_MAX: '20',
    REDIS_URL: 'rediss://cache.example',
  }
  expect(
    Object.values(SETTINGS)
      .map((row) => row.env)
      .toSorted(),
  ).toEqual(Object.keys(env).toSorted())
  const expected = {
    configFile: resolve('a.yaml'),
    dataDir: '/d',
    host: '0.0.0.0',
    port: 0,
    role: 'api',
    demo: true,
    production: true,
    adminKey: 'a key that is long',
    logLevel: 'debug',
    trustedProxies: ['10.0.0.1/32', '192.168.0.0/16', '::1/128'],
    advertiseUrl: 'http://hub-1.internal:8420',
    databaseUrl: 'postgres://hub:word@db.example/hub',
    databaseReplicaUrl: 'postgresql://hub:word@replica.example/hub',
    databaseConnectionsMax: 20,
    redisUrl: 'rediss://cache.example',
  }
  expect(settings({}, env)).toEqual(expected)
  expect(settings({ port: '9', demo: false, role: 'worker' }, env)).toEqual({
    ...expected,
    port: 9,
    demo: false,
    role: 'worker',
  })
  expect(settings({}, { MANIFOLD_PORT: '' })).toMatchObject({ port: 8420 })
})

it('tells all mistakes at once, by the name that was used', () => {
  expect(
    settings(
      { port: '99999', role: 'boss' },
      {
        MANIFOLD_DEMO: 'maybe',
        MANIFOLD_TRUSTED_PROXIES: 'proxy',
        MANIFOLD_ADMIN_KEY: 'short',
        MANIFOLD_LOG_LEVEL: 'loud',
        DATABASE_URL: 'mysql://hub:hush@db.example/hub',
        MANIFOLD_DATABASE_CONNECTIONS_MAX: '2',
        REDIS_URL: 'hush',
      },
    ),
  ).toEqual([
    '--port must be a port from 0 to 65535 (got "99999")',
    '--role must be all, api, worker (got "boss")',
    'MANIFOLD_DEMO must be true or false (got "maybe")',
    'MANIFOLD_ADMIN_KEY must have at least 8 characters',
    'MANIFOLD_LOG_LEVEL must be debug, info, warn, error, silent (got "loud")',
    'MANIFOLD_TRUSTED_PROXIES must be addresses or CIDR ranges separated by commas (got "proxy")',
    // What may hold a password is not repeated.
    'DATABASE_URL must be a URL that begins with postgres:// or postgresql://',
    'MANIFOLD_DATABASE_CONNECTIONS_MAX must be a number from 6 to 50 (got "2")',
    'REDIS_URL must be a URL that begins with redis:// or rediss://',
  ])
})

it('the table for the README has a row for each', () => {
  for (const row of Object.values(SETTINGS)) expect(settingsTable()).toContain(`\`${row.env}\``)
})
