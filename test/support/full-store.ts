/** A data folder whose database holds hundreds of rows of everything, odd ones among them: what a move has to take along. */
import Database from 'better-sqlite3'
import { newId } from '../../core/ids.ts'
import { LIMITS } from '../../core/limits.ts'
import type { NewDelivery } from '../../core/model.ts'
import { acceptLoss, openSqliteStore } from '../../core/storage/sqlite/open.ts'
import type { Aside, AsideEvent, Store } from '../../core/storage/store.ts'
import {
  AT,
  AT_MS,
  definition,
  delivery,
  died,
  event,
  finished,
  later,
  retried,
  submission,
} from '../contract/store/fixtures.ts'
import { apply } from '../contract/store/memory.ts'
import { runItem, runRecord } from '../contract/store/runs.ts'
import type { Logger } from '../../core/observe/observe.ts'

export const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silent }

interface Amounts {
  /** Rows of each table at least. */
  readonly each: number
  /** Of the tables that grow. */
  readonly many: number
  /** Length of the answers of a few responses. */
  readonly largeChars: number
}

/** More than one chunk of a move, by their number and by their size. */
export const FULL: Amounts = { each: 305, many: 2_300, largeChars: 1_500_000 }
/** A few of everything. */
export const SMALL: Amounts = { each: 5, many: 10, largeChars: 100 }
const WORKSPACE = 'default'
const NUL = '\0'
/** Texts with a NUL in them that `fillFolder` leaves in its database. */
export const NUL_TEXTS = 4

/** Texts that a careless copy would change. */
const ODD = ['Zoë 🦊 مرحبا', '"quoted" \\ \\u0000', 'line\nbreak\ttab', "o'clock; DROP TABLE forms", '\u{FFFD}']

const odd = (i: number): string => ODD[i % ODD.length] ?? ''
const times = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i))

/** Fills a data folder; the store is closed again. */
export async function fillFolder(dir: string, amounts: Amounts): Promise<void> {
  const store = await openSqliteStore({
    dir,
    limits: LIMITS,
    logger: silent,
    onFatal: (error) => {
      throw error
    },
  })
  await fillForms(store, amounts)
  await fillResponses(store, amounts)
  await fillDeliveries(store, amounts)
  await fillRuns(store, amounts)
  await fillMemory(store, amounts)
  await fillKeys(store, amounts)
  await fillEventQuarantine(store, amounts)
  await store.close()
  fillByHand(dir, amounts)
  acceptLoss(dir)
}

async function fillForms(store: Store, { each }: Amounts): Promise<void> {
  const save = (i: number, name: string) =>
    store.saveForm({
      workspace: WORKSPACE,
      id: `form${i}`,
      definition: definition({ name }),
      managedBy: i % 2 === 0 ? 'file' : 'api',
      at: AT,
      eventId: newId('event'),
      mode: 'upsert',
    })
  await Promise.all(times(each, (i) => save(i, `first ${odd(i)}`)))
  await Promise.all(times(each, (i) => save(i, `second ${odd(i)}`)))
}

async function fillResponses(store: Store, { each, many, largeChars }: Amounts): Promise<void> {
  const data = (i: number) => JSON.stringify({ email: 'ada@example.com', text: odd(i), n: i })
  const partial = { status: 'partial' as const }
  await store.accept(times(many, (i) => submission({ data: data(i), at: later(i) })))
  await store.accept(
    times(each, (i) =>
      submission({ data: data(i), clientId: `client ${i}`, idempotency: { key: `k${i}`, bodyHash: `${i}` } }),
    ),
  )
  await store.accept(times(each, (i) => submission({ ...partial, clientId: `partial ${i}`, startedAt: AT })))
  await store.accept(times(4, () => submission({ data: JSON.stringify({ text: 'ü'.repeat(largeChars) }) })))
  await store.accept([submission({ clientId: `nul${NUL}in it` })])
  const aside = (i: number): Aside => ({
    verdict: i % 2 === 0 ? 'rejected' : 'flagged',
    code: 'blocked',
    message: odd(i),
    installation: 'spam',
    plugin: 'spam-filter',
    eventId: newId('event'),
  })
  await store.accept(
    times(each, (i) =>
      submission({
        data: data(i),
        received: data(i + 1),
        clientId: `aside ${i}`,
        idempotency: { key: `aside${i}`, bodyHash: `${i}` },
        aside: aside(i),
      }),
    ),
  )
  await store.accept(times(each, (i) => submission({ clientId: `begun ${i}`, status: 'partial' })))
  await store.accept(times(each, (i) => submission({ clientId: `begun ${i}`, aside: aside(i) })))
  const begun = (await store.listQuarantine(WORKSPACE, { limit: 2 * each })).items
  for (const { id, clientId } of begun)
    if (clientId?.startsWith('begun') === true)
      await store.release({ workspace: WORKSPACE, filter: { id }, limit: 1, at: AT })
  const gone = await store.accept(times(each, () => submission()))
  for (const result of gone)
    if (result.kind === 'stored')
      await store.deleteResponse(WORKSPACE, result.responseId, event({ type: 'response.deleted' }))
}

async function fillDeliveries(store: Store, { each, many }: Amounts): Promise<void> {
  const make = (n: number, changes: (i: number) => Partial<NewDelivery>) => times(n, (i) => delivery(changes(i)))
  const ended = make(many, (i) => ({ input: JSON.stringify({ text: odd(i) }), dueAtMs: AT_MS + i }))
  const dead = make(each, (i) => ({ formId: `form${i}`, input: '{"text":"dead"}' }))
  const waiting = make(each, (i) => ({ orderKey: i === 0 ? `order${NUL}` : `order ${i % 7}` }))
  await apply(store, WORKSPACE, { deliveries: [...ended, ...dead, ...waiting] })
  await store.finishAttempts(ended.map(({ id }, i) => finished({ deliveryId: id, error: i === 0 ? null : odd(i) })))
  await store.finishAttempts(dead.map(({ id }) => died(id, { error: `died ${odd(1)}` })))
  await store.finishAttempts(
    waiting.slice(0, each / 3).map(({ id }, i) => {
      const base = retried(id)
      return { ...base, attempt: { ...base.attempt, durationMs: 0.1 + i / 3 } }
    }),
  )
  await Promise.all(times(each, (i) => apply(store, WORKSPACE, { deliveries: [delivery()] }, `lane${i}`)))
}

async function fillRuns(store: Store, { each }: Amounts): Promise<void> {
  const runs = times(each, (i) =>
    runRecord({
      name: odd(i),
      durationMs: i / 3,
      error: i % 2 === 0 ? odd(i) : null,
      items: [runItem({ eventId: `evt ${i}` }), runItem({ deliveryId: `dlv ${i}`, outcome: 'retry' })],
      logs: [{ level: 'info', message: odd(i) }],
    }),
  )
  await store.appendRuns({ runs, more: [] })
}

async function fillMemory(store: Store, { each }: Amounts): Promise<void> {
  await apply(store, WORKSPACE, {
    kv: [
      ...times(each, (i) => ({
        key: `key ${i}`,
        value: JSON.stringify(odd(i)),
        expiresAtMs: i % 3 === 0 ? AT_MS - 1 : null,
      })),
      // Sorts before `a b`, and after it once its NUL is replaced.
      { key: `a${NUL}b`, value: '1', expiresAtMs: null },
      { key: 'a b', value: '2', expiresAtMs: AT_MS * 2 },
    ],
    tallies: [...times(each, (i) => ({ name: `t${i}`, by: i / 7 })), { name: `t${NUL}`, by: 0.1 + 0.2 }],
  })
  await Promise.all(
    times(each, (i) =>
      store.fireSchedule({
        workspace: WORKSPACE,
        installation: 'crm',
        plugin: 'webhooks',
        name: `tick ${i}`,
        fromMs: 0,
        toMs: AT_MS + i,
        delivery: null,
        at: AT,
      }),
    ),
  )
}

async function fillEventQuarantine(store: Store, { each }: Amounts): Promise<void> {
  const events = times(each, (i): AsideEvent => ({
    id: newId('event'),
    receivedAt: later(i),
    formId: i % 2 === 0 ? null : 'form1',
    type: 'video',
    code: 'invalid',
    problems: JSON.stringify([{ pointer: '/type', detail: odd(i) }]),
    event: JSON.stringify({ name: odd(i) }),
    clientId: `aside ${i}`,
  }))
  await store.putAsideEvents(WORKSPACE, events, each)
}

async function fillKeys(store: Store, { each }: Amounts): Promise<void> {
  const keys = times(each, (i) => ({
    id: newId('key'),
    workspace: WORKSPACE,
    name: `key ${odd(i)}`,
    prefix: `mf_${i}`,
    hash: String(i).padStart(64, '0'),
    scopes: ['admin'],
    createdAt: AT,
    expiresAt: i % 2 === 0 ? null : later(9),
  }))
  await Promise.all(keys.map((key) => store.createKey(key)))
  await store.revokeKey(null, keys[3]?.id ?? '', later(7))
  await store.touchKeys(keys.slice(0, each / 3).map(({ id }) => ({ id, at: later(5) })))
}

/** What only a crash leaves behind: deletions that were cut short, and holes in the log (whose loss is accepted afterwards). */
function fillByHand(dir: string, { each }: Amounts): void {
  const db = new Database(`${dir}/manifold.db`)
  const erase = db.prepare('INSERT INTO erasures (workspace, form_id, before_seq) VALUES (?, ?, ?)')
  for (let i = 0; i < each; i++) erase.run(WORKSPACE, `gone${i}`, 1)
  const hook = db.prepare(
    `INSERT INTO hooks (workspace, id, key_id, source, target_url, event, form_id, created_at, updated_at, expires_at_ms, last_reason)
     VALUES (?, ?, 'key', 'make', 'https://x.example/h', 'response.submitted', ?, ?, ?, ?, ?)`,
  )
  const note = db.prepare(
    'INSERT INTO response_notes (workspace, response_id, id, author, at, note) VALUES (?, ?, ?, ?, ?, ?)',
  )
  for (let i = 0; i < each; i++) {
    hook.run(WORKSPACE, `hook${i}`, i % 2 === 0 ? null : `form${i}`, AT, AT, i % 3 === 0 ? AT_MS : null, odd(i))
    note.run(WORKSPACE, `rsp ${i % 7}`, `note${i}`, odd(i), AT, odd(i + 1))
  }
  fillLadder(db, each)
  db.prepare('DELETE FROM events WHERE seq % 7 = 3 AND seq <= ?').run(each * 7)
  db.close()
}

/** Behaviour events that were forgotten long ago. */
function fillLadder(db: Database.Database, each: number): void {
  const counts = db.prepare("INSERT INTO event_counts VALUES (?, 'day', ?, ?, ?, ?, ?)")
  const visitors = db.prepare("INSERT INTO event_visitors VALUES (?, ?, 'all', ?, ?, ?)")
  const told = db.prepare('INSERT INTO event_ladder VALUES (?, ?, 1)')
  for (let i = 0; i < each; i++) {
    counts.run(WORKSPACE, i * AT_MS, i * AT_MS + 1, i, i % 3, JSON.stringify({ type: { [odd(i)]: [i, 0] } }))
    visitors.run(WORKSPACE, i * AT_MS, i * AT_MS + 1, `salt ${i}`, String(i).repeat(9))
    told.run(`workspace ${i}`, i)
  }
}
