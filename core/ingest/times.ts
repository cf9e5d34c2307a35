/** Dates and times as people send them: RFC 3339 with a real calendar, nothing guessed. */

const DATE = /^(\d{4})-(\d{2})-(\d{2})$/
const DATE_TIME = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/
const DAYS_IN_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
const MS_PER_MINUTE = 60_000

/** True for `YYYY-MM-DD` that exists in the (proleptic Gregorian) calendar. */
export function isDate(text: string): boolean {
  const match = DATE.exec(text)
  return match !== null && dayExists(Number(match[1]), Number(match[2]), Number(match[3]))
}

/** RFC 3339 date-time → the same instant in UTC with milliseconds, or null. Leap seconds are not instants here. */
export function utcTime(text: string): string | null {
  const match = DATE_TIME.exec(text)
  if (match === null) return null
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  if (!dayExists(year, month, day) || hour > 23 || minute > 59 || second > 59) return null
  const offsetHours = Number(match[9] ?? 0)
  const offsetMinutes = Number(match[10] ?? 0)
  if (offsetHours > 23 || offsetMinutes > 59) return null
  const offsetMs = (offsetHours * 60 + offsetMinutes) * MS_PER_MINUTE * (match[8] === '-' ? -1 : 1)
  const fractionMs = Number((match[7] ?? '0').padEnd(3, '0').slice(0, 3))
  const local = new Date(0)
  local.setUTCFullYear(year, month - 1, day)
  local.setUTCHours(hour, minute, second, fractionMs)
  const iso = new Date(local.getTime() - offsetMs).toISOString()
  return iso.length === 24 ? iso : null
}

function dayExists(year: number, month: number, day: number): boolean {
  if (month < 1 || month > 12 || day < 1) return false
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  return day <= (month === 2 && leap ? 29 : (DAYS_IN_MONTH[month - 1] as number))
}
