/**
 * Bundles kept on disk, keyed by everything that goes into them, so that a start bundles only what changed. Also keeps, for
 * each plugin, the version that was last allowed to run: it goes on running while a newer one waits for approval.
 */
import { createHash, randomUUID } from 'node:crypto'
import type { Dirent } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Bundle } from '../sandbox/sandbox.ts'
import type { DiscoveredPlugin } from './discover.ts'
import type { LoadedPlugin } from './installation.ts'
import { manifestSchema } from './manifest.ts'

const KEPT_MAX = 200
const FILES_MAX = 10_000
/** What the result depends on beside the plugin's folder: bundler, contract, and the packages built-ins may import. */
const HUB_SOURCES = ['../sandbox/bundle.ts', '../contract/index.ts', '../../package-lock.json'].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
)

export class BundleCache {
  readonly #dir: string
  #hubHash: string | undefined

  constructor(dir: string) {
    this.#dir = dir
  }

  /** The bundle made of exactly these sources, or what `make` makes, which is then kept. */
  async get(plugin: DiscoveredPlugin, make: () => Promise<Bundle>): Promise<Bundle> {
    const file = join(this.#dir, `${await this.#keyOf(plugin)}.json`)
    const kept = await readBundle(file)
    if (kept?.pluginId === plugin.manifest.id && kept.version === plugin.manifest.version) return kept
    const bundle = await make()
    await this.#write(file, bundle)
    await this.#prune()
    return bundle
  }

  /** Remembers what is allowed to run. */
  async keepApproved(plugin: LoadedPlugin): Promise<void> {
    const file = this.#approvedFile(plugin.manifest.id)
    const known = (await readJson(file)) as { bundle?: { hash?: unknown }; manifest?: unknown } | null
    // The manifest counts as well: one that asks for less must not come back as what it was.
    const sameManifest = JSON.stringify(known?.manifest) === JSON.stringify(plugin.manifest)
    if (sameManifest && known?.bundle?.hash === plugin.bundle.hash) return
    await this.#write(file, plugin)
  }

  /** The remembered version, if its code is the one with this hash. */
  async approved(id: string, hash: string): Promise<LoadedPlugin | null> {
    const kept = (await readJson(this.#approvedFile(id))) as Partial<LoadedPlugin> | null
    const manifest = manifestSchema.safeParse(kept?.manifest)
    if (!manifest.success || !isBundle(kept?.bundle) || kept.bundle.hash !== hash) return null
    return { manifest: manifest.data, dir: String(kept.dir), origin: 'community', bundle: kept.bundle }
  }

  #approvedFile(id: string): string {
    return join(this.#dir, 'approved', `${id}.json`)
  }

  async #keyOf(plugin: DiscoveredPlugin): Promise<string> {
    this.#hubHash ??= await hashOfFiles(HUB_SOURCES)
    const hash = createHash('sha256').update(this.#hubHash)
    hash.update(`${plugin.dir}\0${plugin.manifest.main}\0${plugin.manifest.version}\0`)
    for (const line of await sourcesOf(plugin.dir)) hash.update(line)
    return hash.digest('hex')
  }

  async #write(file: string, value: unknown): Promise<void> {
    await mkdir(join(this.#dir, 'approved'), { recursive: true, mode: 0o700 })
    const temporary = `${file}.${randomUUID()}.tmp`
    await writeFile(temporary, JSON.stringify(value), { mode: 0o600 })
    await rename(temporary, file)
  }

  async #prune(): Promise<void> {
    const names = (await readdir(this.#dir)).filter((name) => name.endsWith('.json'))
    if (names.length <= KEPT_MAX) return
    const aged = await Promise.all(
      names.map(async (name) => ({ name, atMs: (await stat(join(this.#dir, name))).mtimeMs })),
    )
    const oldest = aged.toSorted((a, b) => a.atMs - b.atMs).slice(0, names.length - KEPT_MAX)
    await Promise.all(oldest.map(({ name }) => rm(join(this.#dir, name), { force: true })))
  }
}

/** One line a file: content for the plugin's own, size and time for installed packages. */
async function sourcesOf(dir: string): Promise<string[]> {
  const lines: string[] = []
  const waiting = [dir]
  for (let folder = waiting.pop(); folder !== undefined && lines.length < FILES_MAX; folder = waiting.pop()) {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (entry.name.startsWith('.') || /\.test\.[mc]?[jt]s$/.test(entry.name)) continue
      const path = join(folder, entry.name)
      if (entry.isDirectory()) waiting.push(path)
      else lines.push(`${relative(dir, path)}\0${await contentOf(path, entry)}\0`)
    }
  }
  return lines.toSorted()
}

async function contentOf(path: string, entry: Dirent): Promise<string> {
  if (path.includes('/node_modules/') || !entry.isFile()) {
    const info = await stat(path).catch(() => null)
    return `${info?.size}:${info?.mtimeMs}`
  }
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
}

async function hashOfFiles(files: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  for (const file of files) hash.update(await readFile(file).catch(() => ''))
  return hash.digest('hex')
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch {
    return null
  }
}

async function readBundle(file: string): Promise<Bundle | null> {
  const value = await readJson(file)
  return isBundle(value) ? value : null
}

/** True when the code is the one the hash was made of: a file that was cut short or touched is not used. */
function isBundle(value: unknown): value is Bundle {
  const bundle = value as Partial<Bundle> | null | undefined
  if (typeof bundle?.code !== 'string' || typeof bundle.sourceMap !== 'string' || typeof bundle.hash !== 'string')
    return false
  return createHash('sha256').update(bundle.code).digest('hex') === bundle.hash
}
