/** Production: what a stranger's folder holds runs as it was granted, file by file, until somebody approves the new files. */
import { mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { planApproval } from '../../core/registry/approve.ts'
import type { Assembly } from '../../core/registry/assemble.ts'
import { assemble } from '../../core/registry/assemble.ts'
import { bundleCacheOf, Loading, makeBundle } from '../../core/registry/loading.ts'
import { holdLock, lockPath, readLock } from '../../core/registry/lock.ts'
import type { TempDir } from '../support/temp.ts'
import { tempDir } from '../support/temp.ts'
import { CODE, HELLO, writePlugin } from './plugin-folder.ts'

const FILE =
  'pluginDirs: [mine]\ninstallations:\n  - id: one\n    use: hello\n    with: { url: "https://hooks.example" }\n'
const EVIL = CODE.replace('event.id', '"evil"')

let temp: TempDir
beforeEach(async () => {
  temp = await tempDir('production')
  await writePlugin(temp.file('mine'), 'hello')
  await writeFile(temp.file('manifold.yaml'), FILE)
})
afterEach(() => temp[Symbol.asyncDispose]())

const dataDir = () => temp.file('data')

async function build(
  options: { pinned?: boolean; origin?: 'builtin' | 'community'; previous?: Assembly } = {},
): Promise<Assembly> {
  const { pinned = true, origin = 'community', previous } = options
  const result = await assemble({
    file: temp.file('manifold.yaml'),
    env: {},
    dataDir: dataDir(),
    roots: (dirs) => dirs.map((dir) => ({ dir, origin })),
    ...(previous === undefined ? {} : { previous }),
    pinned,
    nowMs: 0,
  })
  if ('problems' in result) throw new Error(JSON.stringify(result.problems, null, 1))
  return result
}

const APPROVED = () => join(dataDir(), 'cache', 'bundles', 'approved')
const approvedFiles = (): Promise<string[]> => readdir(APPROVED())
const codeOf = (assembly: Assembly): string | undefined => assembly.installations[0]?.plugin.bundle.code
const hashOf = async (): Promise<string> => (await readLock(dataDir())).plugins['hello']?.hash ?? ''

it('changed code waits and the granted code runs on, at a reload and after a restart', async () => {
  const before = await build()
  expect(before.pending).toEqual([])
  const granted = await hashOf()
  await writePlugin(temp.file('mine'), 'hello', { code: EVIL })
  for (const options of [{ previous: before }, {}]) {
    const after = await build(options)
    expect(after.pending).toEqual([
      {
        id: 'hello',
        version: '1.0.0',
        running: '1.0.0',
        isGone: false,
        diff: expect.stringMatching(
          new RegExp(`^! code: ${granted.slice(0, 12)} was granted, [0-9a-f]{12} is on disk$`),
        ) as string,
        code: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
        hash: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
        sources: {
          files: [{ path: 'index.ts', change: 'changed', added: 1, removed: 1 }],
          isWhole: true,
          text: expect.stringMatching(
            /^--- granted\/index\.ts\n\+\+\+ index\.ts\n@@ .* @@\n(?: .*\n)+-.*id: event\.id.*\n\+.*id: "evil".*\n/,
          ) as string,
        },
      },
    ])
    expect(codeOf(after)).toBe(codeOf(before))
    expect(after.replaced).toEqual([])
  }
  expect(await hashOf()).toBe(granted)
})

it('a lock from before files had names grants what it granted, and gets the name', async () => {
  await build()
  const named = await readLock(dataDir())
  const file = lockPath(dataDir())
  const old = JSON.parse(await readFile(file, 'utf8')) as { plugins: Record<string, { files?: string }> }
  delete old.plugins['hello']?.files
  await writeFile(file, JSON.stringify(old))
  const after = await build()
  expect(after.pending).toEqual([])
  expect(after.installations).toHaveLength(1)
  expect(await readLock(dataDir())).toEqual(named)
})

it('without the granted bundle its installations stand still, and the reason names both hashes', async () => {
  await build()
  const granted = await hashOf()
  await writePlugin(temp.file('mine'), 'hello', { code: EVIL })
  await rm(join(dataDir(), 'cache'), { recursive: true })
  const { installations, brokenInstallations } = await build()
  expect(installations).toEqual([])
  expect(brokenInstallations).toMatchObject([
    {
      id: 'one',
      state: 'needs-approval',
      reason: expect.stringMatching(
        new RegExp(
          `hello 1.0.0 is not what was granted: ! code: ${granted.slice(0, 12)} was granted, [0-9a-f]{12} is on disk. .*manifold plugin approve hello`,
        ),
      ) as string,
    },
  ])
})

it('approving grants exactly what was shown, not what came afterwards', async () => {
  await build()
  await writePlugin(temp.file('mine'), 'hello', { code: EVIL })
  const [plugin] = (await build()).plugins
  if (plugin === undefined) throw new Error('the plugin was not found')
  const plan = await planApproval(dataDir(), plugin)
  await writePlugin(temp.file('mine'), 'hello', { code: CODE.replace('event.id', '"later"') })
  await plan?.grant(5)
  const after = await build()
  expect(after.pending).toHaveLength(1)
  expect(codeOf(after)).toContain('evil')
  await writePlugin(temp.file('mine'), 'hello', { code: EVIL })
  expect((await build()).pending).toEqual([])
})

it('a manifest that changed without asking for more waits, too', async () => {
  await build()
  await writePlugin(temp.file('mine'), 'hello', { manifest: { ...HELLO, limits: { heapMb: 128 } } })
  const after = await build()
  expect(after.pending[0]?.diff).toMatch(/^! plugin\.json: [0-9a-f]{12} was granted, [0-9a-f]{12} is on disk$/)
  expect(after.installations[0]?.limits.heapMb).toBe(32)
  const [plugin] = after.plugins
  if (plugin === undefined) throw new Error('the plugin was not found')
  await (await planApproval(dataDir(), plugin))?.grant(5)
  expect((await build()).installations[0]?.limits.heapMb).toBe(128)
})

it('files that cannot be bundled any more wait, and the granted code runs on', async () => {
  const before = await build()
  await writePlugin(temp.file('mine'), 'hello', { code: 'export default {' })
  const after = await build()
  expect(after.pending[0]?.diff).toMatch(/^! code: /)
  expect(codeOf(after)).toBe(codeOf(before))
})

it.each([
  [
    'a plugin.json that cannot be read',
    () => writePlugin(temp.file('mine'), 'hello', { manifest: '{,' }),
    /^! plugin\.json: .*is not valid JSON/,
    false,
  ],
  [
    'no folder any more',
    () => rm(temp.file('mine/hello'), { recursive: true }),
    /^! plugin\.json: there is no such folder$/,
    true,
  ],
])('%s: the granted code runs on, at a reload and after a restart', async (_, spoil, told, isGone) => {
  const before = await build()
  await spoil()
  for (const options of [{ previous: before }, {}]) {
    const after = await build(options)
    expect(after.installations.map(({ hash }) => hash)).toEqual([before.installations[0]?.hash])
    expect(after.brokenInstallations).toEqual([])
    expect(after.pending).toMatchObject([
      { id: 'hello', running: '1.0.0', isGone, diff: expect.stringMatching(told) as string },
    ])
    expect(await approvedFiles()).toHaveLength(1)
  }
  const [open] = (await build({ pinned: false })).brokenInstallations
  expect(open?.reason).toMatch(/is broken|there is no plugin/)
})

it.each([
  ['code', (text: string) => text.replaceAll('event.id', 'event.type')],
  ['manifest', (text: string) => text.replace('"@config.url"', '"*"')],
])('what is kept with another %s is not what the lock knows', async (_, exchange) => {
  await build()
  const [name] = await approvedFiles()
  const kept = join(APPROVED(), name as string)
  const text = await readFile(kept, 'utf8')
  expect(exchange(text)).not.toBe(text)
  await writePlugin(temp.file('mine'), 'hello', { code: EVIL })
  await writeFile(kept, exchange(text))
  expect((await build()).brokenInstallations).toMatchObject([{ id: 'one', state: 'needs-approval' }])
})

it('built-ins are exempt, and without production changed code runs at once', async () => {
  for (const options of [{ origin: 'builtin' as const }, { pinned: false }]) {
    await rm(dataDir(), { recursive: true, force: true })
    await writePlugin(temp.file('mine'), 'hello')
    await build(options)
    await writePlugin(temp.file('mine'), 'hello', { code: EVIL })
    const after = await build(options)
    expect(after.pending).toEqual([])
    expect(codeOf(after)).toContain('evil')
    expect(after.granted['hello']?.hash).toBe(after.loaded.get('hello')?.bundle.hash)
  }
})

/** A reload that has read the lock and the plugin, and not yet decided. */
async function halfway(pinned: boolean) {
  const { plugins } = await build({ pinned })
  const [plugin] = plugins
  if (plugin === undefined) throw new Error('the plugin was not found')
  const cache = bundleCacheOf(dataDir())
  const input = { dataDir: dataDir(), cache, previous: new Map(), record: true, pinned, nowMs: 9 }
  return { plugin, loading: new Loading(input, plugins, await readLock(dataDir())) }
}

it('files that change between the look and the load are not what was looked at', async () => {
  const { plugin, loading } = await halfway(true)
  const granted = await hashOf()
  await loading.effective(plugin)
  await writePlugin(temp.file('mine'), 'hello', { code: EVIL })
  await loading.load('hello')
  await loading.record()
  expect(loading.loaded.get('hello')?.bundle.hash).toBe(granted)
  expect(await hashOf()).toBe(granted)
})

it('an approval beside a reload is not undone by it', async () => {
  const { plugin, loading } = await halfway(false)
  await writePlugin(temp.file('mine'), 'hello', { code: EVIL })
  await loading.load('hello')
  await writePlugin(temp.file('mine'), 'other')
  await writePlugin(temp.file('mine'), 'hello', { code: CODE.replace('event.id', '"approved"') })
  for (const id of ['hello', 'other']) {
    const manifest = { ...plugin.manifest, id }
    await (await planApproval(dataDir(), { ...plugin, dir: join(temp.file('mine'), id), manifest }))?.grant(5)
  }
  const approved = await readLock(dataDir())
  await loading.record()
  expect(await readLock(dataDir())).toEqual(approved)
  expect(Object.keys(approved.plugins)).toEqual(['hello', 'other'])
})

it('many write the lock at once, and a writer that died is not waited for', async () => {
  await build()
  await writeFile(join(dataDir(), 'manifold.lock.json.writing'), '')
  await utimes(join(dataDir(), 'manifold.lock.json.writing'), 0, 0)
  const { hello } = (await readLock(dataDir())).plugins
  const ids = Array.from({ length: 20 }, (_, n) => `p${n}`)
  await Promise.all(
    ids.map((id) =>
      holdLock(dataDir(), async ({ plugins, write }) => {
        plugins[id] = { ...hello!, version: id }
        await write()
      }),
    ),
  )
  expect(Object.keys((await readLock(dataDir())).plugins).toSorted()).toEqual(['hello', ...ids].toSorted())
  expect((await readdir(dataDir())).filter((name) => name.startsWith('manifold.lock'))).toEqual(['manifold.lock.json'])
})

it('a bundle made while the files were saved is not kept as that of the files before', async () => {
  await build({ pinned: false })
  const [plugin] = (await build({ pinned: false })).plugins
  if (plugin === undefined) throw new Error('the plugin was not found')
  await rm(join(dataDir(), 'cache'), { recursive: true })
  const cache = bundleCacheOf(dataDir())
  await cache.get(plugin, async () => {
    await writePlugin(temp.file('mine'), 'hello', { code: EVIL })
    return makeBundle(plugin)
  })
  await writePlugin(temp.file('mine'), 'hello')
  expect((await cache.get(plugin, () => makeBundle(plugin))).code).not.toContain('evil')
})

it('what is beside many packages, and packages of the folders above, count as sources', async () => {
  const root = temp.file('mine')
  const packages = join(root, 'hello', 'node_modules', 'large')
  await mkdir(packages, { recursive: true })
  await Promise.all(Array.from({ length: 10_100 }, (_, n) => writeFile(join(packages, `${n}.js`), '')))
  await mkdir(join(root, 'hello', 'lib'))
  await mkdir(join(root, 'node_modules', 'shared'), { recursive: true })
  const files = {
    own: join(root, 'hello', 'lib', 'own.ts'),
    shared: join(root, 'node_modules', 'shared', 'index.js'),
    list: join(root, 'node_modules', '.package-lock.json'),
  }
  await writeFile(files.own, "export default 'own 1'")
  await writeFile(files.shared, "module.exports = 'shared 1'")
  await writeFile(files.list, '1')
  const imports = `import own from './lib/own.ts'\nimport shared from 'shared'\n`
  await writePlugin(root, 'hello', { code: imports + CODE.replace('event.id', 'own + shared') })
  expect(codeOf(await build({ pinned: false }))).toMatch(/shared 1[^]*own 1/)
  await writeFile(files.own, "export default 'own 2'")
  expect(codeOf(await build({ pinned: false }))).toMatch(/shared 1[^]*own 2/)
  await writeFile(files.shared, "module.exports = 'shared 2'")
  await writeFile(files.list, '2')
  expect(codeOf(await build({ pinned: false }))).toMatch(/shared 2[^]*own 2/)
})

it('whatever went into a bundle is noticed when it changes, and approved once: hidden files of packages, too', async () => {
  const dep = join(temp.file('mine'), 'hello', 'node_modules', 'dep')
  const files = ['.gen/word.js', 'word.test.js'].map((path) => join(dep, path))
  await mkdir(join(dep, '.gen'), { recursive: true })
  await writeFile(join(dep, 'index.js'), `module.exports = require('./.gen/word.js') + require('./word.test.js')`)
  for (const file of files) await writeFile(file, `module.exports = 'first'`)
  await writePlugin(temp.file('mine'), 'hello', {
    code: `import word from 'dep'\n${CODE.replace('event.id', 'word')}`,
  })
  const [plugin] = (await build()).plugins
  if (plugin === undefined) throw new Error('the plugin was not found')
  let changed = 0
  for (const file of files) {
    await writeFile(file, `module.exports = 'changed'`)
    changed += 1
    expect((await build()).pending).toHaveLength(1)
    await (await planApproval(dataDir(), plugin))?.grant(5)
    for (let start = 0; start < 2; start++) {
      const after = await build()
      expect(after.pending).toEqual([])
      expect(codeOf(after)?.match(/changed/g)).toHaveLength(changed)
    }
  }
})

it('own files that nobody looks at are no part of a plugin, and it is told which', async () => {
  const [plugin] = (await build()).plugins
  if (plugin === undefined) throw new Error('the plugin was not found')
  const folder = plugin.dir
  for (const path of ['.gen/word.ts', '.word.ts', 'lib/.word.ts', 'word.test.ts']) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), `export default 'word'`)
    for (const runtime of ['sandbox', 'native'] as const) {
      await writeFile(join(folder, 'index.ts'), `export { default } from './${path}'`)
      const bundling = makeBundle({ ...plugin, manifest: { ...plugin.manifest, runtime } })
      await expect(bundling, path).rejects.toThrow(`${path}: `)
    }
  }
})

it('"constructor" is an id like any other', async () => {
  await writePlugin(temp.file('mine'), 'constructor')
  await writeFile(temp.file('manifold.yaml'), FILE.replace('use: hello', 'use: constructor'))
  for (const pinned of [false, true]) expect((await build({ pinned })).installations).toHaveLength(1)
})
