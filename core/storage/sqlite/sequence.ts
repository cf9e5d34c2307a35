/** Is every event there that was ever committed? Asked at start, by restore, and before a loss is accepted. */
import type Database from 'better-sqlite3'
import { HubError } from '../../errors.ts'

export interface LostRange {
  readonly from: number
  readonly to: number
}

export interface SequenceReport {
  /** The last sequence given out, as the database knows it. */
  readonly head: number
  /** Ranges that are missing and whose loss nobody has accepted. */
  readonly lost: readonly LostRange[]
}

const LOST_RANGES_SHOWN = 5

/**
 * Counting is enough when nothing is missing, and counting an index is fast (a million events take some milliseconds);
 * only then are the holes looked for one by one.
 */
export function checkSequence(db: Database.Database, watermark: number | null): SequenceReport {
  const { first_seq: first, seq } = db.prepare('SELECT first_seq, seq FROM log_head WHERE only_row = 1').get() as {
    first_seq: number
    seq: number
  }
  const last = Number(db.prepare('SELECT coalesce(max(seq), 0) FROM events').pluck().get())
  const count = Number(db.prepare('SELECT count(*) FROM events').pluck().get())
  const accepted = db
    .prepare('SELECT from_seq AS "from", to_seq AS "to" FROM lost_ranges ORDER BY from_seq')
    .all() as LostRange[]
  const acceptedCount = accepted.reduce((sum, { from, to }) => sum + to - from + 1, 0)
  const head = Math.max(seq, last, watermark ?? 0)
  if (count + acceptedCount === head - first + 1) return { head: seq, lost: [] }
  return { head: seq, lost: without(holes(db, first, head), accepted) }
}

function holes(db: Database.Database, first: number, head: number): LostRange[] {
  const edges = db
    .prepare(
      `SELECT seq, next FROM (SELECT seq, lead(seq) OVER (ORDER BY seq) AS next FROM events)
        WHERE next > seq + 1 ORDER BY seq`,
    )
    .all() as { seq: number; next: number }[]
  const ends = db.prepare('SELECT min(seq) AS least, max(seq) AS most FROM events').get() as {
    least: number | null
    most: number | null
  }
  const found = edges.map(({ seq, next }) => ({ from: seq + 1, to: next - 1 }))
  if (ends.least === null || ends.most === null) return head >= first ? [{ from: first, to: head }] : []
  if (ends.least > first) found.unshift({ from: first, to: ends.least - 1 })
  if (ends.most < head) found.push({ from: ends.most + 1, to: head })
  return found
}

/** Ranges minus ranges; both sorted. */
function without(ranges: readonly LostRange[], accepted: readonly LostRange[]): LostRange[] {
  return ranges.flatMap((range) => {
    const rest: LostRange[] = []
    let from = range.from
    for (const known of accepted) {
      if (known.to < from || known.from > range.to) continue
      if (known.from > from) rest.push({ from, to: known.from - 1 })
      from = known.to + 1
    }
    if (from <= range.to) rest.push({ from, to: range.to })
    return rest
  })
}

/** `events 41 to 57`; long lists are cut. */
export function describeRanges(ranges: readonly LostRange[]): string {
  const shown = ranges
    .slice(0, LOST_RANGES_SHOWN)
    .map(({ from, to }) => (from === to ? `${from}` : `${from} to ${to}`))
    .join(', ')
  const more = ranges.length - LOST_RANGES_SHOWN
  return more > 0 ? `events ${shown} and ${more} more ranges` : `events ${shown}`
}

/** Throws with the missing ranges and what to do about them. */
export function assertWhole(report: SequenceReport): void {
  if (report.lost.length === 0) return
  throw new HubError(
    'storage_failed',
    `The database is damaged: ${describeRanges(report.lost)} were committed and are missing. ` +
      'Put a backup back with "manifold db restore FILE", or go on without them with "manifold db accept-loss".',
  )
}
