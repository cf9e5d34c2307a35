/** What an older program left: dead letters get their cause, records of shared runs are found, and last errors go with any response they may be about. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { Client } from 'pg'
import { expect, test } from 'vitest'
import { LIMITS } from '../../core/limits.ts'
import { causeOf, wordsOf } from '../../core/storage/cause.ts'
import { openPool } from '../../core/storage/postgres/connect.ts'
import { migrate as migratePostgres } from '../../core/storage/postgres/migrate.ts'
import { openPostgresStore } from '../../core/storage/postgres/open.ts'
import { APPLICATION_ID, openWriter } from '../../core/storage/sqlite/connection.ts'
import { databaseFile } from '../../core/storage/sqlite/files.ts'
import { openSqliteStore } from '../../core/storage/sqlite/open.ts'
import { migrate } from '../../core/storage/sqlite/migrate.ts'
import type { Store } from '../../core/storage/store.ts'
import { event, submission } from '../contract/store/fixtures.ts'
import { silent } from '../support/full-store.ts'
import { freshDatabase } from '../support/services.ts'
import { tempDir } from '../support/temp.ts'

test('of an error the beginning counts, whoever wrote it and however long it is', () => {
  const long = `Contact 17 is unknown. ${'x'.repeat(5_000)}`
  expect(wordsOf(long)).toHaveLength(300)
  expect(wordsOf(long)).toBe(wordsOf(`${long.replace('17', '18')} and more`))
  // An id is not cut in two where the words end.
  const id = 'dlv_0192f0c4-0000-7000-8000-000000000000'
  expect(wordsOf(`${'y '.repeat(140)}${id} ${'y '.repeat(90)}`)).toBe(
    wordsOf(`${'y '.repeat(140)}${id.replace('0192f0c4', 'ffff')} ${'y '.repeat(90)}`),
  )
  expect(wordsOf(`😀${'😀'.repeat(400)}`).isWellFormed()).toBe(true)
})

/** Dead rows as a program before causes left them, and one that lives. */
const OLD = `INSERT INTO deliveries (workspace, id, installation, plugin, kind, name, dedupe_key, state, attempts, schedule_step,
  due_at_ms, created_at, finished_at, reason, error_code, error, input) VALUES`
const rows = Array.from({ length: 1_203 }, (_, n) => {
  const state = n === 0 ? 'delivered' : 'dead'
  const error = n === 0 ? 'NULL' : `'There is no contact ${n}.'`
  return `('w', 'dlv_${n}', 'crm', 'p', 'action', 'post', 'k${n}', '${state}', 1, 1, 0, '2026-01-01T00:00:00.000Z',
    '2026-01-01T00:00:01.000Z', NULL, 'http_404', ${error}, '{}')`
})

const SAID = `INSERT INTO installations (workspace, id, plugin, state, state_since, cursor, last_error, last_error_code)
  VALUES ('w', 'crm', 'p', 'ready', '2026-01-01T00:00:00.000Z', 0, 'Ada is unknown', 'http_404');
INSERT INTO responses (workspace, id, form_id, form_version, status, created_at, updated_at, meta, data)
  VALUES ('w', 'rsp_1', 'f', 1, 'completed', '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z', '{}', '{}');
UPDATE deliveries SET response_id = 'rsp_1' WHERE id = 'dlv_7'`

async function expectForgotten(store: Store): Promise<void> {
  const shown = async () => (await store.syncInstallations([]))[0]
  expect(await shown()).toMatchObject({ lastError: 'Ada is unknown' })
  await store.deleteResponse('w', 'rsp_1', event({ type: 'response.deleted', responseId: 'rsp_1' }))
  expect(await shown()).toMatchObject({ lastError: null, lastErrorCode: 'http_404' })
}

async function expectNamed(store: Store): Promise<void> {
  expect(await store.groupDead('w', {})).toEqual({ groups: [], whole: false })
  // Nothing goes; more than a slice is named.
  expect(await store.purge(0)).toBe(0)
  const cause = causeOf({ installation: 'crm', code: 'http_404', error: 'There is no contact 1.' })
  const { groups, whole } = await store.groupDead('w', {})
  expect([groups.map((group) => [group.cause, group.count, group.message]), whole]).toEqual([
    [[cause, 1_202, 'There is no contact #.']],
    true,
  ])
  expect(await store.countDeliveries('w', { cause })).toBe(1_202)
}

test('SQLite: causes come from upkeep, and words whose they are nobody knows go with the first response', async () => {
  await using dir = await tempDir('causes')
  const data = dir.file('data')
  mkdirSync(data)
  const { db } = openWriter(databaseFile(data).path, { busyTimeoutMs: 0, walBytesMax: 0 })
  migrate(db)
  db.exec(`${OLD} ${rows.join(', ')}; ${SAID}`)
  db.close()
  const store = await openSqliteStore({ dir: data, limits: LIMITS, logger: silent, onFatal: () => {} })
  try {
    await expectNamed(store)
    await expectForgotten(store)
  } finally {
    await store.close()
  }
})

test('Postgres: causes come from upkeep, and words whose they are nobody knows go with the first response', async () => {
  await using database = await freshDatabase()
  const store = await openPostgresStore({ url: database.url, connectionsMax: 3, limits: LIMITS, logger: silent })
  const client = new Client({ connectionString: database.url })
  await client.connect()
  try {
    await client.query(`${OLD} ${rows.join(', ')}; ${SAID}`)
    await expectNamed(store)
    await expectForgotten(store)
  } finally {
    await client.end()
    await store.close()
  }
})

/** Two deliveries of one run, as a program before `batch` left them, and one that was alone. */
const RECORD = JSON.stringify([{ method: 'POST', url: 'https://crm.example', requestBody: '[["one"],["secret two"]]' }])
const FOLLOWER = JSON.stringify([
  { level: 'info', message: 'Ran as item 2 of a batch of 2; what was sent is recorded with its first delivery.' },
])
const BATCHED = `${OLD} ${['one', 'two', 'alone']
  .map(
    (id) => `('w', 'dlv_${id}', 'crm', 'p', 'action', 'post', '${id}', 'delivered', 1, 1, 0, '2026-01-01T00:00:00.000Z',
      '2026-01-01T00:00:01.000Z', NULL, NULL, NULL, '{}')`,
  )
  .join(', ')};
${SAID};
UPDATE deliveries SET response_id = 'rsp_1' WHERE id = 'dlv_two';
INSERT INTO attempts (workspace, delivery_id, n, at, duration_ms, outcome, exchanges, logs) VALUES
  ('w', 'dlv_one', 1, '2026-01-01T00:00:00.000Z', 12, 'delivered', '${RECORD}', '[]'),
  ('w', 'dlv_two', 1, '2026-01-01T00:00:00.000Z', 12, 'delivered', '[]', '${FOLLOWER}'),
  ('w', 'dlv_alone', 1, '2026-01-01T00:00:00.000Z', 13, 'delivered', '${RECORD}', '[]')`

async function expectRecordGone(store: Store): Promise<void> {
  await store.deleteResponse('w', 'rsp_1', event({ type: 'response.deleted', responseId: 'rsp_1' }))
  expect(await store.listAttempts('w', 'dlv_one')).toMatchObject([{ exchanges: [] }])
  expect(await store.listAttempts('w', 'dlv_alone')).toMatchObject([{ exchanges: [{ method: 'POST' }] }])
}

const stepsBefore = (name: string, folder: URL): readonly string[] =>
  readdirSync(folder)
    .filter((file) => file < name)
    .sort()

test('SQLite: the record of an older run goes with any response of it', async () => {
  await using dir = await tempDir('batches')
  const data = dir.file('data')
  mkdirSync(data)
  const { db } = openWriter(databaseFile(data).path, { busyTimeoutMs: 0, walBytesMax: 0 })
  const folder = new URL('../../core/storage/sqlite/migrations/', import.meta.url)
  const steps = stepsBefore('0012', folder)
  for (const step of steps) db.exec(readFileSync(new URL(step, folder), 'utf8'))
  db.exec(`CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    INSERT INTO meta (name, value) VALUES ('schema_version', '${steps.length}'); ${BATCHED}`)
  db.pragma(`application_id = ${APPLICATION_ID}`)
  db.close()
  const store = await openSqliteStore({ dir: data, limits: LIMITS, logger: silent, onFatal: () => {} })
  try {
    await expectRecordGone(store)
  } finally {
    await store.close()
  }
})

test('Postgres: the record of an older run goes with any response of it', async () => {
  await using database = await freshDatabase()
  await using dir = await tempDir('batches')
  const folder = new URL('../../core/storage/postgres/migrations/', import.meta.url)
  for (const step of stepsBefore('0014', folder)) copyFileSync(new URL(step, folder), dir.file(step))
  const pool = openPool({ url: database.url, connectionsMax: 1, name: 'test', logger: silent })
  try {
    await migratePostgres(pool, pathToFileURL(`${dir.path}/`))
    await pool.query(BATCHED)
  } finally {
    await pool.end()
  }
  const store = await openPostgresStore({ url: database.url, connectionsMax: 3, limits: LIMITS, logger: silent })
  try {
    await expectRecordGone(store)
  } finally {
    await store.close()
  }
})

/**
 * What a program from before `batch` leaves: runs of two, of which `gone` was deleted by such a program (as of `run`, which
 * a newer one wrote), or was deleted by a newer one while it ran, so that it has no attempt in it; and one that is whole.
 */
const runOf = (run: string, second: number, batch: string | null = null) => {
  const mark = batch === null ? 'NULL' : `'${batch}'`
  const at = `2026-01-02T00:00:0${second}.000Z`
  return `('w', 'dlv_${run}_1', 1, '${at}', 7, 'dead', 'Bad: secret ${run}', '${RECORD}', '[]', ${mark}),
    ('w', 'dlv_${run}_2', 1, '${at}', 7, 'dead', NULL, '[]', '${FOLLOWER}', ${mark})`
}
const LEFT = ['erased', 'newer', 'absent', 'whole']
/** Of another installation, in the very moment of a run that is erased. */
const OTHER = `('w', 'dlv_other_1', 1, '2026-01-02T00:00:01.000Z', 7, 'dead', 'Bad: other', '${RECORD}', '[]', NULL)`
const LEFT_BEHIND = `${OLD} ${[...LEFT, 'other']
  .flatMap((run) => [1, 2].map((n) => `${run}_${n}`))
  .map(
    (id) => `('w', 'dlv_${id}', 'crm', 'p', 'action', 'post', '${id}', 'dead', 1, 1, 0, '2026-01-01T00:00:00.000Z',
      '2026-01-01T00:00:01.000Z', NULL, 'http_400', ${id.endsWith('_1') ? `'Bad: secret ${id.slice(0, -2)}'` : 'NULL'}, '{}')`,
  )
  .join(', ')};
UPDATE deliveries SET response_id = 'rsp_' || id;
UPDATE deliveries SET installation = 'mail' WHERE id = 'dlv_other_1';
INSERT INTO attempts (workspace, delivery_id, n, at, duration_ms, outcome, error, exchanges, logs, batch) VALUES
  ${runOf('erased', 1)}, ${runOf('newer', 2, 'run_1')}, ${runOf('absent', 3)}, ${runOf('whole', 4)}, ${OTHER};
DELETE FROM attempts WHERE delivery_id = 'dlv_absent_2';
UPDATE attempts SET logs = '${FOLLOWER}' WHERE delivery_id = 'dlv_absent_1';
INSERT INTO erased_responses (workspace, response_id) VALUES ('w', 'rsp_dlv_erased_2'), ('w', 'rsp_dlv_newer_2')`

async function expectErasedByUpkeep(store: Store): Promise<void> {
  await store.purge(0)
  for (const run of ['erased', 'newer', 'absent']) {
    expect(await store.listAttempts('w', `dlv_${run}_1`), run).toMatchObject([{ error: null, exchanges: [], logs: [] }])
    expect(await store.getDelivery('w', `dlv_${run}_1`)).toMatchObject({ errorCode: 'http_400', error: null })
  }
  for (const id of ['dlv_whole_1', 'dlv_other_1'])
    expect(await store.listAttempts('w', id), id).toMatchObject([{ exchanges: [{ method: 'POST' }] }])
  // It is marked now: it goes with either.
  await store.accept([submission({ workspace: 'w', responseId: 'rsp_dlv_whole_2' })])
  await store.deleteResponse('w', 'rsp_dlv_whole_2', event({ type: 'response.deleted', responseId: 'rsp_dlv_whole_2' }))
  expect(await store.listAttempts('w', 'dlv_whole_1')).toMatchObject([{ exchanges: [] }])
}

test('SQLite: upkeep erases what names deleted responses in runs that older programs wrote', async () => {
  await using dir = await tempDir('left')
  const data = dir.file('data')
  mkdirSync(data)
  const { db } = openWriter(databaseFile(data).path, { busyTimeoutMs: 0, walBytesMax: 0 })
  migrate(db)
  db.exec(LEFT_BEHIND)
  db.close()
  const store = await openSqliteStore({ dir: data, limits: LIMITS, logger: silent, onFatal: () => {} })
  try {
    await expectErasedByUpkeep(store)
  } finally {
    await store.close()
  }
})

test('Postgres: upkeep erases what names deleted responses in runs that older programs wrote', async () => {
  await using database = await freshDatabase()
  const store = await openPostgresStore({ url: database.url, connectionsMax: 3, limits: LIMITS, logger: silent })
  const client = new Client({ connectionString: database.url })
  await client.connect()
  try {
    await client.query(LEFT_BEHIND)
    await expectErasedByUpkeep(store)
  } finally {
    await client.end()
    await store.close()
  }
})
