/** A move between SQLite and Postgres: everything arrives, nothing changes, and a target is closed until it is complete. */
import { existsSync } from 'node:fs'
import Database from 'better-sqlite3'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { planMove } from '../../core/storage/move/move.ts'
import type { MoveTarget } from '../../core/storage/move/port.ts'
import { LOG_HEAD, TABLES } from '../../core/storage/move/tables.ts'
import { openPostgresSource, openPostgresTarget } from '../../core/storage/postgres/move-ports.ts'
import { postgresOperations } from '../../core/storage/postgres/operations.ts'
import { openSqliteSource, openSqliteTarget } from '../../core/storage/sqlite/move-ports.ts'
import { acceptLoss } from '../../core/storage/sqlite/open.ts'
import { sqliteOperations } from '../../core/storage/sqlite/operations.ts'
import { readWatermark } from '../../core/storage/sqlite/watermark.ts'
import type { Store } from '../../core/storage/store.ts'
import { event } from '../contract/store/fixtures.ts'
import { fillFolder, FULL, NUL_TEXTS, silent, SMALL } from '../support/full-store.ts'
import { openPostgres, openSqlite, runMove } from '../support/moves.ts'
import { freshDatabase } from '../support/services.ts'
import type { FreshDatabase } from '../support/services.ts'
import { tempDir } from '../support/temp.ts'
import type { TempDir } from '../support/temp.ts'

const WORKSPACE = 'default'

let temp: TempDir
let full: string
let small: string
beforeAll(async () => {
  temp = await tempDir('move')
  full = temp.file('full')
  small = temp.file('small')
  await fillFolder(full, FULL)
  await fillFolder(small, SMALL)
})
afterAll(() => temp[Symbol.asyncDispose]())

type Wrap = (target: MoveTarget) => MoveTarget

/** Away and back in one: the source is opened to hubs and to the next move again. */
async function toPostgres(dir: string, { url }: FreshDatabase, wrap?: Wrap) {
  const report = await runMove(await openSqliteSource(dir), await openPostgresTarget(url), wrap)
  await sqliteOperations(dir, silent).reclaim()
  return report
}
async function toSqlite({ url }: FreshDatabase, dir: string, wrap?: Wrap) {
  const report = await runMove(await openPostgresSource(url), openSqliteTarget(dir), wrap)
  await postgresOperations(url, silent).reclaim()
  return report
}

/** All rows as the file holds them, read by nobody's code but SQLite's. */
function rowsOf(dir: string): Record<string, unknown[][]> {
  const db = new Database(`${dir}/manifold.db`, { readonly: true })
  const rows = [...TABLES, LOG_HEAD].map(({ name }) => [name, db.prepare(`SELECT * FROM ${name}`).raw().all()])
  db.close()
  return Object.fromEntries(rows) as Record<string, unknown[][]>
}

const inOrder = (rows: readonly unknown[][]): string[] => rows.map((row) => JSON.stringify(row)).sort()
const cleaned = (text: string): string => text.replaceAll('\0', '\u{FFFD}')
const withoutNul = (row: readonly unknown[]): unknown[] =>
  row.map((value) => (typeof value === 'string' ? cleaned(value) : value))

/** What a hub would see, but for NULs. */
async function seen(store: Store): Promise<unknown> {
  const list = await store.listDeliveries(WORKSPACE, { limit: 200, state: 'dead' })
  const all = {
    head: await store.headSeq(),
    log: await store.readEvents({ afterSeq: 0, limit: 5_000 }),
    forms: await store.listForms(WORKSPACE, { limit: 500 }),
    versions: await store.listFormVersions(WORKSPACE, 'form1'),
    responses: await store.listResponses(WORKSPACE, { limit: 3_000 }),
    counts: [await store.countResponses(WORKSPACE), await store.countDeliveries(WORKSPACE, {})],
    lanes: await store.laneCounts(),
    dead: list,
    attempts: await store.listAttempts(WORKSPACE, list.items[0]?.id ?? ''),
    kv: await store.kvList({
      workspace: WORKSPACE,
      installation: 'crm',
      prefix: 'key',
      after: null,
      limit: 400,
      nowMs: 0,
    }),
    tallies: await store.tallies({ workspace: WORKSPACE, installation: 'crm', prefix: 't1', after: null, limit: 100 }),
    schedules: await store.schedules(),
    keys: await store.listKeys(null),
    due: await store.nextDue(WORKSPACE, 'crm'),
  }
  return JSON.parse(JSON.stringify(all, (_, value: unknown) => (typeof value === 'string' ? cleaned(value) : value)))
}

describe('a move there and back', () => {
  it('brings every row of every table, unchanged but for NULs, and both stores say the same', async () => {
    await using database = await freshDatabase()
    const before = rowsOf(full)
    for (const { name } of TABLES) expect([name, (before[name]?.length ?? 0) >= FULL.each]).toEqual([name, true])

    const there = await toPostgres(full, database)
    const back = temp.file('back')
    const returned = await toSqlite(database, back)
    const after = rowsOf(back)
    for (const name of Object.keys(before))
      expect(inOrder(after[name] ?? []), name).toEqual(inOrder((before[name] ?? []).map(withoutNul)))

    expect([there.start, there.nulTextsReplaced]).toEqual(['new', NUL_TEXTS])
    expect([returned.start, returned.nulTextsReplaced]).toEqual(['new', 0])
    expect(returned.checksum).toBe(there.checksum)
    expect(there.tables.map(({ name, rows }) => [name, rows])).toEqual(
      [...TABLES, LOG_HEAD].map(({ name }) => [name, before[name]?.length]),
    )
    // The log_head row is set, not written like the others.
    expect(there.rowsWritten).toBe(there.rows - 1)
    expect(rowsOf(full)).toEqual(before)
    expect(readWatermark(back)).toBe(before['log_head']?.[0]?.[2])

    await using stack = new AsyncDisposableStack()
    const stores = await Promise.all([openSqlite(full), openPostgres(database), openSqlite(back)])
    for (const store of stores) stack.defer(() => store.close())
    const [first, second, third] = await Promise.all(stores.map(seen))
    expect(second).toEqual(first)
    expect(third).toEqual(first)
    // The sequence goes on in each.
    const head = await stores[0].headSeq()
    for (const store of stores) expect((await store.appendEvents(WORKSPACE, [event()]))[0]?.seq).toBe(head + 1)
  })

  it('moves an empty database, too, and shows its progress to the end', async () => {
    await using database = await freshDatabase()
    const empty = temp.file('empty')
    await (await openSqlite(empty)).close()
    const report = await toPostgres(empty, database)
    expect(report.rows).toBe(1)
    expect(new Set(report.steps.map(({ table }) => table)).size).toBe(TABLES.length)
    await (await openPostgres(database)).close()
    const dir = temp.file('empty-again')
    expect((await toSqlite(database, dir)).checksum).toBe(report.checksum)
    await (await openSqlite(dir)).close()
  })

  it('only looks when it plans', async () => {
    await using database = await freshDatabase()
    const source = await openSqliteSource(full)
    const target = await openPostgresTarget(database.url)
    const plan = await planMove({ source, target })
    await target.close()
    await source.close()
    expect(plan.start).toBe('new')
    expect(plan.rows).toBe(Object.values(rowsOf(full)).flat().length - 1)
    expect(await tablesOf(database)).toEqual([])
    const nowhere = temp.file('nowhere')
    const other = openSqliteTarget(nowhere)
    expect(await other.state()).toEqual({ kind: 'empty' })
    await other.close()
    expect(existsSync(nowhere)).toBe(false)
  })
})

/** Fails in its own words after some chunks. */
const breaksAfter =
  (chunks: number) =>
  (target: MoveTarget): MoveTarget => {
    let left = chunks
    return {
      ...target,
      write: (table, rows) => (left-- > 0 ? target.write(table, rows) : Promise.reject(new Error('pulled the plug'))),
    }
  }

describe('an unfinished move', () => {
  it('keeps hubs away from Postgres, goes on where it was, and leaves no trace', async () => {
    await using database = await freshDatabase()
    await expect(toPostgres(full, database, breaksAfter(5))).rejects.toThrow('pulled the plug')
    await expect(openPostgres(database)).rejects.toMatchObject({
      code: 'storage_failed',
      message: expect.stringContaining('manifold db move') as string,
    })
    const report = await toPostgres(full, database)
    expect(report.start).toBe('resumed')
    expect(report.rowsWritten).toBeGreaterThan(0)
    expect(report.rowsWritten).toBeLessThan(report.rows - 1)
    expect(await tablesOf(database)).not.toContain('unfinished_move')
    await (await openPostgres(database)).close()
  })

  it('keeps hubs and accept-loss away from SQLite, and goes on where it was', async () => {
    await using database = await freshDatabase()
    await toPostgres(full, database)
    const dir = temp.file('half')
    await expect(toSqlite(database, dir, breaksAfter(5))).rejects.toThrow('pulled the plug')
    await expect(openSqlite(dir)).rejects.toMatchObject({
      code: 'storage_failed',
      message: expect.stringContaining('manifold db move') as string,
    })
    expect(() => acceptLoss(dir)).toThrow('manifold db move')
    await expect(openSqliteSource(dir)).rejects.toThrow('manifold db move')
    const report = await toSqlite(database, dir)
    expect(report.start).toBe('resumed')
    expect(report.rowsWritten).toBeLessThan(report.rows - 1)
    await (await openSqlite(dir)).close()
  })

  it('begins anew when the source was used meanwhile', async () => {
    await using database = await freshDatabase()
    const dir = temp.file('used-meanwhile')
    await fillFolder(dir, SMALL)
    await expect(toPostgres(dir, database, breaksAfter(5))).rejects.toThrow('pulled the plug')
    const store = await openSqlite(dir)
    await store.appendEvents(WORKSPACE, [event({ data: '{"late":true}' })])
    await store.close()
    const report = await toPostgres(dir, database)
    expect([report.start, report.rowsWritten]).toEqual(['anew', report.rows - 1])
  })

  it('begins anew after what arrived was not what had been sent', async () => {
    await using database = await freshDatabase()
    const loses = (target: MoveTarget): MoveTarget => ({
      ...target,
      write: (table, rows) => target.write(table, table.name === 'attempts' ? rows.slice(0, -1) : rows),
    })
    const changes = (target: MoveTarget): MoveTarget => ({
      ...target,
      write: (table, rows) =>
        target.write(
          table,
          table.name === 'tallies' ? rows.map((row) => [...row.slice(0, 3), Number(row[3]) + 1]) : rows,
        ),
    })
    await expect(toPostgres(small, database, loses)).rejects.toThrow(/attempts \(\d+ rows there, \d+ here\)/)
    await expect(toPostgres(small, database, changes)).rejects.toThrow(
      /differ from the source: tallies \(other content\)/,
    )
    await expect(openPostgres(database)).rejects.toMatchObject({ code: 'storage_failed' })
    expect((await toPostgres(small, database)).start).toBe('anew')
    await (await openPostgres(database)).close()
  })

  it('is finished by its own source only', async () => {
    await using database = await freshDatabase()
    const other = temp.file('other')
    await (await openSqlite(other)).close()
    await expect(toPostgres(small, database, breaksAfter(2))).rejects.toThrow('pulled the plug')
    await expect(toPostgres(other, database)).rejects.toThrow(`from another source, SQLite (${small})`)
  })
})

describe('a move refuses', () => {
  it('a target that holds rows of its own', async () => {
    await using database = await freshDatabase()
    const store = await openPostgres(database)
    await store.appendEvents(WORKSPACE, [event()])
    await store.close()
    await expect(toPostgres(small, database)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('is not empty (events: 1 row)') as string,
    })
    await expect(toSqlite(database, small)).rejects.toMatchObject({ code: 'conflict' })
  })

  it('two at a time', async () => {
    await using database = await freshDatabase()
    const source = await openSqliteSource(small)
    await expect(openSqliteSource(small)).rejects.toMatchObject({ code: 'unavailable' })
    const [one, two] = await Promise.all([openPostgresTarget(database.url), openPostgresTarget(database.url)])
    await one.prepare()
    await expect(two.prepare()).rejects.toThrow('Another move')
    for (const port of [one, two, source]) await port.close()
    // Closed, it lets everybody in again.
    await (await openSqliteSource(small)).close()
  })

  it('writes to its source while it runs, but no reads', async () => {
    await using database = await freshDatabase()
    await toPostgres(small, database)
    const source = await openSqliteSource(small)
    const db = new Database(`${small}/manifold.db`, { timeout: 0 })
    expect(() => db.exec("DELETE FROM kv WHERE kv_key = 'none'")).toThrow('locked')
    expect(db.prepare('SELECT count(*) FROM kv').pluck().get()).toBeGreaterThan(0)
    await source.close()
    db.exec("DELETE FROM kv WHERE kv_key = 'none'")
    db.close()

    const shared = await openPostgresSource(database.url)
    const client = new Client({ connectionString: database.url, lock_timeout: 50 })
    await client.connect()
    // Every transaction of a hub begins so.
    const lock = () => client.query('SELECT seq FROM log_head FOR UPDATE')
    await expect(lock()).rejects.toMatchObject({ code: '55P03' })
    expect((await client.query('SELECT 1 FROM kv')).rowCount).toBeGreaterThan(0)
    await shared.close()
    await lock()
    await client.end()
  })

  it('a Postgres that a hub uses, until it has been silent for a while', async () => {
    await using database = await freshDatabase()
    await toPostgres(small, database)
    const client = new Client({ connectionString: database.url })
    await client.connect()
    await client.query(
      `INSERT INTO hub_processes (id, role, version, pid, url, wants, config, breakers, started_at, beat_at)
        VALUES ('p1', 'worker', '1', 1, 'http://10.0.0.7:8420', '', '', '[]', now(), now() - interval '10 s')`,
    )
    await expect(toSqlite(database, temp.file('in-use'))).rejects.toThrow('is in use: worker at http://10.0.0.7:8420')
    await expect(toPostgres(small, database)).rejects.toThrow('is in use: worker at http://10.0.0.7:8420')
    await client.query("UPDATE hub_processes SET beat_at = now() - interval '20 s'")
    expect((await toSqlite(database, temp.file('silent'))).start).toBe('new')
    await client.end()
  })

  it('keys that only a NUL tells apart', async () => {
    await using database = await freshDatabase()
    const dir = temp.file('nul-keys')
    await (await openSqlite(dir)).close()
    const db = new Database(`${dir}/manifold.db`)
    const insert = db.prepare("INSERT INTO kv (workspace, installation, kv_key, value) VALUES ('w', 'i', ?, '1')")
    insert.run('a\0')
    insert.run('a\u{FFFD}')
    db.close()
    await expect(toPostgres(dir, database)).rejects.toThrow('Two rows of kv have the same key')
  })

  it('a source without a database, and one of a newer program', async () => {
    await expect(openSqliteSource(temp.file('none'))).rejects.toMatchObject({ code: 'not_found' })
    await using database = await freshDatabase()
    await expect(openPostgresSource(database.url)).rejects.toMatchObject({ code: 'not_found' })
    const dir = temp.file('newer')
    await (await openSqlite(dir)).close()
    const db = new Database(`${dir}/manifold.db`)
    const setVersion = (version: string) =>
      db.prepare("UPDATE meta SET value = ? WHERE name = 'schema_version'").run(version)
    setVersion('999')
    await expect(openSqliteSource(dir)).rejects.toThrow('newer Manifold')
    setVersion('0.5')
    await expect(openSqliteSource(dir)).rejects.toThrow('manifold db migrate')
    db.close()
  })
})

async function tablesOf({ url }: FreshDatabase): Promise<string[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query<{ name: string }>(
    "SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
  )
  await client.end()
  return rows.map(({ name }) => name)
}
