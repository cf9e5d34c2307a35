/** `POST /api/v2/analytics/retention` and `/cohorts`: who began when, who came back, and what they were worth. */
import { z } from 'zod'
import type { Json } from 'manifold/plugin'
import { moneySql } from '../engine/worth.ts'
import { share } from '../metrics/numbers.ts'
import { Draft, SCOPE, zone } from './asking.ts'
import type { Asking, Behaviour } from './asking.ts'
import { bitsSql, CohortCounter } from './cohorts.ts'
import type { Cohort } from './cohorts.ts'
import { matcher, matcherSql } from './matcher.ts'
import { calendarOf, PERIODS } from './periods.ts'
import type { Calendar } from './periods.ts'
import { DAY_MS } from '../time-units.ts'

const COHORTS_DEFAULT = 12
const PERIODS_MAX = 400
const PERIOD_MS = { day: DAY_MS, week: 7 * DAY_MS, month: 30.44 * DAY_MS } as const

const schema = z.strictObject({
  ...SCOPE,
  /** What makes a visitor one of a cohort. */
  begin: matcher.default({ filter: {} }),
  /** What coming back means; the same unless said otherwise. */
  return: matcher.optional(),
  period: z.enum(PERIODS).default('week'),
  /** Periods that each cohort is followed for; unless said, up to the newest. */
  following: z.number().int().min(0).max(PERIODS_MAX).optional(),
  mode: z.enum(['first_time', 'recurring']).default('first_time'),
  timezone: zone.optional(),
})
type Question = z.output<typeof schema>

/** The cohorts of a question in numbers of periods. */
interface Frame {
  readonly calendar: Calendar
  readonly cohorts: number
  readonly following: number
  /** The period that is not over yet. */
  readonly current: number
  readonly untilMs: number
}

const defaultFrom = (untilMs: number, period: Question['period']): number =>
  untilMs - (COHORTS_DEFAULT - 1) * PERIOD_MS[period]

function frameOf({ from, to, period, following, timezone }: Question, asking: Asking): Frame {
  const untilMs = Math.min(to ?? asking.nowMs, asking.nowMs)
  const fromMs = from ?? defaultFrom(untilMs, period)
  const calendar = calendarOf(period, timezone ?? asking.timezone, fromMs)
  const cohorts = Math.max(1, calendar.numberOf(untilMs - 1) + 1)
  const current = calendar.numberOf(asking.nowMs)
  return { calendar, cohorts, following: following ?? cohorts - 1, current, untilMs }
}

/** Whether somebody is new depends on all that was before. */
const reachOf = ({ mode, from, to, period }: Question, nowMs: number): number =>
  mode === 'first_time' ? -Infinity : (from ?? defaultFrom(Math.min(to ?? nowMs, nowMs), period))

export const retention: Behaviour<Question> = {
  schema,
  reachMs: reachOf,
  answer: async (question, asking) => {
    const frame = frameOf(question, asking)
    const counted = await count(question, asking, frame)
    return {
      period: question.period,
      mode: question.mode,
      cohorts: counted.map((cohort, n) => row(cohort, n, frame)),
      average: Array.from({ length: frame.following + 1 }, (_, after) => average(counted, after, frame)),
    }
  },
}

const worthSchema = schema.omit({ mode: true })

/** Cohorts by the very first time, with what each of their periods came to. */
export const cohorts: Behaviour<z.output<typeof worthSchema>> = {
  schema: worthSchema,
  reachMs: () => -Infinity,
  answer: async (asked, asking) => {
    const question: Question = { ...asked, mode: 'first_time' }
    const frame = frameOf(question, asking)
    const counted = await count(question, asking, frame)
    const worth = await addUp(question, asking, frame)
    return {
      period: question.period,
      /** Of all values; where they are of several there are none. */
      currency: worth.currency,
      cohorts: counted.map((cohort, n) => {
        const over = (numbers: Float64Array): readonly (number | null)[] =>
          [...numbers].map((number, after) => (n + after > frame.current ? null : number))
        const { events, values } = worth.cohorts[n] as Worth
        let total = 0
        const shownValues = worth.isMixed ? over(values).map(() => null) : over(values)
        const perVisitor = shownValues.map((value) => (value === null ? null : share((total += value), cohort.size)))
        return {
          ...row(cohort, n, frame),
          events: over(events),
          value: shownValues,
          /** All that one of them was worth up to then. */
          value_per_visitor: perVisitor,
        }
      }),
    }
  },
}

interface Draw {
  readonly draft: Draft
  /** Begins a statement: `seen`, an event a row, with its visitor, period, value and whether it begins or returns. */
  readonly seen: string
}

/**
 * Beginnings lie between `from` and `to`, also within the first and the last period; what comes back may lie behind `to`.
 * Whoever began before the first cohort is no newcomer, so nothing is left out at the front: it has the period -1.
 */
function draw({ begin, return: back, filter, from, to, period }: Question, asking: Asking, frame: Frame): Draw {
  const { calendar, cohorts: number, following, untilMs } = frame
  const draft = new Draft(asking)
  if (number + following > PERIODS_MAX)
    draft.refuse('/from', `${number} cohorts followed for ${following} periods are more than ${PERIODS_MAX} together`)
  const begins = matcherSql(begin, draft.filters, '/begin')
  const returns = back === undefined ? begins : matcherSql(back, draft.filters, '/return')
  const where = draft.within({ filter })
  draft.check()
  const time = (ms: number): string => `make_timestamp_ms(${ms})`
  const counted = calendar.numberSql('occurred_at', untilMs + (following + 1) * PERIOD_MS[period])
  const numbered = from === undefined ? counted : `CASE WHEN occurred_at < ${time(from)} THEN -1 ELSE ${counted} END`
  const inTime = to === undefined ? begins : `(${begins} AND occurred_at < ${time(to)})`
  return {
    draft,
    seen: `WITH seen AS (SELECT * FROM (SELECT visitor_no, ${numbered} AS period, value, currency, ${inTime} AS begins, ${returns} AS returns
      FROM events WHERE visitor_no IS NOT NULL AND ${where}) WHERE begins OR returns)`,
  }
}

const SEEN = { period: 'period', begins: 'begins', returns: 'returns' }

async function count(question: Question, asking: Asking, frame: Frame): Promise<readonly Cohort[]> {
  const isSame = question.return === undefined && question.to === undefined
  const plan = { cohorts: frame.cohorts, following: frame.following, mode: question.mode, isSame }
  const { draft, seen } = draw(question, asking, frame)
  const counter = new CohortCounter(plan)
  await asking.scan(
    `${seen} SELECT ${bitsSql(plan, SEEN)} FROM seen GROUP BY visitor_no`,
    draft.values.list,
    (columns, rows) => counter.add(columns, rows),
  )
  return counter.cohorts()
}

/** By period after the beginning. */
interface Worth {
  readonly events: Float64Array
  readonly values: Float64Array
}

interface Worths {
  readonly cohorts: readonly Worth[]
  readonly currency: string | null
  readonly isMixed: boolean
}

async function addUp(question: Question, asking: Asking, frame: Frame): Promise<Worths> {
  const { cohorts: number, following } = frame
  const empty = (): Float64Array => new Float64Array(following + 1)
  const worth = Array.from({ length: number }, (): Worth => ({ events: empty(), values: empty() }))
  const { draft, seen } = draw(question, asking, frame)
  const rows = await asking.ask(
    `${seen}, firsts AS (SELECT visitor_no, min(period) AS first FROM seen WHERE begins GROUP BY 1)
     SELECT first, period - first AS after, count(*) AS events, coalesce(${moneySql('fsum(value)')}, 0) AS value,
       min(coalesce(currency, '')) FILTER (WHERE value IS NOT NULL) AS least, max(coalesce(currency, '')) FILTER (WHERE value IS NOT NULL) AS most
     FROM seen JOIN firsts USING (visitor_no)
     WHERE returns AND first >= 0 AND first < ${number} AND period - first BETWEEN 0 AND ${following} GROUP BY 1, 2`,
    draft.values.list,
  )
  for (const row of rows) {
    const [first, after] = [Number(row['first']), Number(row['after'])]
    const { events, values } = worth[first] as Worth
    events[after] = Number(row['events'])
    values[after] = Number(row['value'])
  }
  const currencies = new Set(
    rows.flatMap(({ least, most }) => [least, most]).filter((each): each is string => typeof each === 'string'),
  )
  const [only = ''] = currencies.size === 1 ? currencies : []
  return { cohorts: worth, currency: only === '' ? null : only, isMixed: currencies.size > 1 }
}

/** What has not begun yet is null, not nobody. */
const shown = (cohort: Cohort, n: number, { following, current }: Frame): readonly (number | null)[] =>
  Array.from({ length: following + 1 }, (_, after) => (n + after > current ? null : (cohort.returned[after] ?? 0)))

function row(cohort: Cohort, n: number, frame: Frame): { readonly [part: string]: Json } {
  const returned = shown(cohort, n, frame)
  return {
    cohort: frame.calendar.nameOf(n),
    visitors: cohort.size,
    returned,
    share: returned.map((count) => (count === null ? null : share(count, cohort.size))),
  }
}

/** Over the cohorts that have this period behind them, by their size. */
function average(cohorts: readonly Cohort[], after: number, { current }: Frame): number | null {
  const over = cohorts.filter((_, n) => n + after < current)
  const sum = (of: (cohort: Cohort) => number): number => over.reduce((total, cohort) => total + of(cohort), 0)
  return share(
    sum(({ returned }) => returned[after] ?? 0),
    sum(({ size }) => size),
  )
}
