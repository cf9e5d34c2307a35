/** The same facts from counts in memory. */
import { offsetMs, piecesOf } from '../query/zone.ts'
import type { FormCounts } from './form-counts.ts'
import { LOOK_BACK_MS, midnightMs } from './from-rows.ts'
import type { Asked, Totals } from './metrics.ts'
import { localStart, momentOffset, nextStart } from './series.ts'
import type { SeriesQuery } from './series.ts'
import { DAY_MS } from '../time-units.ts'

const WEEK_MS = 7 * DAY_MS

export function totalsFromCounts(
  counts: FormCounts,
  { timezone, untilMs, fromMs: sinceMs, toMs: tillMs, earlier }: Asked,
): Totals {
  const { started, completed, durations } = counts
  const midnight = midnightMs(timezone, untilMs)
  const until = untilMs + offsetMs(timezone, untilMs - 1)
  let today = 0
  let weekBefore = 0
  for (const { fromMs, toMs, offsetMs: offset } of piecesOf(timezone, untilMs - LOOK_BACK_MS, untilMs)) {
    const within = (from: number, to: number): number =>
      counts.times.between(Math.max(from - offset, fromMs), Math.min(to - offset, toMs))
    today += within(midnight, Infinity)
    weekBefore += within(midnight - WEEK_MS, until - WEEK_MS)
  }
  return {
    started,
    completed,
    begun: started,
    finished: completed,
    medianS: durations.quantile(0.5),
    p95S: durations.quantile(0.95),
    today,
    weekBefore,
    within: counts.times.between(sinceMs, tillMs),
    before: counts.times.between(earlier.fromMs, earlier.toMs),
  }
}

/** How many were completed, by the beginning of the bucket on the wall clock. */
export function bucketsFromCounts(
  counts: FormCounts,
  { timezone, bucket, fromMs, toMs }: SeriesQuery,
): ReadonlyMap<number, number> {
  const found = new Map<number, number>()
  const moment = momentOffset({ timezone, bucket, fromMs })
  const pieces = moment === null ? piecesOf(timezone, fromMs, toMs) : [{ fromMs, toMs, offsetMs: moment }]
  for (const { fromMs: from, toMs: to, offsetMs: offset } of pieces) {
    let start = localStart(from + offset, bucket)
    while (start - offset < to) {
      const next = nextStart(start, bucket)
      const many = counts.times.between(Math.max(start - offset, from), Math.min(next - offset, to))
      found.set(start, (found.get(start) ?? 0) + many)
      start = next
    }
  }
  return found
}
