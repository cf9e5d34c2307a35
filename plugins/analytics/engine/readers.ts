/** Connections that only read, beside the writer: a few, taken in turn, each use within its bounds. */
import type { DuckDBConnection } from '@duckdb/node-api'
import { takeBack } from './ailment.ts'
import { rowsOf, rowsUpTo, scanNumbers } from './database.ts'
import type { Columns, Database, Row, Value } from './database.ts'
import { guarded } from './guard.ts'
import type { InTime } from './guard.ts'
import { Line } from './line.ts'

const CONNECTIONS = 2
/** Of one statement: what a process holds of an answer is a few times as much. */
const ANSWER_CHARS_MAX = 16_777_216
/** Questions that may wait for one of them. */
const WAITING_MAX = 50

/** One statement; throws TooSlow once the time is up, between statements as well. */
export type Ask = (sql: string, values?: Value[]) => Promise<Row[]>

/** One statement of nothing but numbers, with rows too many to hold: `each` gets columns of them, good only for the call. */
export type Scan = (sql: string, values: Value[], each: (columns: Columns, rows: number) => void) => Promise<void>

export interface Asks {
  readonly ask: Ask
  readonly scan: Scan
}

/** All its statements see the same moment. */
export interface Reading extends Asks {
  /** Place of the log that it is. */
  readonly asOf: number
  readonly inTime: InTime
}

export interface Readers {
  /** Throws TooLarge for what is more than anybody can want at once, Busy where too many wait, TooSlow when it takes too long or the signal fires. */
  run<T>(signal: AbortSignal, work: (reading: Reading) => Promise<T>): Promise<T>
  close(): void
}

export async function openReaders({ instance, main }: Database, timeoutMs: number): Promise<Readers> {
  const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => instance.connect()))
  const line = new Line<DuckDBConnection>(connections, WAITING_MAX)
  return {
    run: async (signal, work) => {
      const connection = await line.take(signal)
      try {
        return await atOneMoment({ connection, main }, (asOf) =>
          guarded(connection, { signal, timeoutMs }, (inTime) =>
            work({
              asOf,
              inTime,
              ask: async (sql, values = []) => {
                inTime()
                return rowsUpTo(connection, { sql, values, charsMax: ANSWER_CHARS_MAX })
              },
              scan: async (sql, values, each) => {
                inTime()
                await scanNumbers(connection, { sql, values }, (columns, rows) => {
                  inTime()
                  each(columns, rows)
                })
              },
            }),
          ),
        )
      } finally {
        line.give(connection)
      }
    },
    close: () => {
      for (const connection of connections) connection.closeSync()
    },
  }
}

/** A connection, and the schema of the projection's own tables. */
export type Seat = Pick<Database, 'main'> & { readonly connection: DuckDBConnection }

/**
 * Hands on the place of the log that the transaction sees. What may be interrupted belongs inside: an end of the transaction that
 * is cut off would leave the connection in it.
 */
export async function atOneMoment<T>({ connection, main }: Seat, work: (asOf: number) => Promise<T>): Promise<T> {
  await connection.run('BEGIN TRANSACTION READ ONLY')
  try {
    const [progress] = await rowsOf(connection, `SELECT applied FROM ${main}.progress`)
    return await work(Number(progress?.['applied']))
  } finally {
    await takeBack(connection)
  }
}
