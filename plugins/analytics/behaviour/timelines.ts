/**
 * What each visitor did, one event after the other. Questions about order (funnels, journeys) are answered by walking along
 * these timelines: a walk says what it means in a few lines, and costs less than the joins that would say the same. The
 * engine sorts, on disk where it must; what is held here is one visitor at a time.
 */
import type { Value } from '../engine/database.ts'
import type { Scan } from '../engine/readers.ts'

/** Events that a walk is about. */
export interface Source {
  /** Condition of SQL over `events`. */
  readonly where: string
  /** What an event is to the walk: an INTEGER of SQL that is never null. Events with 0 are passed over. */
  readonly code: string
  /** For the `$n` of both. */
  readonly values: Value[]
}

/** Events of one visitor: by time, and in the order of the log where that is the same. */
export interface Timeline {
  readonly length: number
  /** Since 1970; filled up to `length`, as `codes`. Both are used again for the next visitor. */
  readonly atMs: Float64Array
  readonly codes: Int32Array
}

/** A visitor with more events is a machine that nobody asks about; of those only the first are followed. */
const EVENTS_MAX = 1_000_000
const EVENTS_FIRST = 1_024

/** Calls `visit` once for each visitor that has an event of the source, in no particular order. */
export async function walk(scan: Scan, source: Source, visit: (timeline: Timeline) => void): Promise<void> {
  const { where, code, values } = source
  const timeline = new Growing()
  let visitor = -1
  const sql = `SELECT visitor_no, epoch_ms(occurred_at)::DOUBLE, code
    FROM (SELECT visitor_no, occurred_at, seq, (${code})::INTEGER AS code FROM events
      WHERE visitor_no IS NOT NULL AND ${where})
    WHERE code <> 0 ORDER BY visitor_no, occurred_at, seq`
  await scan(sql, values, ([visitors, atMs, codes], rows) => {
    for (let row = 0; row < rows; row += 1) {
      const next = visitors?.[row] as number
      if (next !== visitor) {
        if (timeline.length > 0) visit(timeline)
        timeline.length = 0
        visitor = next
      }
      timeline.add(atMs?.[row] as number, codes?.[row] as number)
    }
  })
  if (timeline.length > 0) visit(timeline)
}

class Growing implements Timeline {
  length = 0
  atMs = new Float64Array(EVENTS_FIRST)
  codes = new Int32Array(EVENTS_FIRST)

  add(atMs: number, code: number): void {
    if (this.length === EVENTS_MAX) return
    if (this.length === this.codes.length) {
      this.atMs = grown(this.atMs, new Float64Array(this.length * 2))
      this.codes = grown(this.codes, new Int32Array(this.length * 2))
    }
    this.atMs[this.length] = atMs
    this.codes[this.length] = code
    this.length += 1
  }
}

function grown<T extends Int32Array | Float64Array>(from: T, to: T): T {
  to.set(from)
  return to
}
