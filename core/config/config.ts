/** The configuration as the hub runs it: `manifold.yaml`, environment and flags, parsed once, frozen, trusted inside. */
import type { FormDefinition, WorkspaceId } from '../model.ts'
import type { Limits } from '../limits.ts'

/** Where a value stands in the file, for messages. Lines and columns count from 1. */
export interface Place {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** One mistake: place, path (`installations[0].with.url`), what is wrong, what to do. */
export interface ConfigProblem {
  readonly place: Place
  readonly path: string
  readonly message: string
  readonly hint: string | null
}

export interface InstallationConfig {
  readonly workspace: WorkspaceId
  readonly id: string
  readonly use: string
  readonly with: Readonly<Record<string, unknown>>
  readonly when: {
    readonly form?: string | readonly string[]
    readonly event?: string | readonly string[]
    readonly filter?: unknown
  }
  readonly retry: { readonly delaysMs: readonly number[] }
  readonly concurrency: number | null
  readonly ratePerSecond: number | null
  readonly order: 'none' | 'fifo'
  readonly ambiguous: 'retry' | 'dead'
  readonly paused: boolean
  readonly from: string | null
  readonly pii: boolean | readonly string[]
  /** Hash of an approved manifest, or true: consent to wide permissions of a community plugin. */
  readonly place: Place
}

export interface FormConfig {
  readonly workspace: WorkspaceId
  readonly id: string
  readonly definition: FormDefinition
  readonly place: Place
}

/** What is wrong with an installation's `with`, seen from there. `wants`: the type a text out of a variable should become. */
export interface WithProblem {
  readonly path: readonly (string | number)[]
  readonly message: string
  readonly hint: string | null
  /** The key at the path is what is wrong, not its value. */
  readonly onKey?: boolean
  readonly wants?: 'number' | 'boolean' | undefined
}

/** A plugin as far as the file's check needs it; the registry makes these. */
export interface KnownPlugin {
  readonly id: string
  /** Event types it handles, `*` for all; absent: not checked. */
  readonly events?: readonly string[]
  /** Why it cannot be used at all. */
  readonly broken?: readonly string[]
  /** What stands at a hidden path (of the settings) is not quoted in a problem. */
  checkWith(
    value: Readonly<Record<string, unknown>>,
    isHidden?: (path: readonly (string | number)[]) => boolean,
  ): readonly WithProblem[]
  /** Where secrets stand in these settings. */
  secretPaths?(value: Readonly<Record<string, unknown>>): readonly (readonly (string | number)[])[]
}

/** The file's part: everything that may change at reload. */
export interface HubConfig {
  /** SHA-256 of the file's text; shown by status beside what is on disk. */
  readonly checksum: string
  readonly file: string | null
  readonly forms: readonly FormConfig[]
  readonly installations: readonly InstallationConfig[]
  readonly pluginDirs: readonly string[]
  readonly network: { readonly allow: readonly string[] }
  readonly limits: Limits
  /** Installations of the file that were set aside with their reason (bad parts only quarantine themselves). */
  readonly quarantined: readonly {
    readonly workspace: WorkspaceId
    readonly id: string
    readonly use: string
    readonly problems: readonly ConfigProblem[]
  }[]
}

/** Flags and environment: what a running process cannot change. */
export interface Settings {
  readonly configFile: string | null
  readonly dataDir: string
  readonly host: string
  readonly port: number
  readonly role: 'all' | 'api' | 'worker'
  readonly demo: boolean
  readonly adminKey: string | null
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  /** Addresses of reverse proxies whose X-Forwarded-For is believed (CIDRs). */
  readonly trustedProxies: readonly string[]
}
