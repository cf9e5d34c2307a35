/** What may become part of a plugin's bundle: the contract, packages, and plain files inside the plugin's folder. */
import { lstatSync, realpathSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { builtinModules } from 'node:module'
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Metafile, OnLoadResult, OnResolveArgs, OnResolveResult, PartialMessage, PluginBuild } from 'esbuild'
import { SOURCE_BYTES_MAX } from './bundle-sources.ts'
import type { Sources } from './bundle-sources.ts'

const CONTRACT_PATH = fileURLToPath(new URL('../contract/index.ts', import.meta.url))
const CONTRACT_DIR = dirname(CONTRACT_PATH)
/** The one specifier for the contract, ours and strangers'. */
export const CONTRACT_NAME = 'manifold/plugin'
const BUILTINS = new Set(builtinModules)
const PACKAGE_FILE = 'package.json'

/**
 * Specifiers that are asked about one by one: names, absolute paths, and whatever leads upwards. Every question crosses to
 * the bundler's process and back, and packages are hundreds of files that import each other: what stays below its folder
 * is judged where it is loaded.
 */
const ASKED = /^$|^[^.]|^\.[^/]|\.\./

/**
 * Holds every import and every file against the borders. Imports alone would not do: a pattern
 * (`require('../' + name + '.json')`) brings in files that no resolver is asked about.
 */
export function guardSources(hook: PluginBuild, dir: string, sources: Sources): void {
  const allowed = new Set([CONTRACT_PATH])
  /** Packages beside the folder that an import by name led to. */
  const packages = new Set<string>()
  const realPathOf = realPaths()
  const seen = Symbol('resolved once')
  hook.onResolve({ filter: ASKED }, async (args): Promise<OnResolveResult | undefined> => {
    if (args.pluginData === seen) return undefined
    if (args.path === CONTRACT_NAME) return { path: CONTRACT_PATH }
    if (args.path.startsWith('node:')) return refusal(builtinRefusal(args.path))
    const { importer, resolveDir, kind, namespace } = args
    if (isInside(dir, importer) && args.path.startsWith('.') && isInside(dir, join(resolveDir, args.path)))
      return undefined
    const found = await hook.resolve(args.path, { importer, resolveDir, kind, namespace, pluginData: seen })
    if (found.errors.length > 0) {
      const isBuiltin = BUILTINS.has(args.path) || BUILTINS.has(args.path.split('/')[0] as string)
      return refusal(isBuiltin ? builtinRefusal(args.path) : `"${args.path}" cannot be found`)
    }
    if (found.namespace !== 'file') return found
    const refused = whyNot(dir, args, found.path)
    if (refused !== null) return refusal(refused)
    allowed.add(found.path)
    const home = isInside(dir, found.path) ? null : packageOf(found.path)
    if (home !== null) packages.add(home)
    return found
  })
  hook.onLoad({ filter: /.*/, namespace: 'file' }, async ({ path }): Promise<OnLoadResult | undefined> => {
    const real = realPathOf(path)
    const isOfAllowed = allowed.has(real) || isInside(CONTRACT_DIR, real) || packages.has(packageOf(real) ?? '')
    if (!isInside(dir, real) && !isOfAllowed) return refusal(outsideRefusal(relative(dir, path)))
    return sources.load(real, path)
  })
  hook.onEnd(({ metafile }) => ({ errors: metafile === undefined ? [] : trespasses(metafile, dir) }))
}

/**
 * What came in from beside the folder without being asked about: from one package into another by its place, or by a
 * pattern, which no import names file by file.
 */
function trespasses({ inputs }: Metafile, dir: string): PartialMessage[] {
  const named = new Set<string>()
  const refused = Object.entries(inputs).flatMap(([importer, { imports }]) =>
    imports.flatMap(({ path, original, external }): PartialMessage[] => {
      const found = resolve(dir, path)
      if (external === true || original === undefined || isInside(dir, found)) return []
      named.add(found)
      const text = whyNot(dir, { path: original, importer: resolve(dir, importer) }, found)
      return text === null ? [] : [{ text: `${importer}: ${text}` }]
    }),
  )
  const byPattern = Object.keys(inputs).filter((path) => {
    const file = resolve(dir, path)
    return !isInside(dir, file) && !named.has(file)
  })
  return [...refused, ...byPattern.map((path) => ({ text: outsideRefusal(path) }))]
}

/** Why a file may not be imported so; null: it may. */
function whyNot(dir: string, args: Pick<OnResolveArgs, 'path' | 'importer'>, found: string): string | null {
  const ofContract =
    args.path === CONTRACT_NAME || (isInside(CONTRACT_DIR, args.importer) && isInside(CONTRACT_DIR, found))
  return ofContract || isInside(dir, found) || isOfPackage(dir, args, found) ? null : outsideRefusal(args.path)
}

/** Real paths, each folder looked up once: hundreds of files lie in a few. For one build only, folders may change after it. */
function realPaths(): (path: string) => string {
  const folders = new Map<string, string>()
  return (path) => {
    const folder = dirname(path)
    try {
      const real = folders.get(folder) ?? realpathSync.native(folder)
      folders.set(folder, real)
      const place = join(real, basename(path))
      return lstatSync(place).isSymbolicLink() ? realpathSync.native(place) : place
    } catch {
      return path
    }
  }
}

/**
 * A package by its name, or a file of the same package that the importing one belongs to. Links may lead from one
 * `node_modules` into another: only those count in which a package would be looked for.
 */
function isOfPackage(
  dir: string,
  { path: specifier, importer }: Pick<OnResolveArgs, 'path' | 'importer'>,
  found: string,
): boolean {
  const home = packageOf(found)
  if (home === null || !foldersAbove(dir).some((above) => isInside(join(above, 'node_modules'), found))) return false
  const isPlace = /^\.{0,2}\//.test(specifier) || isAbsolute(specifier)
  return isPlace ? packageOf(importer) === home : !specifier.split('/').includes('..')
}

const foldersAbove = (dir: string): readonly string[] =>
  dirname(dir) === dir ? [dir] : [dir, ...foldersAbove(dirname(dir))]

/** `…/node_modules/name` of a file in a package; what package managers keep there for themselves begins with a dot. */
function packageOf(path: string): string | null {
  const parts = path.split(sep)
  const at = parts.lastIndexOf('node_modules')
  const name = parts[at + 1] ?? ''
  if (at < 0 || name === '' || name.startsWith('.')) return null
  return parts.slice(0, at + (name.startsWith('@') ? 3 : 2)).join(sep)
}

/**
 * What in the folder is neither file nor folder, or is read without asking and much too long: in words, or null. The
 * bundler looks into every `package.json` on its way, and waits for a pipe.
 */
export async function oddFile(dir: string): Promise<string | null> {
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isDirectory() || (entry.isFile() && entry.name !== PACKAGE_FILE)) continue
    const info = await stat(path).catch(() => null)
    if (info === null) continue
    if (!info.isFile() && !info.isDirectory()) return `${relative(dir, path)} is neither a file nor a folder`
    if (entry.name === PACKAGE_FILE && info.size > SOURCE_BYTES_MAX)
      return `${relative(dir, path)} has more than ${SOURCE_BYTES_MAX} bytes`
  }
  return null
}

/** The contract is the hub's own: it is no source of a plugin. */
export const isOfContract = (path: string): boolean => isInside(CONTRACT_DIR, path)

const refusal = (text: string) => ({ errors: [{ text }] })

const builtinRefusal = (path: string): string =>
  `"${path}" is a Node built-in and does not exist in the sandbox; use ctx (http, kv, hmac, sign …) or web-standard globals`

const outsideRefusal = (path: string): string =>
  `"${path}" is outside the plugin's folder; import packages, "${CONTRACT_NAME}" and own files only`

function isInside(dir: string, path: string): boolean {
  const way = relative(dir, path)
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}
