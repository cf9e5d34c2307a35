/** What all questions about behaviour have in common: which events they are about, and in which words they are refused. */
import { z } from 'zod'
import type { Json } from 'manifold/plugin'
import { NEEDS_SINGLE, NO_LINK } from '../access.ts'
import type { Access } from '../access.ts'
import type { Column } from '../engine/columns.ts'
import type { Reading } from '../engine/readers.ts'
import { filterSql } from '../query/filter.ts'
import type { FilterContext } from '../query/filter.ts'
import { Refusal } from '../query/refusal.ts'
import { Values } from '../query/sql.ts'
import { moment } from '../query/times.ts'
import { isZone } from '../query/zone.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../time-units.ts'

const UNITS_MS = { s: 1_000, m: MINUTE_MS, h: HOUR_MS, d: DAY_MS, w: 7 * DAY_MS } as const

/** `"30m"`, `"7d"` in milliseconds. */
export const duration = z
  .string()
  .regex(/^[1-9]\d{0,5}[smhdw]$/, 'write for example "30m", "24h" or "7d"')
  .transform((text) => Number.parseInt(text, 10) * UNITS_MS[text.at(-1) as keyof typeof UNITS_MS])

export const zone = z.string().refine(isZone, 'is no time zone; write for example "Europe/Berlin"')

/** Parts that each of the questions may have. */
export const SCOPE = {
  from: moment.optional(),
  to: moment.optional(),
  /** Which events take part at all. */
  filter: z.record(z.string(), z.unknown()).optional(),
}
export interface Scope {
  readonly from?: number | undefined
  readonly to?: number | undefined
  readonly filter?: object | undefined
}

/** The engine, for one question. */
export interface Asking extends Reading {
  /** Where the question names none. */
  readonly timezone: string
  readonly nowMs: number
  readonly access: Access
  /** What a path means of behaviour events. */
  readonly column: FilterContext['column']
  /** What the route's pattern found in the path. */
  readonly params: { readonly [name: string]: string }
}

/** A question about behaviour: how it is read, and what it comes to. */
export interface Behaviour<Question = unknown> {
  readonly schema: z.ZodType<Question>
  /** The earliest time that the answer depends on; absent: `from` of the question, or all time. */
  reachMs?(question: Question, nowMs: number): number
  /** Null: what it is about does not exist. */
  answer(question: Question, asking: Asking): Promise<Json>
}

/** SQL of one question under construction. */
export class Draft {
  readonly values = new Values()
  readonly filters: FilterContext

  constructor({ access, column }: Pick<Asking, 'access' | 'column'>) {
    const size = { nodes: 0, items: 0 }
    this.filters = {
      column,
      absent: (path) => `"${path}" is no field of events`,
      values: this.values,
      mistakes: [],
      access,
      size,
    }
  }

  /** Events of the scope; `laterMs` adds what follows its end. */
  within({ from, to, filter }: Scope, laterMs = 0): string {
    const parts = filter === undefined ? ['true'] : [filterSql(filter, this.filters, '/filter')]
    if (from !== undefined) parts.push(`occurred_at >= make_timestamp_ms(${from})`)
    if (to !== undefined && Number.isFinite(laterMs))
      parts.push(`occurred_at < make_timestamp_ms(${Math.min(to + laterMs, LAST_MS)})`)
    return parts.join(' AND ')
  }

  /** A column to divide by; what is unknown is the empty text. */
  textOf(path: string, pointer: string): string {
    const column = this.column(path, pointer)
    if (column === undefined) return `''`
    const text = column.kind === 'json' ? `json_extract_string(${column.name}, '$')` : `CAST(${column.name} AS VARCHAR)`
    return `coalesce(${text}, '')`
  }

  column(path: string, pointer: string): Column | undefined {
    const column = this.filters.column(path)
    if (column === undefined) this.refuse(pointer, `"${path}" is nothing that events have`)
    else if (column.kind === 'time') this.refuse(pointer, `"${path}" is a time; use what can be counted by its values`)
    else if (!this.filters.access.shows(column))
      this.filters.mistakes.push({ pointer, detail: `"${path}" ${NO_LINK}`, isDenied: true })
    else if (!this.filters.access.sees(column))
      this.filters.mistakes.push({ pointer, detail: `"${path}" ${NEEDS_SINGLE}`, isDenied: true })
    return column
  }

  refuse(pointer: string, detail: string): void {
    this.filters.mistakes.push({ pointer, detail })
  }

  /** Throws a Refusal when anything was wrong. */
  check(): void {
    if (this.filters.mistakes.length > 0) throw new Refusal(this.filters.mistakes)
  }
}

/** The last that the engine's timestamps can hold is far behind it. */
const LAST_MS = Date.UTC(9999, 0)

/** The values of a text that most visitors have, for numbering them from 1 on. `draw` says which text, and of which events. */
export async function topValues(
  asking: Pick<Asking, 'ask' | 'access' | 'column'>,
  limit: number,
  draw: (draft: Draft) => { readonly text: string; readonly where: string },
): Promise<readonly string[]> {
  const draft = new Draft(asking)
  const { text, where } = draw(draft)
  draft.check()
  const rows = await asking.ask(
    `SELECT ${text} AS value FROM events WHERE visitor_no IS NOT NULL AND ${where}
     GROUP BY 1 ORDER BY count(DISTINCT visitor_no) DESC, 1 LIMIT ${limit}`,
    draft.values.list,
  )
  return rows.map(({ value }) => String(value))
}

/** The number of the text's value among those, from 1 on; 0: none of them. */
export const numberSql = (text: string, among: readonly string[], values: Values): string =>
  among.length === 0
    ? '0'
    : `coalesce(list_position([${among.map((each) => values.add(each)).join(', ')}], ${text}), 0)`

export const median = (numbers: readonly number[]): number | null => {
  if (numbers.length === 0) return null
  const sorted = Float64Array.from(numbers).sort()
  const middle = Math.floor(sorted.length / 2)
  const high = sorted[middle] as number
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] as number) + high) / 2
}
