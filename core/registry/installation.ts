/** Plugins and installations as the running hub holds them: resolved, validated, ready to run. */
import type { InstallationState, WorkspaceId } from '../model.ts'
import type { Bundle, UnitLimits } from '../sandbox/sandbox.ts'
import type { Manifest } from './manifest.ts'

/** A plugin folder that was read and bundled. */
export interface LoadedPlugin {
  readonly manifest: Manifest
  /** Absolute folder. */
  readonly dir: string
  /** `builtin`: found in the hub's own `plugins/` or `integrations/`; `community`: in a `pluginDirs` folder. */
  readonly origin: 'builtin' | 'community'
  readonly bundle: Bundle
}

/** A plugin folder that cannot run, with what to do about it. */
export interface BrokenPlugin {
  readonly id: string
  readonly dir: string
  readonly problems: readonly string[]
}

/** Retry delays in ms; attempt n+1 follows attempt n after `delaysMs[n-1]`; after the last comes the dead letter. */
export interface RetryPolicy {
  readonly delaysMs: readonly number[]
}

/** Which events an installation gets. Absent parts do not restrict. */
export interface When {
  readonly forms: readonly string[] | null
  readonly events: readonly string[] | null
  /** As written and checked; `core/routing/match.ts` compiles it. Sees `{data, meta, form, response, event}`. */
  readonly filter: unknown
}

/** Allowed network reach of one installation: exact hosts, `*.example.com`, or a host the admin typed in a config field. */
export interface HttpGrant {
  readonly hosts: readonly string[]
  readonly methods: readonly string[]
}

/** Whom one installation may write to: addresses the admin typed, and answers to fields of type `email`. */
export interface EmailGrant {
  /** As `mailAddress` writes them. */
  readonly addresses: readonly string[]
  /** Keys of fields of the event's own response; `*`: any. */
  readonly fields: readonly string[]
  /** `mailPrint` of the server it goes by: another one is another setting of this installation. */
  readonly server: string
}

export interface Installation {
  readonly workspace: WorkspaceId
  readonly id: string
  /** `<workspace>/<id>`: key of its sandbox unit and its lanes. */
  readonly key: string
  readonly plugin: LoadedPlugin
  /** `with` after defaults and validation; secrets replaced by references. */
  readonly config: Readonly<Record<string, unknown>>
  /** Secret values by reference name (`config.secret`, `config.secrets.0`). Never logged, never sent to a sandbox. */
  readonly secrets: ReadonlyMap<string, string>
  readonly when: When
  readonly retry: RetryPolicy
  readonly concurrency: number
  /** Attempts per second, null for no limit. */
  readonly ratePerSecond: number | null
  readonly order: 'none' | 'fifo'
  readonly ambiguous: 'retry' | 'dead'
  readonly paused: boolean
  /** RFC 3339; where a new installation starts reading the log; null: at its creation. `beginning`: everything. */
  readonly from: string | null
  /** Which pii fields the plugin may see. */
  readonly pii: boolean | readonly string[]
  /** Fields that its settings name (`x-field`): without them it cannot do its work. Absent: none. */
  readonly neededFields?: readonly string[]
  readonly http: HttpGrant
  /** What its plugin's transform gets, and what becomes of responses that it fails at; null: it has none. */
  readonly transform: Transform | null
  /** Absent: it may send none. */
  readonly email?: EmailGrant
  readonly limits: UnitLimits
  readonly group: 'builtin' | 'community' | 'own'
  readonly hardened: boolean
  /** Of config, code and manifest: a change means reload. */
  readonly hash: string
}

/** The manifest's `transform`, with the admin's word on failures. */
export type Transform = NonNullable<Manifest['transform']>

/** An installation of the file that cannot run; it is listed, the rest of the hub runs. */
export interface BrokenInstallation {
  readonly workspace: WorkspaceId
  readonly id: string
  readonly use: string
  readonly state: Extract<InstallationState, 'invalid' | 'needs-approval'>
  readonly reason: string
  /** Forms that it was narrowed to; null: all. */
  readonly forms: readonly string[] | null
  /** What becomes of responses that it would have looked at; null: nothing is known of a transform of its plugin. */
  readonly transform: Transform | null
}
