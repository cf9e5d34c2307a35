/** The shared SQL in Postgres's own dialect: numbered placeholders, one name for each text. */

/** A statement that a connection prepares once. */
export interface Statement {
  readonly name: string
  readonly text: string
  readonly reads: boolean
}

const statements = new Map<string, Statement>()
const READS = /^\s*(?:SELECT|WITH)\b/i

/** The texts are fixed and few (see `where.ts`), so they are remembered for good. */
export function statementOf(sql: string): Statement {
  const known = statements.get(sql)
  if (known !== undefined) return known
  let n = 0
  // No literal of the shared SQL holds a question mark.
  const text = sql.replaceAll('?', () => `$${++n}`)
  const statement = { name: `m${statements.size + 1}`, text, reads: READS.test(sql) }
  statements.set(sql, statement)
  return statement
}
