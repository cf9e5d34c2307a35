/** What the bundler takes and what it refuses, always with the place. */
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { runInThisContext } from 'node:vm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bundlePlugin } from '../../core/sandbox/bundle.ts'
import type { Bundle } from '../../core/sandbox/sandbox.ts'
import { type TempDir, tempDir } from '../support/temp.ts'

let dir: TempDir
let count = 0
beforeAll(async () => {
  dir = await tempDir('bundle')
  await writeFile(dir.file('outside.ts'), 'export const secret = 1')
})
afterAll(async () => {
  await dir[Symbol.asyncDispose]()
})

async function bundle(files: Record<string, string>, bytesMax = 1_000_000): Promise<Bundle> {
  const folder = dir.file(`plugin-${++count}`)
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(`${folder}/${path}`), { recursive: true })
    await writeFile(`${folder}/${path}`, text)
  }
  return bundlePlugin({ dir: folder, main: 'index.ts', pluginId: 'p', version: '1.0.0', bytesMax })
}

test('own files, JSON, packages and the contract go in; the map names the plugin’s files and no host path', async () => {
  const made = await bundle({
    'index.ts': `import { definePlugin, delivered } from 'manifold/plugin'\nimport { x } from './src/x.ts'\nimport data from './data.json'\nimport { left } from 'left'\nexport default definePlugin({ actions: { a: { run: () => delivered([x, data, left]) } } })`,
    'src/x.ts': `export const x: string = 'X'`,
    'data.json': '{"a":1}',
    'node_modules/left/package.json': '{"name":"left","main":"lib/index.js"}',
    'node_modules/left/lib/index.js': `exports.left = require('./more')`,
    'node_modules/left/lib/more.js': `module.exports = 'LEFT'`,
  })
  expect(made.hash).toMatch(/^[0-9a-f]{64}$/)
  const map = JSON.parse(made.sourceMap) as { sources: string[]; sourcesContent: string[] }
  expect(map.sources.toSorted()).toEqual([
    'data.json',
    'index.ts',
    'manifold/plugin',
    'manifold/plugin/outcome.ts',
    'node_modules/left/lib/index.js',
    'node_modules/left/lib/more.js',
    'src/x.ts',
  ])
  expect(map.sourcesContent).toHaveLength(map.sources.length)
  expect(made.code).not.toContain(dir.path)
  const plugin = runInThisContext(made.code) as { default: { actions: { a: { run(): { detail: unknown } } } } }
  expect(plugin.default.actions.a.run().detail).toEqual(['X', { a: 1 }, 'LEFT'])
})

test('the same folder bundles to the same hash', async () => {
  const files = { 'index.ts': 'export default { on: {} }' }
  expect((await bundle(files)).hash).toBe((await bundle(files)).hash)
})

test.each([
  ['a Node built-in', `import fs from 'node:fs'\nexport default fs`, /index\.ts:1:16: "node:fs" is a Node built-in/],
  [
    'a bare built-in',
    `\nimport { join } from 'path'\nexport default join`,
    /index\.ts:2:22: "path" is a Node built-in/,
  ],
  [
    'require of a built-in',
    `export default () => (globalThis as any).x ?? require('child_process')`,
    /index\.ts:1:\d+: "child_process" is a Node built-in/,
  ],
  [
    'a file outside',
    `import { secret } from '../outside.ts'\nexport default secret`,
    /index\.ts:1:24: "\.\.\/outside\.ts" is outside the plugin's folder/,
  ],
  ['an absolute path', `import x from '/etc/hostname.json'\nexport default x`, /index\.ts:1:15: /],
  [
    'a missing file',
    `import x from './not-there.ts'\nexport default x`,
    /index\.ts:1:15: "\.\/not-there\.ts" cannot be found/,
  ],
  ['a missing package', `import x from 'not-there'\nexport default x`, /index\.ts:1:15: "not-there" cannot be found/],
  ['broken syntax', `export default {\n  on: { 'a': async ( => {} }\n}`, /index\.ts:2:\d+: /],
  ['top-level await', `await null\nexport default {}`, /index\.ts:1:1: Top-level await/],
])('%s is refused with its place', async (_, source, message) => {
  await expect(bundle({ 'index.ts': source })).rejects.toMatchObject({
    code: 'plugin_load',
    message: expect.stringMatching(message),
    at: { plugin: 'p', version: '1.0.0' },
  })
})

test('a link out of the folder and a tsconfig that redirects are no way out', async () => {
  const folder = dir.file('linked')
  await mkdir(folder)
  await symlink(dir.file('outside.ts'), `${folder}/inside.ts`)
  await writeFile(`${folder}/index.ts`, `import { secret } from './inside.ts'\nexport default secret`)
  const request = { dir: folder, main: 'index.ts', pluginId: 'p', version: '1.0.0', bytesMax: 1e6 }
  await expect(bundlePlugin(request)).rejects.toThrow(/outside the plugin's folder/)
  await expect(
    bundle({
      'index.ts': `import { secret } from 'magic'\nexport default secret`,
      'tsconfig.json': '{"compilerOptions":{"paths":{"magic":["../outside.ts"]}}}',
    }),
  ).rejects.toThrow(/"magic" cannot be found/)
})

test('a package beside the folder comes in by its name, and nothing else of it by a pattern or a place', async () => {
  const root = dir.file('beside')
  const write = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(`${root}/${path}`), { recursive: true })
    await writeFile(`${root}/${path}`, text)
  }
  await write('node_modules/near/package.json', '{"name":"near","main":"lib/index.js"}')
  await write('node_modules/near/lib/index.js', `exports.near = require('./more')`)
  await write('node_modules/near/lib/more.js', `module.exports = require('../own.json').a`)
  await write('node_modules/near/own.json', '{"a":"NEAR"}')
  await write('node_modules/near/lib/unused.js', `module.exports = 'UNUSED'`)
  await write('node_modules/other/secret.json', '{"a":"SECRET"}')
  const request = { dir: `${root}/plugin`, main: 'index.ts', pluginId: 'p', version: '1.0.0', bytesMax: 1e6 }
  await write('plugin/index.ts', `import { near } from 'near'\nexport default near`)
  expect((await bundlePlugin(request)).code).toContain('NEAR')
  await symlink(`${root}/node_modules/near/lib`, `${root}/plugin/linked`)
  await symlink(`${root}/node_modules/other`, `${root}/node_modules/near/lib/other`)
  for (const more of [
    `require('../node_modules/near/' + globalThis.x + '.json')`,
    `require('../node_modules/near/lib/more.js')`,
    `require('./linked/more.js')`,
    `require('./linked/' + globalThis.x + '.js')`,
  ]) {
    await write('plugin/index.ts', `import { near } from 'near'\nexport default [near, ${more}]`)
    await expect(bundlePlugin(request), more).rejects.toThrow(/outside the plugin's folder/)
  }
  await write('plugin/index.ts', `import { near } from 'near'\nexport default near`)
  await write('node_modules/near/lib/more.js', `module.exports = require('./other/secret.json').a`)
  await expect(bundlePlugin(request)).rejects.toThrow(/outside the plugin's folder/)
})

test('what was judged once is judged again after it changed', async () => {
  const folder = dir.file('again')
  const file = `${folder}/node_modules/left/index.js`
  await mkdir(dirname(file), { recursive: true })
  await writeFile(`${folder}/node_modules/left/package.json`, '{"name":"left"}')
  await writeFile(`${folder}/index.ts`, `import { left } from 'left'\nexport default left`)
  await writeFile(
    dir.file('outside.map'),
    '{"version":3,"sources":["x"],"sourcesContent":["SECRET"],"names":[],"mappings":"AAAA"}',
  )
  const request = { dir: folder, main: 'index.ts', pluginId: 'p', version: '1.0.0', bytesMax: 1e6 }
  await writeFile(file, `exports.left = 'LEFT'`)
  const first = await bundlePlugin(request)
  expect(await bundlePlugin(request)).toEqual(first)
  await writeFile(file, `exports.left = 'MORE'`)
  expect((await bundlePlugin(request)).code).toContain('MORE')
  await writeFile(file, `exports.left = 'LEFT'\n//# sourceMappingURL=../../../outside.map`)
  expect((await bundlePlugin(request)).sourceMap).not.toContain('SECRET')
  await rm(file)
  await symlink(dir.file('outside.ts'), file)
  await expect(bundlePlugin(request)).rejects.toThrow(/outside the plugin's folder/)
  await rm(dirname(file), { recursive: true })
  await mkdir(dir.file('elsewhere'))
  await writeFile(dir.file('elsewhere/index.js'), `exports.left = 'SECRET'`)
  await symlink(dir.file('elsewhere'), dirname(file))
  await expect(bundlePlugin(request)).rejects.toThrow(/outside the plugin's folder/)
})

test('too large a bundle names its largest parts', async () => {
  const files = {
    'index.ts': `import { big } from './big.ts'\nexport default { big }`,
    'big.ts': `export const big = '${'x'.repeat(2_000)}'`,
  }
  await expect(bundle(files, 1_000)).rejects.toThrow(
    /has \d+ bytes, at most 1000 are allowed; the largest parts: big\.ts \(20\d\d bytes\)/,
  )
})

test('all mistakes are told at once', async () => {
  const error = await bundle({
    'index.ts': `import a from 'node:fs'\nimport b from 'node:net'\nexport default [a, b]`,
  }).catch((thrown: Error) => thrown)
  expect((error as Error).message.match(/is a Node built-in/g)).toHaveLength(2)
})
