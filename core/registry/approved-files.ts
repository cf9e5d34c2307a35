/**
 * The plugins that the lock grants, whole: each goes on running while other files of it wait for approval. A file is named
 * by its content and never changed: what the lock names is there, whenever a process that changes it may end.
 *
 *   write the file, on the disk ──▶ write the lock, on the disk ──▶ remove what the lock names no more
 */
import { randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { LoadedPlugin } from './installation.ts'
import type { LockEntry } from './lock.ts'
import { manifestSchema } from './manifest.ts'
import { approvalHash, isBundle } from './pinning.ts'
import { syncFolder } from './sync-folder.ts'

/** Of a process that died while it wrote; writing takes milliseconds. */
const LEFT_BEHIND_MS = 60_000
const SUFFIX = '.json'

type Named = Pick<LockEntry, 'files'>

export class ApprovedFiles {
  readonly #dir: string
  /** Names of files that this process has read or written. */
  readonly #sound = new Set<string>()

  constructor(dir: string) {
    this.#dir = dir
  }

  /** What the entry grants; null when it is not there, or not what it was. */
  async find({ files, hash }: Pick<LockEntry, 'files' | 'hash'>): Promise<LoadedPlugin | null> {
    const kept = await this.#read(files)
    const manifest = manifestSchema.safeParse(kept?.manifest)
    if (kept === null || !manifest.success || kept.bundle.hash !== hash) return null
    return { manifest: manifest.data, dir: String(kept.dir), origin: 'community', bundle: kept.bundle }
  }

  /** Resolves when it is on the disk. Call it before the lock names it, while the lock is held: `forget` may be at work. */
  async keep(plugin: LoadedPlugin): Promise<void> {
    const name = approvalHash(plugin)
    if (await this.#isThere(name)) return
    const file = this.#file(name)
    const temporary = `${file}.${randomUUID()}.tmp`
    await mkdir(this.#dir, { recursive: true, mode: 0o700 })
    await writeFile(temporary, JSON.stringify(plugin), { mode: 0o600, flush: true })
    await rename(temporary, file)
    await syncFolder(this.#dir)
    this.#sound.add(name)
  }

  /** True when every plugin is kept, and nothing that no entry names. */
  async isTidy(plugins: readonly LoadedPlugin[], entries: readonly Named[]): Promise<boolean> {
    for (const plugin of plugins) if (!(await this.#isThere(approvalHash(plugin)))) return false
    return (await this.#unnamed(entries)).length === 0
  }

  /** Removes what no entry names. Call it after the lock was written, while it is held. */
  async forget(entries: readonly Named[]): Promise<void> {
    for (const name of await this.#unnamed(entries)) await rm(join(this.#dir, name), { force: true })
  }

  async #unnamed(entries: readonly Named[]): Promise<readonly string[]> {
    const named = new Set(entries.map(({ files }) => `${files}${SUFFIX}`))
    const names = await readdir(this.#dir).catch(() => [])
    const unnamed: string[] = []
    for (const name of names.filter((each) => !named.has(each))) {
      const info = name.endsWith(SUFFIX) ? null : await stat(join(this.#dir, name)).catch(() => null)
      if (info === null || Date.now() - info.mtimeMs > LEFT_BEHIND_MS) unnamed.push(name)
    }
    return unnamed
  }

  async #isThere(name: string): Promise<boolean> {
    if (this.#sound.has(name) && (await stat(this.#file(name)).catch(() => null)) !== null) return true
    return (await this.#read(name)) !== null
  }

  /** A file that is not what its name says was touched, and is not used. */
  async #read(name: string): Promise<Omit<LoadedPlugin, 'origin'> | null> {
    const kept = await readFile(this.#file(name), 'utf8')
      .then((text) => JSON.parse(text) as LoadedPlugin)
      .catch(() => null)
    if (!isBundle(kept?.bundle) || approvalHash(kept) !== name) return null
    this.#sound.add(name)
    return kept
  }

  #file(name: string): string {
    return join(this.#dir, `${name}${SUFFIX}`)
  }
}
