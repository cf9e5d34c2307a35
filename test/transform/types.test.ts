/** The compiler holds a plugin with a transform to its manifest. */
import { mkdir, writeFile } from 'node:fs/promises'
import { relative } from 'node:path'
import { expect, test } from 'vitest'
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

async function mistakesOf(manifest: object, code: string): Promise<readonly string[]> {
  await using temp = await tempDir('types')
  const dir = temp.file('gate')
  await mkdir(dir)
  const files = {
    'index.ts': `import { definePlugin, flag, keep } from 'manifold/plugin'\nimport type { Plugin } from './types.d.ts'\nvoid flag\nvoid keep\nexport default definePlugin<Plugin>({ ${code} })\n`,
    'types.d.ts': pluginTypes(manifestSchema.parse(manifest)),
    'tsconfig.json': pluginFiles('gate', relative(dir, ROOT.replace(/\/$/, '')))['tsconfig.json'] ?? '',
  }
  for (const [name, text] of Object.entries(files)) await writeFile(`${dir}/${name}`, text)
  return await typeCheck(dir)
}

test.each<[string, string, RegExp | null]>([
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
])('%s', async (_what, code, mistake) => {
  const mistakes = await mistakesOf(MANIFEST, code)
  if (mistake === null) expect(mistakes).toEqual([])
  else expect(mistakes.join('\n')).toMatch(mistake)
})

test('a transform that the manifest does not name', async () => {
  const { transform: _transform, ...manifest } = MANIFEST
  expect((await mistakesOf(manifest, 'transform: () => {}')).join('\n')).toMatch(/not assignable/)
  expect(await mistakesOf(manifest, '')).toEqual([])
})
