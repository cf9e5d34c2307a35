/** F-29: a move to Postgres and back, as an admin does it: killed outright in the middle, refused where it would harm, and hubs that go on. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import Database from 'better-sqlite3'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runCli } from '../cli/run-cli.ts'
import type { Ended } from '../cli/run-cli.ts'
import { fillFolder, FULL, SMALL } from '../support/full-store.ts'
import { HubDidNotStart, ROOT, settled, startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { allItems, storedKeys } from '../support/pages.ts'
import { startReceiver } from '../support/receiver.ts'
import { DECK, hook, sceneConfig } from '../support/scene.ts'
import { freshDatabase } from '../support/services.ts'
import { tempDir } from '../support/temp.ts'
import type { TempDir } from '../support/temp.ts'
import { until } from '../support/wait.ts'

interface Moved {
  readonly start: string
  readonly rows: number
  readonly rows_written: number
  readonly checksum: string
  readonly nul_texts_replaced: number
  readonly tables: readonly { readonly name: string; readonly rows: number; readonly checksum: string }[]
}

/** A machine under load takes its time to start a command and to move thousands of rows. */
const PATIENT = { timeoutMs: 40_000 } as const

const TO_POSTGRES = ['db', 'move', '--from', 'sqlite', '--to', 'postgres']
const TO_SQLITE = ['db', 'move', '--from', 'postgres', '--to', 'sqlite']

let temp: TempDir
let full: string
beforeAll(async () => {
  temp = await tempDir('move')
  full = temp.file('full')
  await fillFolder(full, FULL)
})
afterAll(() => temp[Symbol.asyncDispose]())

const cli = (args: readonly string[], url: string | null, dataDir: string): Promise<Ended> =>
  runCli(temp.path, args, { env: { MANIFOLD_DATA: dataDir, ...(url === null ? {} : { DATABASE_URL: url }) } })

async function moved(args: readonly string[], url: string, dataDir: string): Promise<Moved> {
  const ended = await cli([...args, '--json'], url, dataDir)
  expect(ended.code, ended.stderr).toBe(0)
  return JSON.parse(ended.stdout) as Moved
}

async function sql<Row extends object>(url: string, text: string): Promise<Row[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<Row>(text)).rows
  } finally {
    await client.end()
  }
}

function startMove(args: readonly string[], url: string, dataDir: string): ChildProcess {
  return spawn(`${ROOT}node_modules/.bin/node`, [`${ROOT}core/cli/main.ts`, ...args], {
    cwd: temp.path,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], MANIFOLD_DATA: dataDir, DATABASE_URL: url },
    stdio: 'ignore',
  })
}

async function killOutright(child: ChildProcess): Promise<void> {
  const ended = once(child, 'close')
  child.kill('SIGKILL')
  expect((await ended)[1]).toBe('SIGKILL')
}

describe('F-29 killed outright', () => {
  test('on the way to Postgres and on the way back: the next run goes on, and nothing is lost or doubled', async () => {
    await using database = await freshDatabase()
    const { url } = database
    const release = await holdAt(url, 'attempts')
    const child = startMove(TO_POSTGRES, url, full)
    await until(
      'the move to stand in the middle of the attempts',
      async () => {
        const [row] = await sql<{ waits: boolean }>(
          url,
          "SELECT count(*) > 0 AS waits FROM pg_locks WHERE locktype = 'advisory' AND objid = 77 AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        return row?.waits
      },
      PATIENT,
    )
    await killOutright(child)
    await release()
    const half = await startHub({ env: { DATABASE_URL: url } }).catch((error: unknown) => error)
    expect(half).toBeInstanceOf(HubDidNotStart)
    expect((half as HubDidNotStart).message).toContain('manifold db move')

    const there = await moved(TO_POSTGRES, url, full)
    expect(there.start).toBe('resumed')
    expect(there.rows_written).toBeLessThan(there.rows - FULL.many)
    expect(there.tables.find(({ name }) => name === 'attempts')?.rows).toBeGreaterThan(FULL.many)

    const dir = temp.file('back')
    const back = startMove(TO_SQLITE, url, dir)
    await until('the first rows to be in the file', () => rowsIn(dir, 'responses') > 0, {
      ...PATIENT,
      everyMs: 1,
    })
    await killOutright(back)
    const rest = await moved(TO_SQLITE, url, dir)
    expect([rest.start, rest.checksum, rest.tables]).toEqual(['resumed', there.checksum, there.tables])
    expect(rest.rows_written).toBeLessThan(rest.rows - 1)
  })
})

/** Makes the schema, and a trigger that lets a table's later rows wait for somebody who never comes. Answers what ends that. */
async function holdAt(url: string, table: string): Promise<() => Promise<void>> {
  const migrated = await cli(['db', 'migrate'], url, temp.file('nobody'))
  expect(migrated.code, migrated.stderr).toBe(0)
  await sql(
    url,
    `CREATE SEQUENCE seen_rows;
    CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF nextval('seen_rows') > 2100 THEN PERFORM pg_advisory_xact_lock(77); END IF;
        RETURN new;
      END $$;
    CREATE TRIGGER hold BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION hold()`,
  )
  const holder = new Client({ connectionString: url })
  await holder.connect()
  await holder.query('SELECT pg_advisory_lock(77)')
  return async () => {
    await holder.end()
    await sql(url, `DROP TRIGGER hold ON ${table}; DROP FUNCTION hold; DROP SEQUENCE seen_rows`)
  }
}

/** 0 while there is no such file or table. */
function rowsIn(dir: string, table: string): number {
  try {
    const db = new Database(`${dir}/manifold.db`, { readonly: true, fileMustExist: true })
    try {
      return Number(db.prepare(`SELECT count(*) FROM ${table}`).pluck().get())
    } finally {
      db.close()
    }
  } catch {
    return 0
  }
}

test('F-29 hubs go on after a move in both directions: the sequence and the dead letters', async () => {
  await using receiver = await startReceiver({ status: 422 })
  await using database = await freshDatabase()
  const env = { DATABASE_URL: database.url }
  const config = sceneConfig({ installations: [hook('crm', receiver.url, { retry: { schedule: [] } })] })
  const data = temp.file('hub')
  const seqs: number[] = []
  const dead: string[] = []
  {
    await using hub = await startHub({ config, dataDir: data })
    seqs.push(await send(hub, 'one'))
    await settled(hub)
    for (const { id } of await deadLetters(hub)) dead.push(id)
    expect(dead).toHaveLength(1)
    const refused = await cli(TO_POSTGRES, database.url, data)
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining(`A hub runs on ${data}`)])
  }
  const there = await moved(TO_POSTGRES, database.url, data)
  {
    await using hub = await startHub({ config, env })
    expect((await deadLetters(hub)).map(({ id }) => id)).toEqual(dead)
    seqs.push(await send(hub, 'two'))
    await settled(hub)
    receiver.respond({ status: 200 })
    expect((await hub.api('POST', `/api/v2/deliveries/${dead[0]}/replay`)).status).toBeLessThan(300)
    await settled(hub)
    expect((await deadLetters(hub)).map(({ id }) => id)).not.toContain(dead[0])
    const refused = await cli(TO_SQLITE, database.url, temp.file('too-soon'))
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('is in use: all at http')])
  }
  const back = temp.file('hub-back')
  const again = await moved(TO_SQLITE, database.url, back)
  expect(again.rows).toBeGreaterThan(there.rows)
  await using hub = await startHub({ config, dataDir: back })
  seqs.push(await send(hub, 'three'))
  await settled(hub)
  expect(await deadLetters(hub)).toHaveLength(1)
  // Between them stand events of the hub's own; a sequence that began again would be smaller.
  expect(seqs[0]).toBeGreaterThan(0)
  expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b))
  expect((await storedKeys(hub, DECK)).sort()).toEqual(['one', 'three', 'two'])
})

/** Answers the sequence of the event. */
async function send(hub: Hub, key: string): Promise<number> {
  const sent = await hub.api<{ id: string }>('POST', `/api/v2/forms/${DECK}/responses`, { data: { key } })
  expect(sent.status, sent.text).toBe(201)
  const events = await allItems<{ seq: number; response_id: string | null }>(hub, '/api/v2/events')
  return events.find((event) => event.response_id === sent.body.id)?.seq ?? -1
}

const deadLetters = (hub: Hub) => allItems<{ id: string }>(hub, '/api/v2/dead-letters')

describe('F-29 what a move says', () => {
  test('what cannot be meant is refused before anything is opened, and no password is shown', async () => {
    const wrong = 'postgres://someone:hush-hush@127.0.0.1:1/nothing'
    const same = await cli(['db', 'move', '--from', 'sqlite', '--to', 'sqlite'], wrong, full)
    const unknown = await cli(['db', 'move', '--from', 'mysql', '--to', 'sqlite'], wrong, full)
    const nowhere = await cli(TO_POSTGRES, null, full)
    const down = await cli(TO_POSTGRES, wrong, full)
    expect([same, unknown, nowhere, down].map(({ code }) => code)).toEqual([2, 2, 2, 1])
    expect(same.stderr).toContain('both sqlite')
    expect(unknown.stderr).toContain('sqlite or postgres (got "mysql")')
    expect(nowhere.stderr).toContain('DATABASE_URL is not set')
    expect(down.stderr).toContain('Postgres (127.0.0.1:1/nothing) cannot be used')
    const doctor = await cli(['doctor'], wrong, full)
    expect(doctor.code).toBe(1)
    expect(doctor.stdout).toContain('database: Postgres (127.0.0.1:1/nothing) cannot be used')
    for (const { stdout, stderr } of [same, unknown, nowhere, down, doctor])
      expect(stdout + stderr).not.toContain('hush')
  })

  test('a dry run counts and changes nothing; a move tells what it verified and what comes next', async () => {
    await using database = await freshDatabase()
    const small = temp.file('small')
    await fillFolder(small, SMALL)
    const dry = await cli([...TO_POSTGRES, '--dry-run'], database.url, small)
    expect([dry.code, dry.stderr]).toEqual([
      0,
      expect.stringMatching(/Would move \d+ rows from SQLite \(.*\) to Postgres \(/),
    ])
    expect(dry.stdout).toMatch(/^responses +\d+$/m)
    const tables = await sql(database.url, "SELECT 1 FROM pg_class WHERE relnamespace = 'public'::regnamespace")
    expect(tables).toEqual([])

    const done = await cli(TO_POSTGRES, database.url, small)
    expect(done.code, done.stderr).toBe(0)
    expect(done.stdout).toMatch(/^responses +\d+ +[0-9a-f]{16}$/m)
    for (const words of [
      'Verified: both sides were read again',
      '4 texts had NUL characters',
      'start the hubs with this DATABASE_URL',
    ])
      expect(done.stderr).toContain(words)

    const twice = await cli(TO_POSTGRES, database.url, small)
    expect([twice.code, twice.stderr]).toEqual([1, expect.stringContaining('is not empty (forms: 5 rows)')])
    const back = await cli(TO_SQLITE, database.url, temp.file('small-back'))
    expect([back.code, back.stderr]).toEqual([
      0,
      expect.stringContaining('unset DATABASE_URL and start one hub on --data'),
    ])

    const left = await startHub({ dataDir: small }).catch((error: unknown) => error)
    expect(left).toBeInstanceOf(HubDidNotStart)
    expect((left as HubDidNotStart).message).toContain('manifold db reclaim')
    expect((await cli(['doctor'], null, small)).stdout).toContain('it was moved to Postgres')
    const asked = await cli(['db', 'reclaim'], null, small)
    expect([asked.code, asked.stderr]).toEqual([2, expect.stringContaining('is missing here')])
    expect((await cli(['db', 'reclaim', '--yes'], null, small)).code).toBe(0)
    expect((await cli(['db', 'reclaim', '--yes'], null, small)).stderr).toContain('was not moved away')
    await using hub = await startHub({ dataDir: small })
    expect((await hub.api('GET', '/readyz')).status).toBe(200)
  })

  test('the other db commands and doctor work on Postgres as well', async () => {
    await using database = await freshDatabase()
    const small = temp.file('commands')
    await fillFolder(small, SMALL)
    const pending = await cli(['db', 'migrate', '--dry-run'], database.url, small)
    expect(pending.stderr).toContain('Would run: 0001-')
    expect(await sql(database.url, "SELECT 1 FROM pg_class WHERE relname = 'events'")).toEqual([])
    expect((await moved(TO_POSTGRES, database.url, small)).start).toBe('new')
    expect((await cli(['db', 'migrate'], database.url, small)).stderr).toContain('up to date')

    const [before] = await sql<{ n: string }>(database.url, 'SELECT count(*) AS n FROM responses')
    const file = temp.file('dump')
    const backup = await cli(['db', 'backup', file], database.url, small)
    expect(backup.code, backup.stderr).toBe(0)
    await sql(database.url, 'DELETE FROM responses; CREATE TABLE "of a newer program" (id integer)')
    const asked = await cli(['db', 'restore', file], database.url, small)
    expect([asked.code, asked.stderr]).toEqual([2, expect.stringContaining('would be replaced')])
    const restored = await cli(['db', 'restore', file, '--yes'], database.url, small)
    expect(restored.code, restored.stderr).toBe(0)
    expect(await sql(database.url, 'SELECT count(*) AS n FROM responses')).toEqual([before])
    expect(await sql(database.url, "SELECT 1 FROM pg_tables WHERE tablename = 'of a newer program'")).toEqual([])

    const loss = await cli(['db', 'accept-loss', '--yes'], database.url, small)
    expect([loss.code, loss.stderr]).toEqual([1, expect.stringContaining('SQLite')])
    const doctor = await cli(['doctor'], database.url, small)
    expect(doctor.stdout).toMatch(/database: Postgres \(.*\), PostgreSQL \d+/)
    expect(doctor.stdout).toContain('database: schema version')
    await sql(database.url, 'CREATE TABLE unfinished_move (name text PRIMARY KEY, value text NOT NULL)')
    const half = await cli(['doctor'], database.url, small)
    expect([half.code, half.stdout]).toEqual([1, expect.stringContaining('target of a move that is not finished')])
  })
})
