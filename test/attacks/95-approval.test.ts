/** Plugins that want a yes for code they do not show: every way there is shows up in what the admin reads, at its place. */
import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LIMITS } from '../../core/limits.ts'
import { manifestSchema } from '../../core/registry/manifest.ts'
import type { OnDisk } from '../../core/registry/pinning.ts'
import { sourceDiff } from '../../core/registry/source-diff.ts'
import { bundlePlugin } from '../../core/sandbox/bundle.ts'
import { PLUGIN_FILE } from '../../core/sandbox/protocol.ts'
import { traceOf } from '../../core/sandbox/trace.ts'
import { HELLO } from '../registry/plugin-folder.ts'
import { type TempDir, tempDir } from '../support/temp.ts'
import { dice, rounds, SEEDED } from './dice.ts'
import { CANARY, write } from './folders.ts'

let temp: TempDir
beforeAll(async () => {
  temp = await tempDir('approval')
})
afterAll(() => temp[Symbol.asyncDispose]())

type Files = Readonly<Record<string, string>>

async function onDisk(files: Files, runtime: 'sandbox' | 'native' = 'sandbox'): Promise<OnDisk> {
  const dir = temp.file('plugin')
  await rm(dir, { recursive: true, force: true })
  await write(dir, files)
  const bytesMax = LIMITS.pluginBundleBytesMax
  const bundle = await bundlePlugin({ dir, main: 'index.ts', pluginId: 'hello', version: '1.0.0', bytesMax, runtime })
  return { manifest: manifestSchema.parse(HELLO), bundle }
}

const GOOD = `export const where = 'https://a.test'`
const EVIL = `export const where = 'https://${CANARY}.test'`

/** A map that says: what you see is what there was. */
const map = JSON.stringify({
  version: 3,
  sources: ['part.ts'],
  sourcesContent: [GOOD],
  names: [],
  mappings: 'AAAA,MAAM',
})
const base64 = Buffer.from(map).toString('base64')

const ADDRESSES: readonly string[] = [
  `data:application/json;base64,${base64}`,
  `data:application/json;charset=utf-8;base64,${base64}`,
  `data:application/json,${encodeURIComponent(map)}`,
  `data:application/json;charset=utf8,${encodeURIComponent(map)}`,
  `data:text/plain;base64,${base64}`,
  `data:,${encodeURIComponent(map)}`,
  'part.map',
  './part.map',
  'sub/../part.map',
]
const COMMENTS: readonly ((address: string) => string)[] = [
  (address) => `//# sourceMappingURL=${address}`,
  (address) => `//@ sourceMappingURL=${address}`,
  (address) => `/*# sourceMappingURL=${address} */`,
  (address) => `/*@ sourceMappingURL=${address} */`,
]
/** Files beside the part that is shown wrongly. */
const PLACES: Readonly<Record<string, (part: string) => Files>> = {
  'a file of its own': (part) => ({ 'index.ts': `export { where as default } from './part.ts'`, 'part.ts': part }),
  'its main file': (part) => ({ 'index.ts': `${part}\nexport default where` }),
  'a script': (part) => ({ 'index.ts': `export { where as default } from './part.mjs'`, 'part.mjs': part }),
  'a package': (part) => ({
    'index.ts': `export { where as default } from 'dep'`,
    'node_modules/dep/package.json': '{"name":"dep","main":"part.js"}',
    'node_modules/dep/part.js': part,
    'node_modules/dep/part.map': map,
  }),
}

test('no map of a plugin’s own takes the place of its sources', async () => {
  const roll = dice('maps')
  const cases = Object.entries(PLACES).flatMap(([place, files]) =>
    ADDRESSES.flatMap((address) => COMMENTS.map((comment) => ({ place, files, text: comment(address) }))),
  )
  for (const { place, files, text } of roll.some(cases, rounds(40))) {
    const runtime = roll.pick(['sandbox', 'sandbox', 'native'] as const)
    const told = `${SEEDED} ${text} in ${place}, ${runtime}`
    const before = await onDisk({ ...files(GOOD), 'part.map': map }, runtime)
    const part = roll.pick([`${EVIL}\n${text}`, `${EVIL}\n${text}\n`, `${text}\n${EVIL}`])
    const now = await onDisk({ ...files(part), 'part.map': map }, runtime)
    // A native plugin's packages are no part of its bundle.
    if (runtime === 'native' && place === 'a package') continue
    expect(sourceDiff(before, now, LIMITS.pluginDiffBytesMax).text, told).toContain(`+${EVIL}`)
    // The line of a failure is the part's, too.
    const lines = now.bundle.code.split('\n')
    const at = lines.findIndex((line) => line.includes(CANARY))
    const stack = `Error\n    at ${PLUGIN_FILE}:${at + 1}:${(lines[at] ?? '').indexOf(`'`) + 1}`
    const line = part.split('\n').indexOf(EVIL) + 1
    expect(traceOf(now.bundle, stack).place, told).toMatch(
      new RegExp(`^(node_modules/dep/)?(part|index)\\.m?[jt]s:${line}:`),
    )
  }
})

const pair = `export const good = () => 'https://a.test'\nexport const ${CANARY.replace('-', '_')} = () => 'https://b.test'`
const glue = (name: string): string => `export { ${name} as where } from './pair.js'`
const [SHOWN, HIDDEN] = [glue('good'), glue(CANARY.replace('-', '_'))]

/** The file that decides leaves no line in the bundle. */
const SILENT: Readonly<Record<string, readonly [before: Files, now: Files, path: string]>> = Object.fromEntries(
  [
    [
      'an enum',
      'h.ts',
      `export enum H { where = 'https://a.test' }`,
      `export enum H { where = 'https://${CANARY}.test' }`,
    ],
    ['a const enum', 'h.ts', `export const enum H { where = 'a' }`, `export const enum H { where = '${CANARY}' }`],
    [
      'an enum of a package',
      'node_modules/dep/h.ts',
      `export enum H { where = 'a' }`,
      `export enum H { where = '${CANARY}' }`,
    ],
    ['glue', 'h.ts', SHOWN, HIDDEN],
    ['glue in capitals of other scripts', 'H [é].ts', SHOWN, HIDDEN],
    ['glue of a package', 'node_modules/dep/h.js', SHOWN, HIDDEN],
  ].map(([what, path, before, now]) => {
    const [name, file, good, evil] = [what, path, before, now] as [string, string, string, string]
    const from = file.startsWith('node_modules') ? 'dep' : `./${file}`
    const used = good.includes('enum')
      ? `import { H } from '${from}'\nexport default H.where`
      : `import { where } from '${from}'\nexport default where`
    const beside = {
      'index.ts': used,
      [`${file.includes('/') ? 'node_modules/dep/' : ''}pair.js`]: pair,
      'node_modules/dep/package.json': JSON.stringify({ name: 'dep', main: file.split('/').at(-1) }),
    }
    return [name, [{ ...beside, [file]: good }, { ...beside, [file]: evil }, file]]
  }),
)

test('a file that decides and leaves no line in the bundle is shown, too', async () => {
  for (const [what, [before, now, path]] of Object.entries(SILENT)) {
    const [granted, found] = [await onDisk(before), await onDisk(now)]
    expect(found.bundle.hash, what).not.toBe(granted.bundle.hash)
    const { files, text } = sourceDiff(granted, found, LIMITS.pluginDiffBytesMax)
    expect(
      files.map((file) => decodeURIComponent(file.path)),
      what,
    ).toEqual([path])
    // Of packages the hash.
    if (!path.startsWith('node_modules')) expect(text, what).toContain(CANARY.slice(-6))
  }
})

test('nothing of a package passes for the hub’s own', async () => {
  const path = 'core/contract/index.ts'
  const dep = { 'node_modules/dep/package.json': JSON.stringify({ name: 'dep', main: path }) }
  await write(temp.path, { ...dep, [`node_modules/dep/${path}`]: EVIL })
  const { bundle } = await onDisk({
    'index.ts': `import { delivered } from 'manifold/plugin'\nimport { where } from 'dep'\nexport default [where, delivered]`,
  })
  const { sources } = JSON.parse(bundle.sourceMap) as { sources: string[] }
  expect(sources).toContain(`../node_modules/dep/${path}`)
  expect(sources.filter((source) => source.startsWith('manifold/plugin')).length).toBeGreaterThan(0)
  expect(sources.filter((source) => /contract/.test(source))).toHaveLength(1)
})
