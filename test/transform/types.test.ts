/** The compiler holds a plugin with a transform to its manifest. */
import { mkdir, writeFile } from 'node:fs/promises'
import { relative } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { pluginFiles } from '../../core/cli/plugin-template.ts'
import { manifestSchema } from '../../core/registry/manifest.ts'
import { pluginTypes } from '../../core/registry/plugin-types.ts'
import { ROOT } from '../support/hub.ts'
import { tempDir } from '../support/temp.ts'
import { typeCheck } from '../testing/type-check.ts'

const MANIFEST = {
  id: 'gate',
  name: 'Gate',
  version: '1.0.0',
  hub: '^1.0',
  main: 'index.ts',
  transform: { data: ['data'], headers: ['referer'], whenFails: 'open' },
}

type Case = readonly [what: string, code: string, mistake: RegExp | null]

const CASES: readonly Case[] = [
  [
    'what it asked for',
    'transform: ({ data, headers, status }) => keep({ data: { a: data["a"] ?? null }, meta: { from: headers.referer ?? status } })',
    null,
  ],
  ['an asynchronous one that says nothing', 'transform: async (_response, ctx) => { await ctx.kv.get("x") }', null],
  ['a part it did not ask for', 'transform: ({ meta }) => keep({ meta })', /'meta' does not exist/],
  ['a header it did not ask for', 'transform: ({ headers }) => flag(headers.cookie ?? "")', /'cookie' does not exist/],
  ['an effect', 'transform: (_response, ctx) => { ctx.enqueue("post", {}) }', /'enqueue' does not exist/],
  ['a verdict that is none', 'transform: () => "keep"', /not assignable/],
  ['no transform', '', /not assignable to parameter/],
]
const { transform: _transform, ...WITHOUT } = MANIFEST
const UNNAMED: readonly Case[] = [
  ['a transform that the manifest does not name', 'transform: () => {}', /not assignable/],
  ['none, as the manifest has none', '', null],
]
const all = [...CASES.map((each) => [MANIFEST, each] as const), ...UNNAMED.map((each) => [WITHOUT, each] as const)]

let mistakes: ReadonlyMap<string, readonly string[]>
beforeAll(async () => {
  await using temp = await tempDir('types')
  for (const [at, [manifest, [, code]]] of all.entries()) await writePlugin(temp.file(`gate-${at}`), manifest, code)
  mistakes = await typeCheck(temp.path)
})

test.each(all.map(([, [what, , mistake]], at) => ({ what, mistake, at })))('$what', ({ mistake, at }) => {
  const told = mistakes.get(`gate-${at}`)
  if (mistake === null) expect(told).toEqual([])
  else expect(told?.join('\n')).toMatch(mistake)
})

async function writePlugin(dir: string, manifest: object, code: string): Promise<void> {
  await mkdir(dir)
  const files = {
    'index.ts': `import { definePlugin, flag, keep } from 'manifold/plugin'\nimport type { Plugin } from './types.d.ts'\nvoid flag\nvoid keep\nexport default definePlugin<Plugin>({ ${code} })\n`,
    'types.d.ts': pluginTypes(manifestSchema.parse(manifest)),
    'tsconfig.json': pluginFiles('gate', relative(dir, ROOT.replace(/\/$/, '')))['tsconfig.json'] ?? '',
  }
  for (const [name, text] of Object.entries(files)) await writeFile(`${dir}/${name}`, text)
}
