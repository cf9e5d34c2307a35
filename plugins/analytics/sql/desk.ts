/** Where SQL is asked: a connection that sees nothing but views, in a transaction that only reads, within time, rows and bytes. */
import { setImmediate as breath } from 'node:timers/promises'
import type { DuckDBConnection } from '@duckdb/node-api'
import type { Json } from 'manifold/plugin'
import { isOfMemory } from '../engine/ailment.ts'
import type { Database } from '../engine/database.ts'
import type { Projection } from '../engine/projection.ts'
import { guarded, TooSlow } from '../engine/guard.ts'
import type { InTime } from '../engine/guard.ts'
import { Line } from '../engine/line.ts'
import { atOneMoment } from '../engine/readers.ts'
import type { Seat } from '../engine/readers.ts'
import { Refusal } from '../query/refusal.ts'
import { checkSql } from './check.ts'
import { asJson } from './values.ts'
import { createView, dropView, viewsOf } from './views.ts'
import type { View } from './views.ts'
import { ROW_VALUES_MAX, weigher } from './weight.ts'
import type { Weight } from './weight.ts'

/** What one answer holds at most, as JSON. */
export const ANSWER_CHARS_MAX = 4_194_304
/** Single values, and those in lists, maps and structs. */
const VALUES_MAX = 1_000_000
/** So many values are made at a time, at most one row more: then others come by. */
const BREATH_VALUES = 20_000
/** Questions that may wait for their turn. */
const WAITING_MAX = 20

/** Of the engine's memory, what joined texts may take beside it. */
const TEXT_SHARE = 0.5
const BYTES_PER_MB = 2 ** 20

const NEVER = new AbortController().signal

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
  /** Place of the log up to which it is true. */
  readonly asOf: number
  readonly tookMs: number
}

export interface SqlDesk {
  /** Views that can be asked now. */
  views(): readonly View[]
  /** Throws a Refusal for what cannot be asked, TooSlow for what takes too long or too much memory, Busy where too many wait. */
  ask(question: SqlQuestion): Promise<SqlAnswer>
  close(): Promise<void>
}

export interface DeskOptions {
  readonly timeoutMs: number
  readonly memoryMb: number
}

export function openSqlDesk(
  { instance, main }: Database,
  projection: Pick<Projection, 'forms'>,
  options: DeskOptions,
): SqlDesk {
  const textBytesMax = options.memoryMb * TEXT_SHARE * BYTES_PER_MB
  const views = (): readonly View[] => viewsOf(projection.forms())
  let place: Place | null = null
  const ask = async (question: SqlQuestion): Promise<SqlAnswer> => {
    place ??= { connection: await instance.connect(), main, made: new Map() }
    const { connection } = place
    let isChecked = false
    try {
      const visible = await fit(place, views())
      return await atOneMoment(place, (asOf) =>
        guarded(connection, { ...options, signal: question.signal }, async (inTime) => {
          await checkSql(connection, question.sql, { visible, textBytesMax })
          isChecked = true
          return { ...(await read(connection, question, inTime)), asOf }
        }),
      ).catch(refuse)
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
  const line = new Line(['turn'], WAITING_MAX)
  return {
    views,
    ask: async (question) => {
      const turn = await line.take(question.signal)
      try {
        return await ask(question)
      } finally {
        line.give(turn)
      }
    },
    close: async () => {
      await line.take(NEVER)
      place?.connection.closeSync()
    },
  }
}

/** A connection and the views it has, by name, with the statements that made them. */
interface Place extends Seat {
  readonly made: Map<string, string>
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

/** What the engine says of a question is about the question; the rest is a fault of ours. */
const OF_QUESTION =
  /^(?:Parser|Binder|Catalog|Conversion|Invalid Input|Invalid Type|Mismatch Type|Out of Range|Constraint|Not implemented|Permission|Syntax) Error: (.*)/s

function refuse(error: unknown): never {
  const { message } = error as Error
  if (isOfMemory(error)) throw new TooSlow('the question takes more memory than the engine has')
  const words = OF_QUESTION.exec(message)?.[1]
  throw words === undefined ? error : new Refusal([{ pointer: '/sql', detail: words }])
}

async function read(
  connection: DuckDBConnection,
  { sql, rowsMax }: SqlQuestion,
  inTime: InTime,
): Promise<Omit<SqlAnswer, 'asOf'>> {
  const startedMs = performance.now()
  const result = await connection.stream(sql)
  const names = result.columnNames()
  const types = result.columnTypes()
  const columns = names.map((name, index) => ({ name, type: String(types[index]) }))
  const answer = new Answer(rowsMax)
  for (
    let chunk = await result.fetchChunk();
    !answer.hasMore && chunk !== null && chunk.rowCount > 0;
    chunk = await result.fetchChunk()
  ) {
    const weightOf = weigher(chunk, types)
    for (let n = 0; n < chunk.rowCount && answer.takes(weightOf(n)); n += 1) {
      if (answer.isTimeToBreathe()) {
        await breath()
        inTime()
      }
      answer.add(chunk.convertRowValues(n, asJson))
    }
  }
  const { rows, hasMore } = answer
  return { columns, rows, hasMore, tookMs: performance.now() - startedMs }
}

/** Rows as far as there is room for them: what is too much is known before it is made. */
class Answer {
  readonly rows: Json[][] = []
  hasMore = false
  readonly #rowsMax: number
  #values = 0
  #chars = 0
  #sinceBreath = 0

  constructor(rowsMax: number) {
    this.#rowsMax = rowsMax
  }

  takes({ values, chars }: Weight): boolean {
    this.hasMore = this.rows.length >= this.#rowsMax
    if (this.hasMore) return false
    this.#values += values
    this.#sinceBreath += values
    if (values > ROW_VALUES_MAX || chars > ANSWER_CHARS_MAX) tooLarge()
    this.hasMore = this.#values > VALUES_MAX || this.#chars + chars > ANSWER_CHARS_MAX
    return !this.hasMore
  }

  isTimeToBreathe(): boolean {
    if (this.#sinceBreath < BREATH_VALUES) return false
    this.#sinceBreath = 0
    return true
  }

  add(row: Json[]): void {
    this.#chars += JSON.stringify(row).length
    this.hasMore = this.#chars > ANSWER_CHARS_MAX
    if (!this.hasMore) this.rows.push(row)
    else if (this.rows.length === 0) tooLarge()
  }
}

function tooLarge(): never {
  const detail = `has a row of more than ${ROW_VALUES_MAX} values or ${ANSWER_CHARS_MAX} characters: take less of it`
  throw new Refusal([{ pointer: '/sql', detail }])
}
