/** Days, weeks (from Monday) and months of a zone's calendar, numbered from one on. */
import { cutsOf, localMicrosSql, localSql, offsetMs } from '../query/zone.ts'
import { DAY_MS } from '../time-units.ts'

export const PERIODS = ['day', 'week', 'month'] as const
export type Period = (typeof PERIODS)[number]

const DAY_US = DAY_MS * 1_000
const WEEK_DAYS = 7
const MONTHS = 12
/** No period begins longer before any of its moments. */
const LONGEST_DAYS = 32
/** 1970-01-01 was a Thursday, three days after a Monday. */
const THURSDAY = 3
/** Some thousand years, so that no time is before them. */
const BIAS_WEEKS = 100_000

export interface Calendar {
  /** The number of the period that a time of UTC lies in; periods before the first have numbers below 0. */
  numberOf(ms: number): number
  /** The same as an INTEGER of SQL, for times up to `untilMs`. */
  numberSql(column: string, untilMs: number): string
  /** `2026-11-27` for days and weeks (their Monday), `2026-11` for months. */
  nameOf(number: number): string
}

/** Number 0 is the period in which `fromMs` lies. */
export function calendarOf(period: Period, zone: string, fromMs: number): Calendar {
  const base = indexOf(period, wallMs(zone, fromMs))
  return {
    numberOf: (ms) => indexOf(period, wallMs(zone, ms)) - base,
    numberSql: (column, untilMs) => {
      // What lies before the first cut is in none of the periods, whichever offset it gets.
      const cuts = cutsOf(zone, fromMs - LONGEST_DAYS * DAY_MS, untilMs)
      if (period === 'month') {
        const local = localSql(column, cuts)
        return `(year(${local}) * ${MONTHS} + month(${local}) - 1 - ${base})::INTEGER`
      }
      // Whole numbers throughout, none of them below 0: the engine's division rounds towards it.
      const [days, shift] = period === 'day' ? [1, 0] : [WEEK_DAYS, THURSDAY]
      const us = `${localMicrosSql(column, cuts)} + ${(BIAS_WEEKS * WEEK_DAYS + shift) * DAY_US}`
      return `((${us}) // ${days * DAY_US} - ${(BIAS_WEEKS * WEEK_DAYS) / days + base})::INTEGER`
    },
    nameOf: (number) => nameOf(period, base + number),
  }
}

const wallMs = (zone: string, ms: number): number => ms + offsetMs(zone, ms)

function indexOf(period: Period, wall: number): number {
  const days = Math.floor(wall / DAY_MS)
  if (period === 'day') return days
  if (period === 'week') return Math.floor((days + THURSDAY) / WEEK_DAYS)
  const date = new Date(wall)
  return date.getUTCFullYear() * MONTHS + date.getUTCMonth()
}

function nameOf(period: Period, index: number): string {
  if (period === 'month')
    return new Date(Date.UTC(Math.floor(index / MONTHS), index % MONTHS)).toISOString().slice(0, 7)
  const days = period === 'day' ? index : index * WEEK_DAYS - THURSDAY
  return new Date(days * DAY_MS).toISOString().slice(0, 10)
}
