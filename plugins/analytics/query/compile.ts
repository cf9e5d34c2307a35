/** A question as one statement. Names are ours or checked against the form, values are parameters, operators are from lists. */
import type { Value } from '../engine/database.ts'
import type { Column, Kind } from '../engine/columns.ts'
import { filterSql, typedAs } from './filter.ts'
import type { FilterContext } from './filter.ts'
import type { Aggregate, GroupKey, Question } from './question.ts'
import { below, Refusal } from './refusal.ts'
import type { Source } from './source.ts'
import type { Mistake } from './refusal.ts'
import { Values } from './sql.ts'
import { cutsOf, localSql } from './zone.ts'
import type { Cut } from './zone.ts'

export interface Statement {
  readonly sql: string
  readonly values: Value[]
  /** Names of the answer's columns: groups first. */
  readonly groups: readonly string[]
  readonly aggregates: readonly string[]
}

export interface CompileInput {
  readonly question: Question
  readonly source: Source
  readonly timezone: string
  /** From the first to the last submission that there is, for the offsets of a zone. */
  readonly span: { readonly fromMs: number; readonly toMs: number }
}

/** Throws a Refusal that names every mistake. */
export function compile(input: CompileInput): Statement {
  const { question, source } = input
  const mistakes: Mistake[] = []
  const values = new Values()
  const context: FilterContext = { column: source.column, of: source.what, values, mistakes }
  const groups = question.groupBy.map((key, n) => groupOf(key, { ...input, context, pointer: `/group_by/${n}` }))
  const names = groups.map(({ name }) => name)
  // The engine tells names apart by more than their case.
  const taken = new Set<string>()
  for (const [n, name] of names.entries()) {
    const isTaken = taken.has(name.toLowerCase())
    if (isTaken)
      mistakes.push({ pointer: `/group_by/${n}`, detail: `"${name}" is the name of another group; use "as"` })
    taken.add(name.toLowerCase())
  }
  const aggregates = question.aggregates.map(([name, aggregate]) => {
    const pointer = question.isMap || name === 'value' ? '/aggregate' : below('/aggregates', name)
    if (taken.has(name.toLowerCase()))
      mistakes.push({ pointer, detail: `"${name}" is the name of a group or another aggregate, too` })
    taken.add(name.toLowerCase())
    return { name, sql: aggregateSql(aggregate, context, pointer), kind: kindOfAggregate(aggregate, context) }
  })
  const where = whereSql(question, source, context)
  const lists = groups.flatMap(({ list }) => (list === undefined ? [] : [list]))
  const select = [...groups, ...aggregates].map(({ sql, name }) => `${sql} AS "${name}"`)
  const from = lists.reduce(
    // A response counts for each of its choices, and once where there are none.
    (table, list) =>
      `${table}, LATERAL (SELECT unnest(CASE WHEN len(${list.column}) > 0 THEN ${list.column} ELSE [NULL]::VARCHAR[] END) AS ${list.as})`,
    source.table,
  )
  const inner = `SELECT ${select.join(', ')} FROM ${from} WHERE ${where}${groups.length === 0 ? '' : ` GROUP BY ${groups.map((_, n) => n + 1).join(', ')}`}`
  const having =
    question.having === undefined ? 'true' : havingSql(question.having, [...groups, ...aggregates], context)
  const order = orderSql(question, { groups: names, aggregates: aggregates.map(({ name }) => name), mistakes })
  if (mistakes.length > 0) throw new Refusal(mistakes)
  return {
    sql: `SELECT * FROM (${inner}) WHERE ${having} ORDER BY ${order} LIMIT ${question.limit + 1} OFFSET ${question.offset}`,
    values: values.list,
    groups: names,
    aggregates: aggregates.map(({ name }) => name),
  }
}

function whereSql(question: Question, { time: happened, isWhole }: Source, context: FilterContext): string {
  const time = (ms: number): string => `make_timestamp_ms(${ms})`
  const parts = [question.filter === undefined ? 'true' : filterSql(question.filter, context, '/filter')]
  if (question.include !== 'all' && isWhole !== null)
    parts.push(question.include === 'completed' ? isWhole : `NOT (${isWhole})`)
  if (question.from !== undefined) parts.push(`${happened} >= ${time(question.from)}`)
  if (question.to !== undefined) parts.push(`${happened} < ${time(question.to)}`)
  return parts.join(' AND ')
}

interface Group {
  readonly name: string
  /** Of its values in the answer. */
  readonly kind: Kind
  readonly sql: string
  /** A field of lists has to be unnested first. */
  readonly list?: { readonly column: string; readonly as: string }
}

type GroupInput = CompileInput & { readonly context: FilterContext; readonly pointer: string }

function groupOf(key: GroupKey, input: GroupInput): Group {
  const { context, pointer } = input
  const column = context.column(key.field)
  const name = (key.as ?? key.field).replaceAll('"', '')
  if (column === undefined) {
    context.mistakes.push({ pointer, detail: `"${key.field}" is no field of ${context.of}` })
    return { name, kind: 'text', sql: 'NULL' }
  }
  if (key.bucket !== undefined) return { name, kind: 'text', sql: bucketSql(column, key.bucket, input) }
  if (column.kind === 'time') {
    context.mistakes.push({ pointer, detail: `"${key.field}" is a time; say which bucket, such as "day"` })
    return { name, kind: 'text', sql: 'NULL' }
  }
  if (column.kind !== 'list') return { name, kind: column.kind === 'json' ? 'text' : column.kind, sql: textOf(column) }
  const as = `u_${column.name}`
  return { name, kind: 'text', sql: as, list: { column: column.name, as } }
}

/** As it is; of a value in JSON its text, and nothing of null. */
const textOf = ({ name, kind }: Column): string => (kind === 'json' ? `json_extract_string(${name}, '$')` : name)

const FORMATS = {
  minute: '%Y-%m-%dT%H:%M',
  hour: '%Y-%m-%dT%H:00',
  day: '%Y-%m-%d',
  week: '%Y-%m-%d',
  month: '%Y-%m',
  quarter: '%Y-%m',
  year: '%Y',
}

/** Beginning of the bucket on the zone's wall clock. Answers that are dates are in no zone. */
function bucketSql(
  column: Column,
  bucket: keyof typeof FORMATS,
  { context, pointer, timezone, span }: GroupInput,
): string {
  const { name, kind } = column
  if (kind !== 'time' && kind !== 'text') {
    context.mistakes.push({ pointer, detail: `"${column.path}" is no time, so it has no buckets` })
    return 'NULL'
  }
  const cuts: readonly Cut[] = kind === 'time' ? cutsOf(timezone, span.fromMs, span.toMs) : []
  const local = kind === 'time' ? localSql(name, cuts) : `TRY_CAST(${name} AS TIMESTAMP)`
  return `strftime(date_trunc('${bucket}', ${local}), '${FORMATS[bucket]}')`
}

function aggregateSql(aggregate: Aggregate, context: FilterContext, pointer: string): string {
  const { fn, field, q } = aggregate
  const only = aggregate.filter === undefined ? 'true' : filterSql(aggregate.filter, context, `${pointer}/filter`)
  const among = only === 'true' ? '' : ` FILTER (WHERE ${only})`
  if (fn === 'rate') return `count(*) FILTER (WHERE ${only}) / nullif(count(*), 0)`
  if (field === undefined) return `count(*)${among}`
  const column = context.column(field)
  if (column === undefined) {
    context.mistakes.push({ pointer: `${pointer}/field`, detail: `"${field}" is no field of ${context.of}` })
    return 'NULL'
  }
  if (fn === 'count') return `count(${textOf(column)})${among}`
  if (fn === 'count_distinct') return `count(DISTINCT ${textOf(column)})${among}`
  // Of a value in JSON what is a number counts.
  const { name, kind } = typedAs(column, 0) ?? column
  const takesTexts = fn === 'min' || fn === 'max'
  if (kind !== 'number' && !(takesTexts && (kind === 'text' || kind === 'time'))) {
    context.mistakes.push({ pointer: `${pointer}/field`, detail: `"${field}" is no number, so it has no ${fn}` })
    return 'NULL'
  }
  const shown = kind === 'time' ? `strftime(${name}, '%Y-%m-%dT%H:%M:%S.%gZ')` : name
  if (fn === 'median') return `median(${name})${among}`
  if (fn === 'percentile') return `quantile_cont(${name}, ${context.values.add(q ?? 0.5)})${among}`
  return `${fn}(${shown})${among}`
}

/** Least and most of texts and times are texts. */
function kindOfAggregate({ fn, field = '' }: Aggregate, { column }: FilterContext): Kind {
  const isEnd = fn === 'min' || fn === 'max'
  return isEnd && column(field)?.kind !== 'number' ? 'text' : 'number'
}

/** Over what was computed: the same filters, on the names of the answer. */
function havingSql(having: object, columns: readonly Pick<Group, 'name' | 'kind'>[], context: FilterContext): string {
  const known = new Map(
    columns.map(({ name, kind }): [string, Column] => [name, { path: name, kind, name: `"${name}"` }]),
  )
  return filterSql(having, { ...context, column: (path) => known.get(path) }, '/having')
}

function orderSql(
  { orderBy }: Question,
  { groups, aggregates, mistakes }: { groups: readonly string[]; aggregates: readonly string[]; mistakes: Mistake[] },
): string {
  const rest = groups.map((name) => `"${name}" ASC NULLS LAST`)
  if (orderBy === undefined) return [`"${aggregates[0] ?? 'value'}" DESC NULLS LAST`, ...rest].join(', ')
  const asked = orderBy.map(({ by, direction }, n) => {
    if (!groups.includes(by) && !aggregates.includes(by))
      mistakes.push({
        pointer: `/order_by/${n}/by`,
        detail: `"${by.slice(0, 100)}" is neither a group nor an aggregate`,
      })
    return `"${by.replaceAll('"', '')}" ${direction === 'asc' ? 'ASC' : 'DESC'} NULLS LAST`
  })
  return [...asked, ...rest].join(', ')
}
