/** The rungs of the retention ladder, from the finest on, and where the stretches of time that they count by begin and end. */

/** Finest first. */
export const RUNGS = ['minute', 'hour', 'day', 'month'] as const
export type Rung = (typeof RUNGS)[number]

/** What is counted of behaviour events once they are forgotten, and how long. */
export interface Ladder {
  /** Finest first, each kept longer than the one before; `keepMs` is the age at which its counts move to the next, or go. */
  readonly rungs: readonly { readonly rung: Rung; readonly keepMs: number }[]
  /** IANA name: where its days and months begin. */
  readonly timezone: string
}

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const MONTHS = 12
const STEP_MS = { minute: MINUTE_MS, hour: HOUR_MS } as const
/** No stretch is longer, whatever a zone does meanwhile. */
const LONGEST_MS = { day: 2 * DAY_MS, month: 33 * DAY_MS } as const
/** Zones change their offset at such times only. */
const QUARTER_MS = 15 * MINUTE_MS
const KNOWN_MAX = 50_000

/** From `startMs` up to before `endMs`, in UTC. */
export interface Stretch {
  readonly startMs: number
  readonly endMs: number
}

/** Tells in which stretch a moment lies. Days that a change of the clock makes shorter or longer are stretches like any other. */
export class RungClock {
  readonly #format: Intl.DateTimeFormat | null
  readonly #offsets = new Map<number, number>()
  readonly #stretches = new Map<string, Stretch>()

  constructor(timezone: string) {
    this.#format =
      timezone === 'UTC'
        ? null
        : new Intl.DateTimeFormat('en-US', {
            timeZone: timezone,
            hourCycle: 'h23',
            year: 'numeric',
            month: '2-digit',
            day: '2-digit',
            hour: '2-digit',
            minute: '2-digit',
            second: '2-digit',
          })
  }

  stretchOf(rung: Rung, ms: number): Stretch {
    const local = ms + this.#offsetMs(ms)
    if (rung === 'minute' || rung === 'hour') {
      const step = STEP_MS[rung]
      const startMs = ms - mod(local, step)
      return { startMs, endMs: startMs + step }
    }
    const index = indexOf(rung, local)
    const name = `${rung} ${index}`
    const known = this.#stretches.get(name)
    if (known !== undefined) return known
    const reach = LONGEST_MS[rung]
    const startMs = this.#firstOf(rung, index, { lowMs: ms - reach, highMs: ms })
    const endMs = this.#firstOf(rung, index + 1, { lowMs: ms, highMs: ms + reach })
    return kept(this.#stretches, name, { startMs, endMs })
  }

  /** `2026-11`: the month on the wall clock. */
  monthOf(ms: number): string {
    return new Date(ms + this.#offsetMs(ms)).toISOString().slice(0, 7)
  }

  /** The first moment, to the second, that lies in that stretch or behind it. */
  #firstOf(rung: 'day' | 'month', index: number, within: { readonly lowMs: number; readonly highMs: number }): number {
    let low = Math.floor(within.lowMs / 1_000)
    let high = Math.ceil(within.highMs / 1_000)
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2)
      const ms = middle * 1_000
      if (indexOf(rung, ms + this.#offsetMs(ms)) < index) low = middle
      else high = middle
    }
    return high * 1_000
  }

  #offsetMs(ms: number): number {
    if (this.#format === null) return 0
    const quarter = Math.floor(ms / QUARTER_MS)
    const known = this.#offsets.get(quarter)
    if (known !== undefined) return known
    const at: { [part: string]: number } = {}
    const atMs = quarter * QUARTER_MS
    for (const { type, value } of this.#format.formatToParts(atMs)) at[type] = Number(value)
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = at
    return kept(this.#offsets, quarter, Date.UTC(year, month - 1, day, hour, minute, second) - atMs)
  }
}

function kept<Key, Value>(known: Map<Key, Value>, key: Key, value: Value): Value {
  if (known.size >= KNOWN_MAX) known.clear()
  known.set(key, value)
  return value
}

const mod = (value: number, by: number): number => ((value % by) + by) % by

function indexOf(rung: 'day' | 'month', local: number): number {
  if (rung === 'day') return Math.floor(local / DAY_MS)
  const date = new Date(local)
  return date.getUTCFullYear() * MONTHS + date.getUTCMonth()
}
