/** Connections that only read, beside the writer: a few, taken in turn, each use with a time limit. */
import type { DuckDBConnection } from '@duckdb/node-api'
import { rowsOf, scanNumbers } from './database.ts'
import type { Database, Row, Value } from './database.ts'

/** Took longer than it may. */
export class TooSlow extends Error {
  override readonly name = 'TooSlow'
}

const CONNECTIONS = 2

/** One statement; throws TooSlow once the time is up, between statements as well. */
export type Ask = (sql: string, values?: Value[]) => Promise<Row[]>

/** One statement of nothing but numbers, with rows too many to hold: `each` gets columns of them, good only for the call. */
export type Scan = (
  sql: string,
  values: Value[],
  each: (columns: readonly Float64Array[], rows: number) => void,
) => Promise<void>

export interface Readers {
  run<T>(work: (ask: Ask, scan: Scan) => Promise<T>): Promise<T>
  close(): void
}

export async function openReaders({ instance }: Database, timeoutMs: number): Promise<Readers> {
  const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => instance.connect()))
  const idle: DuckDBConnection[] = [...connections]
  const line: ((connection: DuckDBConnection) => void)[] = []
  const take = async (): Promise<DuckDBConnection> => idle.pop() ?? new Promise((resolve) => line.push(resolve))
  const give = (connection: DuckDBConnection): void => {
    const next = line.shift()
    if (next === undefined) idle.push(connection)
    else next(connection)
  }
  return {
    run: async (work) => {
      const connection = await take()
      let isLate = false
      const timer = setTimeout(() => {
        isLate = true
        connection.interrupt()
      }, timeoutMs)
      const tooSlow = (): TooSlow => new TooSlow(`the question takes longer than ${timeoutMs} ms`)
      try {
        const inTime = (): void => {
          if (isLate) throw tooSlow()
        }
        const ask: Ask = async (sql, values = []) => {
          inTime()
          return rowsOf(connection, sql, values)
        }
        return await work(ask, async (sql, values, each) => {
          inTime()
          await scanNumbers(connection, { sql, values }, (columns, rows) => {
            inTime()
            each(columns, rows)
          })
        })
      } catch (error) {
        throw isLate ? tooSlow() : error
      } finally {
        clearTimeout(timer)
        give(connection)
      }
    },
    close: () => {
      for (const connection of connections) connection.closeSync()
    },
  }
}
