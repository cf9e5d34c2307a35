/** Runs questions beside the writer, each with a time limit, and keeps answers for as long as nothing changed. */
import type { DuckDBConnection } from '@duckdb/node-api'
import { rowsOf } from '../engine/database.ts'
import type { Database, Row } from '../engine/database.ts'
import type { ProjectedForm } from '../engine/projection.ts'
import { compile } from './compile.ts'
import type { Statement } from './compile.ts'
import type { Question } from './question.ts'

export interface Answer {
  readonly groups: readonly string[]
  readonly aggregates: readonly string[]
  readonly rows: readonly Row[]
  /** There are more behind the limit. */
  readonly hasMore: boolean
  readonly tookMs: number
  readonly isCached: boolean
}

export interface AskOptions {
  readonly timezone: string
  readonly timeoutMs: number
}

/** Took longer than it may. */
export class TooSlow extends Error {
  override readonly name = 'TooSlow'
}

const KEPT_MAX = 500
const CONNECTIONS = 2

export interface Asker {
  ask(question: Question, form: ProjectedForm): Promise<Answer>
  close(): void
}

export async function openAsker({ instance }: Database, options: AskOptions): Promise<Asker> {
  const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => instance.connect()))
  const idle: DuckDBConnection[] = [...connections]
  const line: ((connection: DuckDBConnection) => void)[] = []
  const kept = new Map<string, Omit<Answer, 'isCached'>>()
  const take = async (): Promise<DuckDBConnection> => {
    const free = idle.pop()
    return free ?? new Promise((resolve) => line.push(resolve))
  }
  const give = (connection: DuckDBConnection): void => {
    const next = line.shift()
    if (next === undefined) idle.push(connection)
    else next(connection)
  }
  const run = async <T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T> => {
    const connection = await take()
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      connection.interrupt()
    }, options.timeoutMs)
    try {
      return await work(connection)
    } catch (error) {
      throw isLate ? new TooSlow(`the question takes longer than ${options.timeoutMs} ms`) : error
    } finally {
      clearTimeout(timer)
      give(connection)
    }
  }
  return {
    ask: async (question, form) => {
      const key = `${form.changedAt}:${JSON.stringify(question)}`
      const known = kept.get(key)
      if (known !== undefined) {
        kept.delete(key)
        kept.set(key, known)
        return { ...known, isCached: true }
      }
      const startedMs = performance.now()
      const found = await run(async (connection) => {
        const timezone = question.timezone ?? options.timezone
        const span = question.groupBy.some(({ bucket }) => bucket !== undefined)
          ? await spanOf(connection, form)
          : { fromMs: 0, toMs: 0 }
        const statement = compile({ question, form, timezone, span })
        return { statement, rows: await rowsOf(connection, statement.sql, statement.values) }
      })
      const answer = answerOf(found.statement, found.rows, { question, tookMs: performance.now() - startedMs })
      kept.set(key, answer)
      if (kept.size > KEPT_MAX) kept.delete(kept.keys().next().value as string)
      return { ...answer, isCached: false }
    },
    close: () => {
      for (const connection of connections) connection.closeSync()
    },
  }
}

async function spanOf(connection: DuckDBConnection, { table }: ProjectedForm): Promise<{ fromMs: number; toMs: number }> {
  const [row] = await rowsOf(
    connection,
    `SELECT epoch_ms(min(least(submitted_at, started_at))) AS low, epoch_ms(max(greatest(submitted_at, started_at))) AS high FROM ${table}`,
  )
  return { fromMs: Number(row?.['low'] ?? 0), toMs: Number(row?.['high'] ?? 0) }
}

function answerOf(
  { groups, aggregates }: Statement,
  rows: readonly Row[],
  { question, tookMs }: { readonly question: Question; readonly tookMs: number },
): Omit<Answer, 'isCached'> {
  return { groups, aggregates, rows: rows.slice(0, question.limit), hasMore: rows.length > question.limit, tookMs }
}
