/** Times in buckets of a zone's wall clock, as SQL. */
import type { Column } from '../engine/columns.ts'
import type { Ask } from '../engine/readers.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../time-units.ts'
import type { Back } from './compare.ts'
import type { GroupKey, Question } from './question.ts'
import type { Source } from './source.ts'
import { cutsOf, localSql, secondTimeSql } from './zone.ts'

export interface Span {
  readonly fromMs: number
  readonly toMs: number
}

/** A column in buckets, or what else rows are put together by. */
export interface Bucketed {
  readonly sql: string
  /** What rows are put together by where that is not `sql` itself but cheaper: `sql` is then made once a group, not once a row. */
  readonly by?: readonly string[]
  /** What has to stand beside the columns of the table for that. */
  readonly made?: { readonly sql: string; readonly as: string }
}

type Bucket = NonNullable<GroupKey['bucket']>

const FORMATS: Readonly<Record<Bucket, string>> = {
  minute: '%Y-%m-%dT%H:%M',
  hour: '%Y-%m-%dT%H:00',
  day: '%Y-%m-%d',
  week: '%Y-%m-%d',
  month: '%Y-%m',
  quarter: '%Y-%m',
  year: '%Y',
}

/** From the first to the last time of each column that the question has buckets of, by its name. */
export async function spansOf(
  ask: Ask,
  { groupBy }: Pick<Question, 'groupBy'>,
  { table, column }: Pick<Source, 'table' | 'column'>,
): Promise<ReadonlyMap<string, Span>> {
  const instants = groupBy.flatMap(({ field, bucket }) => {
    const named = bucket === undefined ? undefined : column(field)
    const sql = named === undefined ? null : instantSql(named)
    return named === undefined || sql === null ? [] : [[named.name, sql] as const]
  })
  if (instants.length === 0) return new Map()
  const ends = instants.map(([, sql], n) => `epoch_ms(min(${sql})) AS low${n}, epoch_ms(max(${sql})) AS high${n}`)
  const [row] = await ask(`SELECT ${ends.join(', ')} FROM ${table}`)
  const end = (name: string): number => Number(row?.[name] ?? 0)
  return new Map(instants.map(([name], n) => [name, { fromMs: end(`low${n}`), toMs: end(`high${n}`) }]))
}

/** Of an answer the moment that it is; dates are none, and in no zone. Null: the column has no times. */
function instantSql({ name, kind }: Column): string | null {
  if (kind === 'time') return name
  return kind === 'text' ? `CASE WHEN ${name} LIKE '____-__-__T%Z' THEN TRY_CAST(${name} AS TIMESTAMP) END` : null
}

interface BucketInput {
  readonly timezone: string
  readonly span: Span
  /** Times are of a period so far back, and get the names of those they are compared with. */
  readonly back: Back | undefined
}

/** Beginning of the bucket on the zone's wall clock. Null: the column has no times. */
export function bucketSql(column: Column, bucket: Bucket, { timezone, span, back }: BucketInput): Bucketed | null {
  const { name, kind } = column
  const instant = instantSql(column)
  if (instant === null) return null
  // A change of the clock right before the first time or right after the last one names these, too.
  const cuts = cutsOf(timezone, span.fromMs - DAY_MS, span.toMs + DAY_MS)
  if (kind === 'time') return onClock({ instant, clock: localSql(name, cuts), bucket, back, cuts })
  const written = `TRY_CAST(${name} AS TIMESTAMP)`
  if (cuts.every(({ offsetMs }) => offsetMs === 0)) return nameSql(written, bucket)
  const as = `t_${name}`
  const clock = `coalesce(${localSql(as, cuts)}, ${written})`
  return { ...onClock({ instant: as, clock, bucket, back: undefined, cuts }), made: { sql: instant, as } }
}

interface Clock extends Pick<BucketInput, 'back'> {
  readonly bucket: Bucket
  readonly instant: string
  /** Of the zone at the instant. */
  readonly clock: string
  readonly cuts: ReturnType<typeof cutsOf>
}

function onClock({ instant, clock, bucket, back, cuts }: Clock): Bucketed {
  const begins = nameSql(clock, bucket, back)
  if (bucket !== 'minute' && bucket !== 'hour') return begins
  const second = secondTimeSql(instant, cuts, bucket === 'hour' ? HOUR_MS : MINUTE_MS)
  return second === null ? begins : { sql: `${begins.sql} || ${second}`, by: [...begins.by, second] }
}

/**
 * The name of the bucket, and the beginning it is made of. A day that the later month does not have keeps its number: whatever
 * it were added to would be too much.
 */
function nameSql(
  clock: string,
  bucket: Bucket,
  { days, months }: Back = { days: 0, months: 0 },
): { readonly sql: string; readonly by: readonly [string] } {
  const format = FORMATS[bucket]
  const begin = (at: string): string => `date_trunc('${bucket}', ${at})`
  if (months === 0) {
    const by = begin(days === 0 ? clock : `(${clock} + INTERVAL ${days} DAY)`)
    return { sql: `strftime(${by}, '${format}')`, by: [by] }
  }
  const inMonth = format.startsWith(FORMATS.day) ? format.slice(FORMATS.month.length) : ''
  if (inMonth === '') {
    const by = begin(`date_trunc('month', ${clock}) + INTERVAL ${months} MONTH`)
    return { sql: `strftime(${by}, '${format}')`, by: [by] }
  }
  const by = begin(clock)
  const month = `date_trunc('month', ${by}) + INTERVAL ${months} MONTH`
  return { sql: `strftime(${month}, '${FORMATS.month}') || strftime(${by}, '${inMonth}')`, by: [by] }
}
