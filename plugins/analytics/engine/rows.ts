/** Events as rows: written many at once, as one JSON text that the engine takes apart by its columns. */
import type { DuckDBConnection } from '@duckdb/node-api'
import type { Json, LoggedEvent } from 'manifold/plugin'
import { NUMBER_MAX, RESPONSE_COLUMNS, sqlType } from './columns.ts'
import type { Column } from './columns.ts'
import type { FormTable } from './form-tables.ts'
import { rowsOf } from './database.ts'
import type { Row as DatabaseRow } from './database.ts'
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
  /** Whether it has to be told what was there before. */
  readonly isWatched: boolean
}

/** A response as it stands in its table. */
export interface StoredRow {
  readonly isCompleted: boolean
  readonly submittedMs: number | null
  readonly durationS: number | null
  /** By name of the column; null or missing: unanswered. */
  readonly answers: { readonly [column: string]: unknown }
}

/** Rows that went, then rows that came. Of a table that nobody watches, nothing. */
export interface Rewrite {
  readonly removed: readonly StoredRow[]
  readonly added: readonly StoredRow[]
}

/** Writes what became of each response; of those that were there before, the row is replaced. */
export async function writeRows(
  writer: DuckDBConnection,
  target: Target,
  events: readonly LoggedEvent[],
): Promise<Rewrite> {
  const rows = new Map<string, Row>()
  for (const event of events) {
    const { response } = event
    if (response === undefined || event.type === 'response.deleted') continue
    rows.set(response.id, toRow(event, target, rows.get(response.id)))
  }
  if (rows.size === 0) return { removed: [], added: [] }
  const removed = await takeOut(writer, target, rows)
  const added = [...rows.values()]
  await insert(writer, target, added)
  return { removed, added: target.isWatched ? added.map(storedOf) : [] }
}

/** As the engine reads it. */
function storedOf(row: Row): StoredRow {
  const startedMs = row.started_at === null ? NaN : Date.parse(row.started_at)
  const submittedMs = row.submitted_at === null ? NaN : Date.parse(row.submitted_at)
  return {
    isCompleted: row.submitted_seq !== null,
    submittedMs: Number.isNaN(submittedMs) ? null : submittedMs,
    durationS: startedMs <= submittedMs ? (submittedMs - startedMs) / 1_000 : null,
    answers: row,
  }
}

function toRow(event: LoggedEvent, { columns }: Target, before: Row | undefined): Row {
  const { response, data = {}, seq } = event
  const row: { [name: string]: Json } = {
    id: response?.id ?? '',
    status: response?.status ?? 'completed',
    started_at: timeOf(response?.startedAt),
    submitted_at: timeOf(response?.submittedAt),
    version: event.form?.version ?? null,
    started_seq: before?.started_seq ?? seq,
    submitted_seq: event.type === 'response.submitted' ? seq : null,
  }
  for (const [key, value] of Object.entries(data)) {
    const column = columns.get(key)
    if (column !== undefined) row[column.name] = typeof value === 'number' ? withinBounds(value) : wellFormed(value)
  }
  return row as unknown as Row
}

/** The hub takes no such numbers any more, but the log may have them. */
const withinBounds = (value: number): number => Math.min(Math.max(value, -NUMBER_MAX), NUMBER_MAX)

/** To the millisecond and in UTC, however it was written. */
const timeOf = (text: string | null | undefined): string | null => {
  const ms = Date.parse(text ?? '')
  return Number.isNaN(ms) ? null : new Date(ms).toISOString()
}

/** A response that came in parts is there already; where it began is remembered. */
async function takeOut(writer: DuckDBConnection, target: Target, rows: Map<string, Row>): Promise<StoredRow[]> {
  const { table } = target.table
  const [any] = await rowsOf(writer, `SELECT 1 AS found FROM ${table} WHERE submitted_seq IS NULL LIMIT 1`)
  if (any === undefined) return []
  const ids = JSON.stringify([...rows.keys()])
  const found = await rowsOf(writer, `SELECT ${seenOf(target, 'id, started_seq')} FROM ${table} WHERE ${AMONG}`, [ids])
  for (const { id, started_seq } of found) {
    const row = rows.get(id as string)
    if (row !== undefined) row.started_seq = started_seq as number
  }
  if (found.length > 0) await writer.run(`DELETE FROM ${table} WHERE ${AMONG}`, [ids])
  return target.isWatched ? found.map(readBack) : []
}

const AMONG = `id IN (SELECT unnest(from_json(CAST($1 AS JSON), '["VARCHAR"]')))`
const seenOf = ({ isWatched }: Target, least: string): string =>
  isWatched ? '*, epoch_ms(submitted_at) AS submitted_ms' : least

const readBack = (row: DatabaseRow): StoredRow => ({
  isCompleted: row['submitted_seq'] !== null,
  submittedMs: row['submitted_ms'] as number | null,
  durationS: row['duration_s'] as number | null,
  answers: row,
})

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
  target: Target,
  events: readonly LoggedEvent[],
): Promise<Rewrite> {
  const ids = events.flatMap(({ type, data }) => (type === 'response.deleted' ? [data?.['id'] ?? null] : []))
  if (ids.length === 0) return { removed: [], added: [] }
  const { table } = target.table
  const among = [JSON.stringify(ids)]
  const found = target.isWatched
    ? await rowsOf(writer, `SELECT ${seenOf(target, 'id')} FROM ${table} WHERE ${AMONG}`, among)
    : []
  await writer.run(`DELETE FROM ${table} WHERE ${AMONG}`, among)
  return { removed: found.map(readBack), added: [] }
}
