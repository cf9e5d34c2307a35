/**
 * Values of several currencies come to nothing together, and none of them is more than one of another. So a question about
 * `value` is of one currency in all its rows and both its periods, or has a row for each; else it is refused. Where values
 * have no currency, that is one of its own.
 */
import { sqlText } from '../engine/sql-text.ts'
import type { FilterContext } from './filter.ts'
import type { Aggregate, Question } from './question.ts'

/** Columns of the data sets of behaviour events; the last only where a row is of many events, and has no value if it is true. */
const [VALUE, CURRENCY, MIXED] = ['value', 'currency', 'is_mixed']

/** What the engine says where values are of several currencies; behind it, where that was asked. */
export const MIXED_MARK = 'several currencies: '

type Columns = Pick<FilterContext, 'column'>
const isOurs = (path: string, { column }: Columns): boolean => column(path)?.name === path

/** It is a figure of what was paid. */
export const isOfMoney = ({ fn, field = '' }: Aggregate, columns: Columns): boolean =>
  fn !== 'count' && fn !== 'count_distinct' && field === VALUE && isOurs(VALUE, columns) && isOurs(CURRENCY, columns)

const leastName = (name: string): string => `"~~least ${name}"`
const mostName = (name: string): string => `"~~most ${name}"`

/** Behind whatever is a currency, so that a row of several is of more than one by itself. */
const SEVERAL = `'~'`

/** Columns beside an aggregate: between which currencies its values are. `only`: SQL, which rows count. */
export function currencySpan(name: string, only: string, columns: Columns): readonly string[] {
  const isMixed = isOurs(MIXED, columns) ? MIXED : 'false'
  const among = `FILTER (WHERE (${VALUE} IS NOT NULL OR ${isMixed}) AND ${only})`
  const currency = `coalesce(${CURRENCY}, '')`
  return [
    `min(${currency}) ${among} AS ${leastName(name)}`,
    `max(CASE WHEN ${isMixed} THEN ${SEVERAL} ELSE ${currency} END) ${among} AS ${mostName(name)}`,
  ]
}

/** The same of two periods beside each other. */
export const currencySpanOfBoth = (name: string): readonly string[] => [
  `least(now.${leastName(name)}, earlier.${leastName(name)}) AS ${leastName(name)}`,
  `greatest(now.${mostName(name)}, earlier.${mostName(name)}) AS ${mostName(name)}`,
]

/** An aggregate of money, and where it was asked. */
export interface Money {
  readonly name: string
  readonly pointer: string
}

/** `rows`, which have the columns above, without these and only where they are of one currency. */
export function ofOneCurrency(
  rows: string,
  money: readonly Money[],
  { groupBy, ...columns }: Columns & Pick<Question, 'groupBy'>,
): string {
  if (money.length === 0) return rows
  const isEach = groupBy.some(({ field }) => field === CURRENCY && isOurs(CURRENCY, columns))
  const over = (fn: string, column: string): string => (isEach ? column : `${fn}(${column}) OVER ()`)
  const checked = money.map(({ name, pointer }) => {
    const isSeveral = `coalesce(${over('min', leastName(name))} <> ${over('max', mostName(name))}, false)`
    return `CASE WHEN ${isSeveral} THEN error(${sqlText(MIXED_MARK + pointer)}) ELSE "${name}" END AS "${name}"`
  })
  const spans = money.flatMap(({ name }) => [leastName(name), mostName(name)])
  return `SELECT * EXCLUDE (${spans.join(', ')}) REPLACE (${checked.join(', ')}) FROM (${rows})`
}
