/** What the retention ladder holds, for whoever asks about a time of which the log says nothing any more. */
import type { WorkspaceId } from '../../model.ts'
import { readParts } from '../ladder/counts.ts'
import type { Counts, Worth } from '../ladder/counts.ts'
import { RUNGS } from '../ladder/rungs.ts'
import type { Rung } from '../ladder/rungs.ts'
import { all, allMany, first } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import { hashPrefix, SALT_PREFIX, saltId } from './ladder.ts'

/** No row is longer. */
const LONGEST_MS: Readonly<Record<Rung, number>> = {
  minute: 60_000,
  hour: 3_600_000,
  day: 172_800_000,
  month: 2_851_200_000,
}

const COUNTS = `SELECT rung, start_ms, end_ms, events, conversions, parts FROM event_counts
  WHERE workspace = ? AND rung = ? AND start_ms >= ? AND start_ms < ? AND end_ms > ? ORDER BY start_ms`
const VISITORS = `SELECT kind, start_ms, end_ms, salt, registers FROM event_visitors
  WHERE workspace = ? AND start_ms >= ? AND start_ms < ? AND end_ms > ? ORDER BY start_ms`
const HELD = `SELECT rung, CAST(count(*) AS bigint) AS held, min(start_ms) AS from_ms, max(end_ms) AS to_ms,
    CAST(sum(events) AS bigint) AS events FROM event_counts WHERE workspace = ? GROUP BY rung`

export interface LadderRow {
  readonly rung: Rung
  readonly start_ms: number
  readonly end_ms: number
  readonly events: number
  readonly conversions: number
  readonly by: Counts['by']
  readonly worth: Worth
}

export interface VisitorsRow {
  readonly kind: string
  readonly start_ms: number
  readonly end_ms: number
  /** Those of the same may be merged; empty: with nothing. */
  readonly salt: string
  readonly registers: string
}

/** Of one workspace and one moment. */
export interface LadderRead {
  /** The entry of the log that told last what was forgotten: who has followed it so far holds the rest. 0: nothing ever was. */
  readonly expiredSeq: number
  /** Grows with each change of what is here. */
  readonly version: number
  readonly rows: readonly LadderRow[]
  readonly visitors: readonly VisitorsRow[]
  /** What visitors are hashed behind, of the months that still have their salt: by `salt` of the rows. */
  readonly prefixes: Readonly<Record<string, string>>
}

export interface LadderQuery {
  readonly workspace: WorkspaceId
  readonly fromMs: number
  readonly toMs: number
}

/** All that lies in the time, also in part. */
export function* readLadder({ workspace, fromMs, toMs }: LadderQuery): Procedure<LadderRead> {
  const state = yield* first<{ expired_seq: number; version: number }>(
    'SELECT expired_seq, version FROM event_ladder WHERE workspace = ?',
    [workspace],
  )
  if (state === undefined) return { expiredSeq: 0, version: 0, rows: [], visitors: [], prefixes: {} }
  const rows = yield* allMany<Omit<LadderRow, 'by' | 'worth'> & { readonly parts: string }>(
    COUNTS,
    RUNGS.map((rung): SqlValue[] => [workspace, rung, fromMs - LONGEST_MS[rung], toMs, fromMs]),
  )
  const visitors = yield* all<VisitorsRow>(VISITORS, [workspace, fromMs - LONGEST_MS.day, toMs, fromMs])
  const salts = yield* all<{ day: string; salt: string }>(
    `SELECT day, salt FROM event_salts WHERE day LIKE '${SALT_PREFIX}%'`,
    [],
  )
  const prefixes = salts.map(({ day, salt }) => hashPrefix(salt, day.slice(SALT_PREFIX.length), workspace))
  return {
    expiredSeq: state.expired_seq,
    version: state.version,
    rows: rows.map(({ parts, ...row }) => ({ ...row, ...readParts(parts, row.conversions) })),
    visitors,
    prefixes: Object.fromEntries(prefixes.map((prefix) => [saltId(prefix), prefix])),
  }
}

/** What one rung holds of a workspace. */
export interface RungHeld {
  readonly rung: Rung
  readonly rows: number
  readonly events: number
  readonly fromMs: number
  readonly toMs: number
}

/** Finest first; rungs that hold nothing are not there. */
export function* ladderHeld(workspace: WorkspaceId): Procedure<readonly RungHeld[]> {
  const rows = yield* all<{ rung: Rung; held: number; from_ms: number; to_ms: number; events: number }>(HELD, [
    workspace,
  ])
  return rows
    .map(({ rung, held, from_ms: fromMs, to_ms: toMs, events }) => ({ rung, rows: held, events, fromMs, toMs }))
    .toSorted((one, other) => RUNGS.indexOf(one.rung) - RUNGS.indexOf(other.rung))
}
