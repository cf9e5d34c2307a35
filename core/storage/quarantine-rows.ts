/** A row of the quarantine as any driver reads it, and as the model's words. */
import type { Json } from '../contract/index.ts'
import type { Quarantined, QuarantineVerdict, ResponseStatus } from '../model.ts'

export interface QuarantineRow {
  readonly workspace: string
  readonly id: string
  readonly form_id: string
  readonly form_version: number
  readonly status: ResponseStatus
  readonly verdict: QuarantineVerdict
  readonly code: string
  readonly message: string | null
  readonly installation: string
  readonly plugin: string
  readonly client_id: string | null
  readonly idempotency_key: string | null
  readonly event_id: string
  readonly started_at: string | null
  readonly submitted_at: string | null
  readonly received_at: string
  readonly received: string
  readonly meta: string
  readonly data: string
}

/** What was put aside, with its answers parsed. */
export const toQuarantined = (row: QuarantineRow): Quarantined => ({
  id: row.id,
  workspace: row.workspace,
  formId: row.form_id,
  formVersion: row.form_version,
  status: row.status,
  verdict: row.verdict,
  code: row.code,
  message: row.message,
  installation: row.installation,
  plugin: row.plugin,
  received: JSON.parse(row.received) as { [key: string]: Json },
  data: JSON.parse(row.data) as { [key: string]: Json },
  meta: JSON.parse(row.meta) as { [key: string]: Json },
  clientId: row.client_id,
  startedAt: row.started_at,
  submittedAt: row.submitted_at,
  receivedAt: row.received_at,
})
