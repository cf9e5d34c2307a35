/** Bundles kept on disk, keyed by everything that goes into them, so that a start bundles only what changed. */
import { createHash, randomUUID } from 'node:crypto'
import { readdirSync } from 'node:fs'
import type { Dirent } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isTest, stateOf } from '../sandbox/bundle-sources.ts'
import type { Bundle } from '../sandbox/sandbox.ts'
import type { DiscoveredPlugin } from './discover.ts'
import { ApprovedFiles } from './approved-files.ts'
import { isBundle } from './pinning.ts'

const KEPT_MAX = 200
/** Of installed packages; the plugin's own files all count. */
const PACKAGE_FILES_MAX = 10_000
/** What the result depends on beside the plugin's folder: bundler, contract, and the packages built-ins may import. */
const CONTRACT = fileURLToPath(new URL('../contract/', import.meta.url))
const HUB_SOURCES = [
  ...[
    '../sandbox/bundle.ts',
    '../sandbox/bundle-borders.ts',
    '../sandbox/bundle-sources.ts',
    '../../package-lock.json',
  ].map((path) => fileURLToPath(new URL(path, import.meta.url))),
  ...readdirSync(CONTRACT)
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(CONTRACT, name)),
]
/** Larger files are no sources; they are told apart by size and time, and never taken into memory. */
const HASHED_BYTES_MAX = 16_777_216

export class BundleCache {
  readonly #dir: string
  /** What the lock grants, beside it. */
  readonly approved: ApprovedFiles
  /** By plugin id: a reload reads no file again whose sources are the same. */
  readonly #last = new Map<string, { readonly key: string; readonly bundle: Bundle }>()
  /** By file. */
  readonly #unwritten = new Map<string, Bundle>()
  #hubHash: string | undefined

  constructor(dir: string) {
    this.#dir = dir
    this.approved = new ApprovedFiles(join(dir, 'approved'))
  }

  /** The bundle made of exactly these sources, or what `make` makes, which is then kept. */
  async get(plugin: DiscoveredPlugin, make: () => Promise<Bundle>): Promise<Bundle> {
    const { id, version } = plugin.manifest
    const key = await this.#keyOf(plugin)
    const last = this.#last.get(id)
    if (last?.key === key && (await isOfSame(plugin.dir, last.bundle))) return last.bundle
    const file = join(this.#dir, `${key}.json`)
    const kept = await readBundle(file)
    if (kept?.pluginId === id && kept.version === version && (await isOfSame(plugin.dir, kept))) {
      this.#last.set(id, { key, bundle: kept })
      return kept
    }
    const bundle = await make()
    // Saved in the middle of it: nobody knows which of the two versions this is a bundle of.
    if ((await this.#keyOf(plugin)) !== key) return bundle
    this.#last.set(id, { key, bundle })
    this.#unwritten.set(file, bundle)
    return bundle
  }

  /** Writes down the new ones: not in `get`, where somebody waits for them. */
  async save(): Promise<void> {
    if (this.#unwritten.size === 0) return
    const bundles = [...this.#unwritten]
    this.#unwritten.clear()
    for (const [file, bundle] of bundles) await this.#write(file, bundle)
    await this.#prune()
  }

  async #keyOf(plugin: DiscoveredPlugin): Promise<string> {
    this.#hubHash ??= await hashOfFiles(HUB_SOURCES)
    const hash = createHash('sha256').update(this.#hubHash)
    hash.update(`${plugin.dir}\0${plugin.manifest.main}\0${plugin.manifest.version}\0`)
    hash.update(await hashOfFiles(packageLists(plugin.dir)))
    for (const line of await sourcesOf(plugin.dir)) hash.update(line)
    return hash.digest('hex')
  }

  async #write(file: string, bundle: Bundle): Promise<void> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 })
    const temporary = `${file}.${randomUUID()}.tmp`
    await writeFile(temporary, JSON.stringify(bundle), { mode: 0o600 })
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

/** False when a package's file that went in has changed, wherever packages lie and however many files they have. */
async function isOfSame(dir: string, { inputs = {} }: Bundle): Promise<boolean> {
  const states = await Promise.all(
    Object.keys(inputs).map((path) => stat(join(dir, path), { bigint: true }).then(stateOf, () => null)),
  )
  return Object.values(inputs).every((state, n) => state === states[n])
}

/** One line a file: content for the plugin's own, size and time for installed packages. */
async function sourcesOf(dir: string): Promise<string[]> {
  const lines: string[] = []
  const own = [dir]
  const packages: string[] = []
  let packageFiles = 0
  for (;;) {
    const folder = own.pop() ?? packages.pop()
    if (folder === undefined || packageFiles > PACKAGE_FILES_MAX) return lines.toSorted()
    const files: Dirent[] = []
    const isPackage = folder.includes(IN_PACKAGES)
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (entry.name.startsWith('.') || isTest(entry.name)) continue
      if (!entry.isDirectory()) files.push(entry)
      else (isPackage || entry.name === 'node_modules' ? packages : own).push(join(folder, entry.name))
    }
    if (isPackage) packageFiles += files.length
    const told = files.map(async (entry) => {
      const path = join(folder, entry.name)
      return `${relative(dir, path)}\0${await contentOf(path, entry)}\0`
    })
    lines.push(...(await Promise.all(told)))
  }
}

const IN_PACKAGES = `${sep}node_modules${sep}`

/** What npm says is installed in the folders above, where packages are looked for as well. */
function packageLists(dir: string): readonly string[] {
  const above = dirname(dir)
  const list = join(above, 'node_modules', '.package-lock.json')
  return above === dir ? [] : [list, ...packageLists(above)]
}

async function contentOf(path: string, entry: Dirent): Promise<string> {
  const info = await stat(path).catch(() => null)
  if (path.includes(IN_PACKAGES) || !entry.isFile() || info === null || info.size > HASHED_BYTES_MAX)
    return `${info?.size}:${info?.mtimeMs}`
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
