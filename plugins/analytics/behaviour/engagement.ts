/** How much a visitor takes part, from 0 to 100, out of what they did in the last days. */
export interface Activity {
  /** Days of the window with an event. */
  readonly activeDays: number
  readonly daysSinceLast: number
  /** Different names of events. */
  readonly kinds: number
  readonly events: number
}

/** Days that the score looks back. */
export const WINDOW_DAYS = 30
const HALF_LIFE_DAYS = 7
/** What counts as full marks. */
const FULL = { activeDays: 12, kinds: 8, eventsPerDay: 20 } as const
const WEIGHTS = { frequency: 40, recency: 30, breadth: 15, depth: 15 } as const

const upTo1 = (part: number): number => Math.min(1, Math.max(0, part))

/**
 * 40 points for days with activity (12 of 30 are all of them), 30 for how lately (half after 7 days), 15 for how many kinds
 * of things (8), 15 for events a day of activity (20, on a logarithmic scale).
 */
export function scoreOf({ activeDays, daysSinceLast, kinds, events }: Activity): number {
  if (events === 0 || activeDays === 0) return 0
  const parts = {
    frequency: upTo1(activeDays / FULL.activeDays),
    recency: 0.5 ** (Math.max(0, daysSinceLast) / HALF_LIFE_DAYS),
    breadth: upTo1(kinds / FULL.kinds),
    depth: upTo1(Math.log1p(events / activeDays) / Math.log1p(FULL.eventsPerDay)),
  }
  return Math.round(
    WEIGHTS.frequency * parts.frequency +
      WEIGHTS.recency * parts.recency +
      WEIGHTS.breadth * parts.breadth +
      WEIGHTS.depth * parts.depth,
  )
}
