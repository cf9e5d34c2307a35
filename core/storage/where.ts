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

/**
 * That the column holds the text of a `likeText`. The case of ASCII letters does not matter: columns compare by their bytes in
 * both databases, and `lower` knows no others there.
 */
export const holds = (column: string): string => String.raw`lower(${column}) LIKE ? ESCAPE '\'`

/** Of what is asked for the database might make something else, so it comes in small letters already. */
export const likeText = (words: string): string => `%${lowerAscii(words).replaceAll(/[\\%_]/g, String.raw`\$&`)}%`

/** As `lower` of both databases. */
export const lowerAscii = (text: string): string => text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())

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

/** A row in the order of creation. */
export interface Place {
  readonly created_at: string
  readonly id: string
}

/** Where the page before ended. */
export function placeOf(after: string): Place {
  const at = after.indexOf('~')
  if (at < 1) throw new HubError('invalid_query', 'The cursor is not one that this list gave out; start without it.')
  return { created_at: after.slice(0, at), id: after.slice(at + 1) }
}

/** What came before the row that the page before ended with (newest first). */
export function olderThan(after: string | undefined, time: 'created_at' | 'received_at'): Condition {
  if (after === undefined) return undefined
  const place = placeOf(after)
  return [`(${time}, id) < (?, ?)`, place.created_at, place.id]
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

/** Where a page ended that is in the order of creation. */
export const newestFirst = (row: Place): string => `${row.created_at}~${row.id}`
