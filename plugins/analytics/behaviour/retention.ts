/** `POST /api/v2/analytics/retention` and `/cohorts`: who began when, who came back, and what they were worth. */
import { z } from 'zod'
import type { Json } from 'manifold/plugin'
import { share } from '../metrics/numbers.ts'
import { Draft, SCOPE, zone } from './asking.ts'
import type { Asking, Behaviour } from './asking.ts'
import { CohortCounter } from './cohorts.ts'
import type { Cohort } from './cohorts.ts'
import { matcher, matcherSql } from './matcher.ts'
import { calendarOf, PERIODS } from './periods.ts'
import type { Calendar } from './periods.ts'

const COHORTS_DEFAULT = 12
const PERIODS_MAX = 400
const PERIOD_MS = { day: 86_400_000, week: 7 * 86_400_000, month: 30.44 * 86_400_000 } as const

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

function frameOf({ from, to, period, following, timezone }: Question, asking: Asking): Frame {
  const untilMs = Math.min(to ?? asking.nowMs, asking.nowMs)
  const fromMs = from ?? untilMs - (COHORTS_DEFAULT - 1) * PERIOD_MS[period]
  const calendar = calendarOf(period, timezone ?? asking.timezone, fromMs)
  const cohorts = Math.max(1, calendar.numberOf(untilMs - 1) + 1)
  const current = calendar.numberOf(asking.nowMs)
  return { calendar, cohorts, following: following ?? cohorts - 1, current, untilMs }
}

export const retention: Behaviour<Question> = {
  schema,
  answer: async (question, asking) => {
    const frame = frameOf(question, asking)
    const counted = (await count(question, asking, frame)).cohorts()
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
  answer: async (asked, asking) => {
    const question: Question = { ...asked, mode: 'first_time' }
    const frame = frameOf(question, asking)
    const counter = await count(question, asking, frame)
    const worth = await addUp(question, asking, { frame, firsts: counter.firsts() })
    return {
      period: question.period,
      cohorts: counter.cohorts().map((cohort, n) => {
        const over = (numbers: Float64Array): readonly (number | null)[] =>
          [...numbers].map((number, after) => (n + after > frame.current ? null : number))
        const { events, values } = worth[n] as Worth
        let total = 0
        const perVisitor = over(values).map((value) => (value === null ? null : share((total += value), cohort.size)))
        return {
          ...row(cohort, n, frame),
          events: over(events),
          value: over(values),
          /** All that one of them was worth up to then. */
          value_per_visitor: perVisitor,
        }
      }),
    }
  },
}

function bothSql({ begin, return: back }: Question, draft: Draft): { begins: string; returns: string } {
  const begins = matcherSql(begin, draft.filters, '/begin')
  return { begins, returns: back === undefined ? begins : matcherSql(back, draft.filters, '/return') }
}

/** Whoever began before the first cohort is no newcomer, so nothing is left out at the front. */
const lastMs = ({ untilMs, following }: Frame, { period }: Question): number =>
  untilMs + (following + 1) * PERIOD_MS[period]

async function count(question: Question, { ask, scan }: Asking, frame: Frame): Promise<CohortCounter> {
  const { cohorts: number, following, calendar } = frame
  const draft = new Draft()
  if (number + following > PERIODS_MAX)
    draft.refuse('/from', `${number} cohorts followed for ${following} periods are more than ${PERIODS_MAX} together`)
  const { begins, returns } = bothSql(question, draft)
  const where = draft.within({ filter: question.filter })
  draft.check()
  const [row] = await ask('SELECT coalesce(max(visitor_no), -1) + 1 AS visitors FROM events')
  const visitors = Number(row?.['visitors'])
  const counter = new CohortCounter({ visitors, cohorts: number, following, mode: question.mode })
  const sql = `SELECT visitor_no, ${calendar.numberSql('occurred_at', lastMs(frame, question))}, code FROM (
      SELECT visitor_no, occurred_at,
        ((CASE WHEN ${begins} THEN 1 ELSE 0 END) + (CASE WHEN ${returns} THEN 2 ELSE 0 END))::INTEGER AS code
      FROM events WHERE visitor_no IS NOT NULL AND ${where})
    WHERE code <> 0`
  await scan(sql, draft.values.list, ([visitorsOf, periods, codes], rows) => {
    for (let at = 0; at < rows; at += 1) {
      const code = codes?.[at] as number
      const is = { begins: (code & 1) === 1, returns: (code & 2) === 2 }
      counter.add(visitorsOf?.[at] as number, periods?.[at] as number, is)
    }
  })
  return counter
}

/** By period after the beginning. */
interface Worth {
  readonly events: Float64Array
  readonly values: Float64Array
}

async function addUp(
  question: Question,
  { scan }: Asking,
  { frame, firsts }: { readonly frame: Frame; readonly firsts: Int16Array },
): Promise<readonly Worth[]> {
  const { cohorts: number, following, calendar } = frame
  const empty = (): Float64Array => new Float64Array(following + 1)
  const worth = Array.from({ length: number }, (): Worth => ({ events: empty(), values: empty() }))
  const draft = new Draft()
  const { returns } = bothSql({ ...question, begin: question.return ?? question.begin, return: undefined }, draft)
  const where = draft.within({ filter: question.filter })
  const sql = `SELECT visitor_no, ${calendar.numberSql('occurred_at', lastMs(frame, question))}, coalesce(value, 0)::DOUBLE
    FROM events WHERE visitor_no IS NOT NULL AND ${where} AND ${returns}`
  await scan(sql, draft.values.list, ([visitors, periods, values], rows) => {
    for (let at = 0; at < rows; at += 1) {
      const first = firsts[visitors?.[at] as number] as number
      const after = (periods?.[at] as number) - first
      // One who came after the cohorts were counted is in none of them.
      if (!(first >= 0 && after >= 0 && after <= following)) continue
      const { events, values: sums } = worth[first] as Worth
      events[after] = (events[after] as number) + 1
      sums[after] = (sums[after] as number) + (values?.[at] as number)
    }
  })
  return worth
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
