/** What delivery needs of the other rooms, by parameter. */
import type { Exchange, InstallationState, LogEvent, WorkspaceId } from '../model.ts'
import type { Installation } from '../registry/installation.ts'
import type { CapabilityHandler } from '../sandbox/sandbox.ts'
import type { FormView } from '../routing/event-json.ts'

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
  /** The last host a request was meant for, if only to be held back by its breaker. */
  lastHost(): string | null
  /** Takes the installation's secrets out of a text. */
  readonly mask: (text: string) => string
}

/** What opens them; `core/capabilities/run-capabilities.ts` does. */
export interface OpenCapabilities {
  open(installation: Installation, context: { readonly deadlineMs: number }): OpenedRun
}

/** The form of an event in the version it was made with; a promise only when it has to be read. */
export type FormOf = (event: LogEvent) => FormView | undefined | Promise<FormView | undefined>

/** An event by id, when it is still in memory. */
export type EventInMemory = (workspace: WorkspaceId, id: string) => LogEvent | undefined

/** Told of events that were just committed, in order. */
export type Published = (events: readonly LogEvent[]) => void

/** An installation that must stand still from now on: the destination is gone. */
export type DisableInstallation = (key: string, reason: string, cause: { code: string; deliveryId: string }) => void

/** True for what may run handlers and deliveries. */
export const isRunnable = (state: InstallationState): boolean => state === 'ready' || state === 'degraded'

/** True for a promise, without making one. */
export const isPending = <T>(value: T | Promise<T>): value is Promise<T> => value instanceof Promise
