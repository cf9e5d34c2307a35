/** What a transaction changes of its lanes: the counters of states and the installations' health, written once at its end. */
import type { DeliveryState } from '../../model.ts'
import { all, allMany, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import type { LaneHealth, LaneName } from '../lane-health.ts'
import type { LaneRow } from '../rows.ts'

type LaneNote = { -readonly [Part in keyof LaneHealth]: LaneHealth[Part] } & {
  readonly moves: Record<DeliveryState, number>
}

/** By lane; one for each transaction. */
export type LaneNotes = Map<string, LaneNote>

/** Notes that `by` deliveries left the one state (null: they are new) and entered the other (null: they are gone). */
export function noteMove(
  notes: LaneNotes,
  lane: LaneName,
  move: { readonly from: DeliveryState | null; readonly to: DeliveryState | null; readonly by?: number },
): void {
  const { moves } = noteOf(notes, lane)
  const by = move.by ?? 1
  if (move.from !== null) moves[move.from] -= by
  if (move.to !== null) moves[move.to] += by
}

/** Notes how an attempt ended; `error` null means well. */
export function noteOutcome(
  notes: LaneNotes,
  lane: LaneName,
  outcome: {
    readonly at: string
    readonly ok: boolean
    readonly hasProven: boolean
    readonly error: string | null
    readonly code: string | null
    readonly deliveryId: string
  },
): void {
  const note = noteOf(notes, lane)
  if (outcome.ok) {
    note.successAt = outcome.at
    if (outcome.hasProven) note.provenAt = outcome.at
    note.failuresInARow = 0
    return
  }
  note.failureAt = outcome.at
  note.error = outcome.error
  note.code = outcome.code
  note.aboutId = outcome.deliveryId
  note.failuresInARow += 1
}

function noteOf(notes: LaneNotes, { workspace, installation }: LaneName): LaneNote {
  const key = `${workspace}/${installation}`
  const known = notes.get(key)
  if (known !== undefined) return known
  const moves = { pending: 0, retrying: 0, delivered: 0, dead: 0 }
  const note = {
    workspace,
    installation,
    moves,
    successAt: null,
    provenAt: null,
    failureAt: null,
    error: null,
    code: null,
    aboutId: null,
    failuresInARow: 0,
  }
  notes.set(key, note)
  return note
}

/** Writes what was noted. */
export function* saveLaneNotes(notes: LaneNotes): Procedure<void> {
  const lanes = [...notes.values()]
  yield* runMany(
    `INSERT INTO lane_counts (workspace, installation, pending, retrying, delivered, dead) VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (workspace, installation) DO UPDATE SET pending = lane_counts.pending + excluded.pending,
        retrying = lane_counts.retrying + excluded.retrying, delivered = lane_counts.delivered + excluded.delivered,
        dead = lane_counts.dead + excluded.dead`,
    lanes
      .filter(({ moves }) => Object.values(moves).some((by) => by !== 0))
      .map(({ workspace, installation, moves }): SqlValue[] => [
        workspace,
        installation,
        moves.pending,
        moves.retrying,
        moves.delivered,
        moves.dead,
      ]),
  )
  yield* saveHealth(lanes)
}

/** How looks of transforms ended. Words about a response that was erased meanwhile may be its own: they are not kept. */
export function* noteLooks(looks: readonly LaneHealth[]): Procedure<void> {
  const about = looks.flatMap(({ workspace, aboutId }): SqlValue[][] =>
    aboutId === null ? [] : [[workspace, aboutId]],
  )
  const erased = yield* allMany<{ id: string }>(
    'SELECT response_id AS id FROM erased_responses WHERE workspace = ? AND response_id = ?',
    about,
  )
  const gone = new Set(erased.map(({ id }) => id))
  yield* saveHealth(looks.map((look) => (gone.has(look.aboutId ?? '') ? { ...look, error: RESPONSE_GONE } : look)))
}

const RESPONSE_GONE = 'The response that it was about is deleted.'

function* saveHealth(lanes: readonly LaneHealth[]): Procedure<void> {
  yield* runMany(
    `UPDATE installations SET last_success_at = coalesce(?, last_success_at),
      proven_at = coalesce(?, proven_at), last_failure_at = coalesce(?, last_failure_at),
      last_error = coalesce(?, last_error), last_error_code = coalesce(?, last_error_code),
      last_error_delivery = coalesce(?, last_error_delivery), failure_streak = failure_streak * ? + ? WHERE workspace = ? AND id = ?`,
    lanes
      .filter(({ successAt, failureAt }) => successAt !== null || failureAt !== null)
      .map(
        ({
          workspace,
          installation,
          successAt,
          provenAt,
          failureAt,
          error,
          code,
          aboutId,
          failuresInARow,
        }): SqlValue[] => [
          successAt,
          provenAt,
          failureAt,
          error,
          code,
          aboutId,
          successAt === null ? 1 : 0,
          failuresInARow,
          workspace,
          installation,
        ],
      ),
  )
}

/**
 * All lanes, each with its oldest waiting delivery: the one with the least id, found in the index of what is due alone
 * (the concatenation keeps a planner from walking all deliveries in the order of ids instead). That takes some
 * milliseconds for a hundred thousand waiting ones, and costs each delivery nothing.
 */
export function* laneCounts(): Procedure<readonly LaneRow[]> {
  return yield* all<LaneRow>(
    `SELECT c.workspace, c.installation, c.pending, c.retrying, c.delivered, c.dead,
      (SELECT o.created_at FROM deliveries o WHERE o.workspace = c.workspace AND o.id =
        (SELECT min(d.id || '') FROM deliveries d
          WHERE d.workspace = c.workspace AND d.installation = c.installation AND d.finished_at IS NULL)) AS oldest_at
      FROM lane_counts c ORDER BY c.workspace, c.installation`,
    [],
  )
}
