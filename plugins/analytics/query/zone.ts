/**
 * Local time of a zone as SQL. The engine's own conversion costs many times a plain addition, so the stretch that is asked
 * about is cut where the zone's offset changes, and each piece gets its constant.
 */
const HOUR_MS = 3_600_000
const CUTS_MAX = 400

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

export interface Cut {
  /** From this time on, in UTC. */
  readonly fromMs: number
  readonly offsetMs: number
}

/** The zone's offsets between two times; the first piece begins at `fromMs`. */
export function cutsOf(zone: string, fromMs: number, toMs: number): readonly Cut[] {
  const cuts: Cut[] = [{ fromMs, offsetMs: offsetMs(zone, fromMs) }]
  if (zone === 'UTC') return cuts
  const STEP_MS = 14 * 24 * HOUR_MS
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
  const at = Math.round(high / 1_000) * 1_000
  return { fromMs: at, offsetMs: offsetMs(zone, at) }
}

/** The column, a TIMESTAMP in UTC, as the zone's wall clock. */
export function localSql(column: string, cuts: readonly Cut[]): string {
  const shifted = ({ offsetMs: ms }: Cut): string =>
    ms === 0 ? column : `${column} + to_seconds(${Math.round(ms / 1_000)})`
  const [first, ...rest] = cuts
  if (first === undefined || rest.length === 0) return first === undefined ? column : `(${shifted(first)})`
  const cases = rest
    .toReversed()
    .map((cut) => `WHEN ${column} >= make_timestamp_ms(${Math.round(cut.fromMs)}) THEN ${shifted(cut)}`)
  return `(CASE ${cases.join(' ')} ELSE ${shifted(first)} END)`
}
