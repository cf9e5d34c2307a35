/** Folders that are traps: nothing outside comes in, nothing waits for ever, the plugin beside is found and runs. */
import { execFileSync } from 'node:child_process'
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LIMITS } from '../../core/limits.ts'
import { assemble, type Assembly } from '../../core/registry/assemble.ts'
import { LOCK_FILE } from '../../core/registry/lock.ts'
import { bundlePlugin } from '../../core/sandbox/bundle.ts'
import { withBundler } from '../../core/sandbox/bundler.ts'
import { type TempDir, tempDir } from '../support/temp.ts'
import { dice, rounds, SEEDED } from './dice.ts'
import {
  addOddFiles,
  CANARY,
  CODE,
  FORMS,
  HELLO,
  layOut,
  SURROUNDINGS,
  targetsOf,
  write,
  type Yard,
} from './folders.ts'

let temp: TempDir
let yard: Yard
beforeAll(async () => {
  temp = await tempDir('yard')
  yard = await layOut(temp.path)
})
afterAll(() => temp[Symbol.asyncDispose]())

/** Rejects instead of waiting: a trap that holds is told as one. */
function soon<T>(work: Promise<T>, told: string): Promise<T> {
  const late = new Promise<never>((_, reject) =>
    setTimeout(() => reject(new Error(`it waits for ever: ${told}`)), 10_000).unref(),
  )
  return Promise.race([work, late])
}

const bundleEvil = (told: string): Promise<string> =>
  soon(
    bundlePlugin({
      dir: yard.evil,
      main: 'index.ts',
      pluginId: 'evil',
      version: '1.0.0',
      bytesMax: LIMITS.pluginBundleBytesMax,
    }).then(
      ({ code, sourceMap }) => code + sourceMap,
      (error: { code?: string; message: string; at?: object }) => {
        expect(error, told).toMatchObject({ code: 'plugin_load', at: { plugin: 'evil', version: '1.0.0' } })
        return 'refused'
      },
    ),
    told,
  )

test('no import, in any form and surroundings, brings in a file that is not the plugin’s own', async () => {
  const roll = dice('imports')
  const leaks: string[] = []
  const ends = { refused: 0, bundled: 0 }
  const targets = targetsOf(yard)
  const surroundings = Object.entries(SURROUNDINGS)
  const cases = FORMS.flatMap((form) => targets.map((target) => form(target)))
  for (const code of roll.some(cases, rounds(90))) {
    yard = await layOut(temp.path)
    const [where, files] = roll.pick(surroundings)
    const odd = roll.pick(['links', 'links', 'pipe', 'zero', null] as const)
    await write(yard.evil, {
      'index.ts': `${code}\nexport default {}`,
      'sub/a.json': '{}',
      'a.json': '{}',
      ...files(yard),
    })
    if (odd !== null) await addOddFiles(yard, odd)
    const told = `${SEEDED} ${code} with ${where}, ${odd}`
    const text = await bundleEvil(told)
    if (text.includes(CANARY)) leaks.push(told)
    ends[text === 'refused' ? 'refused' : 'bundled'] += 1
  }
  expect(leaks).toEqual([])
  expect(ends.refused, JSON.stringify(ends)).toBeGreaterThan(ends.bundled / 4)
  expect(ends.bundled).toBeGreaterThan(10)
}, 90_000)

test('what is the plugin’s own does come in, a pattern and a package of its own included', async () => {
  yard = await layOut(temp.path)
  await write(yard.evil, {
    'index.ts':
      'import own from "own"; import shared from "shared"; const n = String(globalThis.x); export default () => [own, shared, require(`./sub/${n}.json`)]',
    'sub/a.json': `{"a":"${CANARY}"}`,
    'node_modules/own/package.json': '{"name":"own","main":"lib/index.js"}',
    'node_modules/own/lib/index.js': 'module.exports = require("../text.js")',
    'node_modules/own/text.js': 'module.exports = "of the package"',
  })
  const text = await bundleEvil('its own files')
  expect(text).toContain(CANARY)
  expect(text).toContain('of the package')
})

test('bundling that does not end is ended, and the next goes well', async () => {
  // As one that looks through every folder of the machine for what fits `require('../../../../../' + name)`.
  await expect(
    soon(
      withBundler(() => new Promise(() => {}), 100),
      'a build',
    ),
  ).rejects.toThrow('longer than 0.1 s')
  yard = await layOut(temp.path)
  expect(await bundleEvil('after one that was ended')).not.toBe('refused')
})

/** The whole assembly, with an installation of the evil plugin and one of the good. */
async function assembled(told: string, use = 'evil'): Promise<Assembly> {
  const file = temp.file('manifold.yaml')
  const installations = [
    { id: 'evil-one', use, with: { url: 'https://a.test' } },
    { id: 'good-one', use: 'good', with: { url: 'https://a.test' } },
  ]
  await writeFile(file, JSON.stringify({ installations }))
  // Bundles are kept, grants are not: each folder is met for the first time.
  const dataDir = temp.file('data')
  await rm(join(dataDir, LOCK_FILE), { force: true })
  const result = await soon(
    assemble({ file, env: {}, dataDir, nowMs: 0, roots: () => [{ dir: yard.root, origin: 'community' }] }),
    told,
  )
  if ('problems' in result) throw new Error(`${told}: ${JSON.stringify(result.problems)}`)
  return result
}

/** The good one runs; the evil one is either told of by name, or harmless. */
function expectStanding(
  { installations, brokenPlugins, brokenInstallations, loaded }: Assembly,
  told: string,
): 'told' | 'harmless' {
  expect(
    installations.map(({ id }) => id),
    told,
  ).toContain('good-one')
  expect(JSON.stringify([...loaded.values()]), told).not.toContain(CANARY)
  if (installations.some(({ id }) => id === 'evil-one')) return 'harmless'
  expect(
    brokenInstallations.map(({ id }) => id),
    told,
  ).toContain('evil-one')
  const problems = [
    ...brokenPlugins.flatMap(({ problems: all }) => all),
    ...brokenInstallations.map((each) => JSON.stringify(each)),
  ].join()
  expect(problems, told).toMatch(/evil/)
  expect(problems, told).not.toContain(CANARY)
  return 'told'
}

const nested = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`
const doubled = {
  type: 'object',
  $defs: Object.fromEntries(
    Array.from({ length: 40 }, (_, n) => [
      `d${n}`,
      n === 39 ? {} : { allOf: [{ $ref: `#/$defs/d${n + 1}` }, { $ref: `#/$defs/d${n + 1}` }] },
    ]),
  ),
  $ref: '#/$defs/d0',
}
const anchored = {
  ...doubled,
  $ref: '#d0',
  $defs: Object.fromEntries(
    Array.from({ length: 40 }, (_, n) => [
      `x${n}`,
      { $anchor: `d${n}`, ...(n === 39 ? {} : { allOf: [{ $ref: `#d${n + 1}` }, { $ref: `#d${n + 1}` }] }) },
    ]),
  ),
}
const manifest = (more: object): string => JSON.stringify({ ...HELLO, id: 'evil', ...more })

/** `plugin.json` as text. */
const MANIFESTS: readonly string[] = [
  '',
  'null',
  '[]',
  '"x"',
  '{',
  '\uFEFF{}',
  '\0',
  '{"id":"evil"}',
  nested(100_000),
  `[${'['.repeat(100_000)}`,
  `{"id":"evil","x":"${'x'.repeat(300_000)}"}`,
  manifest({ actions: { post: { input: 'DEEP' } } }).replace('"DEEP"', nested(40_000)),
  manifest({ config: 'DEEP' }).replace('"DEEP"', nested(40_000)),
  manifest({ config: { $ref: '#' } }),
  manifest({ config: { $ref: '#/$defs/%' } }),
  manifest({ config: { type: 'object', properties: { url: { $ref: '#/properties/url' } } } }),
  manifest({ config: doubled }),
  manifest({ config: anchored }),
  manifest({
    config: { type: 'object', properties: { constructor: { type: 'string' }, toString: { type: 'number' }, url: {} } },
  }),
  manifest({ config: { type: 'object', properties: { url: { pattern: '(a+)+$' } } } }),
  manifest({ config: { type: 'object', properties: { url: { pattern: '(?=a)' } } } }),
  manifest({ config: { type: 'object', properties: { url: { $ref: 'https://127.0.0.1:9/schema.json' } } } }),
  manifest({}).replace('"id"', '"__proto__":{"permissions":{"kv":true}},"id"'),
  manifest({}).replace('"id"', '"id":"good","id"'),
  ...[
    '../good',
    'good',
    'Evil',
    'evil ',
    'еvil',
    'e\u0000vil',
    '..',
    '__proto__',
    'constructor',
    'x'.repeat(300),
    '-evil',
    '/evil',
    'evil/../good',
  ].map((id) => manifest({ id })),
  ...[
    '../good/index.ts',
    '/etc/passwd',
    './../good/index.ts',
    'index.ts/../../good/index.ts',
    '..\\good\\index.ts',
    'index.ts\0.json',
    'plugin.json',
    'sub',
    'sub/index.ts',
    './index.ts',
    'node_modules/../index.ts',
    '%2e%2e/good/index.ts',
    'C:\\index.ts',
  ].map((main) => manifest({ main })),
  ...[
    '*',
    '**',
    'localhost',
    'https://a.test/',
    '@config',
    '@config.__proto__',
    '@config.constructor.name',
    '@data.url',
    'a.test@b.test',
    'a.test#',
    '*.*',
    '0x7f.1',
  ].map((host) => manifest({ permissions: { http: { hosts: [host] } } })),
]

test('no manifest keeps the others from being found, and each mistake is told', async () => {
  const ends = { told: 0, harmless: 0 }
  for (const text of MANIFESTS) {
    yard = await layOut(temp.path)
    await mkdir(join(yard.evil, 'sub'))
    await writeFile(join(yard.evil, 'plugin.json'), text)
    const told = text.length > 300 ? `${text.slice(0, 150)}…${text.slice(-100)}` : text
    ends[expectStanding(await assembled(told), told)] += 1
  }
  expect(ends.told, JSON.stringify(ends)).toBeGreaterThan(MANIFESTS.length / 2)
})

/** What takes the place of a file of the folder. */
const THINGS: Readonly<Record<string, (path: string) => unknown>> = {
  'a pipe': (path) => execFileSync('mkfifo', [path]),
  'a folder': (path) => mkdir(path),
  'a link to a device': (path) => symlink('/dev/zero', path),
  'a link to the environment of the hub': (path) => symlink('/proc/self/environ', path),
  'a link to a secret': (path) =>
    symlink(join(yard.outside, path.endsWith('.json') ? 'secret.json' : 'secret.ts'), path),
  'a link to itself': (path) => symlink(path, path),
  'a link to nowhere': (path) => symlink(join(yard.outside, 'nothing'), path),
  'a link to a pipe': async (path) => {
    execFileSync('mkfifo', [`${path}.pipe`])
    await symlink(`${path}.pipe`, path)
  },
  'a socket': (path) =>
    new Promise<void>((resolve) => {
      const server = createServer().listen(path, () => resolve())
      server.unref()
    }),
  'a file with a hole of 3 GB': (path) => execFileSync('truncate', ['-s', '3G', path]),
}

test('whatever stands in a file’s place: nothing is read that is not the plugin’s, and nobody waits', async () => {
  for (const [thing, make] of Object.entries(THINGS)) {
    for (const name of [
      'plugin.json',
      'index.ts',
      'package.json',
      'tsconfig.json',
      'notes.txt',
      'sub/package.json',
      'data.json',
    ]) {
      yard = await layOut(temp.path)
      const told = `${thing} as ${name}`
      await mkdir(join(yard.evil, 'sub'))
      await writeFile(join(yard.evil, 'sub', 'part.ts'), 'export const part = 1')
      await writeFile(
        join(yard.evil, 'index.ts'),
        `import { part } from './sub/part.ts'\n${name === 'data.json' ? "import d from './data.json'\n" : ''}${CODE}\nexport const used = [part${name === 'data.json' ? ', d' : ''}]`,
      )
      await rm(join(yard.evil, name), { force: true })
      await make(join(yard.evil, name))
      const end = expectStanding(await assembled(told), told)
      if (name === 'plugin.json' || name === 'index.ts') expect(end, told).toBe('told')
    }
  }
})

test('a folder that is a link out, a folder in capitals, the id of another: told, and the good one is the one used', async () => {
  yard = await layOut(temp.path)
  await rm(yard.evil, { recursive: true })
  await symlink(yard.outside, yard.evil)
  expect(expectStanding(await assembled('a link out'), 'a link out')).toBe('told')
  await rm(yard.evil)
  for (const [folder, id] of [
    ['Good', 'good'],
    ['GOOD', 'good'],
    ['good2', 'good'],
    ['good.', 'good'],
    ['evil', 'good'],
  ] as const) {
    await write(join(yard.root, folder), {
      'plugin.json': JSON.stringify({ ...HELLO, id }),
      'index.ts': `export default '${CANARY}'`,
    })
    const { loaded, brokenPlugins, installations } = await assembled(folder, 'good')
    expect(loaded.get('good')?.dir, folder).toBe(join(yard.root, 'good'))
    expect(installations.length, folder).toBeGreaterThan(0)
    expect(JSON.stringify(brokenPlugins), folder).toContain(folder)
    await rm(join(yard.root, folder), { recursive: true })
  }
})
