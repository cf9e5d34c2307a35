/** Behaviour events in the engine: written many at once, taken out with the form they were about. */
import type { DuckDBConnection } from '@duckdb/node-api'
import type { LoggedEvent } from 'manifold/plugin'
import { EVENT_COLUMNS, eventRow } from './event-columns.ts'
import { wellFormed } from './well-formed.ts'

const COLUMNS = Object.entries(EVENT_COLUMNS)
const SHAPE = JSON.stringify([EVENT_COLUMNS])
const INSERT = `INSERT INTO events (${COLUMNS.map(([name]) => name).join(', ')})
  SELECT ${COLUMNS.map(([name]) => `r.${name}`).join(', ')} FROM (SELECT unnest(from_json(CAST($1 AS JSON), '${SHAPE}')) AS r)`

export const CREATE_EVENTS = `CREATE TABLE IF NOT EXISTS events (${COLUMNS.map(([name, type]) => `${name} ${type}`).join(', ')})`

/** Those that the log told of, in order. */
export async function writeEvents(writer: DuckDBConnection, events: readonly LoggedEvent[]): Promise<void> {
  if (events.length === 0) return
  await writer.run(INSERT, [JSON.stringify(events.map((event) => wellFormed(eventRow(event))))])
}

/** Those about a form that is gone. */
export const dropEventsOf = async (writer: DuckDBConnection, form: string): Promise<void> =>
  void (await writer.run('DELETE FROM events WHERE form_id = $1', [form]))

/** What the hub keeps no longer. */
export async function dropExpired(writer: DuckDBConnection, events: readonly LoggedEvent[]): Promise<void> {
  const times = events.flatMap(({ type, data }) => (type === 'events.expired' ? [data?.['before']] : []))
  const before = times
    .filter((time) => typeof time === 'string')
    .toSorted()
    .at(-1)
  if (before !== undefined)
    await writer.run('DELETE FROM events WHERE received_at < epoch_ms(CAST($1 AS BIGINT))', [
      String(Date.parse(before)),
    ])
}
