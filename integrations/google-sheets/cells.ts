/** What stands in a cell: numbers, booleans and dates as such, everything else as text that no spreadsheet evaluates. */
import type { Json } from 'manifold/plugin'

export type CellType = 'text' | 'number' | 'boolean' | 'date' | 'datetime'
/** As the API takes it with `valueInputOption=RAW`; null leaves the cell empty. */
export type Cell = string | number | boolean | null

/** Google refuses more characters in a cell. */
const CELL_CHARS_MAX = 50_000
const DAY_MS = 86_400_000
/** Day 0 of a spreadsheet: 30 December 1899. */
const EPOCH_MS = Date.UTC(1899, 11, 30)
const FORMULA_LIKE = /^[=+\-@\t\r]/

export interface CellOptions {
  /** IANA name. */
  readonly timeZone: string
  readonly csvGuard: boolean
}

/** A value that is not of the column's type is written as text: nothing is lost, and a person sees what is odd. */
export function cellOf(value: Json | undefined, type: CellType, options: CellOptions): Cell {
  if (value === undefined || value === null || value === '') return null
  return typed(value, type, options) ?? textCell(textOf(value), options)
}

function typed(value: Json, type: CellType, { timeZone }: CellOptions): Cell {
  switch (type) {
    case 'text':
      return null
    case 'number':
      return numberOf(value)
    case 'boolean':
      if (typeof value === 'boolean') return value
      return value === 'true' ? true : value === 'false' ? false : null
    case 'date':
    case 'datetime':
      return typeof value === 'string' ? serialOf(value, type, timeZone) : null
    default: {
      const unknown: never = type
      throw new Error(`Unknown type ${String(unknown)}.`)
    }
  }
}

function numberOf(value: Json): number | null {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) ? number : null
}

/** Days since 30 December 1899 in that time zone; null when the text is no time. */
export function serialOf(text: string, type: 'date' | 'datetime', timeZone: string): number | null {
  const day = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text)
  // A date of the calendar is the same day everywhere.
  const localMs =
    day === null ? localTimeMs(text, timeZone) : Date.UTC(Number(day[1]), Number(day[2]) - 1, Number(day[3]))
  if (localMs === null) return null
  const days = (localMs - EPOCH_MS) / DAY_MS
  return type === 'date' ? Math.floor(days) : days
}

const formats = new Map<string, Intl.DateTimeFormat>()

/** Of the wall clock there, as if it were UTC. */
function localTimeMs(text: string, timeZone: string): number | null {
  const atMs = Date.parse(text)
  if (Number.isNaN(atMs) || !/^\d{4}-\d{2}-\d{2}T/.test(text)) return null
  let format = formats.get(timeZone)
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
    formats.set(timeZone, format)
  }
  const part: { [type: string]: number } = {}
  for (const { type, value } of format.formatToParts(atMs)) part[type] = Number(value)
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part
  return Date.UTC(year, month - 1, day, hour, minute, second) + (((atMs % 1000) + 1000) % 1000)
}

/** True when dates can be told in it. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name })
    return true
  } catch {
    return false
  }
}

function textCell(text: string, { csvGuard }: CellOptions): string {
  // Half a character is no text for Google, and would have the whole batch refused.
  const whole = text.toWellFormed()
  const guarded = csvGuard && FORMULA_LIKE.test(whole) ? `'${whole}` : whole
  if (guarded.length <= CELL_CHARS_MAX) return guarded
  const mark = ` … [cut: ${guarded.length} characters]`
  return `${guarded.slice(0, CELL_CHARS_MAX - mark.length).toWellFormed()}${mark}`
}

/** Lists as "a, b", what is nested as JSON. */
export function textOf(value: Json): string {
  if (typeof value === 'string') return value
  if (value === null) return ''
  if (Array.isArray(value)) return value.map((item) => textOf(item as Json)).join(', ')
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
