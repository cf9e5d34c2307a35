/** What the HTTP door needs from the other rooms, named by need. The composition root fills it in. */
import type { Clock } from '../clock.ts'
import type { RouteRequest, RouteResponse } from '../contract/index.ts'
import type { FormCache } from '../ingest/form-cache.ts'
import type { Receiver } from '../ingest/receive.ts'
import type { Limits } from '../limits.ts'
import type { LogEvent, WorkspaceId } from '../model.ts'
import type { Readiness } from '../observe/health.ts'
import type { Logger, Meter } from '../observe/observe.ts'
import type { ApiKeys } from '../registry/api-keys.ts'
import type { InstallationView, PluginView, RegistryView } from '../registry/views.ts'
import type { ReplayQuery, Store } from '../storage/store.ts'

export type { InstallationView, PluginView, RegistryView }

/** What an operator may ask the engine. Unknown installations reject with `not_found`. */
export interface EngineControl {
  pause(workspace: WorkspaceId, installation: string, reason: string): Promise<void>
  resume(workspace: WorkspaceId, installation: string): Promise<void>
  /** Sends one sample (or the given event) down the live path; answers what it caused. */
  testSend(input: {
    readonly workspace: WorkspaceId
    readonly installation: string
    readonly eventId?: string | undefined
    readonly form?: string | undefined
  }): Promise<{ readonly eventId: string; readonly deliveries: readonly string[] }>
  /** Moves the cursor back to the first event at or after `from` (RFC 3339 or `beginning`). */
  backfill(input: {
    readonly workspace: WorkspaceId
    readonly installation: string
    readonly from: string
  }): Promise<{ readonly cursor: number; readonly events: number }>
  /** Makes the matching deliveries due again and wakes their lanes; answers how many. */
  replay(query: ReplayQuery): Promise<number>
}

/** The running configuration beside what is on disk. */
export interface ConfigStatus {
  readonly file: string | null
  readonly runningChecksum: string
  readonly diskChecksum: string | null
  readonly loadedAt: string
  /** Why the file on disk is not what runs; empty when it is. */
  readonly problems: readonly {
    readonly path: string
    readonly line: number
    readonly column: number
    readonly message: string
    readonly hint: string | null
  }[]
}

/** Answers `/i/{installation}/…` by the plugin's own route; rejects with a HubError (`not_found`, `plugin_wall`, ...). */
export type PluginRouteCall = (input: {
  readonly installation: string
  readonly request: RouteRequest
}) => Promise<RouteResponse>

/** Everything `createHttpApp` is given. */
export interface HttpDeps {
  readonly version: string
  readonly store: Store
  readonly limits: Limits
  readonly clock: Clock
  readonly logger: Logger
  readonly meter: Meter
  readonly keys: ApiKeys
  readonly forms: FormCache
  readonly receiver: Receiver
  readonly registry: RegistryView
  readonly engine: EngineControl
  readonly health: { readiness(): Promise<Readiness> }
  readonly metrics: { readonly type: string; text(): Promise<string> }
  readonly configStatus: () => ConfigStatus | Promise<ConfigStatus>
  /** Told of events the API itself appended (`form.changed`, `response.deleted`), for the live bus and the pumps. */
  readonly onEvents: (events: readonly LogEvent[]) => void
  /** CIDRs of reverse proxies whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[]
  readonly pluginRoute?: PluginRouteCall | undefined
}
