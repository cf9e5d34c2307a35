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

/** As JSON writes numbers: "007" and "0x1F" are text, and so is what a cell would round. */
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d{1,3})?$/
/** A spreadsheet keeps so many, and a double tells no more apart for certain. */
const DIGITS_MAX = 15

function numberOf(value: Json): number | null {
  if (typeof value === 'number') return value
  if (typeof value !== 'string') return null
  const text = value.trim()
  const [mantissa = ''] = text.toLowerCase().split('e')
  const digits = mantissa.replaceAll(/[-.]/g, '').replace(/^0+/, '')
  if (!NUMBER.test(text) || digits.length > DIGITS_MAX) return null
  const number = Number(text)
  return Number.isFinite(number) && (number !== 0 || digits === '') ? number : null
}

const TIME =
  /^(\d{4})-(\d{2})-(\d{2})(?:T([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(\.\d{1,9})?)?(Z|[+-](?:0\d|1[0-4]):[0-5]\d)?)?$/

/**
 * Days since 30 December 1899; null when the text is no time of the calendar. A time in UTC is told in that time zone. Of any
 * other the day counts that is written; what has no offset is a wall clock's.
 */
export function serialOf(text: string, type: 'date' | 'datetime', timeZone: string): number | null {
  const parts = TIME.exec(text)
  if (parts === null) return null
  const [, year, month, day, hour = 0, minute = 0, second = 0, fraction = 0, zone] = parts
  const dayMs = Date.UTC(Number(year), Number(month) - 1, Number(day))
  // 31 February is a day of March to Date.
  if (new Date(dayMs).toISOString().slice(0, 10) !== text.slice(0, 10)) return null
  const isInstant = zone !== undefined && (zone === 'Z' || type === 'datetime')
  const wallMs = dayMs + (Number(hour) * 3_600 + Number(minute) * 60 + Number(second) + Number(fraction)) * 1000
  const localMs = isInstant ? localTimeMs(Date.parse(text), timeZone) : wallMs
  const days = (localMs - EPOCH_MS) / DAY_MS
  return type === 'date' ? Math.floor(days) : days
}

const formats = new Map<string, Intl.DateTimeFormat>()

/** Of the wall clock there, as if it were UTC. */
function localTimeMs(atMs: number, timeZone: string): number {
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
