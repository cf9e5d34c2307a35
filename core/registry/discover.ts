/** Finds plugin folders in the discovery roots and reads their manifests. A bad one is told and left out; the rest stand. */
import { lstat, readdir, realpath } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BrokenPlugin, LoadedPlugin } from './installation.ts'
import type { Manifest } from './manifest.ts'
import { isInside, MANIFEST_FILE, readManifest } from './read-manifest.ts'

export interface Root {
  readonly dir: string
  readonly origin: LoadedPlugin['origin']
}

/** A folder with a manifest that is right in itself; nothing was bundled or run. */
export interface DiscoveredPlugin {
  readonly manifest: Manifest
  /** Real path. */
  readonly dir: string
  readonly origin: LoadedPlugin['origin']
}

export interface Discovery {
  readonly found: readonly DiscoveredPlugin[]
  readonly broken: readonly BrokenPlugin[]
}

/** The hub's own roots, then those of the configuration. */
export function rootsOf(pluginDirs: readonly string[]): readonly Root[] {
  const own = ['plugins', 'integrations'].map((name) => fileURLToPath(new URL(`../../${name}`, import.meta.url)))
  return [
    ...own.map((dir): Root => ({ dir, origin: 'builtin' })),
    ...pluginDirs.map((dir): Root => ({ dir, origin: 'community' })),
  ]
}

/** Reads all roots. Among folders of one id the first root wins and the others are reported: nothing can shadow a built-in. */
export async function discoverPlugins(roots: readonly Root[]): Promise<Discovery> {
  const found = new Map<string, DiscoveredPlugin>()
  const broken: BrokenPlugin[] = []
  for (const root of roots) {
    const { dirs, problems } = await candidates(root.dir)
    broken.push(...problems)
    const read = await Promise.all(dirs.map(async (dir) => ({ dir, result: await readManifest(dir) })))
    for (const { dir, result } of read) {
      if ('problems' in result) {
        broken.push({ id: basename(dir), dir, problems: result.problems })
        continue
      }
      const { id } = result.manifest
      const reserved = root.origin === 'builtin' ? null : reservedPart(result.manifest)
      if (reserved !== null) {
        const why = `only plugins in the hub's own plugins/ and integrations/ may say ${reserved}`
        broken.push({ id, dir, problems: [`${join(dir, MANIFEST_FILE)}: ${why}`] })
        continue
      }
      const first = found.get(id)
      if (first === undefined) found.set(id, { manifest: result.manifest, dir, origin: root.origin })
      else if (first.dir !== dir)
        broken.push({ id, dir, problems: [`${dir}: the id "${id}" is taken by ${first.dir}, which is used`] })
    }
  }
  return { found: [...found.values()], broken }
}

/** What no plugin may say that the hub did not ship. */
function reservedPart({ runtime, api }: Manifest): string | null {
  if (runtime === 'native') return '"runtime": "native"'
  return Object.keys(api).length > 0 ? '"api"' : null
}

/** Folders of the root that hold a manifest; a root that is one itself counts as its only plugin. */
async function candidates(root: string): Promise<{ dirs: string[]; problems: BrokenPlugin[] }> {
  let real: string
  try {
    real = await realpath(root)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return { dirs: [], problems: [] }
    return { dirs: [], problems: [{ id: basename(root), dir: root, problems: [`${root}: cannot be read (${code})`] }] }
  }
  if (await hasManifest(real)) return { dirs: [real], problems: [] }
  const dirs: string[] = []
  const problems: BrokenPlugin[] = []
  const entries = await readdir(real, { withFileTypes: true })
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith('.') || entry.name === 'node_modules') continue
    if (!entry.isDirectory() && !entry.isSymbolicLink()) continue
    const path = join(real, entry.name)
    const target = await realpath(path).catch((error: NodeJS.ErrnoException) => error)
    if (target instanceof Error) {
      problems.push({
        id: entry.name,
        dir: path,
        problems: [`${path}: is a symbolic link that leads nowhere (${target.code})`],
      })
    } else if (!isInside(real, target)) {
      problems.push({
        id: entry.name,
        dir: path,
        problems: [
          `${path}: is a symbolic link that leaves ${real}; copy the folder, or list its parent in pluginDirs`,
        ],
      })
    } else if (!entry.isSymbolicLink() && (await hasManifest(target))) {
      dirs.push(target)
    }
  }
  return { dirs, problems }
}

async function hasManifest(dir: string): Promise<boolean> {
  try {
    await lstat(join(dir, MANIFEST_FILE))
    return true
  } catch {
    return false
  }
}
