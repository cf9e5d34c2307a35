/** What is remembered of installations: state, cursor, health; and the commit of a handled batch. */
import { HubError } from '../../errors.ts'
import type { Checked, WorkspaceId } from '../../model.ts'
import { all, first, run, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import { returnsAtOf } from '../rows.ts'
import type { InstallationDbRow } from '../rows.ts'
import type { HandledBatch, StateChange, WordsOf } from '../store.ts'
import type { LaneNotes } from './lane-notes.ts'
import { saveLaneNotes } from './lane-notes.ts'
import { applyEffects } from './effects.ts'
import type { EffectsWritten } from './effects.ts'
import { append } from './events.ts'
import { reasonLeft } from './said.ts'

/** Compare-and-set: whoever moved it in between, this one then does nothing. */
const MOVE_CURSOR = `UPDATE installations SET cursor = ?, last_success_at = COALESCE(?, last_success_at),
    proven_at = COALESCE(?, proven_at)
  WHERE workspace = ? AND id = ? AND cursor = ?`

/** Rows for new ones; of known ones only the plugin follows the configuration. */
export function* syncInstallations(
  wanted: readonly {
    readonly workspace: WorkspaceId
    readonly id: string
    readonly plugin: string
    readonly cursor: number
    readonly at: string
  }[],
): Procedure<readonly InstallationDbRow[]> {
  yield* runMany(
    `INSERT INTO installations (workspace, id, plugin, state, state_since, cursor) VALUES (?, ?, ?, 'ready', ?, ?)
      ON CONFLICT (workspace, id) DO UPDATE SET plugin = excluded.plugin`,
    wanted.map(({ workspace, id, plugin, at, cursor }): SqlValue[] => [workspace, id, plugin, at, cursor]),
  )
  return yield* all<InstallationDbRow>(
    `SELECT workspace, id, plugin, state, reason, state_since, cursor, last_success_at, proven_at, last_failure_at, last_error,
      last_error_code, failure_streak,
      returns_at_ms, pauses, refused_hash, check_at, check_result
      FROM installations ORDER BY workspace, id`,
    [],
  )
}

const SET_STATE = `UPDATE installations SET state = ?, reason = ?, state_since = ?, returns_at_ms = ?, pauses = COALESCE(?, pauses),
    refused_hash = ?, reason_delivery = ?
  WHERE workspace = ? AND id = ?`
const STANDING = `SELECT state, state_since, returns_at_ms, pauses FROM installations WHERE workspace = ? AND id = ?`

/** Sets the state with its reason and logs the event that says so; false when it is not the state any more that was to be left. */
export function* setInstallationState(input: StateChange): Procedure<boolean> {
  const { workspace, id, state, at, returnsAtMs = null, pausesAtMs, refusedHash = null, only } = input
  const { reason, words, event } = yield* withoutErased(input)
  const pauses = pausesAtMs === undefined ? null : JSON.stringify(pausesAtMs)
  const params: SqlValue[] = [
    state,
    reason,
    at,
    returnsAtMs,
    pauses,
    refusedHash,
    words?.deliveryId ?? null,
    workspace,
    id,
  ]
  if (only !== undefined) {
    const row = yield* first<Pick<InstallationDbRow, 'state' | 'state_since' | 'returns_at_ms' | 'pauses'>>(STANDING, [
      workspace,
      id,
    ])
    if (row === undefined) throw noInstallation(id)
    if (row.state !== only.state || returnsAtOf(row) !== only.returnsAtMs) return false
  }
  if ((yield* run(SET_STATE, params)) === 0) throw noInstallation(id)
  if (event !== null) yield* append(workspace, [event])
  return true
}

/** What was said of a response that is deleted meanwhile is said of nobody any more. */
function* withoutErased(input: StateChange): Procedure<Pick<StateChange, 'reason' | 'words' | 'event'>> {
  const { workspace, words, event, reason } = input
  if (reason === null || words === undefined || !(yield* isSaidOfErased(workspace, words))) return input
  return { reason: reasonLeft(reason), event: event === null ? null : { ...event, data: '{}' } }
}

/** Also where its delivery has lost the words alone: another of their run was deleted. */
function* isSaidOfErased(workspace: WorkspaceId, { deliveryId, responseId }: WordsOf): Procedure<boolean> {
  const erased = yield* first(
    `SELECT 1 AS found FROM erased_responses WHERE workspace = ? AND response_id = ?
      UNION ALL SELECT 1 FROM deliveries WHERE workspace = ? AND id = ? AND error_code IS NOT NULL AND error IS NULL`,
    [workspace, responseId, workspace, deliveryId],
  )
  return erased !== undefined
}

const SAVE_CHECK = `UPDATE installations SET check_at = ?, check_result = ?
  WHERE workspace = ? AND id = ? AND (check_at IS NULL OR check_at <= ?)`

/** Keeps what a check found, in the place of what one that began before it did. */
export function* saveCheck({
  workspace,
  id,
  at,
  ...result
}: Checked & { readonly workspace: WorkspaceId; readonly id: string }): Procedure<void> {
  yield* run(SAVE_CHECK, [at, JSON.stringify(result), workspace, id, at])
}

/** Never forward: what lies between was not handled, and would not be. */
const REWIND = `UPDATE installations SET cursor = CASE WHEN cursor > ? THEN ? ELSE cursor END
  WHERE workspace = ? AND id = ? RETURNING cursor`

/** Moves the cursor back to there, for a backfill; one that stands before it stays. Answers where it stands. */
export function* rewindCursor(input: {
  readonly workspace: WorkspaceId
  readonly id: string
  readonly cursor: number
}): Procedure<number> {
  const { workspace, id, cursor } = input
  const row = yield* first<{ cursor: number }>(REWIND, [cursor, cursor, workspace, id])
  if (row === undefined) throw noInstallation(id)
  return row.cursor
}

/** The commit of a batch, or the cursor it should have started from. */
export type Handled =
  | ({ readonly kind: 'committed' } & EffectsWritten)
  | { readonly kind: 'moved'; readonly cursor: number }

/** Effects and cursor, guarded by compare-and-set on the cursor. */
export function* commitHandled(input: { readonly batch: HandledBatch; readonly at: string }): Procedure<Handled> {
  const { batch, at } = input
  const { workspace, installation, plugin, ranWell = false, hasProven = false } = batch
  const place: SqlValue[] = [workspace, installation, batch.fromCursor]
  const moved = yield* run(MOVE_CURSOR, [batch.toCursor, ranWell ? at : null, hasProven ? at : null, ...place])
  if (moved === 0) {
    const row = yield* first<{ cursor: number }>('SELECT cursor FROM installations WHERE workspace = ? AND id = ?', [
      workspace,
      installation,
    ])
    if (row === undefined) throw noInstallation(installation)
    return { kind: 'moved', cursor: row.cursor }
  }
  const notes: LaneNotes = new Map()
  const written = yield* applyEffects({ workspace, installation, plugin, at }, batch.effects, notes)
  yield* saveLaneNotes(notes)
  return { kind: 'committed', ...written }
}

const noInstallation = (id: string): HubError => new HubError('not_found', `There is no installation "${id}".`)
