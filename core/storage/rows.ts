/** Rows as the database gives them, and how they become the words of the model. */
import { testMark } from './new-delivery.ts'
import type { HookEvent, Json } from '../contract/index.ts'
import type {
  Attempt,
  Checked,
  DeadReason,
  Delivery,
  DeliveryKind,
  DeliveryState,
  Exchange,
  Form,
  FormDefinition,
  Hook,
  HookSource,
  InstallationRow,
  InstallationState,
  LogEvent,
  ResponseNote,
  ResponseStatus,
  RunLog,
  StoredResponse,
} from '../model.ts'
import type { ApiKeyRow } from './key-store.ts'
import type { LaneCounts, ScheduleRow } from './store.ts'

export interface FormRow {
  readonly workspace: string
  readonly id: string
  readonly version: number
  readonly definition: string
  readonly managed_by: Form['managedBy']
  readonly created_at: string
  readonly updated_at: string
}

/** A stored form with its definition parsed. */
export const toForm = (row: FormRow): Form => ({
  ...(JSON.parse(row.definition) as FormDefinition),
  id: row.id,
  workspace: row.workspace,
  version: row.version,
  managedBy: row.managed_by,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})

export interface ResponseRow {
  readonly workspace: string
  readonly id: string
  readonly form_id: string
  readonly form_version: number
  readonly status: ResponseStatus
  readonly client_id: string | null
  readonly started_at: string | null
  readonly submitted_at: string | null
  readonly created_at: string
  readonly updated_at: string
  readonly meta: string
  readonly data: string
}

/** A stored response with its answers parsed. */
export const toResponse = (row: ResponseRow): StoredResponse => ({
  id: row.id,
  workspace: row.workspace,
  formId: row.form_id,
  formVersion: row.form_version,
  status: row.status,
  data: JSON.parse(row.data) as { [key: string]: Json },
  meta: JSON.parse(row.meta) as { [key: string]: Json },
  clientId: row.client_id,
  startedAt: row.started_at,
  submittedAt: row.submitted_at,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})

/** An entry of the log joined with its response (`r_…` columns; null when erased or not of that kind). */
export interface EventRow {
  readonly seq: number
  readonly id: string
  readonly workspace: string
  readonly type: string
  readonly at: string
  readonly form_id: string | null
  readonly response_id: string | null
  readonly hops: number
  readonly form_version: number | null
  readonly started_at: string | null
  readonly meta: string | null
  readonly data: string | null
  readonly r_form_version: number | null
  readonly r_started_at: string | null
  readonly r_submitted_at: string | null
  readonly r_meta: string | null
  readonly r_data: string | null
}

/** An entry of the log, whole again. */
export const toEvent = (row: EventRow): LogEvent => ({
  seq: row.seq,
  id: row.id,
  workspace: row.workspace,
  type: row.type,
  at: row.at,
  formId: row.form_id,
  responseId: row.response_id,
  hops: row.hops,
  data: row.data ?? row.r_data,
  meta: row.meta ?? row.r_meta ?? '{}',
  response: responseOf(row),
})

function responseOf(row: EventRow): LogEvent['response'] {
  if (row.r_form_version !== null) {
    return {
      status: 'completed',
      formVersion: row.r_form_version,
      startedAt: row.r_started_at,
      submittedAt: row.r_submitted_at,
    }
  }
  if (row.form_version === null) return null
  return { status: 'partial', formVersion: row.form_version, startedAt: row.started_at, submittedAt: null }
}

export interface DeliveryRow {
  readonly workspace: string
  readonly id: string
  readonly installation: string
  readonly plugin: string
  readonly kind: DeliveryKind
  readonly name: string
  readonly dedupe_key: string
  readonly event_seq: number | null
  readonly event_id: string | null
  readonly form_id: string | null
  readonly response_id: string | null
  readonly order_key: string | null
  readonly pace_key: string | null
  readonly state: DeliveryState
  readonly attempts: number
  readonly schedule_step: number
  readonly due_at_ms: number
  readonly created_at: string
  readonly finished_at: string | null
  readonly reason: DeadReason | null
  readonly error_code: string | null
  readonly error: string | null
  readonly host: string | null
  readonly input: string | null
}

/** A stored delivery; an erased input reads as JSON null. */
export const toDelivery = (row: DeliveryRow): Delivery => ({
  id: row.id,
  workspace: row.workspace,
  installation: row.installation,
  plugin: row.plugin,
  kind: row.kind,
  name: row.name,
  ...testMark(row.dedupe_key),
  eventSeq: row.event_seq,
  eventId: row.event_id,
  formId: row.form_id,
  responseId: row.response_id,
  orderKey: row.order_key,
  paceKey: row.pace_key,
  input: row.input ?? 'null',
  state: row.state,
  attempts: row.attempts,
  scheduleStep: row.schedule_step,
  dueAtMs: row.due_at_ms,
  createdAt: row.created_at,
  finishedAt: row.finished_at,
  reason: row.reason,
  errorCode: row.error_code,
  error: row.error,
  host: row.host,
})

export interface AttemptRow {
  readonly delivery_id: string
  readonly n: number
  readonly at: string
  readonly duration_ms: number
  readonly outcome: Attempt['outcome']
  readonly error_code: string | null
  readonly error: string | null
  readonly exchanges: string
  readonly logs: string
}

/** A stored attempt with its exchanges and log lines parsed. */
export const toAttempt = (row: AttemptRow): Attempt => ({
  deliveryId: row.delivery_id,
  n: row.n,
  at: row.at,
  durationMs: row.duration_ms,
  outcome: row.outcome,
  errorCode: row.error_code,
  error: row.error,
  exchanges: JSON.parse(row.exchanges) as Exchange[],
  logs: JSON.parse(row.logs) as RunLog[],
})

export interface InstallationDbRow {
  readonly workspace: string
  readonly id: string
  readonly plugin: string
  readonly state: InstallationState
  readonly reason: string | null
  readonly state_since: string
  readonly cursor: number
  readonly last_success_at: string | null
  readonly proven_at: string | null
  readonly last_failure_at: string | null
  readonly last_error: string | null
  readonly last_error_code: string | null
  readonly failure_streak: number
  readonly returns_at_ms: number | null
  readonly pauses: string
  readonly refused_hash: string | null
  readonly check_at: string | null
  readonly check_result: string | null
}

/** What is remembered of an installation. */
export const toInstallation = (row: InstallationDbRow): InstallationRow => ({
  workspace: row.workspace,
  id: row.id,
  plugin: row.plugin,
  state: row.state,
  reason: row.reason,
  stateSince: row.state_since,
  cursor: row.cursor,
  lastSuccessAt: row.last_success_at,
  provenAt: row.proven_at,
  lastFailureAt: row.last_failure_at,
  lastError: row.last_error,
  lastErrorCode: row.last_error_code,
  failureStreak: Number(row.failure_streak),
  returnsAtMs: returnsAtOf(row),
  pausesAtMs: pausesOf(row),
  refusedHash: row.refused_hash,
  check:
    row.check_at === null || row.check_result === null
      ? null
      : { at: row.check_at, ...(JSON.parse(row.check_result) as Omit<Checked, 'at'>) },
})

/** Programs from before a pause was written with its own time took the clock twice. */
const SAME_PAUSE_MS = 50

/**
 * Unix ms at which a pause ends by itself. What stands there from an earlier pause does not count: while a fleet is replaced,
 * a program that does not know the column changes the state beside it.
 */
export function returnsAtOf(
  row: Pick<InstallationDbRow, 'state' | 'state_since' | 'returns_at_ms' | 'pauses'>,
): number | null {
  const pausedAtMs = pausesOf(row).at(-1)
  if (row.state !== 'paused' || row.returns_at_ms === null || pausedAtMs === undefined) return null
  return Math.abs(Date.parse(row.state_since) - pausedAtMs) <= SAME_PAUSE_MS ? row.returns_at_ms : null
}

const pausesOf = ({ pauses }: Pick<InstallationDbRow, 'pauses'>): readonly number[] =>
  JSON.parse(pauses) as readonly number[]

export interface LaneRow {
  readonly workspace: string
  readonly installation: string
  readonly pending: number
  readonly retrying: number
  readonly delivered: number
  readonly dead: number
  readonly oldest_at: string | null
}

/** The counters of one installation's deliveries. */
export const toLane = (row: LaneRow): LaneCounts => ({
  workspace: row.workspace,
  installation: row.installation,
  pending: row.pending,
  retrying: row.retrying,
  dead: row.dead,
  delivered: row.delivered,
  oldestAt: row.oldest_at,
})

export interface ScheduleDbRow {
  readonly workspace: string
  readonly installation: string
  readonly name: string
  readonly last_fired_at_ms: number
}

/** When a schedule fired last. */
export const toSchedule = (row: ScheduleDbRow): ScheduleRow => ({
  workspace: row.workspace,
  installation: row.installation,
  name: row.name,
  lastFiredAtMs: row.last_fired_at_ms,
})

export interface HookRow {
  readonly workspace: string
  readonly id: string
  readonly key_id: string
  readonly source: string
  readonly zap_id: string | null
  readonly target_url: string
  readonly hub_url: string | null
  readonly event: string
  readonly form_id: string | null
  readonly created_at: string
  readonly updated_at: string
  readonly expires_at_ms: number | null
  readonly last_success_at: string | null
  readonly last_failure_at: string | null
  readonly last_reason: string | null
  readonly form_gone_at: string | null
  readonly key_kind: string | null
  readonly key_name: string | null
  readonly key_revoked_at: string | null
  readonly key_expires_at: string | null
}

/** A stored hook. */
export const toHook = (row: HookRow): Hook => ({
  id: row.id,
  workspace: row.workspace,
  keyId: row.key_id,
  source: row.source as HookSource,
  zapId: row.zap_id,
  targetUrl: row.target_url,
  hubUrl: row.hub_url,
  event: row.event as HookEvent,
  formId: row.form_id,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
  expiresAtMs: row.expires_at_ms === null ? null : Number(row.expires_at_ms),
  lastSuccessAt: row.last_success_at,
  lastFailureAt: row.last_failure_at,
  lastReason: row.last_reason,
  formGoneAt: row.form_gone_at,
  key:
    row.key_name === null
      ? null
      : {
          name: row.key_name,
          isOperator: row.key_kind === 'operator',
          revokedAt: row.key_revoked_at,
          expiresAt: row.key_expires_at,
        },
})

export interface NoteRow {
  readonly id: string
  readonly author: string
  readonly at: string
  readonly note: string
}

/** A note to a response. */
export const toNote = ({ id, author, at, note: text }: NoteRow): ResponseNote => ({ id, author, at, text })

export interface KeyDbRow {
  readonly id: string
  readonly workspace: string
  readonly name: string
  readonly prefix: string
  readonly hash: string
  readonly scopes: string
  readonly created_at: string
  readonly expires_at: string | null
  readonly last_used_at: string | null
  readonly revoked_at: string | null
  readonly kind: string
  readonly opened_by: string | null
}

/** An API key's row; the key itself is nowhere. */
export const toKey = (row: KeyDbRow): ApiKeyRow => ({
  id: row.id,
  workspace: row.workspace,
  name: row.name,
  prefix: row.prefix,
  hash: row.hash,
  scopes: JSON.parse(row.scopes) as string[],
  createdAt: row.created_at,
  expiresAt: row.expires_at,
  lastUsedAt: row.last_used_at,
  revokedAt: row.revoked_at,
  kind: row.kind as ApiKeyRow['kind'],
  openedBy: row.opened_by,
})
