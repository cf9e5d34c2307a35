/** Reading a plugin's memory: keys and counters. They are written by `effects.ts`. */
import type { WorkspaceId } from '../../model.ts'
import { all, allMany, first } from '../procedure.ts'
import type { Procedure } from '../procedure.ts'
import { when, where } from '../where.ts'
import type { Condition } from '../where.ts'

/** Sorts after every text that begins with the prefix. */
const AFTER_ALL = '\u{10FFFF}'

const startsWith = (column: string, prefix: string): readonly Condition[] =>
  prefix === ''
    ? []
    : [
        [`${column} >= ?`, prefix],
        [`${column} < ?`, prefix + AFTER_ALL],
      ]

/** The value's JSON text, unless it is absent or expired. */
export function* kvGet(input: {
  readonly workspace: WorkspaceId
  readonly installation: string
  readonly key: string
  readonly nowMs: number
}): Procedure<string | undefined> {
  const row = yield* first<{ value: string }>(
    `SELECT value FROM kv WHERE workspace = ? AND installation = ? AND kv_key = ?
      AND (expires_at_ms IS NULL OR expires_at_ms > ?)`,
    [input.workspace, input.installation, input.key, input.nowMs],
  )
  return row?.value
}

/** Keys in order, those that expired left out. */
export function* kvList(query: {
  readonly workspace: WorkspaceId
  readonly installation: string
  readonly prefix: string
  readonly after: string | null
  readonly limit: number
  readonly nowMs: number
}): Procedure<{ readonly keys: readonly string[]; readonly next: string | null }> {
  const { sql, params } = where([
    ['workspace = ?', query.workspace],
    ['installation = ?', query.installation],
    ...startsWith('kv_key', query.prefix),
    when('kv_key > ?', query.after ?? undefined),
    ['(expires_at_ms IS NULL OR expires_at_ms > ?)', query.nowMs],
  ])
  const rows = yield* all<{ kv_key: string }>(`SELECT kv_key FROM kv WHERE ${sql} ORDER BY kv_key LIMIT ?`, [
    ...params,
    query.limit + 1,
  ])
  const keys = rows.slice(0, query.limit).map((row) => row.kv_key)
  return { keys, next: rows.length > query.limit ? (keys.at(-1) ?? null) : null }
}

/** Keys held, those that expired and were not purged yet included. */
export function* kvCount(input: { readonly workspace: WorkspaceId; readonly installation: string }): Procedure<number> {
  const row = yield* first<{ n: number }>('SELECT count(*) AS n FROM kv WHERE workspace = ? AND installation = ?', [
    input.workspace,
    input.installation,
  ])
  return Number(row?.n ?? 0)
}

/** Counters by prefix, in order of name. */
export function* tallies(query: {
  readonly workspace: WorkspaceId
  readonly installation: string
  readonly prefix: string
  readonly after: string | null
  readonly limit: number
}): Procedure<readonly (readonly [name: string, value: number])[]> {
  const { sql, params } = where([
    ['workspace = ?', query.workspace],
    ['installation = ?', query.installation],
    ...startsWith('name', query.prefix),
    when('name > ?', query.after ?? undefined),
  ])
  const rows = yield* all<{ name: string; value: number }>(
    `SELECT name, value FROM tallies WHERE ${sql} ORDER BY name LIMIT ?`,
    [...params, query.limit],
  )
  return rows.map(({ name, value }) => [name, value] as const)
}

/** How many counters there are, and which of these. */
export function* talliesHeld(query: {
  readonly workspace: WorkspaceId
  readonly installation: string
  readonly names: readonly string[]
}): Procedure<{ readonly count: number; readonly found: readonly string[] }> {
  const owner = [query.workspace, query.installation]
  const row = yield* first<{ n: number }>(
    'SELECT count(*) AS n FROM tallies WHERE workspace = ? AND installation = ?',
    owner,
  )
  const found = yield* allMany<{ name: string }>(
    'SELECT name FROM tallies WHERE workspace = ? AND installation = ? AND name = ?',
    query.names.map((name) => [...owner, name]),
  )
  return { count: Number(row?.n ?? 0), found: found.map(({ name }) => name) }
}
