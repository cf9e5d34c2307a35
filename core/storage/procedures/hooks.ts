/** Hooks: who outside asked to be sent which events, where to, and how that goes. */
import { HubError } from '../../errors.ts'
import type { NewEvent, WorkspaceId } from '../../model.ts'
import type { HookQuery } from '../queries.ts'
import { all, first, run, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import type { HookRow } from '../rows.ts'
import type { HookNote, NewHook } from '../store.ts'
import { when, where } from '../where.ts'
import type { Condition } from '../where.ts'
import { append } from './events.ts'

const COLUMNS = `workspace, id, key_id, source, zap_id, target_url, hub_url, event, form_id, created_at, updated_at,
  expires_at_ms, last_success_at, last_failure_at, last_reason`

/** What its key may see a hook may see: a key that was revoked or has expired sees nothing. Admins of the machine have none. */
const KEY_IN_FORCE = `NOT EXISTS (SELECT 1 FROM api_keys WHERE api_keys.id = hooks.key_id
  AND (api_keys.revoked_at IS NOT NULL OR api_keys.expires_at <= ?))`

/** Makes one, or changes the one that stands for the same subscription. Throws `conflict` when there are too many. */
export function* saveHook(input: {
  readonly hook: NewHook
  readonly hooksMax: number
}): Procedure<{ readonly row: HookRow; readonly created: boolean }> {
  const { hook, hooksMax } = input
  const before = yield* sameHook(hook)
  const row: HookRow = {
    workspace: hook.workspace,
    id: before?.id ?? hook.id,
    key_id: hook.keyId,
    source: hook.source,
    zap_id: hook.zapId,
    target_url: hook.targetUrl,
    hub_url: hook.hubUrl,
    event: hook.event,
    form_id: hook.formId,
    created_at: before?.created_at ?? hook.at,
    updated_at: hook.at,
    expires_at_ms: hook.expiresAtMs,
    last_success_at: before?.last_success_at ?? null,
    last_failure_at: before?.last_failure_at ?? null,
    last_reason: before?.last_reason ?? null,
  }
  if (before === undefined) {
    const count = yield* countHooks({ workspace: hook.workspace })
    if (count >= hooksMax)
      throw new HubError('conflict', `There are ${hooksMax} hooks already; remove some that nobody needs.`)
    yield* run(`INSERT INTO hooks (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, valuesOf(row))
    return { row, created: true }
  }
  yield* run(
    `UPDATE hooks SET key_id = ?, source = ?, zap_id = ?, target_url = ?, hub_url = ?, event = ?, form_id = ?,
      updated_at = ?, expires_at_ms = ? WHERE workspace = ? AND id = ?`,
    [
      row.key_id,
      row.source,
      row.zap_id,
      row.target_url,
      row.hub_url,
      row.event,
      row.form_id,
      row.updated_at,
      row.expires_at_ms,
      row.workspace,
      row.id,
    ],
  )
  return { row, created: false }
}

const valuesOf = (row: HookRow): SqlValue[] => [
  row.workspace,
  row.id,
  row.key_id,
  row.source,
  row.zap_id,
  row.target_url,
  row.hub_url,
  row.event,
  row.form_id,
  row.created_at,
  row.updated_at,
  row.expires_at_ms,
  row.last_success_at,
  row.last_failure_at,
  row.last_reason,
]

/** By the subscriber's own name for it; else by address, event and form. */
function* sameHook(hook: NewHook): Procedure<HookRow | undefined> {
  const { sql, params } = where(
    hook.zapId === null
      ? [
          ['workspace = ?', hook.workspace],
          ['target_url = ?', hook.targetUrl],
          ['event = ?', hook.event],
          hook.formId === null ? ['form_id IS NULL'] : ['form_id = ?', hook.formId],
          ['zap_id IS NULL'],
        ]
      : [
          ['workspace = ?', hook.workspace],
          ['zap_id = ?', hook.zapId],
          ['source = ?', hook.source],
        ],
  )
  return yield* first<HookRow>(`SELECT ${COLUMNS} FROM hooks WHERE ${sql} ORDER BY id LIMIT 1`, params)
}

/** One by its id; with `inForceMs` only one that may be sent to at that time. */
export function* getHook(input: {
  readonly workspace: WorkspaceId
  readonly id: string
  readonly inForceMs?: number
}): Procedure<HookRow | undefined> {
  const { inForceMs } = input
  const inForce: readonly Condition[] =
    inForceMs === undefined
      ? []
      : [
          ['(expires_at_ms IS NULL OR expires_at_ms > ?)', inForceMs],
          [KEY_IN_FORCE, new Date(inForceMs).toISOString()],
        ]
  const { sql, params } = where([['workspace = ?', input.workspace], ['id = ?', input.id], ...inForce])
  return yield* first<HookRow>(`SELECT ${COLUMNS} FROM hooks WHERE ${sql}`, params)
}

/** A page, newest first. */
export function* listHooks(input: {
  readonly workspace: WorkspaceId
  readonly query: HookQuery
}): Procedure<{ readonly rows: readonly HookRow[]; readonly next: string | null }> {
  const { query } = input
  const { sql, params } = where([
    ['workspace = ?', input.workspace],
    when('event = ?', query.event),
    when('form_id = ?', query.form),
    when('source = ?', query.source),
    when('target_url = ?', query.targetUrl),
    when('zap_id = ?', query.zapId),
    when('key_id = ?', query.key),
    when('id < ?', query.after),
  ])
  const rows = yield* all<HookRow>(`SELECT ${COLUMNS} FROM hooks WHERE ${sql} ORDER BY id DESC LIMIT ?`, [
    ...params,
    query.limit + 1,
  ])
  return pageById(rows, query.limit)
}

/** Those in force that want this event of this form, oldest first. */
export function* hooksFor(input: {
  readonly workspace: WorkspaceId
  readonly event: string
  readonly formId: string | null
  readonly after: string | null
  readonly limit: number
  readonly nowMs: number
}): Procedure<{ readonly rows: readonly HookRow[]; readonly next: string | null }> {
  const ofForm: Condition =
    input.formId === null ? ['form_id IS NULL'] : ['(form_id IS NULL OR form_id = ?)', input.formId]
  const { sql, params } = where([
    ['workspace = ?', input.workspace],
    ['event = ?', input.event],
    ofForm,
    ['(expires_at_ms IS NULL OR expires_at_ms > ?)', input.nowMs],
    [KEY_IN_FORCE, new Date(input.nowMs).toISOString()],
    when('id > ?', input.after ?? undefined),
  ])
  const rows = yield* all<HookRow>(`SELECT ${COLUMNS} FROM hooks WHERE ${sql} ORDER BY id LIMIT ?`, [
    ...params,
    input.limit + 1,
  ])
  return pageById(rows, input.limit)
}

const pageById = (rows: readonly HookRow[], limit: number) => {
  const page = rows.slice(0, limit)
  return { rows: page, next: rows.length > limit ? (page.at(-1)?.id ?? null) : null }
}

/** Of the workspace, or those of them that were made with one key. */
export function* countHooks(input: { readonly workspace: WorkspaceId; readonly key?: string }): Procedure<number> {
  const { sql, params } = where([['workspace = ?', input.workspace], when('key_id = ?', input.key)])
  const row = yield* first<{ n: number }>(`SELECT count(*) AS n FROM hooks WHERE ${sql}`, params)
  return Number(row?.n ?? 0)
}

/** Removes it and says so in the log; answers the sequence of the event, null when there is no such hook. */
export function* removeHook(input: {
  readonly workspace: WorkspaceId
  readonly id: string
  readonly event: NewEvent
}): Procedure<number | null> {
  const removed = yield* run('DELETE FROM hooks WHERE workspace = ? AND id = ?', [input.workspace, input.id])
  return removed === 0 ? null : yield* append(input.workspace, [input.event])
}

/** How sending went; an older report does not overwrite a newer one. */
export function* noteHooks(notes: readonly HookNote[]): Procedure<void> {
  const went = (isWell: boolean): SqlValue[][] =>
    notes.flatMap(({ workspace, id, at, reason }): SqlValue[][] => {
      if ((reason === null) !== isWell) return []
      return [isWell ? [at, workspace, id, at] : [at, reason, workspace, id, at]]
    })
  yield* runMany(
    'UPDATE hooks SET last_success_at = ? WHERE workspace = ? AND id = ? AND (last_success_at IS NULL OR last_success_at < ?)',
    went(true),
  )
  yield* runMany(
    'UPDATE hooks SET last_failure_at = ?, last_reason = ? WHERE workspace = ? AND id = ? AND (last_failure_at IS NULL OR last_failure_at < ?)',
    went(false),
  )
}
