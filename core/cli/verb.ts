/** How a command is described, and what many of them have in common. */
import { SETTINGS } from '../config/settings.ts'
import type { Settings } from '../config/config.ts'
import type { Run } from './call.ts'

export interface OptionRow {
  /** As commander writes them: `--since <time>`. */
  readonly flags: string
  readonly help: string
  readonly required?: boolean
  readonly fallback?: string
}

export interface Verb {
  readonly usage: string
  readonly summary: string
  readonly load: () => Promise<Run>
  /** Settings that are flags of this verb. */
  readonly settings?: readonly (keyof Settings)[]
  /** Speaks to a running hub. */
  readonly client?: boolean
  readonly json?: boolean
  readonly options?: readonly OptionRow[]
  /** What its group means when no verb is named. */
  readonly isDefault?: boolean
}

export interface Group {
  readonly group: string
  readonly summary: string
  readonly verbs: readonly (Verb | Group)[]
}

export const FILES = ['configFile', 'dataDir', 'production'] as const
export const SERVE = Object.keys(SETTINGS) as (keyof Settings)[]
export const LOOK = { settings: FILES, json: true } as const
export const ASK = { settings: ['dataDir'], client: true, json: true } as const
export const DATA = { settings: ['dataDir'], json: true } as const

export const only = (...names: readonly string[]): OptionRow[] =>
  names.map((name) => ({ flags: `--${name} <${name}>`, help: `only of this ${name}` }))

/** Makes a database all the same where there is none. */
export const NEW = '--new'

export const YES: OptionRow = { flags: '--yes', help: 'do it without asking' }
export const ALL_ASIDE: OptionRow = { flags: '--all', help: 'everything there' }
export const DRY_RUN: OptionRow = { flags: '--dry-run', help: 'only count' }
export const LISTING: readonly OptionRow[] = [
  ...only('installation', 'form', 'response', 'event', 'reason'),
  { flags: '--code <code>', help: 'only with this code of the last error' },
  { flags: '--text <words>', help: 'only with these words in ids, error, destination, input or answers' },
  { flags: '--cause <cause>', help: 'only of this group of dead letters' },
  { flags: '--since <time>', help: 'created at or after' },
  { flags: '--until <time>', help: 'created before' },
  { flags: '--limit <n>', help: 'at most so many', fallback: '50' },
]
