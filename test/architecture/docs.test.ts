/** What is written about the product is what the product does: README tables and the API description against the code. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { Ajv } from 'ajv'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../core/config/load.ts'
import { ERRORS } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import { ROOT } from '../support/hub.ts'
import { discoverPlugins, rootsOf } from '../../core/registry/discover.ts'
import { manifestJsonSchema } from '../../core/registry/manifest.ts'
import { knownPlugins, Schemas } from '../../core/registry/schemas.ts'
import { TABLES, withTables } from './docs-tables.ts'
import { madeFiles, ownManifests } from './made-files.ts'
import { readSources } from './sources.ts'

const readme = readFileSync(`${ROOT}README.md`, 'utf8')
/** For any variable of an example. */
const SECRET = '0123456789abcdef0123456789abcdef'
const GOOGLE_KEY = JSON.stringify({ client_email: 'hub@project.iam.example', private_key: SECRET })
const CURE = 'run: node_modules/.bin/node test/architecture/write-docs.ts'

describe('README tables', () => {
  test.each(Object.keys(TABLES))('%s is what the code says', (name) => {
    const only = { [name]: TABLES[name] as () => string }
    expect(withTables(readme, only), CURE).toBe(readme)
  })

  test('a changed row would be noticed', () => {
    const stale = '<!-- x:start -->\nold\n<!-- x:end -->'
    expect(withTables(stale, { x: () => 'new' })).toBe('<!-- x:start -->\nnew\n<!-- x:end -->')
    expect(() => withTables('no markers', { x: () => 'new' })).toThrow('<!-- x:start -->')
  })
})

describe('tables and code, both ways', () => {
  const all = readSources(ROOT).filter(({ path }) => !path.endsWith('.test.ts'))
  const sources = all.filter(({ path }) => path.startsWith('core/'))
  /** Answers its part of the API in the hub's words. */
  const analytics = all.filter(({ path }) => path.startsWith('plugins/analytics/'))
  const text = [...sources, ...analytics]
    .filter(({ path }) => path !== 'core/errors.ts' && path !== 'core/limits.ts')
    .map((source) => source.text)
    .join('\n')

  test('every error of the table is raised somewhere', () => {
    expect(Object.keys(ERRORS).filter((code) => !text.includes(`'${code}'`))).toEqual([])
  })

  test('what the analytics answer is of the table, with its status and its title', () => {
    const wrong = analytics.flatMap(({ path, text: code }) =>
      [...code.matchAll(/problem\((\d+), '(\w+)', \{\s*title: '([^']*)'/g)].flatMap(([, status, name = '', title]) => {
        const row = (ERRORS as { readonly [name: string]: { status: number; title: string } | undefined })[name]
        return row?.status === Number(status) && row.title === title ? [] : [`${path}: ${status} ${name}: ${title}`]
      }),
    )
    expect(wrong).toEqual([])
  })

  test('every limit of the table is applied somewhere', () => {
    expect(Object.keys(LIMITS).filter((name) => !new RegExp(`\\b${name}\\b`).test(text))).toEqual([])
  })
})

describe('files made from code', () => {
  test.each(madeFiles().map(({ path }) => path))('%s is up to date', (path) => {
    const wanted = madeFiles().find((file) => file.path === path)?.text
    expect(existsSync(`${ROOT}${path}`) ? readFileSync(`${ROOT}${path}`, 'utf8') : null, CURE).toBe(wanted)
  })

  test('every manifest of ours names the schema, and the schema takes it', () => {
    const check = new Ajv({ strict: false }).compile(manifestJsonSchema())
    for (const path of ownManifests()) {
      const manifest = JSON.parse(readFileSync(`${ROOT}${path}`, 'utf8')) as { $schema?: string }
      expect(posix.join(posix.dirname(path), manifest.$schema ?? '')).toBe('core/contract/plugin.schema.json')
      expect([path, check(manifest), check.errors]).toEqual([path, true, null])
      expect(check({ ...manifest, actoins: {} })).toBe(false)
    }
  })
})

/** Every example that has installations, as a file of its own. */
function examplesOf(page: string): readonly string[] {
  const blocks = [...readFileSync(`${ROOT}${page}`, 'utf8').matchAll(/^```yaml\n([\s\S]*?)^```/gm)]
  return blocks.flatMap(([, text = '']) => {
    if (/^ *- id: /.test(text)) return [`installations:\n${text}`]
    return /^installations:/m.test(text) ? [text] : []
  })
}

describe('examples', () => {
  const pages = ['integrations', 'plugins']
    .flatMap((group) => readdirSync(`${ROOT}${group}`).map((id) => `${group}/${id}/README.md`))
    .concat('README.md')
    .filter((page) => existsSync(`${ROOT}${page}`) && examplesOf(page).length > 0)

  test('there are some of each connector', () => {
    for (const id of ['sources', 'slack', 'google-sheets', 'salesforce', 'email'])
      expect(pages).toContain(`integrations/${id}/README.md`)
  })

  test.each(pages)('those of %s are taken by the check of a configuration', async (page) => {
    const { found } = await discoverPlugins(rootsOf([]))
    // The greeter of the README is the reader's own.
    const plugins = [...knownPlugins(found, [], new Schemas(null)), { id: 'greeter', checkWith: () => [] }]
    for (const text of examplesOf(page)) {
      const env = Object.fromEntries(
        [...text.matchAll(/\$\{(\w+)/g)].map(([, name = '']) => [name, name === 'GOOGLE_KEY' ? GOOGLE_KEY : SECRET]),
      )
      const read = await loadConfig({ file: null, env, text: text.replace('pluginDirs: [my-plugins]\n', ''), plugins })
      const wrong = 'problems' in read ? read.problems : read.config.quarantined.flatMap(({ problems }) => problems)
      expect(wrong.map(({ path, message }) => `${path} ${message}`)).toEqual([])
    }
  })
})

describe('links', () => {
  test.each(['README.md', 'core/ARCHITECTURE.md', 'core/contract/README.md'])(
    '%s names only files that exist',
    (page) => {
      const prose = readFileSync(`${ROOT}${page}`, 'utf8').replace(/```[\s\S]*?```/g, '')
      const named = [
        ...prose.matchAll(/`((?:core|plugins|integrations|test|zapier-app)\/[\w./-]+)`|\]\((?!https?:|#)([^)]+)\)/g),
      ]
      const paths = named.map((match) => (match[1] ?? match[2]) as string)
      expect(paths.length).toBeGreaterThan(0)
      expect(paths.filter((path) => !existsSync(`${ROOT}${path}`))).toEqual([])
    },
  )
})
