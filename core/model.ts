/** The words of the product as types: what is stored, in code's camelCase. `core/http` turns it into wire snake_case. */
import type { Checked } from './checked.ts'
import type { Json, Outcome } from './contract/index.ts'

export type { CheckFinding, Checked } from './checked.ts'
export { HOOK_SOURCES } from './hook.ts'
export type { Hook, HookSource, ResponseNote } from './hook.ts'

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
  /** IANA name of the zone that its days begin in; without: whoever counts decides. */
  readonly timezone?: string
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

/** Why a response was put aside: a transform flagged it, a transform refused it, or one failed whose failures are closed. */
export const QUARANTINE_VERDICTS = ['flagged', 'rejected', 'failed'] as const
export type QuarantineVerdict = (typeof QUARANTINE_VERDICTS)[number]

/** Why a response waits in quarantine that its form did not take when a plugin submitted it; no transform can say this. */
export const FORM_MISMATCH = 'form-mismatch'

/** A response that is not stored, until somebody releases or discards it. */
export interface Quarantined extends Pick<
  StoredResponse,
  'workspace' | 'formId' | 'formVersion' | 'status' | 'meta' | 'clientId' | 'startedAt'
> {
  /** Its id as a response, then as now. */
  readonly id: string
  readonly verdict: QuarantineVerdict
  /** `flagged`, the plugin's own code of a refusal, `transform_failed`, or `form-mismatch`. */
  readonly code: string
  readonly message: string | null
  readonly installation: string
  readonly plugin: string
  /** The answers as they came. */
  readonly received: { readonly [key: string]: Json }
  /** The same as far as transforms had changed them: what a release stores. */
  readonly data: { readonly [key: string]: Json }
  /** As its sender said; null: when it was received. */
  readonly submittedAt: string | null
  readonly receivedAt: string
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
  /** Caused by hand, to try the installation. */
  readonly isTest?: true
  readonly eventSeq: number | null
  readonly eventId: string | null
  readonly formId: string | null
  readonly responseId: string | null
  readonly orderKey: string | null
  /** Those of one action that share it start at its pace; null: the ones that name none. */
  readonly paceKey: string | null
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
  readonly paceKey?: string
  readonly input: string
  readonly dueAtMs: number
  /** It is born with its first attempt already failed (a handler run of the pump): the row starts there. */
  readonly failed?: FailedFirst
}

/** How a delivery looks whose first attempt ended before it was written. `attempts` becomes 1. */
export interface FailedFirst {
  readonly state: Extract<DeliveryState, 'retrying' | 'dead'>
  readonly reason: DeadReason | null
  readonly errorCode: string | null
  readonly error: string | null
  /** 0: its schedule does not count this one, since the credential was refused. */
  readonly scheduleStep: 0 | 1
  readonly attempt: Omit<Attempt, 'deliveryId' | 'n'>
}

/** One exchange of an attempt: secrets masked, bodies cut. Of an e-mail: method `SMTP`, the reply code, addresses masked. */
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
  /** Error class when there was no answer: `dns`, `connect`, `tls`, `timeout`, `reset`, `auth`, `refused_by_guard`, `too_large`. */
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
  /** Where in the plugin's own files it was written: `index.ts:12:5`. */
  readonly at?: string
}

/**
 * What a run was for; the words are those of deliveries, `route` for a request to the plugin's own route, `transform`
 * for a look at a response before it was stored, and `check` for a look at its own settings.
 */
export const RUN_KINDS = ['handler', 'action', 'schedule', 'route', 'transform', 'check'] as const
export type RunKind = (typeof RUN_KINDS)[number]

/** What a transform came to for one response. `failed`: its `whenFails` says what became of the response. */
export const TRANSFORM_OUTCOMES = ['kept', 'changed', 'flagged', 'rejected', 'failed'] as const
export type TransformOutcome = (typeof TRANSFORM_OUTCOMES)[number]

/** What a run was given, by reference: the content stays where it is, and is looked up when somebody reads the run. */
export interface RunItem {
  readonly eventId: string | null
  readonly deliveryId: string | null
  readonly formId: string | null
  /** Of a transform: what the response is stored under, or waits under in quarantine. */
  readonly responseId: string | null
  /** Of an action, for this item, or what a transform came to; null for the other kinds. */
  readonly outcome: Attempt['outcome'] | TransformOutcome | null
}

/** What a run asked for: names, keys and sizes, never values. */
export type RunEffect =
  /** `deliveryId`: the id it was to get; a key that was taken before makes no delivery. */
  | { readonly kind: 'enqueue'; readonly action: string; readonly key: string; readonly deliveryId: string }
  /** `bytes` of the JSON text; null: the key was deleted. */
  | { readonly kind: 'kv'; readonly key: string; readonly bytes: number | null }
  | { readonly kind: 'emit'; readonly type: string; readonly eventId: string }
  | { readonly kind: 'tally' | 'metric'; readonly name: string; readonly by: number }
  /** What a transform made of a response: the JSON text of the answer, or of this part of `meta`, has so many bytes; null: it is gone. */
  | { readonly kind: 'change'; readonly part: 'data' | 'meta'; readonly key: string; readonly bytes: number | null }

/** One HTTP request of a run, in short: the attempt of its delivery has the whole exchange. */
export interface RunRequest {
  readonly method: string
  /** Without query; secrets are masked. */
  readonly url: string
  readonly status: number | null
  readonly durationMs: number
  /** As in `Exchange`. */
  readonly error: string | null
}

/** One entry of the run history: what a plugin did in one crossing, and what came of it. */
export interface RunRecord {
  readonly id: string
  readonly workspace: WorkspaceId
  readonly installation: string
  readonly plugin: string
  readonly version: string
  /** The first characters of the bundle's hash. */
  readonly bundle: string
  readonly kind: RunKind
  /** What the manifest calls it: event type, action, schedule, or route with its method. Of a transform: the form. */
  readonly name: string
  readonly attempt: number
  readonly startedAt: string
  /** From its start to the end of what it wanted from outside. */
  readonly durationMs: number
  readonly cpuMs: number
  readonly outcome: 'ok' | 'failed'
  readonly errorCode: string | null
  /** Ends in the plugin's own file, line and column where there is one. */
  readonly error: string | null
  /** The way there in the plugin's own files, a line each. */
  readonly stack: string | null
  readonly items: readonly RunItem[]
  readonly effects: readonly RunEffect[]
  readonly requests: readonly RunRequest[]
  readonly logs: readonly RunLog[]
  /** Effects, requests and log lines that were too many to be kept. */
  readonly leftOut: number
  /** Runs of the same kind, name and outcome that came after it and were too many to be recorded themselves. */
  readonly more: number
}

/** `invalid` and `needs-approval` never run; `degraded` runs with concurrency 1; the rest stand still with a reason. */
export const INSTALLATION_STATES = ['ready', 'degraded', 'paused', 'disabled', 'needs-approval', 'invalid'] as const
export type InstallationState = (typeof INSTALLATION_STATES)[number]
/** What stands where a secret was. */
export const MASKED = '[secret]'

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
  /** When a receiver last took what it proves itself with. */
  readonly provenAt: string | null
  readonly lastFailureAt: string | null
  readonly lastError: string | null
  readonly lastErrorCode: string | null
  /** Attempts that failed since the last one that went well. */
  readonly failureStreak: number
  /** Unix ms at which a pause ends by itself; null: somebody has to end it. */
  readonly returnsAtMs: number | null
  /** Unix ms of the pauses for used up points that still count. */
  readonly pausesAtMs: readonly number[]
  /** Hash of the settings whose credential was refused; null: none was. */
  readonly refusedHash: string | null
  /** What its check found last, and of which settings; null: none has run yet. */
  readonly check: Checked | null
}

/** What a key or token may be allowed. `admin` is everything; no other scope contains another. */
export const SCOPES = [
  'forms:read',
  'forms:write',
  'responses:read',
  'responses:write',
  'analytics:read',
  'deliveries:write',
  'hooks:write',
  'admin',
] as const
export type Scope = (typeof SCOPES)[number]

export const isScope = (text: string): text is Scope => (SCOPES as readonly string[]).includes(text)
