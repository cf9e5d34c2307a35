/** Events as rows: written many at once, as one JSON text that the engine takes apart by its columns. */
import type { DuckDBConnection } from '@duckdb/node-api'
import type { Json, LoggedEvent } from 'manifold/plugin'
import { RESPONSE_COLUMNS, sqlType } from './columns.ts'
import type { Column } from './columns.ts'
import type { FormTable } from './form-tables.ts'
import { rowsOf } from './database.ts'
import { wellFormed } from './well-formed.ts'

interface Row {
  readonly id: string
  status: string
  started_at: string | null
  submitted_at: string | null
  version: number | null
  /** Places of the first event, and of the one that completed it. */
  started_seq: number
  submitted_seq: number | null
  readonly [field: string]: Json
}

/** A table, and which of its columns take the answers of one version, by key of the field. */
export interface Target {
  readonly table: Pick<FormTable, 'table'>
  readonly columns: ReadonlyMap<string, Column>
}

/** Writes what became of each response; of those that were there before, the row is replaced. */
export async function writeRows(
  writer: DuckDBConnection,
  target: Target,
  events: readonly LoggedEvent[],
): Promise<void> {
  const rows = new Map<string, Row>()
  for (const event of events) {
    const { response } = event
    if (response === undefined || event.type === 'response.deleted') continue
    rows.set(response.id, toRow(event, target, rows.get(response.id)))
  }
  if (rows.size === 0) return
  await takeOut(writer, target.table, rows)
  await insert(writer, target, [...rows.values()])
}

function toRow(event: LoggedEvent, { columns }: Target, before: Row | undefined): Row {
  const { response, data = {}, seq } = event
  const row: { [name: string]: Json } = {
    id: response?.id ?? '',
    status: response?.status ?? 'completed',
    started_at: response?.startedAt ?? null,
    submitted_at: response?.submittedAt ?? null,
    version: event.form?.version ?? null,
    started_seq: before?.started_seq ?? seq,
    submitted_seq: event.type === 'response.submitted' ? seq : null,
  }
  for (const [key, value] of Object.entries(data)) {
    const column = columns.get(key)
    if (column !== undefined) row[column.name] = wellFormed(value)
  }
  return row as unknown as Row
}

/** A response that came in parts is there already; where it began is remembered. */
async function takeOut(writer: DuckDBConnection, { table }: Target['table'], rows: Map<string, Row>): Promise<void> {
  const [any] = await rowsOf(writer, `SELECT 1 AS found FROM ${table} WHERE submitted_seq IS NULL LIMIT 1`)
  if (any === undefined) return
  const ids = JSON.stringify([...rows.keys()])
  const among = `id IN (SELECT unnest(from_json(CAST($1 AS JSON), '["VARCHAR"]')))`
  for (const { id, started_seq } of await rowsOf(writer, `SELECT id, started_seq FROM ${table} WHERE ${among}`, [
    ids,
  ])) {
    const row = rows.get(id as string)
    if (row !== undefined) row.started_seq = started_seq as number
  }
  await writer.run(`DELETE FROM ${table} WHERE ${among}`, [ids])
}

async function insert(
  writer: DuckDBConnection,
  { table, columns: answers }: Target,
  rows: readonly Row[],
): Promise<void> {
  const columns = [...RESPONSE_COLUMNS, ...answers.values()].filter(({ path }) => path !== 'response.duration_s')
  const typed = [
    ...columns.map(({ name, kind }) => [name, sqlType(kind)] as const),
    ['started_seq', 'BIGINT'] as const,
    ['submitted_seq', 'BIGINT'] as const,
  ]
  const shape = JSON.stringify([Object.fromEntries(typed)])
  const names = typed.map(([name]) => name)
  await writer.run(
    `INSERT INTO ${table.table} (${names.join(', ')}, duration_s)
     SELECT ${names.map((name) => `r.${name}`).join(', ')},
       CASE WHEN r.started_at <= r.submitted_at THEN epoch_ms(r.submitted_at - r.started_at) / 1000 END
     FROM (SELECT unnest(from_json(CAST($1 AS JSON), '${shape}')) AS r)`,
    [JSON.stringify(rows)],
  )
}

/** Takes away what was erased. */
export async function eraseRows(
  writer: DuckDBConnection,
  { table }: FormTable,
  events: readonly LoggedEvent[],
): Promise<void> {
  const ids = events.flatMap(({ type, data }) => (type === 'response.deleted' ? [data?.['id'] ?? null] : []))
  if (ids.length === 0) return
  await writer.run(`DELETE FROM ${table} WHERE id IN (SELECT unnest(from_json(CAST($1 AS JSON), '["VARCHAR"]')))`, [
    JSON.stringify(ids),
  ])
}
