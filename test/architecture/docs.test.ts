/** What is written about the product is what the product does: README tables and the API description against the code. */
import { existsSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { Ajv } from 'ajv'
import { describe, expect, test } from 'vitest'
import { ERRORS } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import { ROOT } from '../support/hub.ts'
import { manifestJsonSchema } from '../../core/registry/manifest.ts'
import { TABLES, withTables } from './docs-tables.ts'
import { madeFiles, ownManifests } from './made-files.ts'
import { readSources } from './sources.ts'

const readme = readFileSync(`${ROOT}README.md`, 'utf8')
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
  const sources = readSources(ROOT).filter(({ path }) => path.startsWith('core/') && !path.endsWith('.test.ts'))
  const text = sources
    .filter(({ path }) => path !== 'core/errors.ts' && path !== 'core/limits.ts')
    .map((source) => source.text)
    .join('\n')

  test('every error of the table is raised somewhere', () => {
    expect(Object.keys(ERRORS).filter((code) => !text.includes(`'${code}'`))).toEqual([])
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
