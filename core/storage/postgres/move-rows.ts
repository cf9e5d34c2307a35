/** Whole tables of Postgres, chunk by chunk, over one connection. */
import type { ClientBase } from 'pg'
import { HubError } from '../../errors.ts'
import { CHUNK, MARK } from '../move/port.ts'
import { keyOf } from '../move/tables.ts'
import type { MoveTable, Row } from '../move/tables.ts'
import { sendAll } from './pipeline.ts'
import { statementOf } from './sql.ts'
import { meaningOf, toHubError } from './sqlstates.ts'

const BEGIN = { statement: statementOf('BEGIN'), rows: [[]] }
const COMMIT = { statement: statementOf('COMMIT'), rows: [[]] }
const REMEMBER = statementOf(
  `INSERT INTO ${MARK} (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
)

/** Rows after a key, as many as a chunk may have. The server adds up their sizes, so that large ones never come by the thousand. */
export async function readChunk(client: ClientBase, table: MoveTable, after: Row | null): Promise<readonly Row[]> {
  const { name, columns, kinds, key } = table
  const list = columns.join(', ')
  const order = key.join(', ')
  const size = columns
    .filter((_, i) => kinds[i] === 'text')
    .map((column) => `coalesce(octet_length(${column}), 0)`)
    .join(' + ')
  const from = after === null ? '' : `WHERE (${order}) > (${key.map((_, i) => `$${i + 1}`).join(', ')})`
  const text = `SELECT ${list} FROM (
      SELECT ${list}, sum(${size === '' ? '0' : size}) OVER (ORDER BY ${order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before_bytes
        FROM (SELECT ${list} FROM ${name} ${from} ORDER BY ${order} LIMIT ${CHUNK.rowsMax}) next
    ) sized WHERE coalesce(before_bytes, 0) < ${CHUNK.bytesMax} ORDER BY ${order}`
  const { rows } = await client.query<unknown[]>({ text, values: [...(after ?? [])], rowMode: 'array' })
  return rows.map(
    (row) => row.map((value, i) => (kinds[i] === 'text' || value === null ? value : Number(value))) as Row,
  )
}

export async function countRows(client: ClientBase, { name }: MoveTable): Promise<number> {
  const { rows } = await client.query<{ n: string }>(`SELECT count(*) AS n FROM ${name}`)
  return Number(rows[0]?.n)
}

/** Rows and how far the table is now, in one transaction and one trip. */
export async function writeChunk(client: ClientBase, table: MoveTable, rows: readonly Row[]): Promise<void> {
  const last = rows.at(-1)
  if (last === undefined) return
  const reached = [table.name, JSON.stringify(keyOf(table, last))]
  try {
    await sendAll(client, [
      BEGIN,
      { statement: insertOf(table), rows },
      { statement: REMEMBER, rows: [reached] },
      COMMIT,
    ])
  } catch (error) {
    // When this fails the connection is gone, and the transaction with it.
    await client.query('ROLLBACK').catch(() => {})
    throw sameKey(error, table)
  }
}

/** Changes an entry of the mark. */
export async function remember(client: ClientBase, name: string, value: unknown): Promise<void> {
  await sendAll(client, [{ statement: REMEMBER, rows: [[name, JSON.stringify(value)]] }])
}

export async function recall(client: ClientBase, name: string): Promise<unknown> {
  const { rows } = await client.query<{ value: string }>(`SELECT value FROM ${MARK} WHERE name = $1`, [name])
  const text = rows[0]?.value
  return text === undefined ? undefined : JSON.parse(text)
}

const insertOf = ({ name, columns }: MoveTable) =>
  statementOf(`INSERT INTO ${name} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`)

/** Each chunk is written once, so two rows of one key come from two keys that only a NUL told apart. */
function sameKey(error: unknown, { name, key }: MoveTable): HubError {
  if (meaningOf(error).code !== 'conflict') return toHubError(error)
  return new HubError(
    'conflict',
    `Two rows of ${name} have the same key (${key.join(', ')}) in Postgres: it cannot hold the NUL character that tells them apart. Rename or delete one of them.`,
    { cause: error },
  )
}
