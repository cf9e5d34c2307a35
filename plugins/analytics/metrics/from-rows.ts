/** The facts behind the headline numbers, computed from a form's rows. */
import type { Row } from '../engine/database.ts'
import type { ProjectedForm } from '../engine/projection.ts'
import type { Ask } from '../engine/readers.ts'
import { cutsOf, localSql, offsetMs } from '../query/zone.ts'
import { askedOf, hasChoices } from './fields.ts'
import type { AnswerFacts, Asked, NumberSummary } from './fields.ts'
import type { Moment, Totals } from './metrics.ts'
import { numberOf } from './numbers.ts'

const WEEK_DAYS = 7
const DAY_MS = 86_400_000

/** The same weekday a week before, by the wall clock: a change of the zone's offset between the two shifts nothing. */
export async function totalsFromRows(
  ask: Ask,
  { table }: ProjectedForm,
  { timezone, untilMs }: Moment,
): Promise<Totals> {
  const fromMs = untilMs - (WEEK_DAYS + 1) * DAY_MS
  const local = localSql('submitted_at', cutsOf(timezone, fromMs, untilMs))
  const at = (ms: number): string => `make_timestamp_ms(${Math.round(ms)})`
  const until = at(untilMs + offsetMs(timezone, untilMs - 1))
  const midnight = at(midnightMs(timezone, untilMs))
  const week = `INTERVAL ${WEEK_DAYS} DAY`
  const done = 'submitted_seq IS NOT NULL'
  // What is far in the past has another offset, and is not asked about.
  const near = `submitted_at >= ${at(fromMs)} AND submitted_at < ${at(untilMs)}`
  const [row = {}] = await ask(`SELECT count(*) AS started, count(*) FILTER (WHERE ${done}) AS completed,
    median(duration_s) FILTER (WHERE ${done}) AS median_s,
    quantile_cont(duration_s, 0.95) FILTER (WHERE ${done}) AS p95_s,
    count(*) FILTER (WHERE ${done} AND ${near} AND ${local} >= ${midnight}) AS today,
    count(*) FILTER (WHERE ${done} AND ${near} AND ${local} >= ${midnight} - ${week} AND ${local} < ${until} - ${week}) AS week_before
    FROM ${table}`)
  return {
    started: Number(row['started']),
    completed: Number(row['completed']),
    medianS: numberOf(row, 'median_s'),
    p95S: numberOf(row, 'p95_s'),
    today: Number(row['today']),
    weekBefore: Number(row['week_before']),
  }
}

/** The wall clock's last midnight before this time, as if it were UTC. */
export function midnightMs(timezone: string, untilMs: number): number {
  const localMs = untilMs - 1 + offsetMs(timezone, untilMs - 1)
  return Math.floor(localMs / DAY_MS) * DAY_MS
}

export async function answersFromRows(ask: Ask, form: ProjectedForm): Promise<AnswerFacts> {
  const asked = askedOf(form)
  const [row = {}] = await ask(numbersSql(form, asked))
  const choices = await choicesOf(ask, form, asked)
  return {
    completed: Number(row['completed']),
    last: await lastAnswers(ask, form, asked),
    of: ({ column: { name, kind } }) => {
      const counted = choices.get(name)
      return {
        answered: Number(row[`${name}_answered`]),
        ...(counted === undefined ? {} : { choices: counted }),
        ...(kind === 'number' ? { numbers: summary(row, name) } : {}),
      }
    },
  }
}

/** Completed responses in one pass. */
function numbersSql({ table }: ProjectedForm, asked: readonly Asked[]): string {
  const parts = asked.flatMap(({ column: { name, kind } }) => [
    `count(${name}) AS ${name}_answered`,
    ...(kind === 'number'
      ? ['avg', 'min', 'max', 'median', 'fsum'].map((fn) => `${fn}(${name}) AS ${name}_${fn}`)
      : []),
  ])
  return `SELECT ${['count(*) AS completed', ...parts].join(', ')} FROM ${table} WHERE submitted_seq IS NOT NULL`
}

const summary = (row: Row, name: string): NumberSummary => ({
  average: numberOf(row, `${name}_avg`),
  min: numberOf(row, `${name}_min`),
  max: numberOf(row, `${name}_max`),
  median: numberOf(row, `${name}_median`),
  sum: numberOf(row, `${name}_fsum`),
})

/** How many partial responses have their last answer at this place, from 1 on; 0: none at all. */
export async function lastAnswers(
  ask: Ask,
  { table }: Pick<ProjectedForm, 'table'>,
  asked: readonly Asked[],
): Promise<number[]> {
  const places = asked.map(({ column: { name } }, n) => `CASE WHEN ${name} IS NOT NULL THEN ${n + 1} END`)
  const rows = await ask(
    `SELECT greatest(${['0', ...places].join(', ')}) AS last, count(*) AS count FROM ${table}
     WHERE submitted_seq IS NULL GROUP BY 1`,
  )
  const counts = Array.from({ length: asked.length + 1 }, () => 0)
  for (const row of rows) counts[Number(row['last'])] = Number(row['count'])
  return counts
}

/** By name of the column; there are no more different ones than the form ever had options. */
export async function choicesOf(
  ask: Ask,
  { table }: Pick<ProjectedForm, 'table'>,
  asked: readonly Asked[],
): Promise<ReadonlyMap<string, Map<string, number>>> {
  const counted = new Map<string, Map<string, number>>()
  const parts = asked
    .filter(({ field }) => hasChoices(field))
    .map(({ column: { name, kind } }) => {
      counted.set(name, new Map())
      const value = kind === 'list' ? `unnest(${name})` : name
      // A whole number of a rating is a DOUBLE to the engine.
      const text = kind === 'number' ? `regexp_replace(CAST(value AS VARCHAR), '\\.0$', '')` : 'CAST(value AS VARCHAR)'
      return `(SELECT '${name}' AS field, ${text} AS value, count FROM (SELECT value, count(*) AS count
        FROM (SELECT ${value} AS value FROM ${table} WHERE submitted_seq IS NOT NULL) WHERE value IS NOT NULL GROUP BY 1))`
    })
  if (parts.length === 0) return counted
  for (const row of await ask(parts.join(' UNION ALL ')))
    counted.get(String(row['field']))?.set(String(row['value']), Number(row['count']))
  return counted
}
