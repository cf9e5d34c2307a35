/** What changed between two versions of a plugin, as a person reads it before a yes. */
import { expect, test } from 'vitest'
import { LIMITS } from '../../core/limits.ts'
import { manifestSchema } from '../../core/registry/manifest.ts'
import type { OnDisk } from '../../core/registry/pinning.ts'
import { sourceDiff } from '../../core/registry/source-diff.ts'
import { HELLO } from './plugin-folder.ts'

/** As bundles carry them. */
const version = (sources: Readonly<Record<string, string>>, manifest: object = HELLO): OnDisk => ({
  manifest: manifestSchema.parse(manifest),
  bundle: {
    pluginId: 'hello',
    version: '1.0.0',
    code: '',
    hash: '',
    sourceMap: JSON.stringify({ sources: Object.keys(sources), sourcesContent: Object.values(sources) }),
  },
})
const numbered = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, n) => `line ${from + n}`).join('\n')
const { pluginDiffBytesMax } = LIMITS
const between = (before: OnDisk, now: OnDisk) => sourceDiff(before, now, pluginDiffBytesMax)

test('files by what became of them, own ones before packages, with a unified diff that patch would take', () => {
  const before = version({
    'index.ts': numbered(1, 20),
    'gone.ts': 'a\nb',
    'node_modules/dep/index.js': 'old',
    'same.ts': 'same',
  })
  const now = version({
    'index.ts': `${numbered(1, 9)}\nTEN\n${numbered(11, 18)}\nline 19\nmore\nline 20`,
    'new.ts': 'x',
    'node_modules/dep/index.js': 'new',
    'same.ts': 'same',
  })
  expect(between(before, now)).toEqual({
    files: [
      { path: 'gone.ts', change: 'removed', added: 0, removed: 2 },
      { path: 'index.ts', change: 'changed', added: 2, removed: 1 },
      { path: 'new.ts', change: 'added', added: 1, removed: 0 },
      { path: 'node_modules/dep/index.js', change: 'changed', added: 1, removed: 1 },
    ],
    text: `--- granted/gone.ts
+++ /dev/null
@@ -1,2 +0,0 @@
-a
-b
--- granted/index.ts
+++ index.ts
@@ -7,7 +7,7 @@
 line 7
 line 8
 line 9
-line 10
+TEN
 line 11
 line 12
 line 13
@@ -17,4 +17,5 @@
 line 17
 line 18
 line 19
+more
 line 20
--- /dev/null
+++ new.ts
@@ -0,0 +1,1 @@
+x
--- granted/node_modules/dep/index.js
+++ node_modules/dep/index.js
@@ -1,1 +1,1 @@
-old
+new
`,
    isWhole: true,
  })
})

test('the manifest is a file like others; the same sources have no diff', () => {
  const wider = { ...HELLO, permissions: { ...HELLO.permissions, kv: true } }
  const { files, text } = between(version({ 'index.ts': 'a' }), version({ 'index.ts': 'a' }, wider))
  expect(files).toMatchObject([{ path: 'plugin.json', change: 'changed' }])
  expect(text).toMatch(/^\+ +"kv": true/m)
  expect(between(version({ 'index.ts': 'a' }), version({ 'index.ts': 'a' }))).toEqual({
    files: [],
    text: '',
    isWhole: true,
  })
})

test('a diff is cut at a line and says so, however much has changed', () => {
  const many = (what: string) => Array.from({ length: 20_000 }, (_, n) => `${what} ${n}`).join('\n')
  const { files, text, isWhole } = between(version({ 'index.ts': many('old') }), version({ 'index.ts': many('new') }))
  expect(files).toEqual([{ path: 'index.ts', change: 'changed', added: 20_000, removed: 20_000 }])
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(pluginDiffBytesMax)
  expect([text.endsWith('\n'), isWhole]).toEqual([true, false])
  const files201 = Object.fromEntries(Array.from({ length: 201 }, (_, n) => [`f${n}.ts`, 'x']))
  const crowd = between(version({}), version(files201))
  expect([crowd.files.length, crowd.isWhole]).toEqual([200, false])
  const long = between(version({ 'index.ts': 'a' }), version({ 'index.ts': 'x'.repeat(900) }))
  expect(long.text).toContain(`+${'x'.repeat(500)}… (400 more)\n`)
  expect(long.isWhole).toBe(false)
})

test('so much is compared at most, of all files together; what is beyond is gone and come', () => {
  const lines = (mark: string) =>
    Array.from({ length: 900 }, (_, n) => (n % 9 === 0 ? `${mark} ${n}` : `line ${n}`)).join('\n')
  const sources = (mark: string) =>
    Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`f${String(n).padStart(2, '0')}.ts`, lines(mark)]))
  const { files, text } = between(version(sources('a')), version(sources('b')))
  const exact = files.filter(({ added, removed }) => added === 100 && removed === 100)
  // Both texts together have nearly 1 800 lines between what they begin and end with alike.
  expect([exact.length, files.length]).toEqual([5, 20])
  expect(exact).toEqual(files.slice(0, 5))
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(pluginDiffBytesMax)
  // Nothing of a later file stands behind a cut one.
  expect(text.split('\n').filter((line) => line.startsWith('+++ ')).length).toBeLessThan(20)
})

test('what turns the direction of text or takes no room is shown by its number', () => {
  const { text } = between(version({ 'index.ts': 'a' }), version({ 'index.ts': 'if (\u202e"nimda"\u2066 \u200b)' }))
  expect(text).toContain('+if (<U+202E>"nimda"<U+2066> <U+200B>)')
})
