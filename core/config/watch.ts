/**
 * Notices that a file or folder has changed, however it was done: by writing in place, by an editor's rename, through a
 * mounted link that swaps under us. The system's notices are only hints; a poll decides, by content.
 */
import { createHash } from 'node:crypto'
import type { FSWatcher } from 'node:fs'
import { watch } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { ConfigProblem, HubConfig } from './config.ts'

const POLL_MS = 2_000
const DEBOUNCE_MS = 150
const FOLDER_ENTRIES_MAX = 5_000

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
  readonly #watchers: FSWatcher[] = []
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
  }

  async start(): Promise<void> {
    this.#seen = await fingerprints(this.#options.paths)
    for (const path of this.#options.paths) await this.#listen(path)
    this.#poll = setInterval(() => void this.#run(), this.#options.pollMs ?? POLL_MS)
    this.#poll.unref()
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
    for (const watcher of this.#watchers) watcher.close()
  }

  /** Files are watched through their folder: a rename over the file would leave a watch on the old one. */
  async #listen(path: string): Promise<void> {
    try {
      const isFolder = (await stat(path)).isDirectory()
      const watcher = watch(isFolder ? path : dirname(path), { recursive: isFolder, persistent: false }, () =>
        this.#soon(),
      )
      watcher.on('error', () => watcher.close())
      this.#watchers.push(watcher)
    } catch {
      // Not there yet, or a file system without notices: the poll sees it.
    }
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
      const now = await fingerprints(this.#options.paths)
      const changed = [...now].some(([path, print]) => this.#seen.get(path) !== print)
      if (!changed && !this.#forced) continue
      this.#seen = now
      this.#forced = false
      await this.#options.onChange()
      for (const [path, print] of await fingerprints(this.#options.written ?? [])) this.#seen.set(path, print)
    }
  }
}

async function fingerprints(paths: readonly string[]): Promise<Map<string, string>> {
  return new Map(await Promise.all(paths.map(async (path) => [path, await fingerprint(path)] as const)))
}

/** Of content for files, of names, sizes and times for folders. What cannot be read is told apart from what is empty. */
async function fingerprint(path: string): Promise<string> {
  try {
    const info = await stat(path)
    const content = info.isDirectory() ? await folderPrint(path, FOLDER_ENTRIES_MAX) : await readFile(path)
    return createHash('sha256').update(content).digest('hex')
  } catch (error) {
    return `unreadable ${(error as NodeJS.ErrnoException).code}`
  }
}

async function folderPrint(folder: string, budget: number): Promise<string> {
  const lines: string[] = []
  const waiting = [folder]
  for (let next = waiting.pop(); next !== undefined && lines.length < budget; next = waiting.pop()) {
    for (const entry of await readdir(next, { withFileTypes: true })) {
      if (entry.name.startsWith('.') || entry.name === 'node_modules') continue
      const path = join(next, entry.name)
      if (entry.isDirectory()) {
        waiting.push(path)
        continue
      }
      const info = await stat(path).catch(() => null)
      lines.push(`${path}:${info?.size}:${info?.mtimeMs}`)
    }
  }
  return lines.toSorted().join('\n')
}

export interface ConfigWatchOptions<Loaded extends { readonly config: HubConfig }> {
  readonly file: string
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
    paths: [options.file, ...(options.alsoFiles ?? []), ...(options.lockFile === undefined ? [] : [options.lockFile])],
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
        const place = { file: options.file, line: 1, column: 1 }
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
