/** The DuckDB file of one installation: opened shut in, and thrown away when it cannot be opened, since the log can make it again. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BIGINT, BOOLEAN, DOUBLE, DuckDBInstance, VARCHAR } from '@duckdb/node-api'
import type { DuckDBConnection } from '@duckdb/node-api'
import { CREATE_EVENTS } from './event-columns.ts'
import { CREATE_STAR } from './star.ts'

/** What a question may put on disk, in memories. */
const SPILL_FACTOR = 4

/** Changes when the tables do; a file of another layout is made anew. */
const LAYOUT = 6

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
const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`

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
         (layout INTEGER, applied BIGINT, last_seq BIGINT, last_id VARCHAR, erasures BIGINT, grant_digest VARCHAR);
       CREATE TABLE IF NOT EXISTS forms (id VARCHAR, number INTEGER, name VARCHAR, version INTEGER, fields VARCHAR);
       CREATE TABLE IF NOT EXISTS columns (form VARCHAR, position INTEGER, path VARCHAR, kind VARCHAR, name VARCHAR);
       ${CREATE_EVENTS};
       ${CREATE_STAR}`,
    )
    const [row] = await rowsOf(writer, 'SELECT layout FROM progress')
    if (row === undefined) await writer.run("INSERT INTO progress VALUES (?, 0, 0, '', 0, '')", [LAYOUT])
    else if (Number(row['layout']) !== LAYOUT) throw new Error(`its layout is ${String(row['layout'])}, not ${LAYOUT}`)
    if (beside !== undefined) {
      const paths = BESIDE.map((end) => quoted(`${join(dir, beside)}${end}`))
      await writer.run(`SET allowed_paths = [${paths.join(', ')}]`)
    }
    // Nothing beside its own file and that one, and nobody undoes that.
    await writer.run('SET enable_external_access = false; SET lock_configuration = true')
    return {
      instance,
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

/** Rows as JavaScript values; whole numbers beyond 2^53 lose what a number cannot hold. */
export async function rowsOf(connection: DuckDBConnection, sql: string, values: Value[] = []): Promise<Row[]> {
  const reader = await connection.runAndReadAll(sql, values, values.map(typeOf))
  return reader
    .getRowObjectsJS()
    .map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([name, value]) => [name, typeof value === 'bigint' ? Number(value) : value]),
      ),
    )
}

/**
 * Hands on columns of numbers without nulls, a chunk of rows at a time. The arrays are used again for the next chunk.
 */
export async function scanNumbers(
  connection: DuckDBConnection,
  { sql, values }: { readonly sql: string; readonly values: Value[] },
  each: (columns: readonly Float64Array[], rows: number) => void,
): Promise<void> {
  const result = await connection.stream(sql, values, values.map(typeOf))
  const columns = Array.from({ length: result.columnCount }, () => new Float64Array(CHUNK_ROWS_MAX))
  for (;;) {
    const chunk = await result.fetchChunk()
    if (chunk === null || chunk.rowCount === 0) return
    for (const [n, column] of columns.entries()) {
      const vector = chunk.getColumnVector(n)
      for (let row = 0; row < chunk.rowCount; row += 1) column[row] = vector.getItem(row) as number
    }
    each(columns, chunk.rowCount)
  }
}
