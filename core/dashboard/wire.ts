/** Shapes of the API's answers, as far as more than one screen shows them. What the API says of them is in `/openapi.json`. */
import type { DeadReason, DeliveryKind, DeliveryState, InstallationState } from '../model.ts'

export interface DeliveryRow {
  readonly id: string
  readonly installation: string
  readonly plugin: string
  readonly kind: DeliveryKind
  readonly name: string
  readonly event_id: string | null
  readonly form_id: string | null
  readonly response_id: string | null
  readonly state: DeliveryState
  readonly attempts: number
  readonly due_at: string | null
  readonly created_at: string
  readonly finished_at: string | null
  readonly reason: DeadReason | null
  readonly error_code: string | null
  readonly error: string | null
  readonly host: string | null
}

export interface Exchange {
  readonly method: string
  readonly url: string
  readonly request_headers: Readonly<Record<string, string>>
  readonly request_body: string | null
  readonly status: number | null
  readonly response_headers: Readonly<Record<string, string>>
  readonly response_body: string | null
  readonly truncated: boolean
  readonly duration_ms: number
  readonly error: string | null
}

export interface LogLine {
  readonly level: string
  readonly message: string
  readonly at?: string
}

export interface AttemptRow {
  readonly n: number
  readonly at: string
  readonly duration_ms: number
  readonly outcome: string
  readonly error_code: string | null
  readonly error: string | null
  readonly exchanges: readonly Exchange[]
  readonly logs: readonly LogLine[]
}

export interface DeliveryDetail extends DeliveryRow {
  readonly input: unknown
  /** Why input and bodies are not shown to this key. */
  readonly input_missing: string | null
  readonly attempt_log: readonly AttemptRow[]
}

export interface DeadGroupRow {
  readonly cause: string
  readonly installation: string
  readonly reason: DeadReason | null
  readonly code: string | null
  readonly message: string
  readonly count: number
  readonly first_at: string
  readonly last_at: string
  readonly example: { readonly id: string; readonly error: string | null }
}

export interface DeadGroups {
  readonly items: readonly DeadGroupRow[]
  readonly whole: boolean
}

export interface InstallationItem {
  readonly id: string
  readonly plugin: string
  readonly version: string | null
  readonly state: InstallationState
  readonly reason: string | null
  readonly state_since: string | null
  readonly lag: number
  readonly last_success_at: string | null
  readonly last_failure_at: string | null
  readonly last_error: string | null
  readonly last_error_code: string | null
  readonly failure_streak: number
  readonly credential: { readonly state: string; readonly since: string; readonly message: string | null }
  readonly deliveries: Readonly<Record<DeliveryState, number>>
  readonly oldest_waiting_at: string | null
  /** When a pause for used up points ends by itself. */
  readonly returns_at: string | null
  readonly unattended: boolean
  readonly breakers: readonly { readonly host: string; readonly state: string; readonly until: string | null }[]
  readonly config: Readonly<Record<string, unknown>>
  readonly when: { readonly forms: readonly string[] | null; readonly events: readonly string[] | null }
  readonly check: { readonly at: string; readonly findings: readonly FindingItem[] } | null
  readonly usage: UsageItem | null
}

export interface FindingItem {
  readonly level: string
  readonly message: string
  /** The setting it is about. */
  readonly at: string | null
}

export interface UsageItem {
  readonly since: string
  readonly points: number
  readonly points_max: number
  readonly runs: number
  readonly failed: number
  readonly cpu_ms: number
  readonly http_calls: number
  readonly breaches: Readonly<Record<string, number>>
  readonly heap_bytes: number
  readonly heap_peak_bytes: number
  readonly last_hour: { readonly cpu_ms: number; readonly http_calls: number }
}

export interface InstallationList {
  readonly items: readonly InstallationItem[]
  readonly gone: readonly { readonly id: string; readonly deliveries: Readonly<Record<DeliveryState, number>> }[]
}

export interface PluginItem {
  readonly id: string
  readonly name: string
  readonly version: string | null
  readonly description: string | null
  readonly origin: 'builtin' | 'community'
  readonly state: 'loaded' | 'needs-approval' | 'broken'
  readonly problems: readonly string[]
  readonly events: readonly string[]
  readonly actions: readonly string[]
  readonly schedules: readonly string[]
  readonly routes: readonly string[]
  readonly asks: readonly string[]
  readonly granted: readonly string[] | null
  readonly granted_at: string | null
  readonly code: string | null
  readonly usage: UsageItem | null
  readonly needs_approval: {
    readonly from: { readonly version: string }
    readonly to: { readonly version: string; readonly hash: string | null }
    readonly running: string | null
    readonly gone: boolean
    readonly diff: readonly string[]
    readonly sources: {
      readonly files: readonly { readonly path: string; readonly added: number; readonly removed: number }[]
      readonly diff: string
      readonly whole: boolean
    } | null
  } | null
  readonly config: Readonly<Record<string, unknown>>
}

export interface ConfigProblem {
  readonly path: string
  readonly file: string
  readonly line: number
  readonly column: number
  readonly message: string
  readonly hint: string | null
}

export interface ConfigStatus {
  readonly file: string | null
  readonly running_checksum: string
  readonly in_step: boolean
  readonly loaded_at: string
  readonly problems: readonly ConfigProblem[]
  /** All of it runs but those, which a start puts to work. */
  readonly needs_start: boolean
  readonly warnings: readonly ConfigProblem[]
}

interface SettingSpot {
  readonly value: unknown
  readonly line: number
}

export interface SettingItem {
  readonly name: string
  readonly on_disk: 'same' | 'changed' | 'gone' | 'new'
  readonly running: SettingSpot | null
  readonly disk: SettingSpot | null
}

export interface ConfigSettings {
  readonly file: string | null
  readonly readable: boolean
  readonly items: readonly SettingItem[]
  readonly piece: unknown
  readonly yaml: string | null
}

export interface FieldItem {
  readonly key: string
  readonly label?: string
  readonly type: string
  readonly options?: readonly (string | { readonly value: string; readonly label?: string })[]
  readonly required: boolean
  readonly pii: boolean
  readonly min?: number
  readonly max?: number
  readonly help?: string
}

export interface FormItem {
  readonly id: string
  readonly version: number
  readonly name: string
  readonly fields: readonly FieldItem[]
  readonly access: 'public' | 'key'
  readonly unknown_fields: 'keep' | 'refuse'
  readonly redirect_url: string | null
  readonly honeypot_field: string
  readonly timezone?: string
  readonly managed_by: 'api' | 'file'
  readonly created_at: string
  readonly updated_at: string
}

export interface ResponseItem {
  readonly id: string
  readonly form_id: string
  readonly form_version: number
  readonly status: 'partial' | 'completed'
  readonly data: Readonly<Record<string, unknown>>
  readonly meta: Readonly<Record<string, unknown>>
  readonly client_id: string | null
  readonly started_at: string | null
  readonly submitted_at: string | null
  readonly created_at: string
  readonly updated_at: string
}

export interface RunItem {
  readonly id: string
  readonly installation: string
  readonly plugin: string
  readonly version: string
  readonly kind: string
  readonly name: string
  readonly attempt: number
  readonly started_at: string
  readonly duration_ms: number
  readonly cpu_ms: number
  readonly outcome: 'ok' | 'failed'
  readonly error_code: string | null
  readonly error: string | null
  readonly stack: string | null
  readonly items: readonly {
    readonly event_id: string | null
    readonly delivery_id: string | null
    readonly form_id: string | null
    readonly response_id: string | null
    readonly outcome: string | null
  }[]
  readonly effects: readonly (Readonly<Record<string, unknown>> & { readonly kind: string })[]
  readonly requests: readonly {
    readonly method: string
    readonly url: string
    readonly status: number | null
    readonly duration_ms: number
    readonly error: string | null
  }[]
  readonly logs: readonly LogLine[]
  readonly left_out: number
  readonly more: number
}

export interface Readiness {
  readonly ready: boolean
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly detail: string | null }[]
}
