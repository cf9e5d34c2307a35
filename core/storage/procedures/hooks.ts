/** Hooks: who outside asked to be sent which events, where to, and how that goes. */
import { HubError } from '../../errors.ts'
import type { NewEvent, WorkspaceId } from '../../model.ts'
import type { HookQuery } from '../queries.ts'
import { all, first, run, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import type { HookRow } from '../rows.ts'
import type { HookNote, HooksOf, NewHook, RemoveIf } from '../store.ts'
import { when, where } from '../where.ts'
import type { Condition } from '../where.ts'
import { append } from './events.ts'

/** What another subscription of the same changes, and what stays. */
const ASKED = [
  'key_id',
  'source',
  'zap_id',
  'target_url',
  'hub_url',
  'event',
  'form_id',
  'updated_at',
  'expires_at_ms',
] as const satisfies readonly (keyof HookRow)[]
const ALL = [
  'workspace',
  'id',
  'created_at',
  ...ASKED,
  'last_success_at',
  'last_failure_at',
  'last_reason',
] as const satisfies readonly (keyof HookRow)[]
type Asked = Pick<HookRow, (typeof ALL)[number]>
const ofKey = (column: string): string =>
  `(SELECT ${column} FROM api_keys WHERE api_keys.id = hooks.key_id) AS key_${column}`
/** Of what `toHook` reads: with what its key says of it, since processes may know of different keys. */
export const HOOK_COLUMNS = [...ALL, 'form_gone_at', ...['kind', 'name', 'revoked_at', 'expires_at'].map(ofKey)].join(
  ', ',
)
const INSERT = `INSERT INTO hooks (${ALL.join(', ')}, from_seq) VALUES (${ALL.map(() => '?').join(', ')}, ?)`
const CHANGE = `UPDATE hooks SET ${ASKED.map((name) => `${name} = ?`).join(', ')}, stopped_at = NULL, form_gone_at = NULL,
  from_seq = CASE WHEN ? = 1 THEN from_seq ELSE ? END WHERE workspace = ? AND id = ?`

const valuesOf = (row: Asked, names: readonly (typeof ALL)[number][]): SqlValue[] => names.map((name) => row[name])

const ended = (
  gone: string,
  revoked: string,
): string => `(expires_at_ms <= ? OR ${gone} OR EXISTS (SELECT 1 FROM api_keys
  WHERE api_keys.id = hooks.key_id AND (api_keys.expires_at <= ? OR ${revoked})))`
/**
 * That nothing is sent to it at that time: its form was deleted (one that has its id later is another), or its key sees nothing
 * any more, since what a key may see its hooks may see. Admins of the machine and tokens have no row.
 */
const ENDED = ended('form_gone_at IS NOT NULL', 'api_keys.revoked_at IS NOT NULL')
const endedAt = (atMs: number): [number, string] => [atMs, new Date(atMs).toISOString()]
const inForce = (atMs: number): Condition => [`NOT COALESCE(${ENDED}, FALSE)`, ...endedAt(atMs)]
/** That nothing has been sent to it since. */
export const endedBy = (atMs: number): Condition => [
  ended('form_gone_at <= ?', 'api_keys.revoked_at <= ?'),
  atMs,
  ...Array.from({ length: 3 }, () => new Date(atMs).toISOString()),
]

/**
 * Makes one, or changes the one that stands for the same subscription. Throws `conflict` when there are too many, `forbidden` when
 * the key is revoked by now: another process may know it where the one that was asked does not.
 */
export function* saveHook(input: {
  readonly hook: NewHook
  readonly hooksMax: number
}): Procedure<{ readonly row: HookRow; readonly created: boolean }> {
  const { hook, hooksMax } = input
  const head = yield* holdLog()
  const revoked = yield* first('SELECT id FROM api_keys WHERE id = ? AND revoked_at IS NOT NULL', [hook.keyId])
  if (revoked !== undefined) throw new HubError('forbidden', KEY_IS_REVOKED)
  const before = yield* sameHook(hook)
  const row: Asked = {
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
    yield* run(INSERT, [...valuesOf(row, ALL), head])
    return { row: yield* saved(row), created: true }
  }
  const goesOn = before.isInForce && before.event === row.event && before.form_id === row.form_id
  yield* run(CHANGE, [...valuesOf(row, ASKED), goesOn ? 1 : 0, head, row.workspace, row.id])
  return { row: yield* saved(row), created: false }
}

const KEY_IS_REVOKED =
  'The key of this call is revoked (or is no MANIFOLD_ADMIN_KEY of the hub any more), and a hook ends with its key: ask with a key in force.'

function* saved({ workspace, id }: Asked): Procedure<HookRow> {
  return (yield* getHook({ workspace, id })) as HookRow
}

/** Ends the hooks of a form that is deleted; answers how many. */
export function* endHooksOfForm(workspace: WorkspaceId, formId: string, at: string): Procedure<number> {
  return yield* run('UPDATE hooks SET form_gone_at = ? WHERE workspace = ? AND form_id = ? AND form_gone_at IS NULL', [
    at,
    workspace,
    formId,
  ])
}

/** Where the log is; it grows no more until this commits, so that of two who ask for the same at once one finds the other's. */
export function* holdLog(): Procedure<number> {
  const head = yield* first<{ seq: number }>('UPDATE log_head SET seq = seq WHERE only_row = 1 RETURNING seq', [])
  return (head as { seq: number }).seq
}

/**
 * By the subscriber's own name for it; else by address, event and form. Names can be guessed, so another key has to know the
 * address as well, unless nothing is sent there any more.
 */
function* sameHook(hook: NewHook): Procedure<(HookRow & { readonly isInForce: boolean }) | undefined> {
  const atMs = Date.parse(hook.at)
  const mine: Condition = hook.ofAnyKey
    ? undefined
    : [`(key_id = ? OR target_url = ? OR ${ENDED})`, hook.keyId, hook.targetUrl, ...endedAt(atMs)]
  const { sql, params } = where(
    hook.zapId === null
      ? [
          ['workspace = ?', hook.workspace],
          ['target_url = ?', hook.targetUrl],
          ['event = ?', hook.event],
          hook.formId === null ? ['form_id IS NULL'] : ['form_id = ?', hook.formId],
          ['zap_id IS NULL'],
        ]
      : [['workspace = ?', hook.workspace], ['zap_id = ?', hook.zapId], ['source = ?', hook.source], mine],
  )
  const row = yield* first<HookRow & { readonly ended: number }>(
    `SELECT ${HOOK_COLUMNS}, CASE WHEN ${ENDED} THEN 1 ELSE 0 END AS ended FROM hooks WHERE ${sql}
      ORDER BY CASE WHEN key_id = ? THEN 0 ELSE 1 END, id LIMIT 1`,
    [...endedAt(atMs), ...params, hook.keyId],
  )
  return row === undefined ? undefined : { ...row, isInForce: row.ended === 0 }
}

/** One by its id; with `inForceMs` only one that may be sent to at that time. */
export function* getHook(input: {
  readonly workspace: WorkspaceId
  readonly id: string
  readonly inForceMs?: number
}): Procedure<HookRow | undefined> {
  const { workspace, id, inForceMs } = input
  const { sql, params } = where([
    ['workspace = ?', workspace],
    ['id = ?', id],
    inForceMs === undefined ? undefined : inForce(inForceMs),
  ])
  return yield* first<HookRow>(`SELECT ${HOOK_COLUMNS} FROM hooks WHERE ${sql}`, params)
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
    query.endedMs === undefined ? undefined : [ENDED, ...endedAt(query.endedMs)],
    query.inForceMs === undefined ? undefined : inForce(query.inForceMs),
    when('id < ?', query.after),
  ])
  const rows = yield* all<HookRow>(`SELECT ${HOOK_COLUMNS} FROM hooks WHERE ${sql} ORDER BY id DESC LIMIT ?`, [
    ...params,
    query.limit + 1,
  ])
  return pageById(rows, query.limit)
}

/** Those in force that want this event of this form and were asked for before it, oldest first. */
export function* hooksFor(input: {
  readonly workspace: WorkspaceId
  readonly event: string
  readonly eventId: string
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
    ['from_seq < (SELECT seq FROM events WHERE id = ? AND workspace = ?)', input.eventId, input.workspace],
    inForce(input.nowMs),
    when('id > ?', input.after ?? undefined),
  ])
  const rows = yield* all<HookRow>(`SELECT ${HOOK_COLUMNS} FROM hooks WHERE ${sql} ORDER BY id LIMIT ?`, [
    ...params,
    input.limit + 1,
  ])
  return pageById(rows, input.limit)
}

const pageById = (rows: readonly HookRow[], limit: number) => {
  const page = rows.slice(0, limit)
  return { rows: page, next: rows.length > limit ? (page.at(-1)?.id ?? null) : null }
}

/** Of the workspace, or those of them that one key or form is behind, and that something is sent to. */
export function* countHooks(input: { readonly workspace: WorkspaceId; readonly of?: HooksOf }): Procedure<number> {
  const { workspace, of } = input
  const { sql, params } = where([
    ['workspace = ?', workspace],
    when('key_id = ?', of?.key),
    when('form_id = ?', of?.form),
    of === undefined ? undefined : inForce(of.inForceMs),
  ])
  const row = yield* first<{ n: number }>(`SELECT count(*) AS n FROM hooks WHERE ${sql}`, params)
  return Number(row?.n ?? 0)
}

/** Those that nothing has been sent to since then, those first that were not asked for again for the longest time. */
export function* endedHooks(input: {
  readonly workspace: WorkspaceId | null
  readonly endedByMs: number
  readonly limit: number
}): Procedure<readonly HookRow[]> {
  const { sql, params } = where([
    endedBy(input.endedByMs),
    input.workspace === null ? undefined : ['workspace = ?', input.workspace],
  ])
  return yield* all<HookRow>(`SELECT ${HOOK_COLUMNS} FROM hooks WHERE ${sql} ORDER BY updated_at, id LIMIT ?`, [
    ...params,
    input.limit,
  ])
}

/**
 * Removes it, unless it is elsewhere by now or was asked for again, and says so in the log; answers the last sequence,
 * null when there is no such hook.
 */
export function* removeHook(input: {
  readonly workspace: WorkspaceId
  readonly id: string
  readonly event: NewEvent
  /** Tells people. */
  readonly alert?: NewEvent
  readonly if: RemoveIf
}): Procedure<number | null> {
  const { targetUrl, endedByMs } = input.if
  yield* holdLog()
  const { sql, params } = where([
    ['workspace = ?', input.workspace],
    ['id = ?', input.id],
    when('target_url = ?', targetUrl),
    endedByMs === undefined ? undefined : endedBy(endedByMs),
  ])
  const removed = yield* run(`DELETE FROM hooks WHERE ${sql}`, params)
  if (removed === 0) return null
  return yield* append(input.workspace, input.alert === undefined ? [input.event] : [input.event, input.alert])
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
