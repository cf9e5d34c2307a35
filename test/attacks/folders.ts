/** Plugin folders as an attacker would hand them over, beside a good one, and secrets lying around that none may bring in. */
import { execFileSync } from 'node:child_process'
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ROOT } from '../support/hub.ts'
import { CODE, HELLO, writePlugin } from '../registry/plugin-folder.ts'

/** In every file that is nobody's business. */
export const CANARY = 'CANARY-4d1f77'

export interface Yard {
  readonly root: string
  readonly outside: string
  readonly evil: string
}

/** The yard around the evil folder, which is new each time. */
export async function layOut(at: string): Promise<Yard> {
  const yard = { root: join(at, 'root'), outside: join(at, 'outside'), evil: join(at, 'root', 'evil') }
  await rm(yard.evil, { recursive: true, force: true })
  await write(yard.outside, {
    'secret.json': JSON.stringify({ CANARY }),
    'secret.ts': `export default '${CANARY}'`,
    'secret.txt': CANARY,
    'secret.css': `.a { content: '${CANARY}' }`,
    'tsconfig.json': JSON.stringify({ compilerOptions: { paths: { '*': [`${yard.outside}/*`] } } }),
    'node_modules/deep/secret.json': JSON.stringify({ CANARY }),
    'map.json': JSON.stringify({
      version: 3,
      sources: ['x'],
      sourcesContent: [CANARY],
      names: [CANARY],
      mappings: 'AAAAA',
    }),
  })
  await write(yard.root, {
    'keys.json': JSON.stringify({ CANARY }),
    'other/keys.json': JSON.stringify({ CANARY }),
    'other/keys.ts': `export default '${CANARY}'`,
    'node_modules/.cache/secret.json': JSON.stringify({ CANARY }),
    'node_modules/shared/package.json': JSON.stringify({ name: 'shared', main: 'index.js' }),
    'node_modules/shared/index.js': 'module.exports = 1',
  })
  await symlink(yard.outside, join(yard.root, 'node_modules', 'linked')).catch(() => undefined)
  await writePlugin(yard.root, 'good')
  await writePlugin(yard.root, 'evil')
  return yard
}

/** Texts by path below `dir`. */
export async function write(dir: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), { recursive: true })
    await writeFile(join(dir, path), text)
  }
}

/** Specifiers that lead, or might lead, to a file that is not the plugin's. */
export const targetsOf = ({ root, outside }: Yard): readonly string[] => [
  '../keys.json',
  '../other/keys.json',
  '../other/keys.ts',
  '../other/keys',
  './../other/keys.json',
  './sub/../../other/keys.json',
  '../../outside/secret.json',
  '../../outside/secret.ts',
  '../../outside/secret.txt',
  '../../outside/secret.css',
  `${outside}/secret.json`,
  `${outside}/secret.txt`,
  `file://${outside}/secret.json`,
  `${root}/other/keys.json`,
  'linked/secret.json',
  'linked/node_modules/deep/secret.json',
  'shared/../.cache/secret.json',
  'shared/../../keys.json',
  'shared/../../../outside/secret.json',
  './node_modules/../../keys.json',
  '../node_modules/.cache/secret.json',
  './link.json',
  './link.ts',
  './linkdir/secret.json',
  './linkdir/secret',
  '#inside',
  '@/secret',
  'secret',
  'evil/secret',
  '/proc/self/environ',
  '/proc/self/cmdline',
  '/etc/hostname',
  '/dev/zero',
  '/dev/stdin',
  './zero.json',
  './pipe.json',
  `${ROOT}core/config/settings.ts`,
  `${ROOT}package.json`,
  'manifold/plugin/../../config/settings.ts',
  'manifold/core/main.ts',
  'node:fs',
  'fs',
  'fs/promises',
  'child_process',
  'node:sqlite',
  'isolated-vm',
  'better-sqlite3',
  'https://127.0.0.1:9/x.js',
  'data:text/javascript,export default 1',
  'data:application/json,{"a":1}',
  'blob:x',
  '\\\\host\\share\\x.json',
]

/** How a file may name another. */
export const FORMS: readonly ((target: string) => string)[] = [
  (t) => `import x from ${JSON.stringify(t)}; export const y = x`,
  (t) => `import * as x from ${JSON.stringify(t)}; export const y = JSON.stringify(x)`,
  (t) => `export * from ${JSON.stringify(t)}`,
  (t) => `export const y = require(${JSON.stringify(t)})`,
  (t) => `export const y = () => import(${JSON.stringify(t)})`,
  (t) => `import x from ${JSON.stringify(t)} with { type: 'json' }; export const y = x`,
  (t) => `import x from ${JSON.stringify(t)} with { type: 'text' }; export const y = x`,
  (t) => `import x from ${JSON.stringify(t)} with { type: 'bytes' }; export const y = x`,
  (t) => `export const y = new URL(${JSON.stringify(t)}, import.meta.url).href`,
  (t) => `export const y = require.resolve(${JSON.stringify(t)})`,
  // Patterns: everything that fits is bundled.
  (t) => `const n = String(globalThis.x); export const y = () => require(${pattern(t, 1)})`,
  (t) => `const n = String(globalThis.x); export const y = () => import(${pattern(t, 1)})`,
  (t) => `const n = String(globalThis.x); export const y = () => require(${pattern(t, 2)})`,
  (t) =>
    `const n = String(globalThis.x); export const y = () => import(${JSON.stringify(t.slice(0, Math.max(2, t.lastIndexOf('/') + 1)))} + n)`,
  (t) => `export const y = 1\n//# sourceMappingURL=${t}`,
  (t) => `export const y = 1\n/*# sourceMappingURL=${t} */`,
]

/** The last `parts` of the path left open. */
function pattern(target: string, parts: number): string {
  const way = target.split('/')
  const kept = way.slice(0, Math.max(1, way.length - parts)).join('/')
  return `\`${kept}/\${n}${/\.\w+$/.exec(target)?.[0] ?? ''}\``
}

/** What stands beside the code and tells the bundler where to look. */
export const SURROUNDINGS: Readonly<Record<string, (yard: Yard) => Readonly<Record<string, string>>>> = {
  nothing: () => ({}),
  'tsconfig with paths': ({ outside }) => ({
    'tsconfig.json': JSON.stringify({
      compilerOptions: { baseUrl: outside, paths: { '@/*': [`${outside}/*`], '*': [`${outside}/*`] } },
    }),
  }),
  'tsconfig that extends': () => ({
    'tsconfig.json': '{"extends":"../../outside/tsconfig.json"}',
    'jsconfig.json': '{"extends":"../../outside/tsconfig.json"}',
  }),
  'package.json with imports': () => ({
    'package.json': JSON.stringify({
      name: 'evil',
      imports: { '#inside': '../other/keys.json', '#*': '../../outside/*.json' },
    }),
  }),
  'package.json with exports': () => ({
    'package.json': JSON.stringify({ name: 'evil', exports: { './secret': '../other/keys.json' } }),
  }),
  'package.json with browser': () => ({
    'package.json': JSON.stringify({
      name: 'evil',
      browser: { './a.json': '../other/keys.json', secret: '../../outside/secret.json', fs: '../other/keys.json' },
    }),
  }),
  'a package that leads out': () => ({
    'node_modules/secret/package.json': JSON.stringify({
      name: 'secret',
      main: '../../../other/keys.json',
      browser: '../../../other/keys.json',
    }),
  }),
  'a package that imports out': () => ({
    'node_modules/secret/package.json': JSON.stringify({ name: 'secret', main: 'index.js' }),
    'node_modules/secret/index.js':
      'module.exports = [require("../../../node_modules/.cache/secret.json"), require("../../../other/keys.json")]',
  }),
  'a package of files elsewhere': () => ({
    'node_modules/secret/package.json': JSON.stringify({ name: 'secret', main: 'index.js' }),
    'node_modules/secret/index.js': 'module.exports = require("../../../../outside/node_modules/deep/secret.json")',
  }),
}

/** Links and pipes with the names that the specifiers use. */
export async function addOddFiles({ evil, outside }: Yard, which: 'links' | 'pipe' | 'zero'): Promise<void> {
  if (which === 'pipe') execFileSync('mkfifo', [join(evil, 'pipe.json')])
  if (which === 'zero') await symlink('/dev/zero', join(evil, 'zero.json'))
  if (which !== 'links') return
  await symlink(join(outside, 'secret.json'), join(evil, 'link.json'))
  await symlink(join(outside, 'secret.ts'), join(evil, 'link.ts'))
  await symlink(outside, join(evil, 'linkdir'))
}

export { CODE, HELLO, writePlugin }
