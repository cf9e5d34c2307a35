/**
 * The retention ladder. What a behaviour event counts for stands in exactly one place at any time: in the log as long as what it
 * says is kept, then in one row of `event_counts`. Each step from one place to the next is a part of one transaction, so neither
 * a crash nor a second run changes a total.
 */
import { createHash } from 'node:crypto'
import { addHash, mergeSketch, readSketch, sketchText } from '../../contract/sketch.ts'
import type { Sketch } from '../../contract/sketch.ts'
import type { WorkspaceId } from '../../model.ts'
import { addCounts, countsOf, noCounts, partsText, readParts } from '../ladder/counts.ts'
import type { Counts } from '../ladder/counts.ts'
import type { LadderEvent } from '../ladder/counted.ts'
import { RUNGS, RungClock } from '../ladder/rungs.ts'
import type { Ladder, Rung, Stretch } from '../ladder/rungs.ts'
import { all, allMany, run, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'

const SLICE_ROWS = 500
const DAY_MS = 86_400_000
/** Salts outlive the last event of their month by so much: upkeep may come late. */
const SALT_SPARE_MS = 2 * DAY_MS

const COUNTS = `SELECT workspace, rung, start_ms, events, conversions, parts FROM event_counts
  WHERE workspace = ? AND rung = ? AND start_ms = ?`
const PUT_COUNTS = `INSERT INTO event_counts (workspace, rung, start_ms, end_ms, events, conversions, parts)
  VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (workspace, rung, start_ms)
  DO UPDATE SET end_ms = excluded.end_ms, events = excluded.events, conversions = excluded.conversions, parts = excluded.parts`
const VISITORS = `SELECT workspace, start_ms, kind, salt, registers FROM event_visitors
  WHERE workspace = ? AND start_ms = ? AND kind = ?`
const PUT_VISITORS = `INSERT INTO event_visitors (workspace, start_ms, kind, end_ms, salt, registers)
  VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (workspace, start_ms, kind)
  DO UPDATE SET end_ms = excluded.end_ms, salt = excluded.salt, registers = excluded.registers`
const SALTS = `SELECT day, salt FROM event_salts WHERE day = ?`
const PUT_SALT = `INSERT INTO event_salts (day, salt, expires_at_ms) VALUES (?, ?, ?) ON CONFLICT (day)
  DO UPDATE SET expires_at_ms = excluded.expires_at_ms WHERE event_salts.expires_at_ms < excluded.expires_at_ms`
const CHANGED = `INSERT INTO event_ladder (workspace, expired_seq, version) VALUES (?, ?, 1) ON CONFLICT (workspace)
  DO UPDATE SET expired_seq = CASE WHEN excluded.expired_seq > event_ladder.expired_seq THEN excluded.expired_seq
    ELSE event_ladder.expired_seq END, version = event_ladder.version + 1`
const OLD = `SELECT workspace, rung, start_ms, events, conversions, parts FROM event_counts
  WHERE rung = ? AND end_ms <= ? ORDER BY end_ms LIMIT ?`
const DROP = 'DELETE FROM event_counts WHERE workspace = ? AND rung = ? AND start_ms = ?'

/** In `event_salts`: what visitors of a calendar month are hashed with. */
export const SALT_PREFIX = 'visitors/'
/** Who did anything, and who converted. */
const KINDS = ['all', 'converted'] as const
type Kind = (typeof KINDS)[number]

interface CountRow {
  readonly workspace: WorkspaceId
  readonly rung: Rung
  readonly start_ms: number
  readonly events: number
  readonly conversions: number
  readonly parts: string
}

interface Move extends Stretch {
  readonly workspace: WorkspaceId
  readonly rung: Rung
  readonly counts: Counts
}

const readCounts = ({ events, conversions, parts }: Omit<CountRow, 'workspace'>): Counts => ({
  events,
  conversions,
  ...readParts(parts, conversions),
})

/** Adds counts to what their stretches have. */
function* put(moves: readonly Move[], valuesMax: number): Procedure<void> {
  const name = (workspace: string, rung: Rung, startMs: number): string => `${workspace} ${rung} ${startMs}`
  const wanted = new Map<string, Move>()
  for (const move of moves) {
    const key = name(move.workspace, move.rung, move.startMs)
    const counts = addCounts(wanted.get(key)?.counts ?? noCounts(), move.counts, valuesMax)
    wanted.set(key, { ...move, counts })
  }
  const there = yield* allMany<CountRow>(
    COUNTS,
    [...wanted.values()].map(({ workspace, rung, startMs }): SqlValue[] => [workspace, rung, startMs]),
  )
  const known = new Map(there.map((row) => [name(row.workspace, row.rung, row.start_ms), readCounts(row)]))
  yield* runMany(
    PUT_COUNTS,
    [...wanted].map(([key, { workspace, rung, startMs, endMs, counts: added }]): SqlValue[] => {
      const sum = addCounts(known.get(key) ?? noCounts(), added, valuesMax)
      return [workspace, rung, startMs, endMs, sum.events, sum.conversions, partsText(sum)]
    }),
  )
}

/** How the ladder stands, and what it may hold. */
export interface LadderInput {
  readonly ladder: Ladder
  readonly nowMs: number
  /** Values of one division in one row. */
  readonly valuesMax: number
}

/** What counting what is forgotten needs beside. */
export interface CountInput extends LadderInput {
  /** How long what events say is kept. */
  readonly keepMs: number
  /** A salt for months that have none yet. */
  readonly freshSalt: string
}

export interface Forgotten extends LadderEvent {
  readonly workspace: WorkspaceId
}

/** Those are forgotten in this transaction; from now on they count here. */
export function* countForgotten(events: readonly Forgotten[], input: CountInput): Procedure<void> {
  const clock = new RungClock(input.ladder.timezone)
  const finest = input.ladder.rungs[0]
  if (finest === undefined) return
  const moves = events.map(({ workspace, occurredMs, ...event }): Move => ({
    workspace,
    rung: finest.rung,
    ...clock.stretchOf(finest.rung, occurredMs),
    counts: countsOf(event),
  }))
  yield* put(moves, input.valuesMax)
  yield* countVisitors(events, clock, input)
}

/** Says that the numbers of a workspace are others, and which entry of the log told what was forgotten. */
export const noteLadder = (workspace: WorkspaceId, expiredSeq: number): Procedure<number> =>
  run(CHANGED, [workspace, expiredSeq])

/** What visitors of one month and workspace are hashed behind. */
export const hashPrefix = (salt: string, month: string, workspace: string): string => `${salt}/${month}/${workspace}/`
/** Sketches with the same one may be merged. */
export const saltId = (prefix: string): string => sha256(prefix).slice(0, 16)
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

interface VisitorsOfDay extends Stretch {
  readonly workspace: WorkspaceId
  readonly kind: Kind
  readonly salt: string
  readonly sketch: Sketch
}

function* countVisitors(events: readonly Forgotten[], clock: RungClock, input: CountInput): Procedure<void> {
  const salts = yield* saltsOf(new Set(events.map(({ occurredMs }) => occurredMs)), clock, input)
  const days = new Map<string, VisitorsOfDay>()
  for (const { workspace, occurredMs, visitor, isConversion } of events) {
    const day = clock.stretchOf('day', occurredMs)
    const month = clock.monthOf(day.startMs)
    const salt = salts.get(month)
    if (salt === undefined) continue
    const prefix = hashPrefix(salt, month, workspace)
    for (const kind of KINDS) {
      const key = `${workspace} ${day.startMs} ${kind}`
      const known = days.get(key) ?? { workspace, kind, ...day, salt: saltId(prefix), sketch: new Map() }
      days.set(key, known)
      if (visitor !== null && (kind === 'all' || isConversion)) addHash(known.sketch, sha256(prefix + visitor))
    }
  }
  const there = yield* allMany<{ workspace: string; start_ms: number; kind: Kind; salt: string; registers: string }>(
    VISITORS,
    [...days.values()].map(({ workspace, startMs, kind }): SqlValue[] => [workspace, startMs, kind]),
  )
  const known = new Map(there.map((row) => [`${row.workspace} ${row.start_ms} ${row.kind}`, row]))
  yield* runMany(
    PUT_VISITORS,
    [...days].map(([key, { workspace, startMs, endMs, kind, salt, sketch }]): SqlValue[] => {
      const before = known.get(key)
      if (before !== undefined) mergeSketch(sketch, readSketch(before.registers))
      // Under two salts (a backup was put back) one visitor is two, so nothing may be merged with it.
      const told = before === undefined || before.salt === salt ? salt : ''
      return [workspace, startMs, kind, endMs, told, sketchText(sketch)]
    }),
  )
}

/** By month; of one whose salt is gone there is none, and there never will be. */
function* saltsOf(
  moments: ReadonlySet<number>,
  clock: RungClock,
  { nowMs, keepMs, freshSalt }: CountInput,
): Procedure<ReadonlyMap<string, string>> {
  const months = new Map([...moments].map((ms) => [clock.monthOf(ms), clock.stretchOf('month', ms).endMs]))
  yield* runMany(
    PUT_SALT,
    [...months]
      .map(([month, endMs]): SqlValue[] => [SALT_PREFIX + month, freshSalt, endMs + keepMs + SALT_SPARE_MS])
      .filter(([, , expiresAtMs]) => Number(expiresAtMs) > nowMs),
  )
  const rows = yield* allMany<{ day: string; salt: string }>(
    SALTS,
    [...months.keys()].map((month): SqlValue[] => [SALT_PREFIX + month]),
  )
  return new Map(rows.map(({ day, salt }) => [day.slice(SALT_PREFIX.length), salt]))
}

/**
 * One slice of what is past its rung moves to the next that the ladder has, or goes where there is none; `more` says that another
 * is due. Rungs that the ladder has no longer are past at once, as long as there is a coarser one.
 */
export function* foldLadderSlice({ ladder, nowMs, valuesMax }: LadderInput): Procedure<{
  readonly moved: number
  readonly dropped: number
  readonly more: boolean
}> {
  const clock = new RungClock(ladder.timezone)
  const last = ladder.rungs.at(-1)
  if (last === undefined) return { moved: 0, dropped: 0, more: false }
  let [moved, dropped, more] = [0, 0, false]
  for (const [place, rung] of RUNGS.entries()) {
    const target = ladder.rungs.find((other) => RUNGS.indexOf(other.rung) > place)?.rung ?? null
    const own = ladder.rungs.find((other) => other.rung === rung)
    const untilMs = nowMs - (own?.keepMs ?? (target === null ? last.keepMs : 0))
    // A stretch moves as a whole: of a day that is known by its hours none is hidden by one that went before.
    const wholeMs = own === undefined || target === null ? untilMs : clock.stretchOf(target, untilMs).startMs
    const old = yield* all<CountRow>(OLD, [rung, wholeMs, SLICE_ROWS])
    if (old.length === 0) continue
    if (target !== null) {
      const moves = old.map((row): Move => ({
        workspace: row.workspace,
        rung: target,
        ...clock.stretchOf(target, row.start_ms),
        counts: readCounts(row),
      }))
      yield* put(moves, valuesMax)
    }
    yield* runMany(
      DROP,
      old.map((row): SqlValue[] => [row.workspace, rung, row.start_ms]),
    )
    for (const workspace of new Set(old.map((row) => row.workspace))) yield* noteLadder(workspace, 0)
    if (target === null) dropped += old.length
    else moved += old.length
    more ||= old.length === SLICE_ROWS
  }
  yield* run('DELETE FROM event_visitors WHERE end_ms <= ?', [nowMs - last.keepMs])
  return { moved, dropped, more }
}
