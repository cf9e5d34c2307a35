/** The files that a bundle is made of, read by the hub itself: what is shown of a plugin is what its files say. */
import { createHash } from 'node:crypto'
import { constants, lstatSync } from 'node:fs'
import type { BigIntStats } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname, relative, resolve, sep } from 'node:path'
import type { OnLoadResult } from 'esbuild'

/** No source of a bundle of 1 MB is longer; the bundler would take all of it into memory. */
export const SOURCE_BYTES_MAX = 16_777_216
const SCRIPT = /\.[cm]?[jt]sx?$/
/**
 * What a file names as its own map the bundler would open, wherever that is, and believe: then a plugin would choose the
 * text that is shown before it is approved, and the lines that its failures are told with.
 */
const MAP_COMMENT = /([#@]) (sourceMappingURL=)/g

/** A file that went in. */
interface Source {
  /** Null: of a package. */
  readonly text: string | null
  /** SHA-256 of the file in hex. */
  readonly hash: string
  /** Changes with it, see `stateOf`. */
  readonly state: string
}

type Seen = Omit<Source, 'text'> & { readonly sameness: string }

/** Package files that were read and can be left to the bundler as they are, by what tells that they are still the same. */
const plain = new Map<string, Seen>()
const PLAIN_MAX = 20_000

/** A map comment or another kind of file would have changed this: ctime moves with every change, and nobody can set it. */
const sameness = ({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string =>
  [dev, ino, size, mtimeNs, ctimeNs].join()

/** Of a package's file: what tells that it has changed since. */
export const stateOf = ({ size, mtimeNs }: Pick<BigIntStats, 'size' | 'mtimeNs'>): string => `${size}:${mtimeNs}`

/** The sources of one build. */
export class Sources {
  readonly #dir: string
  readonly #isHubs: (path: string) => boolean
  readonly #byPath = new Map<string, Source>()

  /** `isHubs`: of files that belong to no plugin. */
  constructor(dir: string, isHubs: (path: string) => boolean) {
    this.#dir = dir
    this.#isHubs = isHubs
  }

  /** Undefined: the bundler may read it itself, by `path`. */
  async load(real: string, path: string): Promise<OnLoadResult | undefined> {
    const known = real === path ? plain.get(path) : undefined
    if (known !== undefined && known.sameness === sameness(lstatSync(path, { bigint: true }))) {
      this.#note(path, { text: null, hash: known.hash, state: known.state })
      return undefined
    }
    return this.#read(real)
  }

  #note(path: string, source: Source): void {
    if (!this.#isHubs(path)) this.#byPath.set(path, source)
  }

  /** Opened without waiting: a pipe that nobody writes to would keep the hub from ever starting. */
  async #read(path: string): Promise<OnLoadResult> {
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const info = await file.stat({ bigint: true })
    if (!info.isFile()) return { errors: [{ text: `${path} is not a file` }] }
    if (info.size > SOURCE_BYTES_MAX) return { errors: [{ text: `${path} has more than ${SOURCE_BYTES_MAX} bytes` }] }
    const bytes = await file.readFile()
    const isOwn = isOwnFile(this.#dir, path)
    const script = SCRIPT.test(path) ? bytes.toString('utf8') : null
    const isPlain = script === null || script.search(MAP_COMMENT) < 0
    const seen = { hash: createHash('sha256').update(bytes).digest('hex'), state: stateOf(info) }
    if (isPlain && !isOwn) {
      if (plain.size >= PLAIN_MAX) plain.clear()
      plain.set(path, { ...seen, sameness: sameness(info) })
    }
    const contents = isPlain ? bytes : script.replace(MAP_COMMENT, '$1  $2')
    this.#note(path, { ...seen, text: isOwn ? String(contents) : null })
    return { contents, loader: 'default', resolveDir: dirname(path) }
  }

  /** States by path from the folder: of what comes from packages. */
  inputs(): Readonly<Record<string, string>> {
    const ofPackages = [...this.#byPath].filter(([, { text }]) => text === null)
    return Object.fromEntries(ofPackages.map(([path, { state }]) => [relative(this.#dir, path), state]))
  }

  /**
   * The map with the files that left no line in the bundle: an enum whose values were put where they are used, a file that
   * only says which export is meant. They decide what runs. A package may have hundreds of them: of those the hash.
   */
  complete(map: string): string {
    const { sources, sourcesContent, ...rest } = JSON.parse(map) as SourceMap
    const there = new Set(sources.map((source) => placeOf(this.#dir, source)))
    const silent = [...this.#byPath].filter(([path]) => !there.has(path)).toSorted(byPath)
    if (silent.length === 0) return map
    return JSON.stringify({
      ...rest,
      sources: [...sources, ...silent.map(([path]) => encodeURI(relative(this.#dir, path)))],
      sourcesContent: [...sourcesContent, ...silent.map(([, { text, hash }]) => text ?? `SHA-256 ${hash}\n`)],
    })
  }
}

interface SourceMap {
  readonly sources: readonly string[]
  readonly sourcesContent: readonly (string | null)[]
}

const byPath = ([a]: readonly [string, Source], [b]: readonly [string, Source]): number => (a < b ? -1 : 1)

const isOwnFile = (dir: string, path: string): boolean => {
  const parts = relative(dir, path).split(sep)
  return parts[0] !== '..' && !parts.includes('node_modules')
}

/**
 * Why a file of the plugin's own folder is no part of it; null: it may be. Nobody notices when these change: they are left
 * out wherever the hub looks whether a plugin is still the same.
 */
export function whyNoPart(path: string): string | null {
  const parts = path.split('/')
  if (parts[0] === '..' || parts.includes('node_modules')) return null
  if (parts.some((part) => part.startsWith('.'))) return `${path}: names that begin with a dot are no part of a plugin`
  return isTest(path) ? `${path}: tests are no part of a plugin` : null
}

/** By its name. */
export const isTest = (path: string): boolean => /\.test\.[mc]?[jt]s$/.test(path)

/** Where a source of a map lies, as the bundler names it. */
export function placeOf(dir: string, source: string): string {
  try {
    return resolve(dir, decodeURIComponent(source))
  } catch {
    return resolve(dir, source)
  }
}
