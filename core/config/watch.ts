/**
 * Notices that a file or folder has changed, however it was done: by writing in place, by an editor's rename, through a
 * mounted link that swaps under us. The system's notices are only hints; a poll decides, by content.
 */
import type { FSWatcher } from 'node:fs'
import { watch } from 'node:fs'
import type { ConfigProblem, HubConfig } from './config.ts'
import { fingerprints } from './fingerprint.ts'

const POLL_MS = 2_000
const DEBOUNCE_MS = 150

export interface WatchOptions {
  /** Files, or folders with everything in them but `node_modules` and dot files. */
  readonly paths: readonly string[]
  /** Those of `paths` that `onChange` writes itself: how it leaves them counts as seen. */
  readonly written?: readonly string[]
  /** Never called twice at the same time; a change during a call causes one more call. */
  readonly onChange: () => Promise<void>
  readonly pollMs?: number
  readonly debounceMs?: number
}

export interface Watching {
  /** Other paths from now on. */
  follow(paths: readonly string[]): void
  /** As if something had changed. A hundred pokes in a row are one. */
  poke(): void
  /** Resolves when nothing is waiting or running. */
  idle(): Promise<void>
  close(): void
}

/** Starts watching; what is there now counts as seen. */
export async function watchPaths(options: WatchOptions): Promise<Watching> {
  const watching = new PathWatch(options)
  await watching.start()
  return watching
}

class PathWatch implements Watching {
  readonly #options: WatchOptions
  #paths: readonly string[]
  /** By folder. Each for itself: what watches a tree at once misses files that are renamed over others. */
  readonly #watchers = new Map<string, FSWatcher>()
  /** By path. */
  #seen = new Map<string, string>()
  #poll: NodeJS.Timeout | undefined
  #debounce: NodeJS.Timeout | undefined
  #running: Promise<void> | null = null
  #again = false
  #forced = false
  #closed = false

  constructor(options: WatchOptions) {
    this.#options = options
    this.#paths = options.paths
  }

  async start(): Promise<void> {
    this.#seen = new Map(await this.#look())
    this.#poll = setInterval(() => void this.#run(), this.#options.pollMs ?? POLL_MS)
    this.#poll.unref()
  }

  follow(paths: readonly string[]): void {
    if (paths.length === this.#paths.length && paths.every((path) => this.#paths.includes(path))) return
    this.#paths = paths
    // What has come to be followed was not seen yet, by this one: it counts as changed.
    this.#soon()
  }

  poke(): void {
    this.#forced = true
    this.#soon()
  }

  async idle(): Promise<void> {
    while (this.#debounce !== undefined || this.#running !== null) {
      await (this.#running ?? new Promise((done) => setTimeout(done, 5)))
    }
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#poll)
    clearTimeout(this.#debounce)
    this.#debounce = undefined
    for (const watcher of this.#watchers.values()) watcher.close()
  }

  /** What is there now; from then on every folder of it is listened at. */
  async #look(): Promise<readonly (readonly [path: string, print: string])[]> {
    const found = [...(await fingerprints(this.#paths))]
    const folders = new Set(found.flatMap(([, seen]) => seen.folders))
    for (const [folder, watcher] of this.#watchers) {
      if (folders.has(folder)) continue
      watcher.close()
      this.#watchers.delete(folder)
    }
    for (const folder of folders) if (!this.#closed && !this.#watchers.has(folder)) this.#listen(folder)
    return found.map(([path, { print }]) => [path, print])
  }

  #listen(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => this.#soon())
      // Gone: another of its name has to be listened at anew.
      watcher.on('error', () => this.#forget(folder, watcher)).on('close', () => this.#forget(folder, watcher))
      this.#watchers.set(folder, watcher)
    } catch {
      // Not there yet, or a file system without notices: the poll sees it.
    }
  }

  #forget(folder: string, watcher: FSWatcher): void {
    if (this.#watchers.get(folder) === watcher) this.#watchers.delete(folder)
    watcher.close()
  }

  #soon(): void {
    if (this.#closed) return
    clearTimeout(this.#debounce)
    this.#debounce = setTimeout(() => {
      this.#debounce = undefined
      void this.#run()
    }, this.#options.debounceMs ?? DEBOUNCE_MS)
  }

  #run(): Promise<void> {
    if (this.#closed) return Promise.resolve()
    this.#again = true
    this.#running ??= this.#drain().finally(() => {
      this.#running = null
    })
    return this.#running
  }

  async #drain(): Promise<void> {
    while (this.#again && !this.#closed) {
      this.#again = false
      const now = await this.#look()
      const changed = now.some(([path, print]) => this.#seen.get(path) !== print)
      if (!changed && !this.#forced) continue
      this.#seen = new Map(now)
      this.#forced = false
      await this.#options.onChange()
      for (const [path, { print }] of await fingerprints(this.#options.written ?? [])) this.#seen.set(path, print)
    }
  }
}

export interface ConfigWatchOptions<Loaded extends { readonly config: HubConfig }> {
  /** May be one that is not there yet; null: there is none, only what is beside it. */
  readonly file: string | null
  /** More files and folders whose change means reload. */
  readonly alsoFiles?: readonly string[]
  /** One more whose change means reload, unless the reload itself made it: the lock file. */
  readonly lockFile?: string
  /** Reads and checks, building nothing that lasts: `loadConfig`, or the registry's `assemble`. */
  readonly load: () => Promise<Loaded | { readonly problems: readonly ConfigProblem[] }>
  readonly current: () => HubConfig
  /** Builds everything new, then swaps. A throw means nothing was swapped. */
  readonly apply: (loaded: Loaded) => Promise<void>
  /** The file on disk is not what runs: say it loudly. */
  readonly refuse: (problems: readonly ConfigProblem[]) => void
  readonly pollMs?: number
  readonly debounceMs?: number
}

/** Reloads the configuration when its file changes, or when poked (SIGHUP). What runs stays whole until `apply` succeeds. */
export function watchConfig<Loaded extends { readonly config: HubConfig }>(
  options: ConfigWatchOptions<Loaded>,
): Promise<Watching> {
  return watchPaths({
    paths: [
      ...(options.file === null ? [] : [options.file]),
      ...(options.alsoFiles ?? []),
      ...(options.lockFile === undefined ? [] : [options.lockFile]),
    ],
    ...(options.lockFile === undefined ? {} : { written: [options.lockFile] }),
    ...(options.pollMs === undefined ? {} : { pollMs: options.pollMs }),
    ...(options.debounceMs === undefined ? {} : { debounceMs: options.debounceMs }),
    onChange: async () => {
      try {
        const result = await options.load()
        const problems = 'problems' in result ? result.problems : newlyBroken(options.current(), result.config)
        if ('config' in result && problems.length === 0) await options.apply(result)
        else options.refuse(problems)
      } catch (error) {
        const place = { file: options.file ?? '(no file)', line: 1, column: 1 }
        options.refuse([
          {
            place,
            path: '',
            message: `the new configuration could not be put to work: ${(error as Error).message}`,
            hint: null,
          },
        ])
      }
    },
  })
}

/**
 * A bad installation only sets itself aside, unless it ran until now: then the new file would stop something that works,
 * and the old configuration stays whole.
 */
export function newlyBroken(current: HubConfig, next: HubConfig): readonly ConfigProblem[] {
  const running = new Set(current.installations.map((entry) => `${entry.workspace}/${entry.id}`))
  return next.quarantined
    .filter((entry) => running.has(`${entry.workspace}/${entry.id}`))
    .flatMap((entry) => entry.problems)
}
