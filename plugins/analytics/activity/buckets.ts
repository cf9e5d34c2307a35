/** In which bucket of a series a moment lies, without asking the calendar for each. */
import { localStart, momentOffset, placesOf } from '../metrics/series.ts'
import type { Place, SeriesQuery } from '../metrics/series.ts'
import { cutsOf, localSql } from '../query/zone.ts'
import type { Cut } from '../query/zone.ts'
import { DAY_MS } from '../time-units.ts'

/** Rows of the ladder reach no further beyond what is asked about. */
const MARGIN_MS = 40 * DAY_MS

export interface Buckets {
  /** All of the series, in order. */
  readonly all: readonly Place[]
  /** Where the bucket of a moment begins, as its place has it. */
  startOf(ms: number): number
  /** The same in SQL, of a TIMESTAMP in UTC. */
  startSql(column: string): string
  /** Days and longer: stretches of the calendar. */
  readonly isCalendar: boolean
}

export function bucketsOf(query: SeriesQuery): Buckets {
  const { timezone, bucket, fromMs, toMs } = query
  const moment = momentOffset(query)
  const cuts: readonly Cut[] =
    moment === null ? cutsOf(timezone, fromMs - MARGIN_MS, toMs + MARGIN_MS) : [{ fromMs, offsetMs: moment }]
  const offsetAt = (ms: number): number => (cuts.findLast((cut) => cut.fromMs <= ms) ?? cuts[0])?.offsetMs ?? 0
  return {
    all: placesOf(query),
    startOf: (ms) => localStart(ms + offsetAt(ms), bucket),
    startSql: (column) => `epoch_ms(date_trunc('${bucket}', ${localSql(column, cuts)}))`,
    isCalendar: moment === null,
  }
}
