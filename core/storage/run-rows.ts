/** The history of runs as any driver reads and writes it, and as the model's words. */
import type { RunEffect, RunItem, RunKind, RunLog, RunRecord, RunRequest } from '../model.ts'

export interface RunRow {
  readonly workspace: string
  readonly id: string
  readonly installation: string
  readonly plugin: string
  readonly version: string
  readonly bundle: string
  readonly kind: RunKind
  readonly name: string
  readonly attempt: number
  readonly started_at: string
  readonly duration_ms: number
  readonly cpu_ms: number
  readonly outcome: RunRecord['outcome']
  readonly error_code: string | null
  readonly error: string | null
  readonly stack: string | null
  readonly left_out: number
  readonly more: number
  readonly effects: string
  readonly requests: string
  readonly logs: string
}

export interface RunItemRow {
  readonly run_id: string
  readonly event_id: string | null
  readonly delivery_id: string | null
  readonly form_id: string | null
  readonly response_id: string | null
  readonly outcome: RunItem['outcome']
}

/** An entry of the run history with its lists parsed. */
export const toRun = ({ row, items }: { readonly row: RunRow; readonly items: readonly RunItemRow[] }): RunRecord => ({
  id: row.id,
  workspace: row.workspace,
  installation: row.installation,
  plugin: row.plugin,
  version: row.version,
  bundle: row.bundle,
  kind: row.kind,
  name: row.name,
  attempt: row.attempt,
  startedAt: row.started_at,
  durationMs: row.duration_ms,
  cpuMs: row.cpu_ms,
  outcome: row.outcome,
  errorCode: row.error_code,
  error: row.error,
  stack: row.stack,
  items: items.map((item) => ({
    eventId: item.event_id,
    deliveryId: item.delivery_id,
    formId: item.form_id,
    responseId: item.response_id,
    outcome: item.outcome,
  })),
  effects: JSON.parse(row.effects) as RunEffect[],
  requests: JSON.parse(row.requests) as RunRequest[],
  logs: JSON.parse(row.logs) as RunLog[],
  leftOut: row.left_out,
  more: row.more,
})

/** The row of an entry. */
export const runRow = (run: RunRecord): RunRow => ({
  workspace: run.workspace,
  id: run.id,
  installation: run.installation,
  plugin: run.plugin,
  version: run.version,
  bundle: run.bundle,
  kind: run.kind,
  name: run.name,
  attempt: run.attempt,
  started_at: run.startedAt,
  duration_ms: run.durationMs,
  cpu_ms: run.cpuMs,
  outcome: run.outcome,
  error_code: run.errorCode,
  error: run.error,
  stack: run.stack,
  left_out: run.leftOut,
  more: run.more,
  effects: JSON.stringify(run.effects),
  requests: JSON.stringify(run.requests),
  logs: JSON.stringify(run.logs),
})
