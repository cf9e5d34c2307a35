/** Answers questions, and keeps the answers for as long as nothing changed. */
import type { Access } from '../access.ts'
import type { Row } from '../engine/database.ts'
import type { Readers } from '../engine/readers.ts'
import { spansOf } from './buckets.ts'
import { compile, EARLIER_MARK } from './compile.ts'
import type { Statement } from './compile.ts'
import { MIXED_MARK } from './currencies.ts'
import type { Question } from './question.ts'
import { Kept } from './kept.ts'
import { fieldsOf } from './named.ts'
import { Refusal } from './refusal.ts'
import { NOTHING_SHARED } from './known-elsewhere.ts'
import type { Shared } from './known-elsewhere.ts'
import type { Source } from './source.ts'
import { Together } from './together.ts'

export interface Answer {
  readonly groups: readonly string[]
  readonly aggregates: readonly string[]
  readonly rows: readonly Row[]
  readonly statement: Pick<Statement, 'sql' | 'values'>
  /** The period that is compared, and of each row what it came to. */
  readonly earlier: { readonly fromMs: number; readonly toMs: number; readonly rows: readonly Row[] } | null
  /** There are more behind the limit. */
  readonly hasMore: boolean
  readonly tookMs: number
  /** Place of the log up to which it is true. */
  readonly asOf: number
  /** How long ago it was computed; null: for this question. */
  readonly ageMs: number | null
  /** Another process of the hub has computed it. */
  readonly isShared?: boolean
}

const KEPT_BYTES_MAX = 32 * 2 ** 20

export interface AskedBy {
  readonly access: Access
  readonly signal: AbortSignal
}

export interface Asker {
  /** Of questions that name none. */
  readonly timezone: string
  ask(question: Question, source: Source, by: AskedBy): Promise<Answer>
}

export interface AskerOptions {
  readonly timezone: string
  readonly shared?: Shared
}

/** An answer, and what is about this time it was made. */
interface Made {
  readonly answer: Omit<Answer, 'ageMs' | 'asOf'>
  readonly asOf: number
  readonly ageMs: number | null
  /** Its letters as JSON, where somebody had to know. */
  readonly chars?: number | undefined
}

export function openAsker(readers: Readers, { timezone: zone, shared = NOTHING_SHARED }: AskerOptions): Asker {
  const kept = new Kept<Made['answer']>(KEPT_BYTES_MAX)
  const together = new Together<Made>()
  const make = async (question: Question, source: Source, { access, signal }: AskedBy): Promise<Made> => {
    const startedMs = performance.now()
    // An explanation names tables, which are called otherwise elsewhere.
    const asked = question.explain ? null : ['query', seenBy(access, question, source), question]
    const elsewhere = asked === null ? undefined : await shared.get<Made['answer']>(source.changedBy, asked)
    if (elsewhere !== undefined)
      return { answer: { ...elsewhere.answer, isShared: true }, asOf: source.asOf, ageMs: elsewhere.ageMs }
    const found = await readers.run(signal, async ({ ask, asOf }) => {
      const timezone = question.timezone ?? zone
      // What is in no other zone needs no offsets.
      const spans = timezone === 'UTC' ? new Map() : await spansOf(ask, question, source)
      const statement = compile({ question, source, timezone, spans, access })
      return { asOf, statement, rows: await ask(statement.sql, statement.values).catch(unreadable) }
    })
    const answer = answerOf(found.statement, found.rows, { question, tookMs: performance.now() - startedMs })
    // Where something was written between looking up the source and asking, the answer may be of a later state.
    const chars =
      asked !== null && found.asOf === source.asOf
        ? shared.put(source.changedBy, asked, { ...answer, statement: { sql: '', values: [] } })
        : undefined
    const { sql } = answer.statement
    return { answer, asOf: found.asOf, ageMs: null, chars: chars === undefined ? chars : chars + sql.length }
  }
  return {
    timezone: zone,
    ask: async (question, source, { access, signal }) => {
      const key = JSON.stringify([seenBy(access, question, source), source.changedAt, question])
      const known = kept.get(key, performance.now())
      // Nothing of its source has changed since.
      if (known !== undefined) return { ...known.answer, isShared: false, ageMs: known.ageMs, asOf: source.asOf }
      const { made, isJoined } = await together.of(key, signal, async (within) => {
        const found = await make(question, source, { access, signal: within })
        kept.set(key, found.answer, { nowMs: performance.now() - (found.ageMs ?? 0), chars: found.chars })
        return found
      })
      const { answer, asOf, ageMs } = made
      return { ...answer, ageMs: isJoined ? (ageMs ?? 0) : ageMs, asOf: Math.max(asOf, source.asOf) }
    },
  }
}

/**
 * What one may see is kept from the other; and what anybody saw, from whoever comes after a field became private: that changes no
 * row of a data set.
 */
function seenBy(access: Access, question: Question, { column }: Source): readonly unknown[] {
  const isHidden = (path: string): boolean => {
    const named = column(path)
    return named !== undefined && !access.shows(named)
  }
  // From keys nothing is hidden so.
  return [access.isWide, access.isLink ? [...fieldsOf(question)].filter(isHidden) : null]
}

/** In words that go behind the place. */
const MIXED =
  'is over values of several currencies, which come to nothing together, in one row or over rows and periods: add "currency" to group_by, or a filter such as {"currency": "EUR"}; visitors and sessions that paid in several have none, and are left out by {"is_mixed": false}'

/** What only the engine can tell of a question: a pattern that is none, values of several currencies, or a form that was deleted meanwhile. */
function unreadable(error: unknown): never {
  if (/Catalog Error: Table/.test(String(error)))
    throw new Refusal([{ pointer: '/form_id', detail: 'was deleted while the question was asked' }])
  const words = /Invalid Input Error: (.*)/.exec(String(error))?.[1]
  if (words === undefined) throw error
  if (words.startsWith(MIXED_MARK)) throw new Refusal([{ pointer: words.slice(MIXED_MARK.length), detail: MIXED }])
  throw new Refusal([{ pointer: '/filter', detail: `has a $regex that is no pattern: ${words}` }])
}

function answerOf(
  { groups, aggregates, earlier, ...asked }: Statement,
  rows: readonly Row[],
  { question, tookMs }: { readonly question: Question; readonly tookMs: number },
): Omit<Answer, 'ageMs' | 'asOf'> {
  const shown = rows.slice(0, question.limit)
  const hasMore = rows.length > question.limit
  const statement = { sql: asked.sql, values: asked.values }
  if (earlier === null) return { groups, aggregates, rows: shown, statement, earlier, hasMore, tookMs }
  const of =
    (names: readonly string[], mark = '') =>
    (row: Row): Row =>
      Object.fromEntries(names.map((name) => [name, row[`${mark}${name}`]]))
  const { fromMs, toMs } = earlier
  return {
    groups,
    aggregates,
    rows: shown.map(of([...groups, ...aggregates])),
    statement,
    earlier: { fromMs, toMs, rows: shown.map(of(aggregates, EARLIER_MARK)) },
    hasMore,
    tookMs,
  }
}
