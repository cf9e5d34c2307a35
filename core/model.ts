/** The words of the product as types: what is stored, in code's camelCase. `core/http` turns it into wire snake_case. */
import type { Json, Outcome } from './contract/index.ts'

/** The tenant. Every row belongs to one; nothing crosses it. */
export type WorkspaceId = string & { readonly __brand?: 'workspace' }

export const DEFAULT_WORKSPACE: WorkspaceId = 'default'

export const FIELD_TYPES = [
  'text',
  'long_text',
  'email',
  'number',
  'boolean',
  'date',
  'datetime',
  'select',
  'multi_select',
  'radio',
  'rating',
  'file',
  'hidden',
] as const
export type FieldType = (typeof FIELD_TYPES)[number]

export interface FieldOption {
  readonly value: string
  readonly label: string
}

export interface Field {
  readonly key: string
  readonly label: string
  readonly type: FieldType
  readonly required: boolean
  readonly pii: boolean
  /** For select, multi_select and radio; empty for the rest. */
  readonly options: readonly FieldOption[]
  /** Bounds for number (value), text (length) and rating (1 to max). */
  readonly min?: number
  readonly max?: number
  readonly help?: string
}

/** What an admin writes; `version` counts its changes. */
export interface FormDefinition {
  readonly name: string
  readonly fields: readonly Field[]
  /** Who may submit: anyone (rate-limited per address), or only keys with `responses:write`. */
  readonly access: 'public' | 'key'
  /** What happens to answers that are no field: kept as they are, or the response is refused. */
  readonly unknownFields: 'keep' | 'refuse'
  /** Where `POST /f/{id}` sends the browser; null shows the thank-you page. */
  readonly redirectUrl: string | null
  /** Name of the honeypot input of plain HTML forms. */
  readonly honeypotField: string
}

export interface Form extends FormDefinition {
  readonly id: string
  readonly workspace: WorkspaceId
  readonly version: number
  /** `file`: from manifold.yaml, read-only in the API. */
  readonly managedBy: 'api' | 'file'
  readonly createdAt: string
  readonly updatedAt: string
}

export type ResponseStatus = 'partial' | 'completed'

export interface StoredResponse {
  readonly id: string
  readonly workspace: WorkspaceId
  readonly formId: string
  readonly formVersion: number
  readonly status: ResponseStatus
  readonly data: { readonly [key: string]: Json }
  readonly meta: { readonly [key: string]: Json }
  readonly clientId: string | null
  readonly startedAt: string | null
  readonly submittedAt: string | null
  readonly createdAt: string
  readonly updatedAt: string
}

/** One entry of the event log. JSON is kept as text: most readers pass it on without looking inside. */
export interface LogEvent {
  /** Gap-free, in commit order, from 1. */
  readonly seq: number
  readonly id: string
  readonly workspace: WorkspaceId
  readonly type: string
  readonly at: string
  readonly formId: string | null
  readonly responseId: string | null
  /** How many plugin emissions led here; 0 for what came from outside. */
  readonly hops: number
  /** JSON object text: the answers for `response.*`, the payload for the rest. Null when its response was erased. */
  readonly data: string | null
  /** JSON object text; `{}` when there is none. */
  readonly meta: string
  readonly response: {
    readonly status: ResponseStatus
    readonly formVersion: number
    readonly startedAt: string | null
    readonly submittedAt: string | null
  } | null
}

/** An event about to be appended; `seq` is given by the log. */
export interface NewEvent {
  readonly id: string
  readonly type: string
  readonly at: string
  readonly formId: string | null
  readonly responseId: string | null
  readonly hops: number
  readonly data: string
}

/**
 * Delivery states. `running` is not stored: a process that dies leaves `pending` or `retrying`, and the attempt repeats.
 *
 *   pending ──▶ delivered
 *      │ ╲──▶ dead ──replay──▶ pending
 *      ▼
 *   retrying ──▶ delivered | dead          dead, delivered ──replay──▶ pending (same id, attempts go on counting)
 */
export const DELIVERY_STATES = ['pending', 'retrying', 'delivered', 'dead'] as const
export type DeliveryState = (typeof DELIVERY_STATES)[number]

/** `action`: enqueued by a plugin. `handler`: a failed handler run being retried. `schedule`: a fired schedule. */
export type DeliveryKind = 'action' | 'handler' | 'schedule'

/** Why a dead letter is dead, in the words of who must act. */
export const DEAD_REASONS = ['receiver_failed', 'permanent_reject', 'config_error', 'internal_error'] as const
export type DeadReason = (typeof DEAD_REASONS)[number]

export interface Delivery {
  readonly id: string
  readonly workspace: WorkspaceId
  readonly installation: string
  readonly plugin: string
  readonly kind: DeliveryKind
  /** Action, event type or schedule name, by kind. */
  readonly name: string
  readonly eventSeq: number | null
  readonly eventId: string | null
  readonly formId: string | null
  readonly responseId: string | null
  readonly orderKey: string | null
  /** JSON text. */
  readonly input: string
  readonly state: DeliveryState
  readonly attempts: number
  /** Attempts since the last replay: what the retry schedule counts. */
  readonly scheduleStep: number
  /** Unix ms. */
  readonly dueAtMs: number
  readonly createdAt: string
  readonly finishedAt: string | null
  readonly reason: DeadReason | null
  readonly errorCode: string | null
  readonly error: string | null
  /** Host last contacted, for breakers; null before the first attempt. */
  readonly host: string | null
}

export interface NewDelivery {
  readonly id: string
  readonly kind: DeliveryKind
  readonly name: string
  /** Unique per installation, for ever: the second one with the same key is dropped. */
  readonly key: string
  readonly eventSeq: number | null
  readonly eventId: string | null
  readonly formId: string | null
  readonly responseId: string | null
  readonly orderKey: string | null
  readonly input: string
  readonly dueAtMs: number
  /** It is born with its first attempt already failed (a handler run of the pump): the row starts there. */
  readonly failed?: FailedFirst
}

/** How a delivery looks whose first attempt ended before it was written. `attempts` and `scheduleStep` become 1. */
export interface FailedFirst {
  readonly state: Extract<DeliveryState, 'retrying' | 'dead'>
  readonly reason: DeadReason | null
  readonly errorCode: string | null
  readonly error: string | null
  readonly attempt: Omit<Attempt, 'deliveryId' | 'n'>
}

/** One HTTP exchange of an attempt, with secrets masked and the bodies cut to the limit. */
export interface Exchange {
  readonly method: string
  readonly url: string
  readonly requestHeaders: { readonly [name: string]: string }
  readonly requestBody: string | null
  readonly status: number | null
  readonly responseHeaders: { readonly [name: string]: string }
  readonly responseBody: string | null
  readonly truncated: boolean
  readonly durationMs: number
  /** Error class when there was no answer: `dns`, `connect`, `tls`, `timeout`, `reset`, `refused_by_guard`, `too_large`. */
  readonly error: string | null
}

export interface Attempt {
  readonly deliveryId: string
  readonly n: number
  readonly at: string
  readonly durationMs: number
  readonly outcome: Outcome['outcome']
  readonly errorCode: string | null
  readonly error: string | null
  readonly exchanges: readonly Exchange[]
  readonly logs: readonly RunLog[]
}

export interface RunLog {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
  readonly fields?: { readonly [key: string]: Json }
}

/** `invalid` and `needs-approval` never run; `degraded` runs with concurrency 1; the rest stand still with a reason. */
export const INSTALLATION_STATES = ['ready', 'degraded', 'paused', 'disabled', 'needs-approval', 'invalid'] as const
export type InstallationState = (typeof INSTALLATION_STATES)[number]

/** What the hub remembers of an installation between starts. */
export interface InstallationRow {
  readonly workspace: WorkspaceId
  readonly id: string
  readonly plugin: string
  readonly state: InstallationState
  readonly reason: string | null
  readonly stateSince: string
  /** The last event sequence whose effects are committed. */
  readonly cursor: number
  readonly lastSuccessAt: string | null
  readonly lastFailureAt: string | null
  readonly lastError: string | null
}
