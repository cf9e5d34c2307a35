/**
 * A Mongo-style filter as SQL over typed columns. Missing and null are one (an unanswered field is not stored); values of
 * another type than the column never match; a list matches when any of its elements does.
 * MongoDB manual, "Query and Projection Operators".
 */
import { filters, NEEDS_SINGLE, NO_LINK } from '../access.ts'
import type { Access } from '../access.ts'
import type { Column } from '../engine/columns.ts'
import { below } from './refusal.ts'
import type { Mistake } from './refusal.ts'
import type { Values } from './sql.ts'

export interface FilterContext {
  /** The column of a path; undefined: there is none. */
  readonly column: (path: string) => Column | undefined
  /** Why a path means none, in a sentence that begins with it. */
  readonly absent: (path: string) => string
  readonly values: Values
  readonly mistakes: Mistake[]
  readonly access: Access
  /** Of all filters of the question so far. */
  readonly size: { nodes: number; items: number }
}

const DEPTH_MAX = 20
const NODES_MAX = 500
const IN_ITEMS_MAX = 1_000
/** In all lists of a question. */
const ITEMS_MAX = 5_000
const PATTERN_CHARS_MAX = 500

const FALSE = 'false'
const TRUE = 'true'

/** One condition of SQL. What is wrong is added to `mistakes`. */
export function filterSql(filter: unknown, context: FilterContext, pointer: string): string {
  return new Compiler(context).document(filter, pointer, 0)
}

class Compiler {
  readonly #context: FilterContext

  constructor(context: FilterContext) {
    this.#context = context
  }

  document(filter: unknown, pointer: string, depth: number): string {
    if (!isObject(filter)) return this.#refuse(pointer, 'must be an object of conditions')
    if (depth > DEPTH_MAX) return this.#refuse(pointer, `is nested more than ${DEPTH_MAX} levels deep`)
    if (this.#isTooMuch()) return this.#refuse(pointer, `there are more than ${NODES_MAX} conditions in the question`)
    const parts = Object.entries(filter).map(([key, value]) => {
      const at = below(pointer, key)
      if (!key.startsWith('$')) return this.#field(key, value, { at, depth })
      if (key === '$and' || key === '$or' || key === '$nor') return this.#many(key, value, { at, depth })
      return this.#refuse(at, `"${key}" is no operator here; use $and, $or, $nor or the name of a field`)
    })
    return all(parts)
  }

  #many(key: '$and' | '$or' | '$nor', value: unknown, { at, depth }: Place): string {
    if (!Array.isArray(value) || value.length === 0) return this.#refuse(at, 'must be a list of at least one filter')
    const parts = value.map((each, n) => this.document(each, below(at, n), depth + 1))
    if (key === '$and') return all(parts)
    return key === '$or' ? any(parts) : not(any(parts))
  }

  #field(path: string, value: unknown, place: Place): string {
    if (this.#isTooMuch()) return this.#refuse(place.at, `there are more than ${NODES_MAX} conditions in the question`)
    const column = this.#context.column(path)
    if (column === undefined) return this.#refuse(place.at, this.#context.absent(path))
    if (!this.#context.access.shows(column)) {
      this.#context.mistakes.push({ pointer: place.at, detail: `"${path}" ${NO_LINK}`, isDenied: true })
      return FALSE
    }
    if (!asksWhether(value) && !filters(column, this.#context.access)) {
      this.#context.mistakes.push({ pointer: place.at, detail: `"${path}" ${NEEDS_SINGLE}`, isDenied: true })
      return FALSE
    }
    return this.#conditions(column, value, place)
  }

  /** A value alone means equality; an object of operators, all of them. */
  #conditions(column: Column, value: unknown, { at, depth }: Place): string {
    if (!isObject(value)) return this.#equals(column, value, at)
    const keys = Object.keys(value)
    if (keys.length === 0) return this.#refuse(at, 'must name an operator such as $eq')
    return all(
      keys
        .filter((key) => key !== '$options' || !Object.hasOwn(value, '$regex'))
        .map((key) => this.#operator(column, key, { value, at: below(at, key), depth: depth + 1 })),
    )
  }

  #operator(column: Column, key: string, { value: all, at, depth }: Place & { value: Conditions }): string {
    const value = all[key]
    switch (key) {
      case '$eq':
        return this.#equals(column, value, at)
      case '$ne':
        return not(this.#equals(column, value, at))
      case '$gt':
      case '$gte':
      case '$lt':
      case '$lte':
        return this.#compares(column, key, { value, at })
      case '$in':
        return this.#among(column, value, at)
      case '$nin':
        return not(this.#among(column, value, at))
      case '$exists':
        if (typeof value !== 'boolean') return this.#refuse(at, 'must be true or false')
        return `(${column.name} IS ${value ? 'NOT ' : ''}NULL)`
      case '$regex':
        return this.#matches(column, value, { options: all['$options'], at })
      case '$not':
        if (depth > DEPTH_MAX) return this.#refuse(at, `is nested more than ${DEPTH_MAX} levels deep`)
        if (!isObject(value)) return this.#refuse(at, 'must be an object of operators')
        return not(this.#conditions(column, value, { at, depth }))
      default:
        return this.#refuse(at, `"${key}" is no operator; use ${OPERATORS.join(', ')}`)
    }
  }

  #equals(column: Column, value: unknown, at: string): string {
    const { name, kind } = column
    if (value === null) return kind === 'json' ? isNullJson(name) : `(${name} IS NULL)`
    if (kind === 'json' && Array.isArray(value)) return this.#sameJsonList(column, value, at)
    if (kind === 'list') {
      if (Array.isArray(value)) return this.#sameList(column, value, at)
      return typeof value === 'string' ? `(list_contains(${name}, ${this.#text(value)}))` : this.#scalar(value, at)
    }
    return this.#typed(column, value, (typed) => {
      const operand = this.#operand(typed, value, at)
      return operand === null ? FALSE : `(${typed.name} = ${operand})`
    })
  }

  /** `test` of the column; of one in JSON, of what has the value's type: what stands there itself, or one of a list. */
  #typed(column: Column, value: unknown, test: (typed: Column) => string): string {
    if (column.kind !== 'json') return test(column)
    const [itself, item] = [typedAs(column, value), typedAs({ ...column, name: 'x' }, value)]
    // No value at all: it is refused as of any other column.
    if (itself === undefined || item === undefined) return test(column)
    return ofItems(column.name, { itself: test(itself), item: test(item) })
  }

  #sameJsonList({ name, ...column }: Column, value: readonly unknown[], at: string): string {
    if (this.#isTooLong(value, at)) return FALSE
    const items = value.map((each, n) => {
      const item = `json_extract(${name}, '$[${n}]')`
      if (each === null) return `json_type(${item}) = 'NULL'`
      const typed = typedAs({ ...column, name: item }, each)
      if (typed === undefined)
        return this.#refuse(at, 'may hold texts, numbers, true, false and null, and nothing in them')
      return this.#equals(typed, each, at)
    })
    return all([`json_type(${name}) = 'ARRAY'`, `json_array_length(${name}) = ${value.length}`, ...items])
  }

  #sameList({ name }: Column, value: readonly unknown[], at: string): string {
    if (!value.every((each) => typeof each === 'string')) return FALSE
    if (this.#isTooLong(value, at)) return FALSE
    return `(${name} = [${value.map((each) => this.#text(each)).join(', ')}]::VARCHAR[])`
  }

  #compares(column: Column, key: keyof typeof SIGNS, { value, at }: { value: unknown; at: string }): string {
    // null equals null, and is neither more nor less than anything.
    if (value === null) return key === '$gte' || key === '$lte' ? this.#equals(column, null, at) : FALSE
    const sign = SIGNS[key]
    if (column.kind === 'list') {
      if (typeof value !== 'string') return this.#scalar(value, at)
      return `(len(list_filter(${column.name}, lambda x: x ${sign} ${this.#text(value)})) > 0)`
    }
    return this.#typed(column, value, (typed) => {
      const operand = this.#operand(typed, value, at)
      return operand === null ? FALSE : `(${typed.name} ${sign} ${operand})`
    })
  }

  #isTooMuch(): boolean {
    this.#context.size.nodes += 1
    return this.#context.size.nodes > NODES_MAX
  }

  #among(column: Column, value: unknown, at: string): string {
    if (!Array.isArray(value)) return this.#refuse(at, 'must be a list')
    if (this.#isTooLong(value, at)) return FALSE
    return any(value.map((each, n) => this.#equals(column, each, below(at, n))))
  }

  /** Then it is refused. */
  #isTooLong(list: readonly unknown[], at: string): boolean {
    const { size } = this.#context
    size.items += list.length
    if (size.items > ITEMS_MAX) this.#refuse(at, `makes more than ${ITEMS_MAX} items of lists in the question`)
    else if (list.length > IN_ITEMS_MAX) this.#refuse(at, `has more than ${IN_ITEMS_MAX} items`)
    else return false
    return true
  }

  #matches(column: Column, value: unknown, { options, at }: { options: unknown; at: string }): string {
    if (typeof value !== 'string') return this.#refuse(at, 'must be a pattern as text')
    if (value.length > PATTERN_CHARS_MAX) return this.#refuse(at, `is longer than ${PATTERN_CHARS_MAX} characters`)
    if (options !== undefined && (typeof options !== 'string' || !/^[ims]*$/.test(options)))
      return this.#refuse(at, '$options may have i, m and s')
    const { name, kind } = column
    if (kind !== 'text' && kind !== 'list' && kind !== 'json') return FALSE
    // RE2: no pattern takes longer than the text is long. Its own flags mean what MongoDB's do; the engine's do not.
    const flags = [...new Set(options ?? '')].join('')
    const pattern = this.#text(flags === '' ? value : `(?${flags})${value}`)
    if (kind !== 'list') return this.#typed(column, value, (typed) => `(regexp_matches(${typed.name}, ${pattern}))`)
    return `(len(list_filter(${name}, lambda x: regexp_matches(x, ${pattern}))) > 0)`
  }

  /** The value as SQL for this column; null: it is of another type and can never match. */
  #operand({ kind }: Column, value: unknown, at: string): string | null {
    const { values } = this.#context
    if (kind === 'number' && typeof value === 'number') return values.add(value)
    if (kind === 'boolean' && typeof value === 'boolean') return values.add(value)
    if (kind === 'text' && typeof value === 'string') return this.#text(value)
    if (kind === 'time' && typeof value === 'string') {
      const time = Date.parse(value)
      if (Number.isNaN(time)) this.#refuse(at, 'must be a time such as "2026-11-27T12:00:00Z"')
      // Written out, so that the engine can pass over what lies outside.
      return Number.isNaN(time) ? null : `make_timestamp_ms(${time})`
    }
    this.#scalar(value, at)
    return null
  }

  #text(value: string): string {
    return this.#context.values.add(value)
  }

  /** Another type than the column's matches nothing; what is no value at all is a mistake. */
  #scalar(value: unknown, at: string): string {
    if (['string', 'number', 'boolean'].includes(typeof value) || Array.isArray(value)) return FALSE
    return this.#refuse(at, 'must be a text, a number, true, false or null')
  }

  #refuse(pointer: string, detail: string): string {
    this.#context.mistakes.push({ pointer, detail })
    return FALSE
  }
}

/** Only whether it was answered at all. */
const asksWhether = (value: unknown): boolean =>
  value === null ||
  (isObject(value) &&
    Object.entries(value).every(([key, of]) => key === '$exists' || ((key === '$eq' || key === '$ne') && of === null)))

/** A JSON value has the type that it is compared with, or none at all. Other columns are what they are. */
export function typedAs(column: Column, value: unknown): Column | undefined {
  if (column.kind !== 'json') return column
  const { kind: _json, ...rest } = column
  const { name } = rest
  if (typeof value === 'number') {
    const isNumber = `json_type(${name}) IN ('UBIGINT', 'BIGINT', 'HUGEINT', 'DOUBLE')`
    return { ...rest, kind: 'number', name: `(CASE WHEN ${isNumber} THEN CAST(${name} AS DOUBLE) END)` }
  }
  if (typeof value === 'boolean') {
    const isBoolean = `json_type(${name}) = 'BOOLEAN'`
    return { ...rest, kind: 'boolean', name: `(CASE WHEN ${isBoolean} THEN CAST(${name} AS BOOLEAN) END)` }
  }
  if (typeof value !== 'string') return undefined
  return {
    ...rest,
    kind: 'text',
    name: `(CASE WHEN json_type(${name}) = 'VARCHAR' THEN json_extract_string(${name}, '$') END)`,
  }
}

/** Of a list in JSON whether one of its items, `x`, passes; of anything else whether it does itself. */
const ofItems = (name: string, { itself, item }: { readonly itself: string; readonly item: string }): string =>
  `(CASE WHEN json_type(${name}) = 'ARRAY' THEN len(list_filter(json_extract(${name}, '$[*]'), lambda x: ${item})) > 0 ELSE ${itself} END)`

const isNullJson = (name: string): string => {
  const itself = `(${name} IS NULL OR json_type(${name}) = 'NULL')`
  return ofItems(name, { itself, item: `json_type(x) = 'NULL'` })
}

interface Place {
  readonly at: string
  readonly depth: number
}
type Conditions = { readonly [key: string]: unknown }

const SIGNS = { $gt: '>', $gte: '>=', $lt: '<', $lte: '<=' } as const
const OPERATORS = ['$eq', '$ne', '$gt', '$gte', '$lt', '$lte', '$in', '$nin', '$exists', '$regex', '$not']

const all = (parts: readonly string[]): string => (parts.length === 0 ? TRUE : `(${parts.join(' AND ')})`)
const any = (parts: readonly string[]): string => (parts.length === 0 ? FALSE : `(${parts.join(' OR ')})`)
/** A condition about an unanswered field is unknown to the engine; what it does not match is what this turns round. */
const not = (part: string): string => `(NOT coalesce(${part}, false))`
const isObject = (value: unknown): value is Conditions =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
