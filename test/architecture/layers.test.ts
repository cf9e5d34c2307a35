/** The rules of the house hold in this tree, and each is proven able to fail by a violation planted in another. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ROOT } from '../support/hub.ts'
import { tempDir } from '../support/temp.ts'
import { ownManifests } from './made-files.ts'
import { NATIVE_PLUGINS, RULES } from './rules.ts'
import { readSources } from './sources.ts'

const sources = readSources(ROOT)

test('the scan saw the tree, not an empty folder', () => {
  expect(sources.length).toBeGreaterThan(60)
  expect(sources.filter(({ path }) => path.startsWith('core/')).length).toBeGreaterThan(40)
  expect(sources.flatMap(({ imports }) => imports).length).toBeGreaterThan(200)
  const paths = new Set(sources.map(({ path }) => path))
  // Every relative import resolves, so no edge of the graph is missing.
  // This folder's own files quote imports of nothing.
  const dangling = sources
    .filter(({ path }) => !path.startsWith('test/architecture/'))
    .flatMap(({ path, imports }) =>
      imports
        .filter(
          ({ file }) => file !== null && /\.(ts|mjs)$/.test(file) && !paths.has(file) && !file.includes('fixtures/'),
        )
        .map(({ file }) => `${path} → ${file}`),
    )
  expect(dangling).toEqual([])
})

test('what runs natively says so', async () => {
  const runtimes = await Promise.all(
    ownManifests().map(async (path) => ({ path, text: await readFile(`${ROOT}/${path}`, 'utf8') })),
  )
  const native = runtimes.filter(({ text }) => (JSON.parse(text) as { runtime?: string }).runtime === 'native')
  expect(native.map(({ path }) => path.replace('plugin.json', ''))).toEqual(NATIVE_PLUGINS)
})

describe.each(RULES)('$name', (rule) => {
  test('holds', () => {
    // This folder's own files quote violations on purpose.
    expect(rule.find(sources.filter(({ path }) => !path.startsWith('test/architecture/')))).toEqual([])
  })

  test('catches each planted violation', async () => {
    await using tree = await tempDir('layers')
    for (const [path, text] of Object.entries(rule.planted)) {
      await mkdir(dirname(tree.file(path)), { recursive: true })
      await writeFile(tree.file(path), text)
    }
    const found = rule.find(readSources(tree.path)).join('\n')
    for (const [path, text] of Object.entries(rule.planted)) if (text !== '') expect(found).toContain(path)
  })
})
