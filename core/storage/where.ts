/** A WHERE clause of optional conditions: fixed texts joined by AND, values only ever bound. */
import { HubError } from '../errors.ts'
import type { SqlValue } from './procedure.ts'

/** One condition and its values; undefined stands for a filter that was not asked for. */
export type Condition = readonly [sql: string, ...params: SqlValue[]] | undefined

/** `a = ? AND b = ?` with the values in order. There is always at least one condition: the workspace. */
export function where(conditions: readonly Condition[]): { readonly sql: string; readonly params: SqlValue[] } {
  const present = conditions.filter((condition) => condition !== undefined)
  return {
    sql: present.map(([sql]) => sql).join(' AND '),
    params: present.flatMap(([, ...params]) => params),
  }
}

/** The condition when the value was asked for. */
export const when = (sql: string, value: SqlValue | undefined): Condition =>
  value === undefined ? undefined : [sql, value]

/** A time bound as the rows hold it: UTC with milliseconds, so that text compares as time. */
export function timeBound(at: string | undefined, name: string): string | undefined {
  const atMs = timeBoundMs(at, name)
  return atMs === undefined ? undefined : new Date(atMs).toISOString()
}

/** A time bound in unix ms. */
export function timeBoundMs(at: string | undefined, name: string): number | undefined {
  if (at === undefined) return undefined
  const atMs = Date.parse(at)
  if (Number.isNaN(atMs)) {
    throw new HubError('invalid_query', `"${name}" is not a time; write it like 2026-01-31T08:00:00Z.`)
  }
  return atMs
}

/** The created-at window of a list: since inclusive, until exclusive. */
export const within = (query: { since?: string | undefined; until?: string | undefined }): readonly Condition[] => [
  when('created_at >= ?', timeBound(query.since, 'since')),
  when('created_at < ?', timeBound(query.until, 'until')),
]

/** Rows older than the one that the page before ended with (newest first). */
export function olderThan(after: string | undefined, time: 'created_at' | 'received_at' = 'created_at'): Condition {
  if (after === undefined) return undefined
  const at = after.indexOf('~')
  if (at < 1) throw new HubError('invalid_query', 'The cursor is not one that this list gave out; start without it.')
  return [`(${time}, id) < (?, ?)`, after.slice(0, at), after.slice(at + 1)]
}

/** The same, in a form that no index answers: for lists that a small index of other columns finds sooner. */
export function olderThanAsText(after: string | undefined): Condition {
  return olderThan(after) === undefined ? undefined : when(`created_at || '~' || id < ?`, after)
}

/** Cuts the one row too many that tells whether there is a next page. */
export function page<Row>(
  rows: readonly Row[],
  limit: number,
  cursorOf: (row: Row) => string,
): { readonly rows: readonly Row[]; readonly next: string | null } {
  const last = rows[limit - 1]
  if (rows.length <= limit || last === undefined) return { rows, next: null }
  return { rows: rows.slice(0, limit), next: cursorOf(last) }
}

/** Where a newest-first page ended. */
export const newestFirst = (row: { readonly created_at: string; readonly id: string }): string =>
  `${row.created_at}~${row.id}`
