/** What `manifold dev` adds to a hub: somebody writes plugins beside it. */
import type { LogSink } from './observe/log.ts'
import type { Assembly } from './registry/assemble.ts'
import type { Installation } from './registry/installation.ts'

export interface Authoring {
  /** Folders with plugins that are loaded again when saved; those of the configuration are anyway. */
  readonly follow: readonly string[]
  /** Where a configuration is expected, should there be none yet. */
  readonly fileToCome: string
  /** How long it has to be quiet after a save. */
  readonly debounceMs: number
  /** Where the log goes; absent: to stderr, as JSON. */
  readonly logSink?: LogSink | undefined
  /** At the start and after each change, when it runs. */
  readonly applied: (assembly: Assembly) => void
  /** An installation runs with other code or settings than before. */
  readonly swapped: (installation: Installation) => void
}
