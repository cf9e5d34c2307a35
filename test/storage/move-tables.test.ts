/** The list of what a move takes along against the schemas as they are: nothing can be added to one and forgotten here. */
import Database from 'better-sqlite3'
import { Client } from 'pg'
import { expect, test } from 'vitest'
import { LOG_HEAD, STAYS, TABLES } from '../../core/storage/move/tables.ts'
import type { MoveTable } from '../../core/storage/move/tables.ts'
import { openPool } from '../../core/storage/postgres/connect.ts'
import { migrate as migratePostgres } from '../../core/storage/postgres/migrate.ts'
import { migrate as migrateSqlite } from '../../core/storage/sqlite/migrate.ts'
import { silent } from '../support/full-store.ts'
import { freshDatabase } from '../support/services.ts'

interface Column {
  readonly name: string
  readonly type: string
  /** Place in the primary key from 1; 0: not part of it. */
  readonly key: number
}

const KINDS: Readonly<Record<string, string>> = {
  TEXT: 'text',
  INTEGER: 'integer',
  REAL: 'real',
  text: 'text',
  integer: 'integer',
  bigint: 'integer',
  'double precision': 'real',
}

const ours = [...TABLES, LOG_HEAD].map(shape).sort(byName)

function shape({ name, columns, kinds, key }: MoveTable) {
  return { name, columns: columns.map((column, i) => `${column} ${kinds[i]}`), key }
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1
}

/** The same from a real schema, without the tables that stay behind. */
function shapes(tables: ReadonlyMap<string, readonly Column[]>) {
  return [...tables]
    .filter(([name]) => !Object.hasOwn(STAYS, name))
    .map(([name, columns]) => ({
      name,
      columns: columns.map((column) => `${column.name} ${KINDS[column.type] ?? column.type}`),
      key: columns
        .filter(({ key }) => key > 0)
        .sort((a, b) => a.key - b.key)
        .map((column) => column.name),
    }))
    .sort(byName)
}

test('every table and column of the SQLite schema is moved, or stays for a reason', () => {
  const db = new Database(':memory:')
  migrateSqlite(db)
  const names = db
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
    .pluck()
    .all() as string[]
  const columnsOf = (name: string) => {
    const rows = db.prepare('SELECT name, type, pk FROM pragma_table_info(?)').all(name)
    return (rows as { name: string; type: string; pk: number }[]).map(({ pk, ...rest }) => ({ ...rest, key: pk }))
  }
  expect(shapes(new Map(names.map((name) => [name, columnsOf(name)])))).toEqual(ours)
})

test('every table and column of the Postgres schema is moved, or stays for a reason', async () => {
  await using database = await freshDatabase()
  const pool = openPool({ url: database.url, connectionsMax: 1, name: 'test', logger: silent })
  await migratePostgres(pool)
  await pool.end()
  const client = new Client({ connectionString: database.url })
  await client.connect()
  const { rows } = await client.query<{ relation: string; name: string; type: string; key: number }>(
    `SELECT c.relname AS relation, a.attname AS name, format_type(a.atttypid, NULL) AS type,
        coalesce(array_position(i.indkey::smallint[], a.attnum), -1) + 1 AS key
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
      WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
      ORDER BY c.relname, a.attnum`,
  )
  await client.end()
  const tables = new Map<string, Column[]>()
  for (const { relation, ...column } of rows) tables.set(relation, [...(tables.get(relation) ?? []), column])
  expect(shapes(tables)).toEqual(ours)
})
