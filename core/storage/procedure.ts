/**
 * A transaction as a generator: it yields statements and gets their rows, and knows no driver. SQLite runs it
 * synchronously in the writer's thread, a networked database asynchronously; the SQL is written once for both.
 * Placeholders are `?`. A procedure may be run again from its start when the transaction had to be repeated, so it
 * has no effect of its own outside the database.
 */

/** What can be bound and what comes back. */
export type SqlValue = string | number | null

/** One statement, run once with `params` or once for each of `many`. */
export type Step =
  | { readonly sql: string; readonly params: readonly SqlValue[] }
  | { readonly sql: string; readonly many: readonly (readonly SqlValue[])[] }

/** Rows are objects by column name; those of `many` follow each other. `changes` counts the rows written. */
export interface StepResult {
  readonly rows: readonly unknown[]
  readonly changes: number
}

/** A transaction that answers `Result`. */
export type Procedure<Result> = Generator<Step, Result, StepResult>

/** All rows of a query; `Row` is what its column list promises. */
export function* all<Row>(sql: string, params: readonly SqlValue[]): Procedure<readonly Row[]> {
  const result = yield { sql, params }
  return result.rows as readonly Row[]
}

/** The first row of a query. */
export function* first<Row>(sql: string, params: readonly SqlValue[]): Procedure<Row | undefined> {
  const result = yield { sql, params }
  return result.rows[0] as Row | undefined
}

/** Rows written by a statement. */
export function* run(sql: string, params: readonly SqlValue[]): Procedure<number> {
  const result = yield { sql, params }
  return result.changes
}

/** All rows of one statement run for each of `many`. */
export function* allMany<Row>(sql: string, many: readonly (readonly SqlValue[])[]): Procedure<readonly Row[]> {
  if (many.length === 0) return []
  const result = yield { sql, many }
  return result.rows as readonly Row[]
}

/** Rows written by one statement run for each of `many`. */
export function* runMany(sql: string, many: readonly (readonly SqlValue[])[]): Procedure<number> {
  if (many.length === 0) return 0
  const result = yield { sql, many }
  return result.changes
}
