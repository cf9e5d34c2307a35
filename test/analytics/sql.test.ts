/** SQL of whoever may read responses: what it answers, and by class what it must never get at, keep or use up. */
import { writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { FieldInfo, LoggedEvent } from '../../core/contract/index.ts'
import { openDatabase } from '../../plugins/analytics/engine/database.ts'
import type { Database } from '../../plugins/analytics/engine/database.ts'
import { openReaders } from '../../plugins/analytics/engine/readers.ts'
import { openProjection } from '../../plugins/analytics/engine/projection.ts'
import type { Projection } from '../../plugins/analytics/engine/projection.ts'
import { ANSWER_CHARS_MAX, openSqlDesk } from '../../plugins/analytics/sql/desk.ts'
import type { SqlDesk } from '../../plugins/analytics/sql/desk.ts'
import { tempDir } from '../support/temp.ts'
import type { TempDir } from '../support/temp.ts'

const SECRET = 'what stands in a file of this machine'
const field = (key: string, type: FieldInfo['type']): FieldInfo => ({
  key,
  label: key,
  type,
  required: false,
  pii: false,
})
const FIELDS = [
  field('dept', 'text'),
  field('Dept', 'number'),
  field('tags', 'multi_select'),
  field('response_id', 'text'),
]
const AT = '2026-11-27T12:00:00.000Z'

const submitted = (seq: number, form: string): LoggedEvent => ({
  seq,
  id: `evt_${seq}`,
  type: 'response.submitted',
  v: 1,
  at: AT,
  data: { dept: seq % 2 === 0 ? 'IT' : 'HR', Dept: seq, tags: ['a', 'b'], response_id: 'mine' },
  form: { id: form, name: 'Form', version: 1, fields: FIELDS },
  response: { id: `rsp_${seq}`, status: 'completed', startedAt: null, submittedAt: AT },
})

let dir: TempDir
let database: Database
let projection: Projection
let desk: SqlDesk
let file: string
beforeAll(async () => {
  dir = await tempDir('sql')
  file = dir.file('secret.csv')
  await writeFile(file, `${SECRET}\n`)
  database = await openDatabase({ file: 'a.duckdb', dir: dir.path, memoryMb: 128, warn: () => {} })
  projection = await openProjection(database, { wants: () => false, changed: () => {} })
  await projection.apply(
    [1, 2, 3, 4, 5].map((seq) => submitted(seq, 'visit-form')),
    5,
  )
  // Its name is that of a table of ours.
  await projection.apply([submitted(6, 'responses_1')], 6)
  desk = openSqlDesk(database, projection, { timeoutMs: 2_000, memoryMb: 128 })
})
afterAll(async () => {
  await desk.close()
  database.close()
  await dir[Symbol.asyncDispose]()
})

const never = new AbortController().signal
const ask = (sql: string, rowsMax = 1_000) => desk.ask({ sql, rowsMax, signal: never })
const rows = async (sql: string) => (await ask(sql)).rows
const said = (sql: string): Promise<string> =>
  ask(sql).then(
    ({ rows: found }) => `answered ${JSON.stringify(found)}`,
    (error: Error) => `${error.name}: ${error.message}`,
  )

test('fields are columns under their keys, and whatever SQL makes of them', async () => {
  expect(await rows('SELECT dept, count(*), sum("Dept_2") FROM "visit-form" GROUP BY 1 ORDER BY 2 DESC')).toEqual([
    ['HR', 3, 9],
    ['IT', 2, 6],
  ])
  expect(
    await rows(`WITH it AS (SELECT * FROM "visit-form" WHERE dept = 'IT'), t AS (SELECT unnest(tags) AS tag FROM it)
      SELECT tag, count(*) AS n, row_number() OVER (ORDER BY tag) FROM t GROUP BY tag ORDER BY tag`),
  ).toEqual([
    ['a', 2, 1],
    ['b', 2, 2],
  ])
  const { columns, rows: found } = await ask(
    'SELECT response_submitted_at, response_id_2, 1.5, NULL, tags FROM "visit-form" LIMIT 1',
  )
  expect([columns.map(({ type }) => type), found]).toEqual([
    ['TIMESTAMP', 'VARCHAR', 'DECIMAL(2,1)', 'INTEGER', 'VARCHAR[]'],
    [['2026-11-27T12:00:00Z', 'mine', 1.5, null, ['a', 'b']]],
  ])
  expect(await rows('SELECT id, name FROM forms ORDER BY id')).toEqual([
    ['responses_1', 'Form'],
    ['visit-form', 'Form'],
  ])
  expect(await rows('SELECT count(*) FROM events')).toEqual([[0]])
})

test('a view is what its name says, whatever tables of ours are called', async () => {
  expect(await rows('SELECT response_id FROM responses_1')).toEqual([['rsp_6']])
  expect(await rows('WITH responses_1 AS (SELECT 1 AS x) SELECT * FROM responses_1')).toEqual([[1]])
})

test('each view has the columns that it is said to have, the star among them', async () => {
  const names = desk.views().map(({ name }) => name)
  expect(names).toEqual(expect.arrayContaining(['fact_events', 'fact_sessions', 'fact_conversions', 'fact_responses']))
  expect(names).toEqual(expect.arrayContaining(['dim_users', 'dim_events', 'dim_time', 'visit-form', 'events']))
  for (const { name, columns } of desk.views()) {
    const found = await ask(`SELECT * FROM "${name}" LIMIT 0`)
    // What the engine answers of JSON is its text.
    const listed = columns.map(({ name: column, type }) => ({ name: column, type: type === 'JSON' ? 'VARCHAR' : type }))
    expect(found.columns, name).toEqual(listed)
  }
  expect(await rows('SELECT form_id, count(*) FROM fact_responses GROUP BY 1 ORDER BY 1')).toEqual([
    ['responses_1', 1],
    ['visit-form', 5],
  ])
})

test('what comes and goes is seen as it is', async () => {
  await projection.apply([submitted(7, 'later')], 7)
  expect(await rows('SELECT count(*) FROM later')).toEqual([[1]])
  await projection.apply([{ seq: 8, id: 'evt_8', type: 'form.deleted', v: 1, at: AT, data: { id: 'later' } }], 8)
  expect(await said('SELECT count(*) FROM later')).toContain('there is no view "later"')
})

describe('by class, refused before it runs', () => {
  const WITH_FILE = (): readonly string[] => [
    `SELECT * FROM read_csv('${file}')`,
    `SELECT * FROM read_text('${file}')`,
    `SELECT * FROM '${file}'`,
    `SELECT * FROM glob('/etc/*')`,
    `SELECT * FROM sniff_csv('${file}')`,
    `FROM query('SELECT * FROM read_text(''${file}'')')`,
    `FROM query_table(['progress'])`,
    `SELECT getenv('HOME')`,
    `SELECT (SELECT content FROM read_text('${file}'))`,
    `SELECT * FROM "visit-form" WHERE dept IN (SELECT content FROM read_text('${file}'))`,
    `COPY "visit-form" TO '${file}'`,
    `COPY (SELECT 1) TO '${file}'`,
    `EXPORT DATABASE '${file}'`,
    `ATTACH '${file}' AS other`,
    `IMPORT DATABASE '${file}'`,
  ]
  const CATALOG = [
    'SELECT * FROM duckdb_settings()',
    'SELECT * FROM duckdb_tables()',
    'SELECT * FROM pragma_database_list()',
    "SELECT * FROM pragma_table_info('progress')",
    'SELECT * FROM information_schema.tables',
    'SELECT * FROM pg_catalog.pg_class',
    'SELECT * FROM duckdb_tables',
    'SELECT * FROM sqlite_master',
    "SELECT current_setting('temp_directory')",
    'SELECT current_database()',
    "SELECT getvariable('x')",
    'SHOW TABLES',
    'SHOW ALL TABLES',
    'DESCRIBE progress',
    'SUMMARIZE "visit-form"',
    'SELECT version()',
  ]
  const BEHIND_THE_VIEWS = [
    'SELECT * FROM progress',
    'SELECT * FROM columns',
    'SELECT * FROM responses$1',
    'SELECT * FROM responses$2',
    'SELECT * FROM main.responses$1',
    'SELECT * FROM analytics.main.responses$1',
    'SELECT * FROM temp.main.responses$1',
    'SELECT * FROM "visit-form", progress',
    'SELECT * FROM (WITH progress AS (SELECT 1) SELECT * FROM progress) a, progress',
    'WITH a AS (WITH progress AS (SELECT 1) SELECT 1) SELECT * FROM progress',
    'WITH a AS (SELECT * FROM progress), progress AS (SELECT 1) SELECT * FROM a',
    'SELECT 1 UNION ALL SELECT applied FROM progress',
    'SELECT EXISTS (SELECT * FROM progress)',
    'SELECT * FROM "visit-form" ORDER BY (SELECT applied FROM progress)',
    'SELECT * FROM "visit-form" LIMIT (SELECT applied FROM progress)',
    'SELECT list_transform([1], x -> (SELECT applied FROM progress))',
    'TABLE progress',
    'FROM progress',
    'PIVOT progress ON applied USING count(*)',
    'FROM (PIVOT progress ON applied IN (1) USING count(*))',
    'FROM forms AT (VERSION => 1)',
  ]
  const CHANGES = [
    'INSERT INTO progress VALUES (1, 1)',
    'UPDATE progress SET applied = 0',
    'DELETE FROM responses$1',
    'DROP TABLE progress',
    'DROP VIEW "visit-form"',
    'CREATE TABLE x (a INTEGER)',
    'CREATE TEMP TABLE x AS SELECT 1',
    'CREATE OR REPLACE TEMP VIEW forms AS SELECT 1',
    'CREATE MACRO lower(x) AS 1',
    'CREATE SEQUENCE s',
    'ALTER TABLE progress ADD COLUMN x INTEGER',
    'TRUNCATE progress',
    'SET memory_limit = 1',
    'SET lock_configuration = false',
    'RESET memory_limit',
    'SET VARIABLE x = 1',
    'PRAGMA enable_profiling',
    'PRAGMA database_list',
    'CALL pragma_version()',
    'LOAD json',
    'INSTALL httpfs',
    'USE temp',
    'CHECKPOINT',
    'VACUUM',
    'BEGIN',
    'COMMIT',
    'ROLLBACK',
    'PREPARE p AS SELECT 1',
    'EXECUTE p',
    'EXPLAIN ANALYZE SELECT 1',
    "SELECT nextval('s')",
    'SELECT setseed(0.1)',
    "SELECT write_log('x')",
    'SELECT 1; DROP TABLE progress',
    'SELECT 1; SELECT 2',
  ]
  const BOMBS = [
    'WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t',
    "SELECT repeat('x', 4000000000)",
    "SELECT lpad('x', 2000000000, 'y')",
    'SELECT range(4000000000)',
    'SELECT list_resize([1], 4000000000)',
    'SELECT $1',
    `SELECT ${'abs('.repeat(3_000)}1${')'.repeat(3_000)}`,
  ]
  test.each([
    ['files', WITH_FILE],
    ['settings and the catalogue', () => CATALOG],
    ['what stands behind the views', () => BEHIND_THE_VIEWS],
    ['changes of anything', () => CHANGES],
    ['much out of little', () => BOMBS],
    ['nothing', () => ['', ' ', '-- only words', ';', '\0']],
  ])('%s', async (_class, made) => {
    for (const sql of made()) {
      const words = await said(sql)
      expect([sql, words]).toEqual([sql, expect.stringMatching(/^Refusal: /)])
      expect(words).not.toContain(SECRET)
    }
    expect(await rows('SELECT count(*) FROM "visit-form"')).toEqual([[5]])
  })

  test('without the check the engine itself opens no file and changes none of its settings', async () => {
    const connection = await database.instance.connect()
    for (const sql of [`SELECT * FROM read_text('${file}')`, `COPY (SELECT 1) TO '${file}'`, `ATTACH '${file}' AS o`])
      await expect(connection.run(sql)).rejects.toThrow(/disabled by configuration/)
    await expect(connection.run('SET enable_external_access = true')).rejects.toThrow(/Cannot/)
    await expect(connection.run("SET memory_limit = '1GB'")).rejects.toThrow(/locked/)
    connection.closeSync()
  })
})

describe('within bounds', () => {
  const MANY = 'range(1000000) a(x), range(1000000) b(y)'
  test('what takes too long is ended, and the next one is answered', async () => {
    expect(await said(`SELECT count(*) FROM ${MANY} WHERE x * y = 7`)).toContain('takes longer than 2000 ms')
    expect(await rows('SELECT 1')).toEqual([[1]])
  })

  test('what takes more memory than the engine has is ended', async () => {
    expect(await said(`SELECT count(DISTINCT x * 100000000 + y) FROM ${MANY}`)).toMatch(/TooSlow: .*(memory|2000 ms)/)
    expect(await said(`SELECT list(x + y) FROM ${MANY}`)).toMatch(/^Refusal: .*puts rows into lists/)
    const doubled = Array.from({ length: 40 }, (_, n) => `d${n + 1} AS (SELECT s || s AS s FROM d${n})`)
    const aliases = Array.from({ length: 40 }, (_, n) => `a${n} || a${n} AS a${n + 1}`)
    const growing = [
      `WITH d0 AS (SELECT 'x' AS s), ${doubled.join(', ')} SELECT length(s) FROM d40`,
      `SELECT length(a40) FROM (SELECT 'x' AS a0, ${aliases.join(', ')})`,
      `SELECT length(${Array.from({ length: 7 }).reduce<string>((s) => `concat(${s}, ${s})`, 'dept')}) FROM "visit-form"`,
      `WITH a AS (SELECT string_agg(dept, '') AS s FROM "visit-form") SELECT max(length(s || s || x)) FROM a, range(9) t(x)`,
      `SELECT list_transform([dept], lambda x: ${Array(70).fill('x').join(' || ')}) FROM "visit-form"`,
      `SELECT 1 FROM "visit-form" WHERE length(${Array(70).fill('dept').join(' || ')}) > 1`,
    ]
    for (const sql of growing) expect(await said(sql), sql).toMatch(/^Refusal: .*joins texts again and again/)
    const fine = `WITH a AS (SELECT dept || ' ' || "Dept_2" AS s FROM "visit-form")
      SELECT string_agg(s, ', ' ORDER BY s) || '.', list_transform(list(s ORDER BY s), lambda x: x || '!')[1] FROM a`
    expect(await rows(fine)).toEqual([['HR 1.0, HR 3.0, HR 5.0, IT 2.0, IT 4.0.', 'HR 1.0!']])
    const numbers = Array.from({ length: 20 }, (_, n) => `n${n + 1} AS (SELECT x * x - x AS x FROM n${n})`)
    expect(await rows(`WITH n0 AS (SELECT 1 AS x), ${numbers.join(', ')} SELECT x FROM n20`)).toEqual([[0]])
  })

  test('what joined texts take at a time is known before, by the longest there is', async () => {
    const long = { ...submitted(7, 'long-form'), data: { dept: 'IT', note: 'x'.repeat(20_000) } }
    const form = { id: 'long-form', name: 'Form', version: 1, fields: [field('dept', 'text'), field('note', 'text')] }
    await projection.apply([{ ...long, form }], 7)
    const refused = [
      `SELECT note || '!' FROM "long-form"`,
      `SELECT concat(dept, x) FROM (SELECT dept, note AS x FROM "long-form")`,
      `SELECT dept || dept FROM (SELECT note AS dept FROM "long-form")`,
      `WITH t(dept) AS (SELECT note FROM "long-form") SELECT dept || dept FROM t`,
      `SELECT dept || dept FROM (SELECT note FROM "long-form") t(dept)`,
      `SELECT list_transform([note], lambda x: x || x) FROM "long-form"`,
      `SELECT 1 FROM "long-form" WHERE length(note || dept) > 1`,
      `SELECT 1 FROM "long-form" WHERE note || dept = 'x'`,
      `SELECT left(note || note, 10) FROM "long-form"`,
      `SELECT '${'x'.repeat(20_000)}' || dept FROM "long-form"`,
    ]
    expect(await said('SELECT note FROM long-form')).toContain('a name with a dash stands in double quotes')
    for (const sql of refused)
      expect(await said(sql), sql.slice(0, 99)).toMatch(/^Refusal: .*joins texts, for which it may/)
    expect(await said(refused[0] ?? '')).toContain(
      '"note" is up to 20000 bytes long. Shorten what is joined, as in left("note"',
    )
    expect(await rows(`SELECT length(note), length(left(note, 1000) || '!') FROM "long-form"`)).toEqual([
      [20_000, 1_001],
    ])
    expect(await rows(`SELECT dept || '!' FROM "long-form" WHERE length(note) > 1 AND note <> 'x'`)).toEqual([['IT!']])
    expect(await rows(`SELECT dept || '!' FROM "visit-form" LIMIT 1`)).toHaveLength(1)
  })

  test('rows and bytes of an answer, and whether there are more', async () => {
    const few = await ask('SELECT x FROM range(10) t(x)', 3)
    expect([few.rows, few.hasMore]).toEqual([[[0], [1], [2]], true])
    expect((await ask('SELECT x FROM range(3) t(x)', 3)).hasMore).toBe(false)
    const wide = await ask(`SELECT '${'x'.repeat(10_000)}' FROM range(10000)`, 10_000)
    expect([wide.hasMore, JSON.stringify(wide.rows).length < ANSWER_CHARS_MAX * 1.1]).toEqual([true, true])
    expect(await rows('SELECT 1')).toEqual([[1]])
  })

  test('many that take too long end, each in its time; who waits too long is told that others are asked', async () => {
    const readers = await openReaders(database, 200)
    const ended = await Promise.allSettled(
      Array.from({ length: 60 }, () =>
        readers.run(AbortSignal.timeout(500), ({ ask: one }) => one(`SELECT count(*) FROM ${MANY} WHERE x * y = 7`)),
      ),
    )
    const names = ended.map((each) => (each.status === 'rejected' ? (each.reason as Error).name : 'answered'))
    expect([...new Set(names)].toSorted()).toEqual(['Busy', 'TooSlow'])
    expect(names.filter((name) => name === 'TooSlow').length).toBeGreaterThanOrEqual(2)
    expect(await readers.run(never, ({ ask: one }) => one('SELECT 1 AS one'))).toEqual([{ one: 1 }])
    readers.close()
  })

  test('nobody computes for whoever has gone', async () => {
    const gone = new AbortController()
    const asked = desk.ask({ sql: `SELECT count(*) FROM ${MANY} WHERE x * y = 7`, rowsMax: 1, signal: gone.signal })
    gone.abort()
    await expect(asked).rejects.toThrow('nobody waits')
  })
})
