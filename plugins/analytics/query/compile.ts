/** A question as one statement. Names are ours or checked against the form, values are parameters, operators are from lists. */
import type { Value } from '../engine/database.ts'
import type { Column, Kind } from '../engine/columns.ts'
import { NEEDS_SINGLE, NO_LINK } from '../access.ts'
import type { Access } from '../access.ts'
import { bucketSql } from './buckets.ts'
import type { Bucketed, Span } from './buckets.ts'
import { earlierOf } from './compare.ts'
import type { Back, Earlier } from './compare.ts'
import { filterSql, typedAs } from './filter.ts'
import type { FilterContext } from './filter.ts'
import { currencySpan, currencySpanOfBoth, isOfMoney, ofOneCurrency } from './currencies.ts'
import type { Money } from './currencies.ts'
import type { Aggregate, GroupKey, Question } from './question.ts'
import { moneySql } from '../engine/worth.ts'
import { below, Refusal } from './refusal.ts'
import type { Source } from './source.ts'
import type { Mistake } from './refusal.ts'
import { Values } from './sql.ts'

export interface Statement {
  readonly sql: string
  readonly values: Value[]
  /** Names of the answer's columns: groups first. */
  readonly groups: readonly string[]
  readonly aggregates: readonly string[]
  /** The period that it is compared with. */
  readonly earlier: Earlier | null
}

export interface CompileInput {
  readonly question: Question
  readonly source: Source
  readonly timezone: string
  readonly access: Access
  /** Of each column that is asked for in buckets, from the first time that there is to the last. */
  readonly spans: ReadonlyMap<string, Span>
}

/** Throws a Refusal that names every mistake. */
export function compile(input: CompileInput): Statement {
  const { question, source, access, timezone } = input
  const mistakes: Mistake[] = []
  const values = new Values()
  const size = { nodes: 0, items: 0 }
  const context: FilterContext = { column: source.column, absent: source.absent, values, mistakes, access, size }
  const now = rowsOf(input, context)
  const { groups, aggregates } = now
  refuseTwice(question, now, mistakes)
  const { compare, from: fromMs, to: toMs } = question
  const earlier =
    compare === undefined || fromMs === undefined || toMs === undefined
      ? null
      : earlierOf(compare, { fromMs, toMs, timezone })
  // Its mistakes are the same.
  const both = earlier === null ? null : rowsOf(input, { ...context, mistakes: [] }, earlier).sql
  const having =
    question.having === undefined ? 'true' : havingSql(question.having, [...groups, ...aggregates], context)
  const names = { groups: groups.map(({ name }) => name), aggregates: aggregates.map(({ name }) => name) }
  const times = groups.filter((_group, n) => question.groupBy[n]?.bucket !== undefined).map(({ name }) => name)
  const order = orderSql(question, { ...names, times, mistakes })
  if (mistakes.length > 0) throw new Refusal(mistakes)
  const beside = both === null ? now.sql : besideSql(now, both, question)
  const rows = ofOneCurrency(beside, now.money, { groupBy: question.groupBy, column: source.column })
  return {
    sql: `SELECT * FROM (${rows}) WHERE ${having} ORDER BY ${order} LIMIT ${question.limit + 1} OFFSET ${question.offset}`,
    values: values.list,
    ...names,
    earlier,
  }
}

interface Rows {
  readonly sql: string
  readonly groups: readonly Group[]
  readonly aggregates: readonly Pick<Group, 'name' | 'kind'>[]
  /** Of these, beside each of which its currencies stand. */
  readonly money: readonly Money[]
}

/** A row a group, of the question's period or of an earlier one. */
function rowsOf(input: CompileInput, context: FilterContext, earlier?: Earlier): Rows {
  const { question, source } = input
  const period = earlier === undefined ? question : { ...question, from: earlier.fromMs, to: earlier.toMs }
  const groups = question.groupBy.map((key, n) =>
    groupOf(key, { ...input, context, pointer: `/group_by/${n}`, back: earlier, period }),
  )
  const aggregates = question.aggregates.map(([name, aggregate]) => {
    const pointer = pointerOf(question, name)
    const only = aggregate.filter === undefined ? 'true' : filterSql(aggregate.filter, context, `${pointer}/filter`)
    const sql = aggregateSql(aggregate, only, { ...context, pointer })
    const span = isOfMoney(aggregate, context) ? currencySpan(name, only, context) : []
    return { name, pointer, sql, span, kind: kindOfAggregate(aggregate, context) }
  })
  const where = whereSql(period, source, context)
  const lists = groups.flatMap(({ list }) => (list === undefined ? [] : [list]))
  const named = [...groups, ...aggregates].map(({ sql, name }) => `${sql} AS "${name}"`)
  const select = [...named, ...aggregates.flatMap(({ span }) => span)]
  const money = aggregates.filter(({ span }) => span.length > 0)
  const from = lists.reduce(
    // A response counts once for each of its choices, and once where there are none.
    (table, list) =>
      `${table}, LATERAL (SELECT unnest(CASE WHEN len(${list.column}) > 0 THEN list_distinct(${list.column}) ELSE [NULL]::VARCHAR[] END) AS ${list.as})`,
    tableWith(source.table, groups),
  )
  const by =
    groups.length === 0 ? '' : ` GROUP BY ${groups.flatMap(({ by: keys }, n) => keys ?? [String(n + 1)]).join(', ')}`
  return { sql: `SELECT ${select.join(', ')} FROM ${from} WHERE ${where}${by}`, groups, aggregates, money }
}

/** The table, beside whose columns stand those that groups are made of. */
function tableWith(table: string, groups: readonly Group[]): string {
  const made = new Map(groups.flatMap(({ made: one }) => (one === undefined ? [] : [[one.as, one.sql] as const])))
  if (made.size === 0) return table
  return `(SELECT *, ${[...made].map(([as, sql]) => `${sql} AS ${as}`).join(', ')} FROM ${table})`
}

const pointerOf = ({ isMap }: Question, name: string): string =>
  isMap || name === 'value' ? '/aggregate' : below('/aggregates', name)

/** The engine tells names apart by more than their case. */
function refuseTwice(question: Question, { groups, aggregates }: Rows, mistakes: Mistake[]): void {
  const taken = new Set<string>()
  for (const [n, { name }] of groups.entries()) {
    if (taken.has(name.toLowerCase()))
      mistakes.push({ pointer: `/group_by/${n}`, detail: `"${name}" is the name of another group; use "as"` })
    taken.add(name.toLowerCase())
  }
  for (const { name } of aggregates) {
    if (taken.has(name.toLowerCase()))
      mistakes.push({
        pointer: pointerOf(question, name),
        detail: `"${name}" is the name of a group or another aggregate, too`,
      })
    taken.add(name.toLowerCase())
  }
}

/** What the earlier period came to stands behind this in front of the aggregate's name. */
export const EARLIER_MARK = '~'

/** Groups of either period; of what there was nothing there are none, and nothing to take a mean of. */
function besideSql({ sql, groups, aggregates, money }: Rows, earlier: string, { aggregates: asked }: Question): string {
  const countsAs = new Map(asked.map(([name, { fn }]) => [name, fn === 'count' || fn === 'count_distinct']))
  const shown = (side: string, name: string): string =>
    countsAs.get(name) === true ? `coalesce(${side}."${name}", 0)` : `${side}."${name}"`
  const select = [
    ...groups.map(({ name }) => `coalesce(now."${name}", earlier."${name}") AS "${name}"`),
    ...aggregates.flatMap(({ name }) => [
      `${shown('now', name)} AS "${name}"`,
      `${shown('earlier', name)} AS "${EARLIER_MARK}${name}"`,
    ]),
    ...money.flatMap(({ name }) => currencySpanOfBoth(name)),
  ]
  const same = groups.map(({ name }) => `now."${name}" IS NOT DISTINCT FROM earlier."${name}"`)
  const join = same.length === 0 ? 'CROSS JOIN' : 'FULL JOIN'
  const on = same.length === 0 ? '' : ` ON ${same.join(' AND ')}`
  return `SELECT ${select.join(', ')} FROM (${sql}) AS now ${join} (${earlier}) AS earlier${on}`
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

interface Group extends Bucketed {
  readonly name: string
  /** Of its values in the answer. */
  readonly kind: Kind
  /** A field of lists has to be unnested first. */
  readonly list?: { readonly column: string; readonly as: string }
}

type GroupInput = CompileInput & {
  readonly context: FilterContext
  readonly pointer: string
  /** Times are of a period so far back, and get the names of those they are compared with. */
  readonly back: Back | undefined
  /** What is asked about. */
  readonly period: Pick<Question, 'from' | 'to'>
}

function groupOf(key: GroupKey, input: GroupInput): Group {
  const { context, pointer } = input
  const column = context.column(key.field)
  const name = (key.as ?? key.field).replaceAll('"', '')
  if (column === undefined) {
    context.mistakes.push({ pointer, detail: context.absent(key.field) })
    return { name, kind: 'text', sql: 'NULL' }
  }
  const isShown = context.access.shows(column)
  if (!isShown || (column.kind !== 'time' && !context.access.sees(column))) {
    const why = isShown ? NEEDS_SINGLE : NO_LINK
    context.mistakes.push({ pointer, detail: `"${key.field}" ${why}`, isDenied: true })
    return { name, kind: 'text', sql: 'NULL' }
  }
  if (key.bucket !== undefined) return { name, kind: 'text', ...bucketOf(column, key.bucket, input) }
  if (column.kind === 'time') {
    context.mistakes.push({ pointer, detail: `"${key.field}" is a time; say which bucket, such as "day"` })
    return { name, kind: 'text', sql: 'NULL' }
  }
  if (column.kind !== 'list') return { name, kind: column.kind === 'json' ? 'text' : column.kind, sql: textOf(column) }
  const as = `u_${column.name}`
  return { name, kind: 'text', sql: as, list: { column: column.name, as } }
}

function bucketOf(column: Column, bucket: NonNullable<GroupKey['bucket']>, input: GroupInput): Bucketed {
  const { context, pointer, question, source, spans, period, timezone, back } = input
  const { fromMs, toMs } = spans.get(column.name) ?? { fromMs: 0, toMs: 0 }
  // What nobody asks about needs no offsets.
  const span =
    column.name === source.time
      ? { fromMs: Math.max(fromMs, period.from ?? fromMs), toMs: Math.min(toMs, period.to ?? toMs) }
      : { fromMs, toMs }
  const bucketed = bucketSql(column, bucket, { timezone, span, back })
  if (bucketed === null) context.mistakes.push({ pointer, detail: `"${column.path}" is no time, so it has no buckets` })
  if (column.kind === 'time' && bucket === 'week' && /(?:mo|y)$/.test(question.compare ?? '')) {
    const detail = 'has weeks, which are no parts of months: compare with so many weeks back, such as "4w" or "52w"'
    context.mistakes.push({ pointer, detail })
  }
  return bucketed ?? { sql: 'NULL' }
}

/** As it is; of a value in JSON its text, and nothing of null. */
const textOf = ({ name, kind }: Column): string => (kind === 'json' ? `json_extract_string(${name}, '$')` : name)

/** `only`: SQL, which rows count. */
function aggregateSql(
  aggregate: Aggregate,
  only: string,
  { pointer, ...context }: FilterContext & { readonly pointer: string },
): string {
  const { fn, field, q } = aggregate
  const among = only === 'true' ? '' : ` FILTER (WHERE ${only})`
  if (fn === 'rate') return `count(*) FILTER (WHERE ${only}) / nullif(count(*), 0)`
  if (field === undefined) return `count(*)${among}`
  const column = context.column(field)
  if (column === undefined) {
    context.mistakes.push({ pointer: `${pointer}/field`, detail: context.absent(field) })
    return 'NULL'
  }
  if (!context.access.shows(column)) {
    context.mistakes.push({ pointer: `${pointer}/field`, detail: `"${field}" ${NO_LINK}`, isDenied: true })
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
  if (kind === 'text' && !context.access.sees(column)) {
    context.mistakes.push({ pointer: `${pointer}/field`, detail: `"${field}" ${NEEDS_SINGLE}`, isDenied: true })
    return 'NULL'
  }
  const shown = kind === 'time' ? `strftime(${name}, '%Y-%m-%dT%H:%M:%S.%gZ')` : name
  if (fn === 'median') return `median(${name})${among}`
  if (fn === 'percentile') return `quantile_cont(${name}, ${context.values.add(q ?? 0.5)})${among}`
  const sql = `${ADDS[fn] ?? fn}(${shown})${among}`
  return fn in ADDS && isOfMoney(aggregate, context) ? moneySql(sql) : sql
}

/** Functions that carry what a plain sum of fractions loses. */
const ADDS: { readonly [fn: string]: string } = { sum: 'fsum', avg: 'favg' }

/** Least and most of texts and times are texts. */
function kindOfAggregate({ fn, field = '' }: Aggregate, { column }: FilterContext): Kind {
  const isEnd = fn === 'min' || fn === 'max'
  return isEnd && column(field)?.kind !== 'number' ? 'text' : 'number'
}

/** Over what was computed: the same filters, on the names of the answer. */
function havingSql(having: object, columns: readonly Pick<Group, 'name' | 'kind'>[], context: FilterContext): string {
  const known = new Map(
    columns.map(({ name, kind }): [string, Column] => [name, { path: name, kind, name: `"${name}"`, isOpen: true }]),
  )
  const absent = (path: string): string => `"${path.slice(0, 200)}" is neither a group nor an aggregate`
  return filterSql(having, { ...context, absent, column: (path) => known.get(path) }, '/having')
}

interface Ordered {
  readonly groups: readonly string[]
  readonly aggregates: readonly string[]
  /** Groups that are stretches of time. */
  readonly times: readonly string[]
  readonly mistakes: Mistake[]
}

/** Unless said otherwise along the time, and then from the largest number on. */
function orderSql({ orderBy }: Question, { groups, aggregates, times, mistakes }: Ordered): string {
  const rest = groups.map((name) => `"${name}" ASC NULLS LAST`)
  if (orderBy === undefined) {
    const along = times.map((name) => `"${name}" ASC NULLS LAST`)
    return [...along, `"${aggregates[0] ?? 'value'}" DESC NULLS LAST`, ...rest].join(', ')
  }
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
