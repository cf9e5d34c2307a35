/** A stretch of time that a page is about, and the one before it to compare with. */
import type { Visit } from '../visit.ts'
import type { Filter } from './filters.ts'

const DAY_MS = 86_400_000
const MINUTE_MS = 60_000

/** Days that a choice covers, today among them. */
const DAYS: Readonly<Record<string, number>> = { '1d': 1, '7d': 7, '30d': 30, '90d': 90, '365d': 365 }
const DEFAULT = '30d'

export const PERIOD_FILTERS: readonly Filter[] = [
  {
    name: 'period',
    label: 'Period',
    options: [
      { value: '1d', label: 'today' },
      { value: '7d', label: '7 days' },
      { value: '90d', label: '90 days' },
      { value: '365d', label: '365 days' },
    ],
    none: '30 days',
  },
  { name: 'from', label: 'From', type: 'datetime' },
  { name: 'to', label: 'To', type: 'datetime' },
]

export interface Period {
  readonly from: string
  readonly to: string
  /** As long, right before it. */
  readonly before: { readonly from: string; readonly to: string }
  readonly lengthMs: number
}

/**
 * What the address asks for; ends with the minute under way unless it says so. Days begin where the zone's do. What nobody can
 * read goes as it is, and so does a beginning behind the end: the API says so.
 */
export function periodOf(visit: Visit, timezone: string, nowMs: number): Period {
  const [from, to] = [visit.query('from'), visit.query('to')]
  const end = timeOf(to, timezone, 'to')
  const endMs = end ?? Math.ceil((nowMs + 1) / MINUTE_MS) * MINUTE_MS
  const days = DAYS[visit.query('period') ?? DEFAULT] ?? DAYS[DEFAULT] ?? 1
  const asked = timeOf(from, timezone, 'from')
  const startMs = asked ?? dayStart(endMs - 1, timezone) - (days - 1) * DAY_MS
  // Today is not over: it is compared with as much of the day before.
  const stepMs = asked === null && to === undefined ? days * DAY_MS : endMs - startMs
  return {
    from: asked === null && from !== undefined ? from : rfc(startMs),
    to: end === null && to !== undefined ? to : rfc(endMs),
    before: { from: rfc(startMs - stepMs), to: rfc(endMs - stepMs) },
    lengthMs: endMs - startMs,
  }
}

const rfc = (ms: number): string => new Date(ms).toISOString()

export const isDay = (text: string): boolean => /^\d{4}-\d\d-\d\d$/.test(text)

/** A time with its offset, or a time or a day of the zone's clock, as the API has it: `to` a day is to its end. Null: none. */
export function timeOf(text: string | undefined, timezone: string, side: 'from' | 'to'): number | null {
  if (text === undefined) return null
  const isLocal = isDay(text) || /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?$/.test(text)
  const ms = Date.parse(isLocal ? `${isDay(text) ? `${text}T00:00` : text.replace(' ', 'T')}Z` : text)
  if (Number.isNaN(ms)) return null
  if (!isLocal) return ms
  return instantOf(isDay(text) && side === 'to' ? ms + DAY_MS : ms, timezone)
}

/** When a clock of the zone shows this: the first time where it does twice, and as if it had gone on where it leaps over it. */
function instantOf(wallMs: number, timezone: string): number {
  const before = wallMs - offsetMs(wallMs - DAY_MS, timezone)
  const after = wallMs - offsetMs(wallMs + DAY_MS, timezone)
  const isShown = (ms: number): boolean => ms + offsetMs(ms, timezone) === wallMs
  return isShown(before) || !isShown(after) ? before : after
}

/** Midnight before it. */
function dayStart(ms: number, timezone: string): number {
  const local = ms + offsetMs(ms, timezone)
  return instantOf(Math.floor(local / DAY_MS) * DAY_MS, timezone)
}

/** How far the zone's clock is ahead of UTC; a zone that nobody knows is UTC, and the API says that it is none. */
export const offsetMs = (ms: number, timeZone: string): number => offsetsOf(timeZone)(ms)

/** The same for many times: to read a zone takes longer than to read its clock. */
function offsetsOf(timeZone: string): (ms: number) => number {
  try {
    const format = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' })
    return (ms) => {
      const name = format.formatToParts(ms).find(({ type }) => type === 'timeZoneName')?.value ?? ''
      const [, sign = '+', hours = '0', minutes = '0'] = /GMT([+-])(\d\d):(\d\d)/.exec(name) ?? []
      return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * MINUTE_MS
    }
  } catch {
    return () => 0
  }
}

/** What the zone's clock shows at a moment, written as if that were UTC. */
export function wallClock(timezone: string): (at: string) => string {
  const offset = offsetsOf(timezone)
  return (at) => rfc(Date.parse(at) + offset(Date.parse(at)))
}
