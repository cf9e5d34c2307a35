/** Fills a stopped fleet's database with a past, by one statement a table: responses, events, deliveries, attempts. */
import { Client } from 'pg'
import type { Fill } from './fill-store.ts'
import { TROUBLE } from './fill-trouble.ts'

/** Hexadecimal time and noise in the form of a UUIDv7; `kind` keeps the ids of a row apart. */
const idOf = (prefix: string, kind: string): string =>
  `'${prefix}_' || substr(t.hex, 1, 8) || '-' || substr(t.hex, 9, 4) || '-7' || substr(t.noise, ${kind}, 3)
    || '-8' || substr(t.noise, ${kind} + 3, 3) || '-' || substr(t.noise, ${kind} + 6, 12)`

/** One a second until now. Ids and times are made once, since four tables need the same ones. */
const PAST = `CREATE TEMP TABLE past AS
  SELECT n, head.seq + n + 1 AS seq, ${idOf('rsp', '1')} AS response, ${idOf('evt', '7')} AS event, ${idOf('dlv', '13')} AS delivery,
    at_ms, to_char(to_timestamp(at_ms / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS".000Z"') AS at
  FROM (SELECT n, at_ms, lpad(to_hex(at_ms), 12, '0') AS hex, md5(n::text) AS noise
    FROM generate_series(0, $1::bigint - 1) n, LATERAL (SELECT ($2::bigint + n * 1000) AS at_ms) clock) t,
    (SELECT seq FROM log_head) head`

const TABLES = [
  `INSERT INTO responses (workspace, id, form_id, form_version, status, submitted_at, created_at, updated_at, meta, data)
   SELECT 'default', response, $1, 1, 'completed', at, at, at, '{}', CASE WHEN $2::text[] IS NULL
     THEN json_build_object('n', 'fill-' || n, 'sent_at', '0',
     'name', 'Past Example', 'email', 'past@mail.example', 'budget', n, 'message', repeat('m', 200))::text
     ELSE '{"n":"fill-' || n || '",' || substr(($2::text[])[1 + n % cardinality($2::text[])], 2) END
   FROM past ORDER BY n`,
  `INSERT INTO events (seq, id, workspace, type, at, form_id, response_id, hops)
   SELECT seq, event, 'default', 'response.submitted', at, $1, response, 0 FROM past ORDER BY n`,
  `INSERT INTO deliveries (workspace, id, installation, plugin, kind, name, dedupe_key, event_seq, event_id, form_id,
     response_id, state, attempts, schedule_step, due_at_ms, created_at, finished_at, host, input)
   SELECT 'default', delivery, $2, 'webhooks', 'action', 'send', event || ':0', seq, event, $1, response, 'delivered', 1, 0,
     at_ms, at, at, '127.0.0.1', '{}' FROM past ORDER BY n`,
  `INSERT INTO attempts (workspace, delivery_id, n, at, duration_ms, outcome, exchanges, logs)
   SELECT 'default', delivery, 1, at, 3, 'delivered', '[]', '[]' FROM past ORDER BY n`,
] as const

/** Counters, heads and cursors are left as if the hub had done it all itself. */
export async function fillPostgres(url: string, fill: Fill): Promise<void> {
  const { responses, installation, form, answers, hasTrouble = false } = fill
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    // It is a database for a bench: if this is interrupted, so is the bench.
    await client.query("SET synchronous_commit = off; SET work_mem = '64MB'; BEGIN")
    await client.query(PAST, [responses, Date.now() - responses * 1_000])
    const params = [[form, answers ?? null], [form], [form, installation], []]
    for (const [i, sql] of TABLES.entries()) await client.query(sql, params[i])
    await client.query('UPDATE log_head SET seq = seq + $1, responses = responses + $1', [responses])
    await client.query('UPDATE installations SET cursor = (SELECT seq FROM log_head)')
    await client.query(
      `INSERT INTO lane_counts (workspace, installation, pending, retrying, delivered, dead) VALUES ('default', $1, 0, 0, $2, 0)
       ON CONFLICT (workspace, installation) DO UPDATE SET delivered = lane_counts.delivered + $2`,
      [installation, responses],
    )
    if (hasTrouble) for (const sql of TROUBLE) await client.query(sql)
    await client.query('COMMIT')
    // A table that grew for months has been vacuumed long since.
    await client.query('VACUUM ANALYZE')
    await client.query('CHECKPOINT')
  } finally {
    await client.end()
  }
}
