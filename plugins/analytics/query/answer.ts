/** Answers questions, and keeps the answers for as long as nothing changed. */
import type { Row } from '../engine/database.ts'
import type { Ask, Readers } from '../engine/readers.ts'
import { compile } from './compile.ts'
import type { Statement } from './compile.ts'
import type { Question } from './question.ts'
import { Refusal } from './refusal.ts'
import type { Source } from './source.ts'

export interface Answer {
  readonly groups: readonly string[]
  readonly aggregates: readonly string[]
  readonly rows: readonly Row[]
  /** There are more behind the limit. */
  readonly hasMore: boolean
  readonly tookMs: number
  readonly isCached: boolean
}

const KEPT_MAX = 500

export interface Asker {
  ask(question: Question, source: Source): Promise<Answer>
}

export function openAsker(readers: Readers, { timezone: zone }: { readonly timezone: string }): Asker {
  const kept = new Map<string, Omit<Answer, 'isCached'>>()
  return {
    ask: async (question, source) => {
      const key = `${source.changedAt}:${JSON.stringify(question)}`
      const known = kept.get(key)
      if (known !== undefined) {
        kept.delete(key)
        kept.set(key, known)
        return { ...known, isCached: true }
      }
      const startedMs = performance.now()
      const found = await readers.run(async (ask) => {
        const timezone = question.timezone ?? zone
        const span = question.groupBy.some(({ bucket }) => bucket !== undefined)
          ? await spanOf(ask, source)
          : { fromMs: 0, toMs: 0 }
        const statement = compile({ question, source, timezone, span })
        return { statement, rows: await ask(statement.sql, statement.values).catch(unreadable) }
      })
      const answer = answerOf(found.statement, found.rows, { question, tookMs: performance.now() - startedMs })
      kept.set(key, answer)
      if (kept.size > KEPT_MAX) kept.delete(kept.keys().next().value as string)
      return { ...answer, isCached: false }
    },
  }
}

/** What only the engine can tell of a question: a pattern that is none. */
function unreadable(error: unknown): never {
  const words = /Invalid Input Error: (.*)/.exec(String(error))?.[1]
  if (words === undefined) throw error
  throw new Refusal([{ pointer: '/filter', detail: `has a $regex that is no pattern: ${words}` }])
}

/** From the first to the last time of its rows. */
async function spanOf(ask: Ask, { table, span }: Source): Promise<{ fromMs: number; toMs: number }> {
  const [row] = await ask(
    `SELECT epoch_ms(min(least(${span.join(', ')}))) AS low, epoch_ms(max(greatest(${span.join(', ')}))) AS high FROM ${table}`,
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
