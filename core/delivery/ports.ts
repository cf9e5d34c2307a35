/** What delivery needs of the other rooms, by parameter. */
import type { WordsOf } from '../storage/store.ts'
import type { Exchange, InstallationState, LogEvent, WorkspaceId } from '../model.ts'
import type { PluginInlet } from '../ingest/by-plugin.ts'
import type { Installation } from '../registry/installation.ts'
import type { CapabilityHandler } from '../sandbox/sandbox.ts'
import type { FormView } from '../routing/event-json.ts'
import type { RefusalCode } from './outcome.ts'

/** An installation with what the hub remembers of it. */
export interface PlacedInstallation {
  readonly installation: Installation
  readonly state: InstallationState
  readonly cursor: number
}

/** The capabilities of one run, and afterwards what was said to the outside. */
export interface OpenedRun {
  readonly handler: CapabilityHandler
  /** In order, secrets masked, bodies cut. */
  readonly exchanges: readonly Exchange[]
  /** With whom each exchange was, in the same order. */
  readonly hosts: readonly string[]
  /** The last host a request was meant for, if only to be held back by its breaker. */
  lastHost(): string | null
  /** True when something of it may have reached a receiver, answered or not. */
  mayHaveLeft(): boolean
  /** True when one of those may have changed something there: more than a read, or a token asked for. */
  mayHaveWritten(): boolean
  /** True when a receiver took what the installation proves itself with. */
  hasProven(): boolean
  /** Takes the installation's secrets out of a text. */
  readonly mask: (text: string) => string
}

/** What the capabilities have to know of the run. */
export interface OpenContext {
  readonly deadlineMs: number
  /** Of an action that runs for one delivery alone: what e-mail is sent for. */
  readonly actFor?: { readonly deliveryId: string; readonly responseId: string | null } | undefined
  /** Of a route: what it answers, and the inlet. */
  readonly route?: RouteScope | undefined
}

/** A request as it came, with nothing hidden: never shown to a plugin. */
export interface RouteArrival {
  readonly headers: { readonly [name: string]: string }
  readonly query: { readonly [name: string]: string }
  readonly params: { readonly [name: string]: string }
  readonly bytes: Buffer
}

export interface RouteScope extends PluginInlet {
  readonly arrival: RouteArrival
}

/** What opens them; `core/capabilities/run-capabilities.ts` does. */
export interface OpenCapabilities {
  open(installation: Installation, context: OpenContext): OpenedRun
}

/** The form of an event in the version it was made with; a promise only when it has to be read. */
export type FormOf = (event: LogEvent) => FormView | undefined | Promise<FormView | undefined>

/** An event by id, when it is still in memory. */
export type EventInMemory = (workspace: WorkspaceId, id: string) => LogEvent | undefined

/** Told of events that were just committed, in order. */
export type Published = (events: readonly LogEvent[]) => void

/** What a receiver said, and of what. */
export interface Said extends WordsOf {
  readonly message: string
}

/** With these settings nothing can go out any more, such as where the destination is gone: a dead letter says so. */
export type DisableInstallation = (installation: Installation, said: Said & { readonly code: string }) => void

/** With these settings nothing can go out, and only the admin can mend it: the installation must stand still until then. */
export type RefuseSettings = (installation: Installation, refusal: Refusal) => void

/** What has to be mended, and in whose words. */
export interface Refusal extends Said {
  readonly code: RefusalCode
}

/** True for what may run handlers and deliveries. */
export const isRunnable = (state: InstallationState): boolean => state === 'ready' || state === 'degraded'

/** True for a promise, without making one. */
export const isPending = <T>(value: T | Promise<T>): value is Promise<T> => value instanceof Promise
