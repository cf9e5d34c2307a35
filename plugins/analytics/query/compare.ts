/** The earlier period that a question is compared with: so far back on the wall clock, that hours and weekdays, or hours and days of the month, meet. */
import { DAY_MS } from '../time-units.ts'
import { instantOf, offsetMs } from './zone.ts'

const WEEK_DAYS = 7
const MONTHS = 12

/** How far back: one of the two is 0. */
export interface Back {
  readonly days: number
  readonly months: number
}

export interface Earlier extends Back {
  readonly fromMs: number
  readonly toMs: number
}

export interface Period {
  readonly fromMs: number
  readonly toMs: number
  readonly timezone: string
}

/** `previous`: as many whole weeks back as the period is long; else `4w`, `1mo`, `1y`. */
export function earlierOf(how: string, { fromMs, toMs, timezone }: Period): Earlier {
  const back = backOf(how, toMs - fromMs)
  const before = (ms: number): number =>
    instantOf(movedBack(ms + offsetMs(timezone, ms), back.months) - back.days * DAY_MS, timezone)
  return { fromMs: before(fromMs), toMs: before(toMs), ...back }
}

/** The same day of the month at the same time, on the wall clock as if that were UTC; the end of a month that has no such day. */
function movedBack(wallMs: number, months: number): number {
  const moved = new Date(wallMs)
  const day = moved.getUTCDate()
  moved.setUTCMonth(moved.getUTCMonth() - months, 1)
  const end = Date.UTC(moved.getUTCFullYear(), moved.getUTCMonth() + 1, 1)
  return Math.min(moved.setUTCDate(day), end)
}

/** How far back that is, of a period this long. */
function backOf(how: string, lengthMs: number): Back {
  if (how === 'previous') return { days: Math.ceil(lengthMs / (WEEK_DAYS * DAY_MS)) * WEEK_DAYS, months: 0 }
  const many = Number.parseInt(how, 10)
  if (how.endsWith('w')) return { days: many * WEEK_DAYS, months: 0 }
  return { days: 0, months: how.endsWith('y') ? many * MONTHS : many }
}
