/** The DuckDB file of one installation: opened shut in, and thrown away when it cannot be opened, since the log can make it again. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  BIGINT,
  BOOLEAN,
  DOUBLE,
  DuckDBInstance,
  DuckDBTypeId,
  JSDuckDBValueConverter,
  VARCHAR,
} from '@duckdb/node-api'
import type { DuckDBConnection } from '@duckdb/node-api'
import duckdb from '@duckdb/node-bindings'
import { CREATE_EVENTS } from './event-columns.ts'
import { sqlText } from './sql-text.ts'
import { CREATE_STAR } from './star.ts'

/** What a question may put on disk, in memories. */
const SPILL_FACTOR = 4

/** Changes when the tables do; a file of another layout is made anew. */
const LAYOUT = 13

export interface DatabaseOptions {
  readonly dir: string
  /** Its name in the folder. */
  readonly file: string
  /** Name of the one other file that rows may be copied to. */
  readonly beside?: string
  readonly memoryMb: number
  readonly warn: (message: string, fields: { readonly [key: string]: string }) => void
}

export interface Database {
  readonly instance: DuckDBInstance
  /** Schema of its tables, in full: a connection may have views of the same names, and these come first. */
  readonly main: string
  /** For everything that changes something; its statements run one after the other. */
  readonly writer: DuckDBConnection
  close(): void
}

export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const file = join(options.dir, options.file)
  await mkdir(options.dir, { recursive: true, mode: 0o700 })
  // What a kill has left of questions that went to disk.
  await rm(`${file}${SPILL}`, { recursive: true, force: true })
  try {
    return await openInTurn(file, options)
  } catch (error) {
    // It is whole, and somebody's, or there is no room for it: nothing that a new file would mend.
    if (!isDamage(error)) throw error
    options.warn('the projection cannot be opened and is made anew', { file, error: String(error) })
    await removeDatabase(file)
    return await open(file, options)
  }
}

const SPILL = '.spill'

/** Everything of a database that nobody has open. */
export async function removeDatabase(file: string): Promise<void> {
  await Promise.all(['', '.wal', SPILL].map((end) => rm(`${file}${end}`, { recursive: true, force: true })))
}

const LOCK_TRIES_MAX = 40
const LOCK_WAIT_MS = 250
const isLock = (error: unknown): boolean => /could not set lock|conflicting lock/i.test(String(error))
const isDamage = (error: unknown): boolean =>
  !isLock(error) && !/no space|permission denied|too many open files|out of memory/i.test(String(error))

/** The process that had it may be on its way out still. */
async function openInTurn(file: string, options: DatabaseOptions): Promise<Database> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await open(file, options)
    } catch (error) {
      if (!isLock(error) || tries >= LOCK_TRIES_MAX) throw error
      await sleep(LOCK_WAIT_MS)
    }
  }
}

/** What the engine writes beside a file while it has it open. */
const BESIDE = ['', '.wal', '.wal.checkpoint', '.wal.recovery']

async function open(file: string, { dir, memoryMb, beside }: DatabaseOptions): Promise<Database> {
  const instance = await DuckDBInstance.create(file, {
    memory_limit: `${memoryMb}MB`,
    threads: '2',
    temp_directory: `${file}${SPILL}`,
    max_temp_directory_size: `${memoryMb * SPILL_FACTOR}MB`,
    // Nothing of a question may open a socket or load code.
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    allow_community_extensions: 'false',
    preserve_insertion_order: 'false',
  })
  try {
    const writer = await instance.connect()
    await writer.run(
      `CREATE TABLE IF NOT EXISTS progress
         (layout INTEGER, applied BIGINT, last_seq BIGINT, last_id VARCHAR, events_by VARCHAR, erasures BIGINT, grant_digest VARCHAR,
          expired_seq BIGINT, events_from BIGINT);
       CREATE TABLE IF NOT EXISTS forms (id VARCHAR, number INTEGER, name VARCHAR, version INTEGER, timezone VARCHAR, fields VARCHAR, hidden VARCHAR, changed_by VARCHAR);
       CREATE TABLE IF NOT EXISTS columns (form VARCHAR, position INTEGER, path VARCHAR, kind VARCHAR, name VARCHAR, is_open BOOLEAN, is_pii BOOLEAN);
       ${CREATE_EVENTS};
       ${CREATE_STAR}`,
    )
    const [row] = await rowsOf(writer, 'SELECT layout FROM progress')
    if (row === undefined) await writer.run("INSERT INTO progress VALUES (?, 0, 0, '', '', 0, '', 0, 0)", [LAYOUT])
    else if (Number(row['layout']) !== LAYOUT) throw new Error(`its layout is ${String(row['layout'])}, not ${LAYOUT}`)
    if (beside !== undefined) {
      const paths = BESIDE.map((end) => sqlText(`${join(dir, beside)}${end}`))
      await writer.run(`SET allowed_paths = [${paths.join(', ')}]`)
    }
    // Nothing beside its own file and that one, and nobody undoes that.
    await writer.run('SET enable_external_access = false; SET lock_configuration = true')
    const [own] = await rowsOf(writer, 'SELECT current_database() AS name')
    return {
      instance,
      main: `"${String(own?.['name'])}".main`,
      writer,
      close: () => {
        writer.closeSync()
        instance.closeSync()
      },
    }
  } catch (error) {
    instance.closeSync()
    throw error
  }
}

/** The engine's STANDARD_VECTOR_SIZE. */
const CHUNK_ROWS_MAX = 2_048

export type Row = { readonly [column: string]: unknown }

/** What may stand for a `$n` of a statement. */
export type Value = string | number | bigint | boolean

/** Said outright: the library would guess another type for each number. */
const TYPES = { string: VARCHAR, number: DOUBLE, bigint: BIGINT, boolean: BOOLEAN }
const typeOf = (value: Value) => TYPES[typeof value as keyof typeof TYPES]

/** What a question comes to is more than anybody can want at once. */
export class TooLarge extends Error {
  override readonly name = 'TooLarge'
}

/** Rows as JavaScript values; whole numbers beyond 2^53 lose what a number cannot hold. */
export const rowsOf = (connection: DuckDBConnection, sql: string, values: Value[] = []): Promise<Row[]> =>
  rowsUpTo(connection, { sql, values, charsMax: Infinity })

/** The same with no more than so many letters of text in it; throws TooLarge before the rest is read. */
export async function rowsUpTo(
  connection: DuckDBConnection,
  { sql, values, charsMax }: { readonly sql: string; readonly values: Value[]; readonly charsMax: number },
): Promise<Row[]> {
  const result = await connection.stream(sql, values, values.map(typeOf))
  const names = result.deduplicatedColumnNames()
  const rows: Row[] = []
  let chars = 0
  for (let chunk = await result.fetchChunk(); chunk !== null && chunk.rowCount > 0; chunk = await result.fetchChunk()) {
    for (let n = 0; n < chunk.rowCount; n += 1) {
      const cells = chunk.convertRowValues(n, JSDuckDBValueConverter)
      for (const cell of cells) if (typeof cell === 'string') chars += cell.length
      if (chars > charsMax) throw new TooLarge(`the answer has more than ${charsMax} letters`)
      rows.push(
        Object.fromEntries(
          cells.map((cell, at) => [names[at] as string, typeof cell === 'bigint' ? Number(cell) : cell]),
        ),
      )
    }
  }
  return rows
}

/** Of numbers, by the place of the column. */
export type Columns = readonly Float64Array[]

/**
 * Hands on columns of numbers (INTEGER, UINTEGER, DOUBLE) without nulls, a chunk of rows at a time. The arrays are used again for the next chunk.
 */
export async function scanNumbers(
  connection: DuckDBConnection,
  { sql, values }: { readonly sql: string; readonly values: Value[] },
  each: (columns: Columns, rows: number) => void,
): Promise<void> {
  const result = await connection.stream(sql, values, values.map(typeOf))
  const columns = result.columnTypes().map((type) => {
    const Items = ITEMS.get(type.typeId)
    if (Items === undefined) throw new Error(`a column of ${String(type)} is none of plain numbers`)
    return { Items, numbers: new Float64Array(CHUNK_ROWS_MAX) }
  })
  const numbers = columns.map((column) => column.numbers)
  for (;;) {
    const chunk = await result.fetchChunk()
    if (chunk === null || chunk.rowCount === 0) return
    const rows = chunk.rowCount
    for (const [n, { Items, numbers: into }] of columns.entries()) {
      const vector = duckdb.data_chunk_get_vector(chunk.chunk, n)
      const bytes = duckdb.vector_get_data(vector, rows * Items.BYTES_PER_ELEMENT)
      into.set(new Items(bytes.buffer as ArrayBuffer, bytes.byteOffset, rows))
    }
    each(numbers, rows)
  }
}

/** As the engine holds them: a value at a time they would cost many times what the question does. */
const ITEMS = new Map<DuckDBTypeId, Int32ArrayConstructor | Uint32ArrayConstructor | Float64ArrayConstructor>([
  [DuckDBTypeId.INTEGER, Int32Array],
  [DuckDBTypeId.UINTEGER, Uint32Array],
  [DuckDBTypeId.DOUBLE, Float64Array],
])
