/** Keeps the running configuration and the file together: reloads on change, keeps the last good one, says so loudly. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Authoring } from '../authoring.ts'
import type { Clock } from '../clock.ts'
import { rfc3339 } from '../clock.ts'
import type { ConfigProblem, FormToBe, HubConfig } from '../config/config.ts'
import { doubtsLeft } from '../config/doubts.ts'
import { formatPlace, formatProblem } from '../config/format-problems.ts'
import { watchConfig } from '../config/watch.ts'
import type { Watching } from '../config/watch.ts'
import type { Limits } from '../limits.ts'
import type { Logger, Meter } from '../observe/observe.ts'
import type { Store } from '../storage/store.ts'
import type { Alerts } from './alerts.ts'
import type { Assembly } from './assemble.ts'
import { checkPiece } from './check-piece.ts'
import type { CheckedPiece, PieceInput } from './check-piece.ts'
import { configLines } from './config-lines.ts'
import type { ConfigLines, ConfigLinesQuery } from './config-lines.ts'
import { lockPath } from './lock.ts'
import { wordsOf } from './pinning.ts'

export interface ReloaderDeps {
  /** Null: there is none. It may be one that is still to come. */
  readonly file: string | null
  readonly dataDir: string
  /** What variables in settings stand for. */
  readonly env: PieceInput['env']
  /** Of `manifold dev`: more folders, a shorter silence before a change counts, and other code is nothing to warn of. */
  readonly authoring?: Pick<Authoring, 'follow' | 'debounceMs'> | undefined
  readonly alerts: Pick<Alerts, 'applied' | 'refused'>
  readonly initial: Assembly
  readonly load: (previous: Assembly) => Promise<Assembly | { readonly problems: readonly ConfigProblem[] }>
  readonly apply: (assembly: Assembly) => Promise<void>
  /** Only after `apply` succeeded. */
  readonly applied: (assembly: Assembly) => void
  readonly store: Pick<Store, 'getForm'>
  readonly clock: Clock
  readonly logger: Logger
  readonly meter: Meter
}

/** The running configuration beside what is on disk. */
export interface ConfigState {
  readonly file: string | null
  /** Of the last file that runs whole. */
  readonly runningChecksum: string
  readonly diskChecksum: string | null
  readonly loadedAt: string
  /** Why the file on disk is not what runs; empty when it is. */
  readonly problems: readonly ToldProblem[]
  /** The file on disk runs, but for `problems`, which only a start puts to work. */
  readonly needsStart: boolean
  /** Of the file that runs: allowed, and yet most likely slips. */
  readonly warnings: readonly ToldProblem[]
}

interface ToldProblem {
  readonly path: string
  /** The configuration's, or one of a plugin. */
  readonly file: string
  readonly line: number
  readonly column: number
  readonly message: string
  readonly hint: string | null
}

export interface Reloader {
  watch(): Promise<void>
  /** Looks again now, changed or not. */
  poke(): void
  /** The same; resolves when it has looked, and put to work what it found. */
  look(): Promise<void>
  status(): Promise<ConfigState>
  /** Whether an installation could stand in the file as it is. */
  checkPiece(input: Pick<PieceInput, 'workspace' | 'piece' | 'replaces'>): Promise<CheckedPiece>
  /** What runs beside the file on disk, setting by setting. */
  lines(query: ConfigLinesQuery): Promise<ConfigLines>
  /** For the readiness answer: what is wrong with the file on disk, if anything. It is a detail, not a failure. */
  describe(): string
  close(): void
}

/** Applies nothing by itself at first: the composition root has applied `initial`. */
export function openReloader(deps: ReloaderDeps): Reloader {
  const { logger, meter, clock, file, authoring } = deps
  let current = deps.initial
  let whole = deps.initial.config.checksum
  /** What of `current` only a start puts to work. */
  let waiting: readonly ConfigProblem[] = []
  let loadedAt = rfc3339(clock.nowMs())
  let problems: readonly ConfigProblem[] = []
  let watching: Watching | null = null
  const lockFile = lockPath(deps.dataDir)
  const folders = (): readonly string[] => [...current.config.pluginDirs, ...(authoring?.follow ?? [])]
  const isStored = async ({ workspace, id }: FormToBe): Promise<boolean> =>
    (await deps.store.getForm(workspace, id)) !== undefined
  const tell = (assembly: Assembly): void => {
    tellWaiting(assembly, logger)
    void doubtsLeft(assembly.doubts, isStored).then((doubts) => {
      for (const doubt of doubts) logger.warn({ path: doubt.path }, formatProblem(doubt, process.cwd()))
    })
    // Who is writing it knows.
    if (authoring === undefined) tellReplaced(assembly, logger)
  }
  tell(deps.initial)
  const refuse = (found: readonly ConfigProblem[]): void => {
    problems = found
    meter.configReload(false)
    // Who is writing it sees it anyway.
    if (authoring === undefined) deps.alerts.refused(found)
    tellUncompiled(found, logger)
    const others = found.filter(({ source }) => source === undefined)
    if (others.length === 0) return
    logger.error(
      { problems: others.map((problem) => formatProblem({ ...problem, hint: null }, process.cwd())) },
      'the configuration on disk was not taken over, the last good one goes on running; what a start would say: manifold config check',
    )
  }
  const apply = async (next: Assembly): Promise<void> => {
    await deps.apply(next)
    deps.applied(next)
    deps.alerts.applied(next)
    current = next
    // Before anybody looks whether the lock has changed.
    await next.kept.recorded
    watching?.follow([...(file === null ? [] : [file]), ...folders(), lockFile])
    loadedAt = rfc3339(clock.nowMs())
    problems = []
    waiting = startOnly(deps.initial.config, next.config)
    if (waiting.length === 0) whole = next.config.checksum
    for (const { path, message } of waiting) logger.warn({ path }, message)
    meter.configReload(true)
    tell(next)
    logger.info({ checksum: next.config.checksum, installations: next.installations.length }, 'configuration loaded')
  }
  return {
    watch: async () => {
      // One watcher for everything: two of them would load and apply at the same time.
      watching = await watchConfig({
        file,
        alsoFiles: folders(),
        lockFile,
        load: () => deps.load(current),
        current: () => current.config,
        apply,
        refuse,
        ...(authoring === undefined ? {} : { debounceMs: authoring.debounceMs }),
      })
    },
    poke: () => watching?.poke(),
    look: async () => {
      watching?.poke()
      await watching?.idle()
    },
    status: async () => ({
      file: current.config.file,
      runningChecksum: whole,
      diskChecksum: current.config.file === null ? null : await checksumOf(current.config.file),
      loadedAt,
      problems: [...problems, ...waiting].map(toTold),
      needsStart: problems.length === 0 && waiting.length > 0,
      warnings: (await doubtsLeft(current.doubts, isStored)).map(toTold),
    }),
    checkPiece: (input) =>
      checkPiece({ ...input, assembly: current, env: deps.env, doubtsLeft: (doubts) => doubtsLeft(doubts, isStored) }),
    lines: (query) => configLines(current, query),
    describe: () => described(problems, waiting),
    close: () => {
      watching?.close()
      watching = null
    },
  }
}

function described(problems: readonly ConfigProblem[], waiting: readonly ConfigProblem[]): string {
  if (problems.length === 0 && waiting.length > 0)
    return `the file on disk runs, but for ${waiting.map(({ path }) => path).join(' and ')}: at the next start`
  return problems.length === 0
    ? 'the file on disk is what runs'
    : `the file on disk is not valid (mistakes: ${problems.length}); the last good one runs`
}

const toTold = ({ place, path, message, hint }: ConfigProblem): ToldProblem => ({
  path,
  file: place.file,
  line: place.line,
  column: place.column,
  message,
  hint,
})

/** Rooms take their limits when they are opened. */
function startOnly(first: HubConfig, now: HubConfig): readonly ConfigProblem[] {
  const place = { file: now.file ?? '(no file)', line: 1, column: 1 }
  const hint = 'restart the hub'
  const found: ConfigProblem[] = []
  const limits = Object.keys(now.limits).filter((name) => !same(first.limits, now.limits, name as keyof Limits))
  if (limits.length > 0)
    found.push({ place, path: 'limits', message: `${limits.join(', ')}: takes effect at the next start`, hint })
  return found
}

const same = (a: Limits, b: Limits, name: keyof Limits): boolean => a[name] === b[name]

/** Mistakes in plugins' own files, each once, whoever uses the plugin. */
function tellUncompiled(found: readonly ConfigProblem[], logger: Logger): void {
  const told = new Set<string>()
  for (const { place, message, source } of found) {
    const at = formatPlace(place, process.cwd())
    if (source === undefined || told.has(`${at} ${message}`)) continue
    told.add(`${at} ${message}`)
    logger.error(
      { plugin: source.plugin, at, source: source.lineText },
      `does not compile: ${message}. What ran before goes on running`,
    )
  }
}

/** What of the plugins on disk does not run as it is there. */
function tellWaiting({ pending }: Assembly, logger: Logger): void {
  for (const waits of pending) {
    const { id, version, running, isGone, diff } = waits
    const { reason, todo } = wordsOf(waits)
    if (isGone) logger.warn({ plugin: id, running, todo }, reason)
    else
      logger.warn(
        { plugin: id, version, running, asks: diff.split('\n') },
        `a plugin is not what was granted and waits: read it and run "manifold plugin approve ${id}"`,
      )
  }
}

/** What runs although it is not what was granted. */
function tellReplaced({ replaced }: Assembly, logger: Logger): void {
  for (const { id, version, from, to } of replaced)
    logger.warn(
      { plugin: id, version, from, to },
      'the code of a plugin is not the one that was granted; it asks for no more',
    )
}

async function checksumOf(file: string): Promise<string | null> {
  try {
    return createHash('sha256')
      .update(await readFile(file, 'utf8'))
      .digest('hex')
  } catch {
    return null
  }
}
