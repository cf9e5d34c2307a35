/**
 * The floor: the least code that makes the same two promises, to compare the hub with. Hono takes the submission, one
 * transaction a turn of the event loop stores it with its outbox row (SQLite, WAL, synchronous=FULL), the 202 leaves
 * after the commit, and a loop posts the outbox with an HMAC. No form, no log, no sandbox, no retry.
 */
import { createHmac } from 'node:crypto'
import { getRequestListener } from '@hono/node-server'
import Database from 'better-sqlite3'
import { Hono } from 'hono'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Pool } from 'undici'
import { serveWorker } from './processes.ts'

const CONCURRENCY = 64
const SECRET = 'floor-secret'

const [file, sinkUrl] = process.argv.slice(2) as [string, string]
const sink = new URL(sinkUrl)

const db = new Database(file)
db.pragma('journal_mode = WAL')
db.pragma('synchronous = FULL')
db.exec(`
  CREATE TABLE responses (id INTEGER PRIMARY KEY, form_id TEXT NOT NULL, data TEXT NOT NULL, created_at INTEGER NOT NULL) STRICT;
  CREATE TABLE outbox (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
`)
const insertResponse = db.prepare('INSERT INTO responses (form_id, data, created_at) VALUES (?, ?, ?)')
const insertOutbox = db.prepare('INSERT INTO outbox (body) VALUES (?)')
const deleteOutbox = db.prepare('DELETE FROM outbox WHERE id = ?')

interface Waiting {
  readonly formId: string
  readonly data: string
  readonly body: string
  readonly done: (id: number) => void
}

let waiting: Waiting[] = []
let finished: number[] = []
let flushPlanned = false
const unsent: { id: number; body: string }[] = []
let sending = 0

const commit = db.transaction((rows: readonly Waiting[], ids: readonly number[]) => {
  for (const id of ids) deleteOutbox.run(id)
  return rows.map((row) => {
    insertResponse.run(row.formId, row.data, Date.now())
    return Number(insertOutbox.run(row.body).lastInsertRowid)
  })
})

/** Everything that came in this turn of the loop shares one commit. */
function planFlush(): void {
  if (flushPlanned) return
  flushPlanned = true
  setImmediate(() => {
    flushPlanned = false
    const rows = waiting
    const done = finished
    waiting = []
    finished = []
    const ids = commit(rows, done)
    for (const [index, row] of rows.entries()) {
      const id = ids[index] as number
      unsent.push({ id, body: row.body })
      row.done(id)
    }
    pump()
  })
}

const pool = new Pool(sink.origin, { connections: CONCURRENCY, pipelining: 1 })
let unsentHead = 0

function pump(): void {
  while (sending < CONCURRENCY && unsentHead < unsent.length) {
    const item = unsent[unsentHead++] as { id: number; body: string }
    sending += 1
    void post(item.id, item.body).finally(() => {
      sending -= 1
      pump()
    })
  }
  if (unsentHead > 4_096 && unsentHead * 2 > unsent.length) {
    unsent.splice(0, unsentHead)
    unsentHead = 0
  }
}

async function post(id: number, body: string): Promise<void> {
  const signature = createHmac('sha256', SECRET).update(body).digest('hex')
  const answer = await pool.request({
    method: 'POST',
    path: sink.pathname,
    headers: {
      'content-type': 'application/json',
      'x-webhook-signature': `sha256=${signature}`,
      'webhook-id': String(id),
    },
    body,
  })
  await answer.body.dump()
  if (answer.statusCode < 300) {
    finished.push(id)
    planFlush()
  }
}

const app = new Hono()
app.post('/api/v2/responses', async (context) => {
  const body = await context.req.text()
  const parsed = JSON.parse(body) as { form_id?: unknown; data?: unknown }
  if (typeof parsed.form_id !== 'string' || typeof parsed.data !== 'object') return context.json({ error: 'bad' }, 400)
  const row = { formId: parsed.form_id, data: JSON.stringify(parsed.data), body }
  const id = await new Promise<number>((done) => {
    waiting.push({ ...row, done })
    planFlush()
  })
  return context.json({ id }, 202)
})

const server = createServer(getRequestListener(app.fetch))
server.keepAliveTimeout = 72_000
server.listen(0, '127.0.0.1', 4_096, () => {
  serveWorker({ port: (server.address() as AddressInfo).port }, () => ({}))
})
