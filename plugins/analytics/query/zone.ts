/**
 * Local time of a zone as SQL. The engine's own conversion costs many times a plain addition, so the stretch that is asked
 * about is cut where the zone's offset changes, and each piece gets its constant.
 */
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../time-units.ts'

/**
 * Before the one no clock had been changed, and nobody knows what clocks will show after the other: a zone's offset is there what
 * it is at these. So there is an end to what a time costs that somebody made up.
 */
const FIRST_MS = Date.UTC(1800, 0)
const LAST_MS = Date.UTC(2100, 0)

/** Each name may be written in many ways. */
const ZONES_MAX = 500
const zones = new Map<string, Zone>()

interface Zone {
  readonly format: Intl.DateTimeFormat
  /** Where its offset changes, by year. */
  readonly changes: Map<number, readonly Cut[]>
}

function zoneOf(zone: string): Zone {
  const known = zones.get(zone)
  if (known !== undefined) return known
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  })
  const made = { format, changes: new Map() }
  if (zones.size >= ZONES_MAX) zones.delete(zones.keys().next().value as string)
  zones.set(zone, made)
  return made
}

export function isZone(zone: string): boolean {
  try {
    zoneOf(zone)
    return true
  } catch {
    return false
  }
}

/** What has to be added to UTC for the zone's wall clock at this time. */
export function offsetMs(zone: string, givenMs: number): number {
  if (zone === 'UTC') return 0
  const atMs = within(givenMs)
  const at: { [part: string]: number } = {}
  for (const { type, value } of zoneOf(zone).format.formatToParts(atMs)) at[type] = Number(value)
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = at
  const wall = Date.UTC(year, month - 1, day, hour, minute, second)
  return wall - Math.floor(atMs / 1_000) * 1_000
}

const within = (ms: number): number => Math.min(Math.max(ms, FIRST_MS), LAST_MS)

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
  const { changes } = zoneOf(zone)
  const [first, last] = [within(fromMs), within(toMs)].map((ms) => new Date(ms).getUTCFullYear())
  for (let year = first ?? 0; year <= (last ?? 0); year += 1) {
    const known = changes.get(year) ?? changesOf(zone, year)
    changes.set(year, known)
    cuts.push(...known.filter((cut) => cut.fromMs > fromMs && cut.fromMs <= toMs))
  }
  return cuts
}

/** No zone goes back to what it had in less. */
const STEP_MS = 14 * DAY_MS

function changesOf(zone: string, year: number): readonly Cut[] {
  const endMs = Date.UTC(year + 1, 0)
  const found: Cut[] = []
  for (let at = Date.UTC(year, 0); at < endMs; at += STEP_MS) {
    const next = Math.min(at + STEP_MS, endMs)
    if (offsetMs(zone, next) !== offsetMs(zone, at)) found.push(changeBetween(zone, at, next))
  }
  return found
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
  const shift = atCut(column, cuts, ({ offsetMs: ms }) => String(Math.round(ms / 1_000) * 1_000_000))
  return `(epoch_us(${column}) + ${shift})`
}

/**
 * SQL: the offset (`+01:00`) of times in a stretch of the wall clock that the zone has for the second time, in whole steps of it;
 * empty for all others. Null: there are none.
 */
export function secondTimeSql(column: string, cuts: readonly Cut[], stepMs: number): string | null {
  const isBack = (n: number): boolean => n > 0 && (cuts[n]?.offsetMs ?? 0) < (cuts[n - 1]?.offsetMs ?? 0)
  if (!cuts.some((_, n) => isBack(n))) return null
  return atCut(column, cuts, ({ fromMs, offsetMs: offset }, n) => {
    if (!isBack(n)) return `''`
    const before = cuts[n - 1]?.offsetMs ?? offset
    const endMs = Math.ceil((fromMs + before) / stepMs) * stepMs - offset
    return `CASE WHEN ${column} < ${timeSql(endMs)} THEN '${offsetName(offset)}' ELSE '' END`
  })
}

/** SQL: `of` the piece that the column's time is in. Found by halving: a row is compared a few times, however many pieces there are. */
function atCut(column: string, cuts: readonly Cut[], of: (cut: Cut, n: number) => string): string {
  const among = (low: number, high: number): string => {
    const middle = (low + high) >> 1
    const cut = cuts[middle] as Cut
    if (high - low === 1) return of(cut, middle)
    return `CASE WHEN ${column} < ${timeSql(cut.fromMs)} THEN ${among(low, middle)} ELSE ${among(middle, high)} END`
  }
  return among(0, cuts.length)
}

const timeSql = (ms: number): string => `make_timestamp_ms(${Math.round(ms)})`

function offsetName(ms: number): string {
  const two = (many: number): string => String(many).padStart(2, '0')
  const sign = ms < 0 ? '-' : '+'
  return `${sign}${two(Math.floor(Math.abs(ms) / HOUR_MS))}:${two(Math.floor((Math.abs(ms) % HOUR_MS) / MINUTE_MS))}`
}
