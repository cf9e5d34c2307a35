/**
 * What a move takes along, as data: every table with its columns, their kinds and its primary key, the same in all
 * backends. A test compares this list with the real schemas, so a table or a column cannot be forgotten here.
 */
import type { SqlValue } from '../procedure.ts'

export type ColumnKind = 'text' | 'integer' | 'real'

/** Values in the order of a table's columns. */
export type Row = readonly SqlValue[]

export interface MoveTable {
  readonly name: string
  readonly columns: readonly string[]
  /** Of each column, in their order. */
  readonly kinds: readonly ColumnKind[]
  /** Columns of the primary key. Texts compare by their bytes in every backend. */
  readonly key: readonly string[]
}

/** The key of a row: what a reader goes on after. */
export const keyOf = ({ columns, key }: MoveTable, row: Row): Row =>
  key.map((name) => row[columns.indexOf(name)] ?? null)

/** Kinds by column; the key is the first `keyColumns` of them. */
function table(name: string, keyColumns: number, columns: Readonly<Record<string, ColumnKind>>): MoveTable {
  const names = Object.keys(columns)
  return { name, columns: names, kinds: Object.values(columns), key: names.slice(0, keyColumns) }
}

const form = {
  workspace: 'text',
  id: 'text',
  version: 'integer',
  definition: 'text',
  managed_by: 'text',
  created_at: 'text',
  updated_at: 'text',
} as const

/** The one row that says how far the log goes. It is written last: without it no hub takes the rest for a database. */
export const LOG_HEAD = table('log_head', 1, {
  only_row: 'integer',
  first_seq: 'integer',
  seq: 'integer',
  responses: 'integer',
  pings: 'integer',
})

/** All the others, in the order they are moved. */
export const TABLES: readonly MoveTable[] = [
  table('forms', 2, form),
  table('form_versions', 3, form),
  table('responses', 2, {
    workspace: 'text',
    id: 'text',
    form_id: 'text',
    form_version: 'integer',
    status: 'text',
    client_id: 'text',
    started_at: 'text',
    submitted_at: 'text',
    created_at: 'text',
    updated_at: 'text',
    meta: 'text',
    data: 'text',
    received_hash: 'text',
  }),
  table('quarantine', 2, {
    workspace: 'text',
    id: 'text',
    form_id: 'text',
    form_version: 'integer',
    status: 'text',
    verdict: 'text',
    code: 'text',
    message: 'text',
    installation: 'text',
    plugin: 'text',
    client_id: 'text',
    idempotency_key: 'text',
    event_id: 'text',
    started_at: 'text',
    received_at: 'text',
    received: 'text',
    meta: 'text',
    data: 'text',
  }),
  table('idempotency', 2, {
    workspace: 'text',
    idempotency_key: 'text',
    body_hash: 'text',
    response_id: 'text',
    event_id: 'text',
    status: 'text',
    at: 'text',
    expires_at_ms: 'integer',
    rejection: 'text',
  }),
  table('events', 1, {
    seq: 'integer',
    id: 'text',
    workspace: 'text',
    type: 'text',
    at: 'text',
    form_id: 'text',
    response_id: 'text',
    hops: 'integer',
    form_version: 'integer',
    started_at: 'text',
    meta: 'text',
    data: 'text',
    client_id: 'text',
  }),
  table('installations', 2, {
    workspace: 'text',
    id: 'text',
    plugin: 'text',
    state: 'text',
    reason: 'text',
    state_since: 'text',
    cursor: 'integer',
    last_success_at: 'text',
    last_failure_at: 'text',
    last_error: 'text',
    returns_at_ms: 'integer',
    pauses: 'text',
    refused_hash: 'text',
    failure_streak: 'integer',
    last_error_code: 'text',
    check_at: 'text',
    check_result: 'text',
    last_error_delivery: 'text',
    reason_delivery: 'text',
  }),
  table('deliveries', 2, {
    workspace: 'text',
    id: 'text',
    installation: 'text',
    plugin: 'text',
    kind: 'text',
    name: 'text',
    dedupe_key: 'text',
    event_seq: 'integer',
    event_id: 'text',
    form_id: 'text',
    response_id: 'text',
    order_key: 'text',
    state: 'text',
    attempts: 'integer',
    schedule_step: 'integer',
    due_at_ms: 'integer',
    created_at: 'text',
    finished_at: 'text',
    reason: 'text',
    error_code: 'text',
    error: 'text',
    host: 'text',
    input: 'text',
    pace_key: 'text',
    cause: 'text',
  }),
  table('lane_counts', 2, {
    workspace: 'text',
    installation: 'text',
    pending: 'integer',
    retrying: 'integer',
    delivered: 'integer',
    dead: 'integer',
  }),
  table('attempts', 3, {
    workspace: 'text',
    delivery_id: 'text',
    n: 'integer',
    at: 'text',
    duration_ms: 'real',
    outcome: 'text',
    error_code: 'text',
    error: 'text',
    exchanges: 'text',
    logs: 'text',
    batch: 'text',
  }),
  table('runs', 2, {
    workspace: 'text',
    id: 'text',
    installation: 'text',
    plugin: 'text',
    version: 'text',
    bundle: 'text',
    kind: 'text',
    name: 'text',
    attempt: 'integer',
    started_at: 'text',
    duration_ms: 'real',
    cpu_ms: 'real',
    outcome: 'text',
    error_code: 'text',
    error: 'text',
    stack: 'text',
    left_out: 'integer',
    more: 'integer',
    effects: 'text',
    requests: 'text',
    logs: 'text',
  }),
  table('run_items', 3, {
    workspace: 'text',
    run_id: 'text',
    n: 'integer',
    event_id: 'text',
    delivery_id: 'text',
    form_id: 'text',
    response_id: 'text',
    outcome: 'text',
  }),
  table('kv', 3, {
    workspace: 'text',
    installation: 'text',
    kv_key: 'text',
    value: 'text',
    expires_at_ms: 'integer',
  }),
  table('tallies', 3, { workspace: 'text', installation: 'text', name: 'text', value: 'real' }),
  table('schedules', 3, { workspace: 'text', installation: 'text', name: 'text', last_fired_at_ms: 'integer' }),
  table('api_keys', 1, {
    id: 'text',
    workspace: 'text',
    name: 'text',
    prefix: 'text',
    hash: 'text',
    scopes: 'text',
    created_at: 'text',
    expires_at: 'text',
    last_used_at: 'text',
    revoked_at: 'text',
  }),
  table('hooks', 2, {
    workspace: 'text',
    id: 'text',
    key_id: 'text',
    source: 'text',
    zap_id: 'text',
    target_url: 'text',
    hub_url: 'text',
    event: 'text',
    form_id: 'text',
    created_at: 'text',
    updated_at: 'text',
    expires_at_ms: 'integer',
    last_success_at: 'text',
    last_failure_at: 'text',
    last_reason: 'text',
  }),
  table('response_notes', 3, {
    workspace: 'text',
    response_id: 'text',
    id: 'text',
    author: 'text',
    at: 'text',
    note: 'text',
  }),
  table('erasures', 2, { workspace: 'text', form_id: 'text', before_seq: 'integer' }),
  table('released_into', 2, { workspace: 'text', id: 'text', response_id: 'text' }),
  table('erased_responses', 2, { workspace: 'text', response_id: 'text' }),
  table('lost_ranges', 1, { from_seq: 'integer', to_seq: 'integer', accepted_at: 'text' }),
]

/** What stays behind, and why: the processes of a fleet and the schema belong to the database they stand in. */
export const STAYS: Readonly<Record<string, string>> = {
  meta: 'the schema version of SQLite',
  schema_steps: 'the schema version of Postgres',
  hub_processes: 'who is alive',
  hub_configs: 'which configurations a fleet has run',
  leases: 'who runs which installation',
  unfinished_move: 'the mark of a move itself',
}
