/** What only the Postgres driver does: replica, fate of calls that share a transaction, order of the log, plans, old programs. */
import { mkdir, writeFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import { DatabaseError } from 'pg'
import type { Pool } from 'pg'
import { afterEach, expect, test } from 'vitest'
import { LIMITS } from '../../core/limits.ts'
import type { Logger } from '../../core/observe/observe.ts'
import { openPool, withClient } from '../../core/storage/postgres/connect.ts'
import { ALONE } from '../../core/storage/postgres/group-commit.ts'
import { migrate, migrationStatus } from '../../core/storage/postgres/migrate.ts'
import { openPostgresStore } from '../../core/storage/postgres/open.ts'
import { sendAll } from '../../core/storage/postgres/pipeline.ts'
import { statementOf } from '../../core/storage/postgres/sql.ts'
import { meaningOf, SQLSTATES } from '../../core/storage/postgres/sqlstates.ts'
import { isErrorCode } from '../../core/errors.ts'
import { event, submission } from '../contract/store/fixtures.ts'
import { freshDatabase } from '../support/services.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'
import { tempDir } from '../support/temp.ts'
import { sleep, until } from '../support/wait.ts'

const quiet: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => quiet }
const ends: (() => PromiseLike<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

async function database(): Promise<{ readonly url: string; readonly pool: Pool }> {
  const db = await freshDatabase()
  ends.push(() => db[Symbol.asyncDispose]())
  const pool = openPool({ url: db.url, connectionsMax: 5, name: 'test', logger: quiet })
  ends.push(() => pool.end())
  return { url: db.url, pool }
}

async function storeOn(url: string, more: { readonly replicaUrl?: string } = {}) {
  const store = await openPostgresStore({ url, connectionsMax: 5, limits: LIMITS, logger: quiet, ...more })
  ends.push(() => store.close())
  return store
}

test('a transaction held open by hand delays the log and leaves nothing behind a reader', async () => {
  const { url, pool } = await database()
  const store = await storeOn(url)
  const [first] = await store.appendEvents('default', [event()])
  const hand = await pool.connect()
  await hand.query('BEGIN')
  const { rows } = await hand.query('UPDATE log_head SET seq = seq + 1 WHERE only_row = 1 RETURNING seq')
  const held = Number((rows[0] as { seq: unknown }).seq)
  const insert =
    "INSERT INTO events (seq, id, workspace, type, at, hops, data) VALUES ($1, 'evt_hand', 'default', 'x', '', 0, '{}')"
  await hand.query(insert, [held])

  const waiting = store.accept([submission(), submission()])
  await sleep(150)
  // Nobody sees what is not committed, and nobody has got past it.
  expect((await store.readEvents({ afterSeq: 0, limit: 10 })).map(({ seq }) => seq)).toEqual([first?.seq])
  await hand.query('COMMIT')
  hand.release()
  await waiting
  const seen = await store.readEvents({ afterSeq: first?.seq ?? 0, limit: 10 })
  expect(seen.map(({ seq }) => seq)).toEqual([held, held + 1, held + 2])
  expect(seen[0]?.id).toBe('evt_hand')
})

test('one rolled back by hand leaves no gap', async () => {
  const { url, pool } = await database()
  const store = await storeOn(url)
  const hand = await pool.connect()
  await hand.query('BEGIN')
  await hand.query('UPDATE log_head SET seq = seq + 5 WHERE only_row = 1')
  const waiting = store.appendEvents('default', [event()])
  await sleep(100)
  await hand.query('ROLLBACK')
  hand.release()
  expect((await waiting).map(({ seq }) => seq)).toEqual([1])
})

test('lists for people come from the replica, everything else does not', async () => {
  const [main, copy] = [await database(), await database()]
  const behind = await storeOn(copy.url)
  await behind.accept([submission({ formId: 'old' })])
  const store = await storeOn(main.url, { replicaUrl: copy.url })
  const sent = submission({ formId: 'new' })
  await store.accept([sent])
  const list = await store.listResponses('default', { limit: 9 })
  expect(list.items.map(({ formId }) => formId)).toEqual(['old'])
  expect(await store.getResponse('default', sent.responseId)).toMatchObject({ formId: 'new' })
  expect((await store.readEvents({ afterSeq: 0, limit: 9 })).map(({ formId }) => formId)).toEqual(['new'])
})

test('a Postgres that answers before it has written is refused', async () => {
  const { url, pool } = await database()
  const name = new URL(url).pathname.slice(1)
  await pool.query(`ALTER DATABASE ${name} SET synchronous_commit = off`)
  await expect(storeOn(url)).rejects.toMatchObject({ code: 'storage_failed', message: /synchronous_commit/ })
})

test('a log without its end is refused', async () => {
  const { url, pool } = await database()
  const store = await storeOn(url)
  await store.appendEvents('default', [event(), event(), event()])
  await pool.query('DELETE FROM events WHERE seq = 2')
  await expect(storeOn(url)).rejects.toMatchObject({ code: 'storage_failed', message: /damaged/ })
})

test('statements that are sent together are parsed once, and an error ends them all', async () => {
  const { pool } = await database()
  await pool.query('CREATE TABLE t (id int PRIMARY KEY, word text)')
  await withClient(pool, async (client) => {
    const insert = statementOf('INSERT INTO t (id, word) VALUES (?, ?) RETURNING id')
    const select = statementOf('SELECT id, word FROM t WHERE id = ?')
    const [inserted, found] = await sendAll(client, [
      { statement: insert, rows: [[1, 'one'], [2, 'nul \0 is not text']] }, // prettier-ignore
      { statement: select, rows: [[2], [3], [1]] },
    ])
    expect(inserted).toEqual({ rows: [{ id: 1 }, { id: 2 }], changes: 2 })
    expect(found?.rows).toEqual([
      { id: 2, word: 'nul \u{FFFD} is not text' },
      { id: 1, word: 'one' },
    ])
    const twice = sendAll(client, [
      { statement: insert, rows: [[3, null], [1, null], [4, null]] }, // prettier-ignore
      { statement: select, rows: [[3]] },
    ])
    await expect(twice).rejects.toBeInstanceOf(DatabaseError)
    // Sent in one go, they are one transaction where none was begun.
    const [after] = await sendAll(client, [{ statement: select, rows: [[3], [4]] }])
    expect(after?.rows).toEqual([])
    expect(await sendAll(client, [{ statement: select, rows: [] }])).toEqual([])
  })
})

test('a plan made while a table was empty does not stay for ever', async () => {
  const { pool } = await database()
  await migrate(pool)
  const look = statementOf('SELECT id, state, attempts FROM deliveries WHERE workspace = ? AND id = ?')
  const use = () => withClient(pool, (client) => sendAll(client, [{ statement: look, rows: [['w', 'dlv_1']] }]))
  const planned = async () => JSON.stringify((await pool.query(`EXPLAIN EXECUTE ${look.name} ('w', 'dlv_1')`)).rows)
  for (let n = 0; n < 40; n++) await use()
  // On an empty table any index is as good; should Postgres learn better, this test has nothing to show any more.
  expect(await planned()).not.toContain('deliveries_pkey')
  await pool.query(`INSERT INTO deliveries (workspace, id, installation, plugin, kind, name, dedupe_key, state, attempts,
    schedule_step, due_at_ms, created_at) SELECT 'w', 'dlv_' || i, 'crm', 'p', 'action', 'post', i::text, 'pending', 0, 0, 0, ''
    FROM generate_series(1, 20000) AS i`)
  for (let n = 0; n < 40; n++) await use()
  expect(await planned()).toContain('deliveries_pkey')
})

test('SQLSTATEs: each row names an error of the table; classes stand for what is not named', () => {
  for (const [state, { code }] of Object.entries(SQLSTATES)) {
    expect(state).toMatch(/^[0-9A-Z]{2}([0-9A-Z]{3})?$/)
    expect(isErrorCode(code), state).toBe(true)
  }
  const of = (state: string) => {
    const error = new DatabaseError('x', 1, 'error')
    error.code = state
    const { code, again } = meaningOf(error)
    return [code, again]
  }
  expect(of('40001')).toEqual(['storage_busy', 'at_once'])
  expect(of('40P01')).toEqual(['storage_busy', 'at_once'])
  expect(of('08006')).toEqual(['storage_busy', 'caller'])
  expect(of('53300')).toEqual(['storage_busy', 'caller'])
  expect(of('53100')).toEqual(['storage_full', 'caller'])
  expect(of('23505')).toEqual(['conflict', 'never'])
  expect(of('42P01')).toEqual(['internal', 'never'])
  const broken = meaningOf(new Error('Connection terminated'))
  expect([broken.code, broken.again]).toEqual(['storage_busy', 'caller'])
})

test('a step that has to wait for a table lets the others use it meanwhile', async () => {
  const { pool } = await database()
  await migrate(pool)
  const { latest } = await migrationStatus(pool)
  const dir = await tempDir('steps')
  ends.push(() => dir[Symbol.asyncDispose]())
  await mkdir(dir.file('steps'))
  const name = `${String(latest + 1).padStart(4, '0')}-colour.sql`
  await writeFile(dir.file(`steps/${name}`), 'ALTER TABLE responses ADD COLUMN colour text')
  const report = await pool.connect()
  await report.query('BEGIN')
  await report.query('SELECT count(*) FROM responses')
  const migrating = migrate(pool, pathToFileURL(`${dir.file('steps')}/`))
  const waits = "SELECT 1 FROM pg_locks WHERE relation = 'responses'::regclass AND NOT granted"
  await until('the step to wait for the table', async () => (await pool.query(waits)).rowCount)
  // It stands behind the step now, and would stand there for as long as the report takes.
  expect((await pool.query('SELECT count(*) AS n FROM responses')).rows).toEqual([{ n: '0' }])
  await report.query('COMMIT')
  report.release()
  expect(await migrating).toEqual([name])
  expect((await pool.query('SELECT colour FROM responses')).rows).toEqual([])
})

test('an index is built beside those who read and write, by one of many; one that was cut off is begun anew', async () => {
  const { pool } = await database()
  await migrate(pool)
  const { latest } = await migrationStatus(pool)
  await using dir = await tempDir('steps')
  const folder = pathToFileURL(`${dir.file('steps')}/`)
  await mkdir(folder)
  const name = `${String(latest + 1).padStart(4, '0')}-index.sql`
  const index = 'CREATE INDEX CONCURRENTLY IF NOT EXISTS forms_by_time ON forms (workspace, created_at)'
  await writeFile(new URL(name, folder), `-- outside a transaction\n${index};\n`)
  // What a killed build leaves: an index of that name that nothing is looked up by.
  await pool.query('CREATE INDEX forms_by_time ON forms (workspace)')
  await pool.query("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'forms_by_time'::regclass")
  // The build waits for this one, and nobody for the build.
  const report = await pool.connect()
  await report.query('BEGIN')
  await report.query('LOCK TABLE forms IN ROW EXCLUSIVE MODE')
  const migrating = [migrate(pool, folder), migrate(pool, folder)]
  const building =
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'"
  await until('the build to wait', async () => (await pool.query(building)).rowCount)
  await pool.query(
    "INSERT INTO forms (workspace, id, version, definition, managed_by, created_at, updated_at) VALUES ('w', 'f', 1, '{}', 'api', '', '')",
  )
  expect((await pool.query('SELECT id FROM forms')).rows).toEqual([{ id: 'f' }])
  await report.query('COMMIT')
  report.release()
  expect((await Promise.all(migrating)).flat()).toContain(name)
  const { rows } = await pool.query(
    "SELECT indisvalid, indnatts FROM pg_index WHERE indexrelid = 'forms_by_time'::regclass",
  )
  expect(rows).toEqual([{ indisvalid: true, indnatts: 2 }])
  expect(await migrationStatus(pool, folder)).toMatchObject({ current: latest + 1, pending: [] })
})

test('several processes that migrate at once do it once; a program too old for the schema refuses', async () => {
  const { pool } = await database()
  const ran = await Promise.all([migrate(pool), migrate(pool), migrate(pool)])
  const { latest } = await migrationStatus(pool)
  expect(ran.flat()).toHaveLength(latest)
  const names = ['expand', 'contract'].map((name, n) => `${String(latest + 1 + n).padStart(4, '0')}-${name}.sql`)
  await using dir = await tempDir('steps')
  const folder = pathToFileURL(`${dir.file('steps')}/`)
  await mkdir(folder)
  const [expand = '', contract = ''] = names
  await writeFile(new URL(expand, folder), 'ALTER TABLE forms ADD COLUMN note text')
  await writeFile(new URL(contract, folder), `-- needs: ${latest + 1}\nALTER TABLE forms DROP COLUMN note`)
  expect(await migrate(pool, folder)).toEqual(names)
  expect(await migrationStatus(pool, folder)).toMatchObject({ current: latest + 2, pending: [] })
  await expect(migrate(pool)).rejects.toMatchObject({
    code: 'storage_failed',
    message: expect.stringContaining(`know schema ${latest + 1}, this one knows ${latest}`) as string,
  })
})

test('a step that fails leaves nothing of itself', async () => {
  const { pool } = await database()
  await using dir = await tempDir('steps')
  const folder = pathToFileURL(`${dir.file('steps')}/`)
  await mkdir(folder)
  await writeFile(new URL('0001-bad.sql', folder), 'CREATE TABLE half (id int); SELECT nonsense')
  await expect(migrate(pool, folder)).rejects.toThrow()
  expect(await migrationStatus(pool, folder)).toMatchObject({ current: 0 })
  expect((await pool.query("SELECT to_regclass('half') AS found")).rows).toEqual([{ found: null }])
  await writeFile(new URL('0001-bad.sql', folder), 'CREATE TABLE half (id int)')
  expect(await migrate(pool, folder)).toEqual(['0001-bad.sql'])
})

test('connections that the server ended are replaced without anybody noticing twice', async () => {
  const { url, pool } = await database()
  const store = await storeOn(url)
  await store.accept([submission()])
  const name = new URL(url).pathname.slice(1)
  const kill = 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()'
  await pool.query(kill, [name])
  await until('it to take submissions again', () =>
    store.accept([submission()]).then(
      () => true,
      () => false,
    ),
  )
  expect(await store.countResponses('default')).toBe(2)
})

test('a commit that gets no answer is refused with what that means, and doubted', async () => {
  const { url } = await database()
  const place = new URL(url)
  await using wire = await startTcpProxy({ port: Number(place.port || 5432) })
  place.port = String(wire.port)
  let doubts = 0
  const store = await openPostgresStore({
    url: place.href,
    connectionsMax: 5,
    limits: LIMITS,
    logger: quiet,
    companion: { ...ALONE, doubt: () => void (doubts += 1) },
  })
  ends.push(() => store.close())
  await store.accept([submission()])
  expect(doubts).toBe(0)
  wire.swallowCommitAfter('ZZMARK')
  const lost = store.accept([submission({ data: '{"email":"ZZMARK"}' })])
  await expect(lost).rejects.toMatchObject({ code: 'storage_busy', message: /may or may not be written/ })
  expect([doubts, await store.countResponses('default')]).toEqual([1, 2])
})
