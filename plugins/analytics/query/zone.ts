/**
 * Local time of a zone as SQL. The engine's own conversion costs many times a plain addition, so the stretch that is asked
 * about is cut where the zone's offset changes, and each piece gets its constant.
 */
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../time-units.ts'

const CUTS_MAX = 400

/** Each name may be written in many ways. */
const FORMATS_MAX = 500
const formats = new Map<string, Intl.DateTimeFormat>()

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone)
  if (known !== undefined) return known
  const made = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  })
  if (formats.size >= FORMATS_MAX) formats.delete(formats.keys().next().value as string)
  formats.set(zone, made)
  return made
}

export function isZone(zone: string): boolean {
  try {
    formatOf(zone)
    return true
  } catch {
    return false
  }
}

/** What has to be added to UTC for the zone's wall clock at this time. */
export function offsetMs(zone: string, atMs: number): number {
  if (zone === 'UTC') return 0
  const at: { [part: string]: number } = {}
  for (const { type, value } of formatOf(zone).formatToParts(atMs)) at[type] = Number(value)
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = at
  const wall = Date.UTC(year, month - 1, day, hour, minute, second)
  return wall - Math.floor(atMs / 1_000) * 1_000
}

/** When a clock in the zone shows this: the first time where it does twice, and as if it had gone on where it leaps over it. */
export function instantOf(wallMs: number, zone: string): number {
  const before = wallMs - offsetMs(zone, wallMs - DAY_MS)
  const after = wallMs - offsetMs(zone, wallMs + DAY_MS)
  const isShown = (ms: number): boolean => ms + offsetMs(zone, ms) === wallMs
  return isShown(before) || !isShown(after) ? before : after
}

export interface Cut {
  /** From this time on, in UTC. */
  readonly fromMs: number
  readonly offsetMs: number
}

/** The zone's offsets between two times; the first piece begins at `fromMs`. */
export function cutsOf(zone: string, fromMs: number, toMs: number): readonly Cut[] {
  const cuts: Cut[] = [{ fromMs, offsetMs: offsetMs(zone, fromMs) }]
  if (zone === 'UTC') return cuts
  const STEP_MS = 14 * DAY_MS
  for (let at = fromMs; at < toMs && cuts.length < CUTS_MAX; at += STEP_MS) {
    const next = Math.min(at + STEP_MS, toMs)
    const before = cuts.at(-1)?.offsetMs ?? 0
    if (offsetMs(zone, next) !== before) cuts.push(changeBetween(zone, at, next))
  }
  return cuts
}

export interface Piece extends Cut {
  /** Where the next begins. */
  readonly toMs: number
}

/** Stretches of one offset each, from the one time up to the other. */
export function piecesOf(zone: string, fromMs: number, toMs: number): readonly Piece[] {
  const cuts = cutsOf(zone, fromMs, toMs)
  return cuts.map((cut, n) => ({ ...cut, toMs: cuts[n + 1]?.fromMs ?? toMs }))
}

function changeBetween(zone: string, fromMs: number, toMs: number): Cut {
  const before = offsetMs(zone, fromMs)
  let low = fromMs
  let high = toMs
  while (high - low > 1_000) {
    const middle = Math.floor((low + high) / 2)
    if (offsetMs(zone, middle) === before) low = middle
    else high = middle
  }
  // The change is at a whole second, and at or less than a second before this.
  const at = Math.floor(high / 1_000) * 1_000
  return { fromMs: at, offsetMs: offsetMs(zone, at) }
}

/** The column, a TIMESTAMP in UTC, as the zone's wall clock. */
export const localSql = (column: string, cuts: readonly Cut[]): string =>
  cuts.every(({ offsetMs: ms }) => ms === 0) ? column : `make_timestamp(${localMicrosSql(column, cuts)})`

/** The same in microseconds since 1970: sums of whole numbers cost a fraction of what those of times and intervals do. */
export function localMicrosSql(column: string, cuts: readonly Cut[]): string {
  const micros = ({ offsetMs: ms }: Cut): number => Math.round(ms / 1_000) * 1_000_000
  const [first, ...rest] = cuts
  if (first === undefined) return `epoch_us(${column})`
  const cases = rest
    .toReversed()
    .map((cut) => `WHEN ${column} >= make_timestamp_ms(${Math.round(cut.fromMs)}) THEN ${micros(cut)}`)
  const shift = cases.length === 0 ? micros(first) : `CASE ${cases.join(' ')} ELSE ${micros(first)} END`
  return `(epoch_us(${column}) + ${shift})`
}

/**
 * SQL: the offset (`+01:00`) of times in a stretch of the wall clock that the zone has for the second time, in whole steps of it;
 * empty for all others. Null: there are none.
 */
export function secondTimeSql(column: string, cuts: readonly Cut[], stepMs: number): string | null {
  const at = (ms: number): string => `make_timestamp_ms(${Math.round(ms)})`
  const cases = cuts.slice(1).flatMap(({ fromMs, offsetMs: offset }, n) => {
    const before = cuts[n]?.offsetMs ?? offset
    if (offset >= before) return []
    const endMs = Math.ceil((fromMs + before) / stepMs) * stepMs - offset
    return [`WHEN ${column} >= ${at(fromMs)} AND ${column} < ${at(endMs)} THEN '${offsetName(offset)}'`]
  })
  return cases.length === 0 ? null : `CASE ${cases.join(' ')} ELSE '' END`
}

function offsetName(ms: number): string {
  const two = (many: number): string => String(many).padStart(2, '0')
  const sign = ms < 0 ? '-' : '+'
  return `${sign}${two(Math.floor(Math.abs(ms) / HOUR_MS))}:${two(Math.floor((Math.abs(ms) % HOUR_MS) / MINUTE_MS))}`
}
