/** What core/deploy says is true of the hub: names of variables, routes, files, times, and enough connections for all. */
import { execFileSync } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { SETTINGS } from '../../core/config/settings.ts'
import { LIMITS } from '../../core/limits.ts'
import { compose, DEPLOY, dockerfile, exampleNames, jsonForm, pairs, spanMs, unit } from '../support/deploy.ts'
import type { ComposeService } from '../support/deploy.ts'
import { ROOT } from '../support/hub.ts'
import { tempDir } from '../support/temp.ts'

const UNITS = ['manifold-api.service', 'manifold-worker@.service'] as const
/** What may be set beside the hub's own settings: for the database of compose.yaml, and for Node. */
const BESIDE = ['POSTGRES_PASSWORD', 'NODE_COMPILE_CACHE']
const KNOWN = new Set<string>([...Object.values(SETTINGS).map(({ env }) => env), ...BESIDE])
const strangers = (names: readonly string[]): readonly string[] => names.filter((name) => !KNOWN.has(name))
/** The hub is told to end, then each of three parts may take its time: connections, deliveries, wake-ups. */
const DRAIN_MS = LIMITS.drainNoticeMs + 3 * LIMITS.drainGraceMs
const PORT = SETTINGS.port.fallback

const routes = Object.keys(
  (JSON.parse(readFileSync(`${ROOT}core/http/openapi.json`, 'utf8')) as { paths: object }).paths,
)
const pathOf = (command: readonly string[]): string => new URL(command.at(-1) as string).pathname
const service = (name: string): ComposeService => {
  const found = compose().services[name]
  if (found === undefined) throw new Error(`compose.yaml has no service ${name}`)
  return found
}

test('a variable that no setting reads would be noticed', () => {
  expect(strangers(['DATABASE_URL', 'MANIFOLD_PROT'])).toEqual(['MANIFOLD_PROT'])
})

describe('compose.yaml', () => {
  test('has two API processes and three workers of one image, and what they need', () => {
    expect(Object.keys(compose().services).toSorted()).toEqual(['api', 'postgres', 'proxy', 'redis', 'worker'])
    for (const [role, replicas] of [
      ['api', 2],
      ['worker', 3],
    ] as const) {
      const hub = service(role)
      expect(hub.command).toEqual(['manifold', 'start', '--role', role])
      expect(hub.deploy?.replicas).toBe(replicas)
      expect(hub.build?.dockerfile).toBe('core/deploy/Dockerfile')
      expect(hub.env_file).toBe('.env')
      expect(hub.depends_on?.['postgres']?.condition).toBe('service_healthy')
      expect(hub.ports, 'only the proxy is open to the world').toBeUndefined()
      expect(strangers(Object.keys(hub.environment ?? {}))).toEqual([])
      expect(spanMs(hub.stop_grace_period ?? '0s')).toBeGreaterThan(DRAIN_MS)
    }
  })

  test('starts again what ends, and asks each how it is by a route there is', () => {
    for (const [name, { restart, healthcheck }] of Object.entries(compose().services)) {
      expect(restart, name).toBe('unless-stopped')
      if (name !== 'proxy') expect(healthcheck?.test[0], name).toBe('CMD')
    }
    expect(pathOf(service('api').healthcheck?.test ?? [])).toBe('/readyz')
    expect(pathOf(service('worker').healthcheck?.test ?? [])).toBe('/healthz')
    expect(routes).toEqual(expect.arrayContaining(['/readyz', '/healthz']))
  })

  test('leads the published port to the port of the API', () => {
    expect(service('proxy').ports).toEqual([`${PORT}:${PORT}`])
    expect(compose().configs['proxy']?.content).toContain(`dynamic a api ${PORT}`)
  })

  test('keeps what must be kept in named volumes, and mounts only files that the README has people write', () => {
    const mounts = Object.values(compose().services).flatMap(({ volumes = [] }) => volumes)
    const sources = mounts.map((mount) => (typeof mount === 'string' ? (mount.split(':')[0] as string) : mount.source))
    expect(new Set(sources)).toEqual(new Set(['./manifold.yaml', ...Object.keys(compose().volumes)]))
    expect(readFileSync(`${DEPLOY}README.md`, 'utf8')).toContain('vi manifold.yaml')
  })

  test('has a Postgres that takes the connections of three times as many processes', () => {
    const { image, command = [] } = service('postgres')
    expect(Number(image.split(':')[1])).toBeGreaterThanOrEqual(16)
    const connectionsMax = Number(/max_connections=(\d+)/.exec(command.join(' '))?.[1])
    const each = Number(SETTINGS.databaseConnectionsMax.fallback) + 1
    expect(connectionsMax).toBeGreaterThanOrEqual(15 * each + 10)
  })
})

describe('.env.example', () => {
  test('names only variables that are read, and all that compose.yaml asks for', () => {
    expect(strangers(exampleNames())).toEqual([])
    const asked = [...readFileSync(`${DEPLOY}compose.yaml`, 'utf8').matchAll(/\$\{(\w+)/g)].map(([, name]) => name)
    expect(exampleNames()).toEqual(
      expect.arrayContaining([...asked, 'DATABASE_URL', 'REDIS_URL', 'MANIFOLD_ADMIN_KEY']),
    )
  })
})

describe('Dockerfile', () => {
  const all = (verb: string) =>
    dockerfile()
      .filter((line) => line.verb === verb)
      .map(({ rest }) => rest)

  test('copies only what exists and what the ignore file lets in', () => {
    const sources = all('COPY')
      .filter((rest) => !rest.startsWith('--from'))
      .flatMap((rest) => rest.split(/\s+/).slice(0, -1))
    expect(sources.length).toBeGreaterThan(4)
    expect(sources.filter((path) => !existsSync(`${ROOT}${path}`))).toEqual([])
    const ignore = readFileSync(`${DEPLOY}Dockerfile.dockerignore`, 'utf8').split('\n')
    expect(ignore.indexOf('*')).toBe(1)
    expect(new Set(ignore.filter((line) => /^!(?!core\/)/.test(line)))).toEqual(
      new Set(sources.map((path) => `!${path}`)),
    )
    expect(ignore.filter((line) => line.startsWith('!core/')).map((line) => line.slice(1))).toEqual([
      'core/deploy/manifold',
      'core/deploy/probe.mjs',
    ])
  })

  test('has two stages, no development packages, no root, and a health check by a route there is', () => {
    const froms = all('FROM').map((rest) => rest.split(' ')[0])
    expect(froms).toEqual(['debian:trixie-slim', 'debian:trixie-slim'])
    expect(all('RUN').filter((rest) => rest.startsWith('npm'))).toEqual([
      'npm ci --omit=dev --ignore-scripts --no-audit --no-fund',
    ])
    expect(all('USER')).toEqual(['manifold'])
    expect(routes).toContain(pathOf(jsonForm(all('HEALTHCHECK')[0] as string)))
    expect(all('EXPOSE')).toEqual([PORT])
    expect(strangers(Object.keys(pairs(all('ENV').join(' '))))).toEqual([])
    expect(jsonForm(all('CMD')[0] as string)).toEqual(['manifold', 'start'])
  })

  test('brings a pg_dump that is not older than the Postgres of compose.yaml', () => {
    const clientOf = { trixie: 17 }
    expect(Number(service('postgres').image.split(':')[1])).toBeLessThanOrEqual(clientOf.trixie)
  })

  test('and its command can be run', () => {
    for (const name of ['manifold', 'probe.mjs']) accessSync(`${DEPLOY}${name}`, constants.R_OK)
    accessSync(`${DEPLOY}manifold`, constants.X_OK)
  })
})

describe.each(UNITS)('%s', (name) => {
  const section = unit(name)['Service'] ?? {}
  const one = (key: string): string => section[key]?.[0] ?? ''

  test('ends and starts again as the hub needs it', () => {
    expect(spanMs(one('TimeoutStopSec'))).toBeGreaterThan(DRAIN_MS)
    expect(one('KillMode'), 'sandboxes are ended by the hub').toBe('mixed')
    expect(one('Restart')).toBe('on-failure')
    expect(one('RestartPreventExitStatus').split(' ')).toEqual(['2', '78'])
    expect(one('OOMPolicy')).toBe('continue')
  })

  test('has its settings and secrets from files, under names that are read', () => {
    expect(one('EnvironmentFile')).toBe('/etc/manifold/manifold.env')
    expect(strangers(Object.keys(pairs((section['Environment'] ?? []).join(' '))))).toEqual([])
  })

  test('is locked up, but not so that V8 or the look for neighbours fails', () => {
    for (const key of ['NoNewPrivileges', 'PrivateTmp', 'PrivateDevices', 'ProtectHome', 'RestrictNamespaces'])
      expect(one(key), key).toBe('yes')
    expect(one('ProtectSystem')).toBe('strict')
    expect(one('User')).toBe('manifold')
    expect(one('RestrictAddressFamilies').split(' ')).toContain('AF_NETLINK')
    for (const key of ['MemoryDenyWriteExecute', 'ProcSubset']) expect(Object.keys(section)).not.toContain(key)
  })

  test('is understood by systemd where there is one', async () => {
    await using dir = await tempDir('units')
    const file = dir.file(name)
    writeFileSync(file, readFileSync(`${DEPLOY}${name}`, 'utf8').replaceAll('/opt/manifold/', ROOT))
    expect(complaintsOf(file)).toEqual([])
  })
})

test('the two units differ in what they run alone', () => {
  const [api, worker] = UNITS.map((name) => ({ ...unit(name)['Service'], ExecStart: [] }))
  expect(worker).toEqual(api)
})

test('the README names only files and variables that exist', () => {
  const readme = readFileSync(`${DEPLOY}README.md`, 'utf8')
  const files = [...readme.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] as string),
  )
  expect(files.length).toBeGreaterThan(6)
  expect(files.filter((name) => !existsSync(`${DEPLOY}${name}`))).toEqual([])
  expect(strangers([...readme.matchAll(/\b(?:MANIFOLD|DATABASE|REDIS)_[A-Z_]+\b/g)].map(([word]) => word))).toEqual([])
})

/** Of `systemd-analyze verify`; none where that is missing. */
function complaintsOf(file: string): readonly string[] {
  try {
    execFileSync('systemd-analyze', ['verify', file], { stdio: ['ignore', 'pipe', 'pipe'] })
    return []
  } catch (error) {
    const { code, stderr } = error as { readonly code?: string; readonly stderr?: Buffer }
    return code === 'ENOENT' ? [] : String(stderr).trim().split('\n')
  }
}
