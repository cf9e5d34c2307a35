/** The rules of the house as data: each says what it forbids, finds violations, and carries one it must catch. */
import type { Import, Source } from './sources.ts'

export interface Rule {
  readonly name: string
  /** Violations in words that name both ends. */
  find(sources: readonly Source[]): readonly string[]
  /** Files that break this rule; written to a temporary tree by the test, which must then be told. */
  readonly planted: Readonly<Record<string, string>>
}

const BACKEND =
  /^core\/(storage\/(sqlite|postgres)|queue\/(embedded|graphile)|fleet\/(alone|postgres)|(cache|live)\/redis)\//
/** Folders that are one backend together. */
const familyOf = (folder: string) => (/postgres|graphile/.test(folder) ? 'postgres' : folder)
const COMPOSITION_ROOT: ReadonlySet<string> = new Set([
  'core/main.ts',
  'core/backends.ts',
  'core/on-postgres.ts',
  'core/redis.ts',
  // The hub around one plugin, for the tests of its author.
  'core/testing/rooms.ts',
])
const PLUGIN = /^(plugins|integrations)\/([^/]+)\//
/** Plugins whose manifest says `"runtime": "native"`; a test holds the list against the manifests. */
export const NATIVE_PLUGINS = ['plugins/analytics/']
const isNative = (folder: string): boolean => NATIVE_PLUGINS.includes(folder)
/** A vendor's double stands beside its connector; only tests start it, and no bundle has it. */
const DOUBLE = /^integrations\/[^/]+\/fake\//
const isTest = (path: string) => path.startsWith('test/') || path.endsWith('.test.ts') || DOUBLE.test(path)
const roomOf = (path: string) => /^core\/([^/]+)\//.exec(path)?.[1] ?? null

/** A rule that looks at one import at a time; `forbidden` says why it may not be, or null. */
function importRule(rule: {
  readonly name: string
  readonly planted: Rule['planted']
  readonly forbidden: (from: string, to: Import) => string | null
}): Rule {
  return {
    name: rule.name,
    planted: rule.planted,
    find: (sources) =>
      sources.flatMap(({ path, imports }) =>
        imports.flatMap((to) => {
          const why = rule.forbidden(path, to)
          return why === null ? [] : [`${path}:${to.line} imports ${to.file ?? to.specifier}: ${why}`]
        }),
      ),
  }
}

/** Packages that only one room may know, so that they can be replaced there. */
const PACKAGE_HOMES: Readonly<Record<string, RegExp>> = {
  'isolated-vm': /^core\/sandbox\//,
  esbuild: /^core\/(sandbox|registry)\//,
  'better-sqlite3': /^core\/storage\/sqlite\//,
  pino: /^core\/observe\//,
  'prom-client': /^core\/observe\//,
  undici: /^core\/capabilities\//,
  nodemailer: /^core\/capabilities\//,
  commander: /^core\/cli\//,
  jose: /^core\/registry\//,
  pg: /^core\/((storage|fleet)\/postgres|queue\/graphile)\//,
  'graphile-worker': /^core\/queue\/graphile\//,
  ioredis: /^core\/(cache|live)\/redis\//,
  '@hono/node-server': /^core\/http\//,
  ws: /^core\/http\//,
  '@hono/zod-openapi': /^core\/http\//,
  echarts: /^core\/dashboard\/charts\//,
}

/** Beside the rooms' own reader. */
const ENVIRONMENT_SEEN: ReadonlySet<string> = new Set(['core/bootstrap.mjs', 'core/sandbox/walls.ts'])

/** What the pure middle may name besides itself: words, not rooms. */
const ROUTING_MAY_SEE = /^core\/(routing|contract)\/|^core\/(model|errors|limits)\.ts$/

/** Words, and a way to write HTML. */
const DASHBOARD_MAY_SEE = /^core\/(dashboard\/|(html|model)\.ts$)/

export const RULES: readonly Rule[] = [
  importRule({
    name: 'contract imports nothing but its own files',
    planted: { 'core/contract/index.ts': "import type { X } from '../model.ts'\n" },
    forbidden: (from, to) =>
      from.startsWith('core/contract/') && to.file?.startsWith('core/contract/') !== true
        ? 'the contract stands alone'
        : null,
  }),
  importRule({
    name: 'plugins import only the contract, packages and their own folder',
    planted: {
      'plugins/nosy/index.ts': "import { store } from '../../core/storage/store.ts'\n",
      'integrations/nosy/index.ts': "import { readFile } from 'node:fs/promises'\n",
      'integrations/odd/index.ts': "import { startFake } from './fake/server.ts'\n",
      'integrations/odd/fake/server.ts': '',
    },
    forbidden: (from, to) => {
      const own = PLUGIN.exec(from)?.[0]
      if (own === undefined || isTest(from)) return null
      if (to.file === null)
        return to.specifier.startsWith('node:') && !isNative(own) ? 'a sandbox has no Node built-ins' : null
      if (DOUBLE.test(to.file)) return 'the double of a vendor is for tests'
      return to.file.startsWith(own) ? null : "only 'manifold/plugin', packages and the own folder are open to a plugin"
    },
  }),
  importRule({
    name: 'core knows no plugin by name',
    planted: { 'core/registry/known.ts': "import slack from '../../integrations/slack/index.ts'\n" },
    forbidden: (from, to) =>
      from.startsWith('core/') && to.file !== null && PLUGIN.test(to.file) ? 'plugins are found, not imported' : null,
  }),
  importRule({
    name: 'core does not import tests',
    planted: { 'core/ingest/x.ts': "import { until } from '../../test/support/wait.ts'\n" },
    forbidden: (from, to) =>
      !isTest(from) && to.file !== null && isTest(to.file) ? 'tests see the product, not the reverse' : null,
  }),
  importRule({
    name: 'only the composition root and tests name concrete backends',
    planted: {
      'core/delivery/engine.ts': "import { openSqlite } from '../storage/sqlite/open.ts'\n",
      'core/storage/sqlite/open.ts': '',
      'core/ingest/forms.ts': "import { openRedisCache } from '../cache/redis/cache.ts'\n",
      'core/http/tell.ts': "import { openFeed } from '../live/redis/feed.ts'\n",
    },
    forbidden: (from, to) => {
      const backend = to.file === null ? undefined : BACKEND.exec(to.file)?.[0]
      const own = BACKEND.exec(from)?.[0]
      if (backend === undefined || isTest(from) || COMPOSITION_ROOT.has(from)) return null
      if (own !== undefined && familyOf(own) === familyOf(backend)) return null
      return 'take the interface by parameter'
    },
  }),
  importRule({
    name: 'no room imports http',
    planted: { 'core/delivery/answer.ts': "import type { Problem } from '../http/problem.ts'\n" },
    forbidden: (from, to) => {
      if (to.file === null || isTest(from) || !to.file.startsWith('core/http/')) return null
      const room = roomOf(from)
      return room === 'http' || room === 'cli' || COMPOSITION_ROOT.has(from)
        ? null
        : 'http imports rooms, not the reverse'
    },
  }),
  importRule({
    name: 'the dashboard knows the hub by its API alone',
    planted: {
      'core/dashboard/short-cut.ts': "import { openApiKeys } from '../registry/api-keys.ts'\n",
      'core/registry/api-keys.ts': '',
    },
    forbidden: (from, to) => {
      if (!from.startsWith('core/dashboard/') || isTest(from) || to.file === null) return null
      return DASHBOARD_MAY_SEE.test(to.file) || to.typeOnly
        ? null
        : 'a page that knows more than the API shows more than the key may see'
    },
  }),
  importRule({
    name: 'routing is pure',
    planted: {
      'core/routing/clock.ts': "import { readFileSync } from 'node:fs'\n",
      'core/routing/match.ts': "import { pool } from '../sandbox/pool.ts'\n",
    },
    forbidden: (from, to) => {
      if (!from.startsWith('core/routing/') || isTest(from)) return null
      if (to.file === null) return to.specifier.startsWith('node:') ? 'values in, values out' : null
      return to.typeOnly || ROUTING_MAY_SEE.test(to.file)
        ? null
        : 'values in, values out: only words and types from outside'
    },
  }),
  {
    name: 'routing asks neither clock nor dice',
    planted: { 'core/routing/late.ts': 'export const late = () => Date.now()\n' },
    find: (sources) =>
      sources
        .filter(({ path }) => path.startsWith('core/routing/') && !isTest(path))
        .filter(({ text }) => /\b(Date\.now|new Date\(\)|Math\.random|performance\.now|setTimeout)\b/.test(text))
        .map(({ path }) => `${path}: time and randomness are parameters`),
  },
  importRule({
    name: 'packages stay in their room',
    planted: {
      'core/delivery/loud.ts': "import { pino } from 'pino'\n",
      'core/main.ts': "import ivm from 'isolated-vm'\n",
    },
    forbidden: (from, to) => {
      const home =
        PACKAGE_HOMES[
          to.specifier
            .split('/')
            .slice(0, to.specifier.startsWith('@') ? 2 : 1)
            .join('/')
        ]
      return home === undefined || isTest(from) || !from.startsWith('core/') || home.test(from)
        ? null
        : `only ${home.source} knows this package`
    },
  }),
  importRule({
    name: 'every relative import names an existing file with its extension',
    planted: { 'core/ingest/short.ts': "import { x } from './receive'\n" },
    forbidden: (_from, to) => (to.file === null || /\.(ts|mjs|js|json)$/.test(to.file) ? null : 'write the extension'),
  }),
  {
    name: 'no cycles',
    planted: {
      'core/live/a.ts': "import { b } from './b.ts'\n",
      'core/live/b.ts': "export { c } from './c.ts'\n",
      'core/live/c.ts': "const a = await import('./a.ts')\n",
    },
    find: findCycles,
  },
  {
    name: 'the environment is read in core/config only',
    planted: {
      'core/delivery/proxy.ts': "const proxy = process.env['HTTP_PROXY']\n",
      'core/http/env.ts': "import { env } from 'node:process'\n",
    },
    find: (sources) =>
      sources
        .filter(({ path }) => /^(core|plugins|integrations)\//.test(path) && !isTest(path))
        // The bootstrap runs before there is anything else, and passes the environment on; a sandbox child proves it has none.
        .filter(({ path }) => !path.startsWith('core/config/') && !ENVIRONMENT_SEEN.has(path))
        .filter(
          ({ text, imports }) =>
            /(?<!['"`])\bprocess\s*\.\s*env\b/.test(withoutComments(text)) ||
            imports.some(({ specifier }) => specifier === 'node:process'),
        )
        .map(({ path }) => `${path}: ask core/config`),
  },
  {
    name: 'the Zapier app imports nothing from the hub',
    planted: { 'zapier-app/index.js': "import { ERRORS } from '../core/errors.ts'\n" },
    find: (sources) =>
      sources
        .filter(({ path }) => path.startsWith('zapier-app/'))
        .flatMap(({ path, imports }) =>
          imports
            .filter(({ file }) => file !== null && !file.startsWith('zapier-app/'))
            .map(({ file }) => `${path} imports ${file}`),
        ),
  },
]

const withoutComments = (text: string) => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')

/** Cycles of imports that exist at run time; types alone vanish before anything runs. */
function findCycles(sources: readonly Source[]): readonly string[] {
  const edges = new Map(
    sources.map(
      ({ path, imports }) => [path, imports.filter(({ typeOnly }) => !typeOnly).map(({ file }) => file)] as const,
    ),
  )
  const done = new Set<string>()
  const cycles: string[] = []
  const walk = (path: string, trail: readonly string[]) => {
    const start = trail.indexOf(path)
    if (start >= 0) return void cycles.push([...trail.slice(start), path].join(' → '))
    if (done.has(path)) return
    for (const next of edges.get(path) ?? []) if (next !== null && edges.has(next)) walk(next, [...trail, path])
    done.add(path)
  }
  for (const path of edges.keys()) walk(path, [])
  return cycles
}
