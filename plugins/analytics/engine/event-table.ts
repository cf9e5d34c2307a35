/** Behaviour events in the engine: written many at once, taken out with the form they were about. */
import type { DuckDBConnection } from '@duckdb/node-api'
import type { Json, LoggedEvent } from 'manifold/plugin'
import { rowsOf } from './database.ts'
import { EVENT_COLUMNS, eventRow } from './event-columns.ts'
import { wellFormed } from './well-formed.ts'

const COLUMNS = Object.entries(EVENT_COLUMNS)
const SHAPE = JSON.stringify([EVENT_COLUMNS])
const INSERT = `INSERT INTO events (${COLUMNS.map(([name]) => name).join(', ')})
  SELECT ${COLUMNS.map(([name]) => `r.${name}`).join(', ')} FROM (SELECT unnest(from_json(CAST($1 AS JSON), '${SHAPE}')) AS r)`

const AMONG = `(SELECT unnest(from_json(CAST($1 AS JSON), '["VARCHAR"]')))`

/** Those that the log told of, in order. */
export async function writeEvents(writer: DuckDBConnection, events: readonly LoggedEvent[]): Promise<void> {
  if (events.length === 0) return
  const rows = events.map((event) => wellFormed(eventRow(event)) as ReturnType<typeof eventRow>)
  const numbers = await numbered(
    writer,
    new Set(rows.flatMap(({ visitor }) => (typeof visitor === 'string' ? [visitor] : []))),
  )
  const numberOf = (visitor: Json): number | null =>
    typeof visitor === 'string' ? (numbers.get(visitor) ?? null) : null
  const whole = rows.map((row) => ({ ...row, visitor_no: numberOf(row.visitor) }))
  await writer.run(INSERT, [JSON.stringify(whole)])
}

/** Their numbers; who has none yet gets the next. */
async function numbered(writer: DuckDBConnection, visitors: ReadonlySet<string>): Promise<ReadonlyMap<string, number>> {
  if (visitors.size === 0) return new Map()
  const known = await rowsOf(writer, `SELECT visitor, visitor_no FROM visitors WHERE visitor IN ${AMONG}`, [
    JSON.stringify([...visitors]),
  ])
  const numbers = new Map(known.map(({ visitor, visitor_no: no }) => [String(visitor), Number(no)]))
  const fresh = [...visitors].filter((visitor) => !numbers.has(visitor))
  if (fresh.length === 0) return numbers
  const [row] = await rowsOf(writer, 'SELECT coalesce(max(visitor_no), -1) AS last FROM visitors')
  for (const [n, visitor] of fresh.entries()) numbers.set(visitor, Number(row?.['last']) + 1 + n)
  const added = fresh.map((visitor) => ({ visitor, visitor_no: numbers.get(visitor) as number }))
  await writer.run(
    `INSERT INTO visitors SELECT r.visitor_no, r.visitor
     FROM (SELECT unnest(from_json(CAST($1 AS JSON), '[{"visitor":"VARCHAR","visitor_no":"INTEGER"}]')) AS r)`,
    [JSON.stringify(added)],
  )
  return numbers
}

/** Those about a form that is gone. */
export async function dropEventsOf(writer: DuckDBConnection, form: string): Promise<void> {
  await writer.run('DELETE FROM events WHERE form_id = $1', [form])
  await forgetVisitors(writer)
}

/** What was received before is kept by the hub no longer; null: these tell of nothing that went. */
export function expiredBefore(events: readonly LoggedEvent[]): number | null {
  const times = events.flatMap(({ type, data }) =>
    type === 'events.expired' && typeof data?.['before'] === 'string' ? [Date.parse(data['before'])] : [],
  )
  return times.length === 0 ? null : Math.max(...times)
}

/** What the hub keeps no longer. */
export async function dropExpired(writer: DuckDBConnection, events: readonly LoggedEvent[]): Promise<void> {
  const before = expiredBefore(events)
  if (before === null) return
  await writer.run('DELETE FROM events WHERE received_at < epoch_ms(CAST($1 AS BIGINT))', [String(before)])
  await forgetVisitors(writer)
}

/**
 * Answers among the properties of events that were read before their field was hidden, and what the family made of them. Which
 * property an effect came from is not written down: whatever says the same goes.
 */
export async function hideProperties(writer: DuckDBConnection, events: readonly LoggedEvent[]): Promise<void> {
  const hidden = new Map<string, readonly string[]>()
  for (const { type, form } of events) {
    if (type === 'form.changed' && (form?.hidden?.length ?? 0) > 0) hidden.set(form?.id ?? '', form?.hidden ?? [])
  }
  for (const [form, keys] of hidden) {
    for (const key of keys) {
      const path = `$."${key.replaceAll('"', '\\"')}"`
      await writer.run(
        `UPDATE events SET
           subject = CASE WHEN subject = json_extract_string(properties, $2) THEN NULL ELSE subject END,
           action = CASE WHEN action = json_extract_string(properties, $2) THEN NULL ELSE action END,
           measure = CASE WHEN CAST(measure AS VARCHAR) = CAST(TRY_CAST(json_extract_string(properties, $2) AS DOUBLE) AS VARCHAR)
             THEN NULL ELSE measure END,
           properties = json_merge_patch(properties, CAST($3 AS JSON))
         WHERE form_id = $1 AND json_exists(properties, $2)`,
        [form, path, JSON.stringify({ [key]: null })],
      )
    }
  }
}

/** Nobody is remembered of whom no event is left. */
const forgetVisitors = async (writer: DuckDBConnection): Promise<void> =>
  void (await writer.run(
    'DELETE FROM visitors WHERE visitor_no NOT IN (SELECT visitor_no FROM events WHERE visitor_no IS NOT NULL)',
  ))
