/** Fills a stopped hub's database with a past: responses, their events, their deliveries with one attempt each. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { newId } from '../../core/ids.ts'
import { TROUBLE } from './fill-trouble.ts'

const ROWS_PER_COMMIT = 50_000
const WORKSPACE = 'default'

export interface Fill {
  readonly responses: number
  /** The installation that is made to have delivered them all; its row must exist. */
  readonly installation: string
  readonly form: string
  /** JSON objects that the responses have in turns, beside their number; absent: the same six fields each. */
  readonly answers?: readonly string[]
  /** Some of it went wrong. */
  readonly hasTrouble?: boolean
}

/** Counters, heads and cursors are left as if the hub had done it all itself, one a second until now. */
export function fillStore(dataDir: string, fill: Fill): void {
  const db = new Database(databaseIn(dataDir))
  // It is a copy for a bench: if this is interrupted, so is the bench.
  db.pragma('synchronous = OFF')
  db.pragma('cache_size = -262144')
  const head = db.prepare('SELECT seq FROM log_head').get() as { seq: number }
  const insert = statements(db)
  const startMs = Date.now() - fill.responses * 1_000
  const row = (n: number) => {
    const atMs = startMs + n * 1_000
    const at = new Date(atMs).toISOString()
    const ids = {
      response: newIdAt('response', atMs),
      event: newIdAt('event', atMs),
      delivery: newIdAt('delivery', atMs),
    }
    const data = answersOf(fill, n)
    const seq = head.seq + n + 1
    insert.response.run({ workspace: WORKSPACE, id: ids.response, form: fill.form, at, data })
    insert.event.run({ seq, id: ids.event, workspace: WORKSPACE, at, form: fill.form, response: ids.response })
    insert.delivery.run({
      workspace: WORKSPACE,
      id: ids.delivery,
      installation: fill.installation,
      key: `${ids.event}:0`,
      seq,
      event: ids.event,
      form: fill.form,
      response: ids.response,
      atMs,
      at,
    })
    insert.attempt.run({ workspace: WORKSPACE, delivery: ids.delivery, at })
  }
  for (let from = 0; from < fill.responses; from += ROWS_PER_COMMIT) {
    db.transaction(() => {
      for (let n = from; n < Math.min(fill.responses, from + ROWS_PER_COMMIT); n += 1) row(n)
    })()
  }
  const done = { count: fill.responses, workspace: WORKSPACE, installation: fill.installation }
  db.prepare('UPDATE log_head SET seq = seq + @count, responses = responses + @count').run(done)
  db.prepare('UPDATE installations SET cursor = cursor + @count WHERE workspace = @workspace').run(done)
  db.prepare(
    `INSERT INTO lane_counts (workspace, installation, pending, retrying, delivered, dead) VALUES (@workspace, @installation, 0, 0, @count, 0)
     ON CONFLICT (workspace, installation) DO UPDATE SET delivered = delivered + @count`,
  ).run(done)
  if (fill.hasTrouble === true) db.transaction(() => TROUBLE.forEach((sql) => db.exec(sql)))()
  db.pragma('wal_checkpoint(TRUNCATE)')
  db.close()
}

function answersOf({ answers }: Fill, n: number): string {
  const numbered = answers?.[n % answers.length]
  if (numbered !== undefined) return `{"n":"fill-${n}",${numbered.slice(1)}`
  return JSON.stringify({
    n: `fill-${n}`,
    sent_at: '0',
    name: 'Past Example',
    email: 'past@mail.example',
    budget: n,
    message: 'm'.repeat(200),
  })
}

/** Ids only sort by their time when that is not before the last one made, so the past needs its own. */
function newIdAt(kind: 'response' | 'event' | 'delivery', atMs: number): string {
  const id = newId(kind)
  const time = atMs.toString(16).padStart(12, '0')
  return `${id.slice(0, 4)}${time.slice(0, 8)}-${time.slice(8)}${id.slice(17)}`
}

function databaseIn(dataDir: string): string {
  const file = readdirSync(dataDir).find((name) => /\.(sqlite|db)$/.test(name))
  if (file === undefined) throw new Error(`There is no database in ${dataDir}`)
  return join(dataDir, file)
}

const statements = (db: Database.Database) => ({
  response: db.prepare(
    `INSERT INTO responses (workspace, id, form_id, form_version, status, client_id, started_at, submitted_at, created_at, updated_at, meta, data)
     VALUES (@workspace, @id, @form, 1, 'completed', NULL, NULL, @at, @at, @at, '{}', @data)`,
  ),
  event: db.prepare(
    `INSERT INTO events (seq, id, workspace, type, at, form_id, response_id, hops, form_version, started_at, meta, data)
     VALUES (@seq, @id, @workspace, 'response.submitted', @at, @form, @response, 0, 1, NULL, NULL, NULL)`,
  ),
  delivery: db.prepare(
    `INSERT INTO deliveries (workspace, id, installation, plugin, kind, name, dedupe_key, event_seq, event_id, form_id, response_id, order_key,
       state, attempts, schedule_step, due_at_ms, created_at, finished_at, reason, error_code, error, host, input)
     VALUES (@workspace, @id, @installation, 'webhooks', 'action', 'send', @key, @seq, @event, @form, @response, NULL,
       'delivered', 1, 0, @atMs, @at, @at, NULL, NULL, NULL, '127.0.0.1', '{}')`,
  ),
  attempt: db.prepare(
    `INSERT INTO attempts (workspace, delivery_id, n, at, duration_ms, outcome, error_code, error, exchanges, logs)
     VALUES (@workspace, @delivery, 1, @at, 3, 'delivered', NULL, NULL, '[]', '[]')`,
  ),
})
