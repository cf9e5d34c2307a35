/** The facts behind the headline numbers, computed from a form's rows. */
import type { Row } from '../engine/database.ts'
import type { ProjectedForm } from '../engine/projection.ts'
import type { Ask, Asks, Scan } from '../engine/readers.ts'
import { cutsOf, localSql, offsetMs } from '../query/zone.ts'
import { hasChoices } from '../engine/columns.ts'
import { ExactSum } from './exact-sum.ts'
import { askedOf } from './fields.ts'
import type { AnswerFacts, Asked, NumberSummary } from './fields.ts'
import type { Asked as AskedAbout, Totals } from './metrics.ts'
import { numberOf } from './numbers.ts'
import { responsesOf } from './responses-of.ts'
import { DAY_MS } from '../time-units.ts'

const WEEK_DAYS = 7
/** So far back lies all of that weekday: today may be 25 hours long, and the clock may have gone back since. */
export const LOOK_BACK_MS = (WEEK_DAYS + 2) * DAY_MS

export async function totalsFromRows(ask: Ask, { table }: ProjectedForm, asked: AskedAbout): Promise<Totals> {
  const [row = {}] = await ask(`SELECT ${totalsSql(asked)} FROM ${table}`)
  return totalsOf(row)
}

/** Of many forms at once; one that has no row has none. */
export async function totalsOfMany(
  ask: Ask,
  forms: readonly Pick<ProjectedForm, 'id' | 'table'>[],
  asked: AskedAbout,
): Promise<ReadonlyMap<string, Totals>> {
  if (forms.length === 0) return new Map()
  const rows = await ask(`SELECT form_id, ${totalsSql(asked)} FROM ${responsesOf(forms)} GROUP BY form_id`)
  return new Map(rows.map((row) => [String(row['form_id']), totalsOf(row)]))
}

/** The same weekday a week before, by the wall clock: a change of the zone's offset between the two shifts nothing. */
function totalsSql(asked: AskedAbout): string {
  const { timezone, untilMs, earlier } = asked
  const fromMs = untilMs - LOOK_BACK_MS
  const local = localSql('submitted_at', cutsOf(timezone, fromMs, untilMs))
  const { sent, begun } = stretchOf(asked)
  const until = at(untilMs + offsetMs(timezone, untilMs - 1))
  const midnight = at(midnightMs(timezone, untilMs))
  const week = `INTERVAL ${WEEK_DAYS} DAY`
  const done = 'submitted_seq IS NOT NULL'
  // What is far in the past has another offset, and is not asked about.
  const near = `submitted_at >= ${at(fromMs)} AND submitted_at < ${at(untilMs)}`
  return `count(*) AS started, count(*) FILTER (WHERE ${done}) AS completed,
    count(*) FILTER (WHERE ${begun}) AS begun, count(*) FILTER (WHERE ${done} AND ${begun}) AS finished,
    median(duration_s) FILTER (WHERE ${done} AND ${sent}) AS median_s,
    quantile_cont(duration_s, 0.95) FILTER (WHERE ${done} AND ${sent}) AS p95_s,
    count(*) FILTER (WHERE ${done} AND ${within('submitted_at', asked)}) AS within,
    count(*) FILTER (WHERE ${done} AND ${within('submitted_at', earlier)}) AS before,
    count(*) FILTER (WHERE ${done} AND ${near} AND ${local} >= ${midnight}) AS today,
    count(*) FILTER (WHERE ${done} AND ${near} AND ${local} >= ${midnight} - ${week} AND ${local} < ${until} - ${week}) AS week_before`
}

/** Of no row, too. */
export const totalsOf = (row: Row): Totals => ({
  started: Number(row['started'] ?? 0),
  completed: Number(row['completed'] ?? 0),
  begun: Number(row['begun'] ?? 0),
  finished: Number(row['finished'] ?? 0),
  medianS: numberOf(row, 'median_s'),
  p95S: numberOf(row, 'p95_s'),
  today: Number(row['today'] ?? 0),
  weekBefore: Number(row['week_before'] ?? 0),
  within: Number(row['within'] ?? 0),
  before: Number(row['before'] ?? 0),
})

const at = (ms: number): string => `make_timestamp_ms(${Math.round(ms)})`
const within = (column: string, { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number }): string =>
  `${column} >= ${at(fromMs)} AND ${column} < ${at(toMs)}`

/** Conditions: responses that were sent, and those that were begun in the period, where only that is asked about. */
interface Stretch {
  readonly sent: string
  readonly begun: string
}

const ALL: Stretch = { sent: 'true', begun: 'true' }

/** A response that does not say when it was begun was begun when it was sent. */
const stretchOf = (asked: AskedAbout): Stretch =>
  asked.isOfPeriod === true
    ? { sent: within('submitted_at', asked), begun: within('coalesce(started_at, submitted_at)', asked) }
    : ALL

/** The wall clock's last midnight before this time, as if it were UTC. */
export function midnightMs(timezone: string, untilMs: number): number {
  const localMs = untilMs - 1 + offsetMs(timezone, untilMs - 1)
  return Math.floor(localMs / DAY_MS) * DAY_MS
}

export async function answersFromRows(
  { ask, scan }: Asks,
  form: ProjectedForm,
  about: AskedAbout,
): Promise<AnswerFacts> {
  const asked = askedOf(form)
  const stretch = stretchOf(about)
  const [row = {}] = await ask(numbersSql(form, asked, stretch))
  const choices = await choicesOf(ask, form, { asked, sent: stretch.sent })
  const sums = await sumsOf(scan, form, { asked, sent: stretch.sent })
  return {
    completed: Number(row['completed']),
    last: await lastAnswers(ask, form, { asked, begun: stretch.begun }),
    of: ({ column: { name, kind } }) => {
      const counted = choices.get(name)
      const answered = Number(row[`${name}_answered`])
      return {
        answered,
        ...(counted === undefined ? {} : { choices: counted }),
        ...(kind === 'number'
          ? { numbers: { ...summary(row, name), ...(sums.get(name) ?? new ExactSum()).of(answered) } }
          : {}),
      }
    },
  }
}

/** Completed responses in one pass. */
function numbersSql({ table }: ProjectedForm, asked: readonly Asked[], { sent, begun }: Stretch): string {
  const parts = asked.flatMap(({ column: { name, kind } }) => [
    `count(${name}) FILTER (WHERE ${sent}) AS ${name}_answered`,
    ...(kind === 'number'
      ? ['min', 'max', 'median'].map((fn) => `${fn}(${name}) FILTER (WHERE ${sent}) AS ${name}_${fn}`)
      : []),
  ])
  return `SELECT ${[`count(*) FILTER (WHERE ${begun}) AS completed`, ...parts].join(', ')} FROM ${table} WHERE submitted_seq IS NOT NULL`
}

const summary = (row: Row, name: string): Pick<NumberSummary, 'min' | 'max' | 'median'> => ({
  min: numberOf(row, `${name}_min`),
  max: numberOf(row, `${name}_max`),
  median: numberOf(row, `${name}_median`),
})

/** By name of the column, in one pass; as counts add them up, since whatever rounds at each step comes to something else. */
async function sumsOf(
  scan: Scan,
  { table }: ProjectedForm,
  { asked, sent }: { readonly asked: readonly Asked[]; readonly sent: string },
): Promise<ReadonlyMap<string, ExactSum>> {
  const names = asked.filter(({ column: { kind } }) => kind === 'number').map(({ column: { name } }) => name)
  const sums = names.map(() => new ExactSum())
  if (names.length === 0) return new Map()
  const columns = names.map((name) => `coalesce(${name}, 0)`)
  const sql = `SELECT ${columns.join(', ')} FROM ${table} WHERE submitted_seq IS NOT NULL AND ${sent}`
  await scan(sql, [], (numbers, rows) => {
    for (const [n, sum] of sums.entries())
      for (let row = 0; row < rows; row += 1) {
        const value = numbers[n]?.[row] ?? 0
        if (value !== 0) sum.add(value)
      }
  })
  return new Map(names.map((name, n) => [name, sums[n] as ExactSum]))
}

/** How many partial responses have their last answer at this place, from 1 on; 0: none at all. */
export async function lastAnswers(
  ask: Ask,
  { table }: Pick<ProjectedForm, 'table'>,
  { asked, begun = ALL.begun }: { readonly asked: readonly Asked[]; readonly begun?: string },
): Promise<number[]> {
  const places = asked.map(({ column: { name } }, n) => `CASE WHEN ${name} IS NOT NULL THEN ${n + 1} END`)
  const rows = await ask(
    `SELECT greatest(${['0', ...places].join(', ')}) AS last, count(*) AS count FROM ${table}
     WHERE submitted_seq IS NULL AND ${begun} GROUP BY 1`,
  )
  const counts = Array.from({ length: asked.length + 1 }, () => 0)
  for (const row of rows) counts[Number(row['last'])] = Number(row['count'])
  return counts
}

/** By name of the column; there are no more different ones than the form ever had options. */
export async function choicesOf(
  ask: Ask,
  { table }: Pick<ProjectedForm, 'table'>,
  { asked, sent = ALL.sent }: { readonly asked: readonly Asked[]; readonly sent?: string },
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
        FROM (SELECT ${value} AS value FROM ${table} WHERE submitted_seq IS NOT NULL AND ${sent}) WHERE value IS NOT NULL GROUP BY 1))`
    })
  if (parts.length === 0) return counted
  for (const row of await ask(parts.join(' UNION ALL ')))
    counted.get(String(row['field']))?.set(String(row['value']), Number(row['count']))
  return counted
}
