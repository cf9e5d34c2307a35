/** Where SQL is asked: a connection that sees nothing but views, in a transaction that only reads, within time, rows and bytes. */
import type { DuckDBConnection } from '@duckdb/node-api'
import type { Json } from 'manifold/plugin'
import { rowsOf } from '../engine/database.ts'
import type { Database } from '../engine/database.ts'
import type { Projection } from '../engine/projection.ts'
import { TooSlow } from '../engine/readers.ts'
import { Refusal } from '../query/refusal.ts'
import { checkSql } from './check.ts'
import { asJson } from './values.ts'
import { createView, dropView, viewsOf } from './views.ts'
import type { View } from './views.ts'

/** What one answer holds at most, as JSON. */
export const ANSWER_CHARS_MAX = 4_194_304
/** How often it is looked whether a question takes more memory than the engine was given. */
const LOOK_EVERY_MS = 50

export interface SqlQuestion {
  readonly sql: string
  readonly rowsMax: number
  /** Whoever asks has gone. */
  readonly signal: AbortSignal
}

export interface SqlAnswer {
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly rows: readonly (readonly Json[])[]
  /** There is more behind the last row. */
  readonly hasMore: boolean
  readonly tookMs: number
}

export interface SqlDesk {
  /** Views that can be asked now. */
  views(): readonly View[]
  /** Throws a Refusal for what cannot be asked, TooSlow for what takes too long or too much memory. */
  ask(question: SqlQuestion): Promise<SqlAnswer>
  close(): Promise<void>
}

export interface DeskOptions {
  readonly timeoutMs: number
  readonly memoryMb: number
}

export function openSqlDesk(
  { instance }: Database,
  projection: Pick<Projection, 'forms'>,
  options: DeskOptions,
): SqlDesk {
  const views = (): readonly View[] => viewsOf(projection.forms())
  let place: Place | null = null
  const ask = async (question: SqlQuestion): Promise<SqlAnswer> => {
    place ??= await openPlace(instance)
    const { connection } = place
    let isChecked = false
    try {
      const visible = await fit(place, views())
      return await guarded(connection, { question, options }, async () => {
        await checkSql(connection, question.sql, visible)
        isChecked = true
        return read(connection, question)
      })
    } catch (error) {
      // What was cut off half-way may have left something: the next question gets a connection of its own.
      if (isChecked || !(error instanceof Refusal)) {
        place = null
        connection.closeSync()
      }
      throw error
    }
  }
  // One at a time: a question may take all the memory there is, and the projection has to go on beside it.
  let last: Promise<unknown> = Promise.resolve()
  return {
    views,
    ask: (question) => {
      const turn = last.then(() => ask(question))
      last = turn.catch(() => undefined)
      return turn
    },
    close: async () => {
      await last
      place?.connection.closeSync()
    },
  }
}

/** A connection and the views it has, by name, with the statements that made them. */
interface Place {
  readonly connection: DuckDBConnection
  /** Schema of the projection's own tables. */
  readonly main: string
  readonly made: Map<string, string>
}

async function openPlace(instance: Database['instance']): Promise<Place> {
  const connection = await instance.connect()
  const [row] = await rowsOf(connection, 'SELECT current_database() AS name')
  return { connection, main: `"${String(row?.['name'])}".main`, made: new Map() }
}

/** Brings the connection's views up to what there is; answers their names in lower case. */
async function fit({ connection, main, made }: Place, views: readonly View[]): Promise<ReadonlySet<string>> {
  const wanted = new Map(views.map((view) => [view.name, createView(view, main)]))
  for (const name of made.keys()) {
    if (wanted.has(name)) continue
    await connection.run(dropView(name))
    made.delete(name)
  }
  for (const [name, statement] of wanted) {
    if (made.get(name) === statement) continue
    await connection.run(statement)
    made.set(name, statement)
  }
  return new Set([...wanted.keys()].map((name) => name.toLowerCase()))
}

/** Ends what takes too long, takes too much, or is not waited for any more. */
async function guarded(
  connection: DuckDBConnection,
  {
    question: { signal },
    options: { timeoutMs, memoryMb },
  }: { readonly question: SqlQuestion; readonly options: DeskOptions },
  work: () => Promise<SqlAnswer>,
): Promise<SqlAnswer> {
  const bytesMax = process.memoryUsage.rss() + memoryMb * 1_048_576
  let why: string | null = signal.aborted ? 'nobody waits for the answer any more' : null
  const end = (reason: string) => (): void => {
    why ??= reason
    connection.interrupt()
  }
  const gone = end('nobody waits for the answer any more')
  const timer = setTimeout(end(`the question takes longer than ${timeoutMs} ms`), timeoutMs)
  // Again and again: one that comes between two statements ends neither.
  const look = setInterval(() => {
    if (why !== null || process.memoryUsage.rss() > bytesMax)
      end(`the question takes more than ${memoryMb} MB of memory`)()
  }, LOOK_EVERY_MS)
  signal.addEventListener('abort', gone)
  try {
    if (why !== null) throw new TooSlow(why)
    return await work()
  } catch (error) {
    throw why === null ? asRefusal(error) : new TooSlow(why)
  } finally {
    clearTimeout(timer)
    clearInterval(look)
    signal.removeEventListener('abort', gone)
  }
}

/** What the engine says of a question is about the question; the rest is a fault of ours. */
const OF_QUESTION =
  /^(?:Parser|Binder|Catalog|Conversion|Invalid Input|Invalid Type|Mismatch Type|Out of Range|Constraint|Not implemented|Permission|Syntax) Error: (.*)/s
const OF_MEMORY = /^Out of Memory Error/

function asRefusal(error: unknown): unknown {
  const { message } = error as Error
  if (OF_MEMORY.test(message)) return new TooSlow('the question takes more memory than the engine has')
  const words = OF_QUESTION.exec(message)?.[1]
  return words === undefined ? error : new Refusal([{ pointer: '/sql', detail: words }])
}

async function read(connection: DuckDBConnection, { sql, rowsMax }: SqlQuestion): Promise<SqlAnswer> {
  const startedMs = performance.now()
  await connection.run('BEGIN TRANSACTION READ ONLY')
  try {
    const result = await connection.stream(sql)
    const names = result.columnNames()
    const columns = names.map((name, index) => ({ name, type: String(result.columnType(index)) }))
    const rows: Json[][] = []
    let chars = 0
    let hasMore = false
    for (
      let chunk = await result.fetchChunk();
      !hasMore && chunk !== null && chunk.rowCount > 0;
      chunk = await result.fetchChunk()
    ) {
      for (const row of chunk.convertRows(asJson)) {
        chars += JSON.stringify(row).length
        hasMore = rows.length >= rowsMax || chars > ANSWER_CHARS_MAX
        if (hasMore) break
        rows.push(row)
      }
    }
    return { columns, rows, hasMore, tookMs: performance.now() - startedMs }
  } finally {
    await connection.run('ROLLBACK').catch(() => undefined)
  }
}
