/** What the HTTP door needs from the other rooms, named by need. The composition root fills it in. */
import type { Clock } from '../clock.ts'
import type { RouteResponse } from '../contract/index.ts'
import type { Control } from '../delivery/control.ts'
import type { Collector } from '../ingest/events/collector.ts'
import type { HubError } from '../errors.ts'
import type { FormCache } from '../ingest/form-cache.ts'
import type { FormViews } from '../ingest/form-views.ts'
import type { ByPlugin } from '../ingest/by-plugin.ts'
import type { Receiver } from '../ingest/receive.ts'
import type { BoundCalls } from '../fleet/anywhere.ts'
import type { FleetMember } from '../fleet/fleet.ts'
import type { Area } from '../registry/areas.ts'
import type { Limits } from '../limits.ts'
import type { Live } from '../live/live.ts'
import type { LogEvent, WorkspaceId } from '../model.ts'
import type { Readiness } from '../observe/health.ts'
import type { Logger, Meter } from '../observe/observe.ts'
import type { ApiKeys } from '../registry/api-keys.ts'
import type { HookCarriers } from '../registry/hook-carrier.ts'
import type { HookBook } from '../registry/hooks.ts'
import type { Waiting } from '../registry/route-call.ts'
import type { ArrivedRequest } from '../registry/route-wire.ts'
import type { Credentials } from '../registry/tokens.ts'
import type { Reloader } from '../registry/reload.ts'
import type { Approve } from '../registry/approval.ts'
import type { InstallationView, PluginView, RegistryView } from '../registry/views.ts'
import type { RunReader } from '../runs/reader.ts'
import type { Store } from '../storage/store.ts'
import type { Parts } from '../gauges.ts'
import type { FleetDoor } from './fleet-door.ts'
import type { RateLimit } from './rate-limit.ts'

export type { InstallationView, PluginView, RegistryView }

/** What an operator may ask the engine. Unknown installations reject with `not_found`. */
export type EngineControl = Control & Pick<BoundCalls, 'check'>

/** Answers `/i/{installation}/…` by the plugin's own route; rejects with a HubError (`not_found`, `plugin_failed`, ...). */
export type PluginRouteCall = (
  input: {
    readonly workspace: WorkspaceId
    readonly area: string | null
    readonly installation: string
    /** As the caller is told it; null: the hub itself asks. */
    readonly requestId: string | null
    /** Whoever asks may read what a plugin threw. */
    readonly seesErrors: boolean
    readonly request: ArrivedRequest
  },
  waiting?: Waiting,
) => Promise<RouteResponse>

/** Everything `createHttpApp` is given. */
export interface HttpDeps {
  readonly version: string
  readonly store: Store
  readonly limits: Limits
  readonly clock: Clock
  readonly logger: Logger
  readonly meter: Meter
  readonly keys: ApiKeys
  /** Who a bearer is: by a key of ours, or a token of somebody the file trusts. */
  readonly credentials: Credentials
  /** The log for those who follow it. */
  readonly live: Live
  readonly forms: FormCache
  readonly formViews: Pick<FormViews, 'newest' | 'of'>
  readonly hooks: HookBook
  readonly hookCarriers: HookCarriers
  /** Why nothing may be sent to this URL now; null: it may. */
  readonly checkUrl: (url: string) => Promise<HubError | null>
  readonly receiver: Receiver
  readonly collector: Collector
  /** Takes what a plugin submitted and its form did not take. */
  readonly retake: ByPlugin['retake']
  readonly registry: RegistryView
  readonly engine: EngineControl
  /** A yes to a plugin that waits. */
  readonly approve: Approve
  readonly health: { readiness(): Promise<Readiness> }
  readonly metrics: { readonly type: string; text(): Promise<string> }
  readonly runs: RunReader
  /** The running configuration beside what is on disk. */
  readonly config: Pick<Reloader, 'status' | 'lines' | 'checkPiece'>
  /** Told of events the API itself appended (`form.changed`, `response.deleted`), for the live bus and the pumps. */
  readonly onEvents: (events: readonly LogEvent[]) => void
  /** CIDRs of reverse proxies whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[]
  readonly pluginRoute?: PluginRouteCall | undefined
  readonly pluginAreas?: readonly Area[] | undefined
  /** The processes of the hub; none where there is only this one. */
  readonly processes?: () => readonly FleetMember[]
  /** What this process is made of; absent: there is nothing to tell. */
  readonly parts?: Parts | undefined
  /** Where other processes of the hub ask; absent: there are none. */
  readonly door?: FleetDoor | undefined
  /** Counts strangers by address, at `limits.publicRatePerSecond`; default: in this process alone. */
  readonly rateLimit?: RateLimit | undefined
}
