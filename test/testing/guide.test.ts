/** Every block of code in the author's guide runs: commands in a shell, plugins through `plugin test` and the compiler. */
import { execFile } from 'node:child_process'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { pluginFiles } from '../../core/cli/plugin-template.ts'
import { manifestSchema } from '../../core/registry/manifest.ts'
import { pluginTypes } from '../../core/registry/plugin-types.ts'
import { runCli } from '../cli/run-cli.ts'
import { COMPILE_CACHE, ROOT } from '../support/hub.ts'
import { tempDir, type TempDir } from '../support/temp.ts'
import { guideBlocks } from './guide.ts'
import { typeCheck } from './type-check.ts'

const blocks = guideBlocks()
const plugins = [...new Set(blocks.flatMap(({ file }) => /^([a-z]+)\//.exec(file ?? '')?.[1] ?? []))]

let temp: TempDir
beforeAll(async () => {
  temp = await tempDir('guide')
  await mkdir(temp.file('bin'))
  await writeFile(
    temp.file('bin/manifold'),
    `#!/bin/sh\nexec ${ROOT}node_modules/.bin/node ${ROOT}core/cli/main.ts "$@"\n`,
  )
  await chmod(temp.file('bin/manifold'), 0o755)
})
afterAll(() => temp[Symbol.asyncDispose]())

test('the guide was read, and every block of it is one that runs here', () => {
  expect(plugins.length).toBeGreaterThan(4)
  expect(blocks.filter(({ language }) => language === 'sh').length).toBeGreaterThan(2)
  const idle = blocks.filter(
    ({ language, file }) => language !== 'sh' && (file === null || !/\.(ts|json|yaml)$/.test(file)),
  )
  expect(idle).toEqual([])
})

/** Each of its commands is a program that starts, and some run an author's tests. */
const COMMANDS_MS = 240_000

test(
  'commands and configuration, in order, in one folder',
  async () => {
    for (const { language, file, text, line } of blocks) {
      if (language === 'yaml' && file !== null) await writeFile(temp.file(file), text)
      if (language !== 'sh') continue
      const ended = await shell(text)
      expect([`line ${line}`, ended.code, ended.output]).toEqual([`line ${line}`, 0, expect.any(String)])
    }
  },
  COMMANDS_MS,
)

describe('plugins', () => {
  let mistakes: ReadonlyMap<string, readonly string[]>
  beforeAll(async () => {
    for (const id of plugins) await writePlugin(id)
    mistakes = await typeCheck(temp.path)
  })

  test.each(plugins)('%s: does what the hub expects, passes its tests, and compiles', async (id) => {
    const ended = await runCli(temp.path, ['plugin', 'test', id])
    expect([ended.code, ended.stdout]).toEqual([
      0,
      expect.stringContaining('✔ repeats an interrupted action as the same one'),
    ])
    if (partsOf(id).has('index.test.ts')) expect(ended.stdout).toContain('✔ tests: 1 file')
    expect(mistakes.get(id)).toEqual([])
  })
})

const partsOf = (id: string): ReadonlyMap<string, string> =>
  new Map(
    blocks.flatMap(({ file, text }) =>
      file?.startsWith(`${id}/`) ? [[file.slice(id.length + 1), text] as const] : [],
    ),
  )

/** The files of the guide, and what `plugin new` puts beside them. */
async function writePlugin(id: string): Promise<void> {
  const dir = temp.file(id)
  await mkdir(dir)
  const hub = relative(dir, ROOT.replace(/\/$/, ''))
  const parts = partsOf(id)
  const excerpt = JSON.parse(parts.get('plugin.json') ?? '{}') as object
  const manifest = { id, name: id, version: '1.0.0', hub: '^1.0', main: 'index.ts', ...excerpt }
  const files = {
    ...Object.fromEntries(parts),
    'plugin.json': JSON.stringify(manifest),
    'types.d.ts': pluginTypes(manifestSchema.parse(manifest)),
    'tsconfig.json': pluginFiles(id, hub)['tsconfig.json'] ?? '',
  }
  for (const [name, text] of Object.entries(files)) await writeFile(`${dir}/${name}`, text)
}

/** A block as a reader would run it: the first command that fails ends it. */
const shell = (text: string): Promise<{ code: number; output: string }> =>
  new Promise((resolve) => {
    const path = `${temp.file('bin')}:${process.env['PATH']}`
    const env = { PATH: path, HOME: temp.path, NODE_COMPILE_CACHE: COMPILE_CACHE }
    execFile('sh', ['-eu', '-c', text], { cwd: temp.path, env }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: `${stdout}${stderr}` }),
    )
  })
