/** What is remembered of installations: state, cursor, health; and the commit of a handled batch. */
import { HubError } from '../../errors.ts'
import type { InstallationState, NewEvent, WorkspaceId } from '../../model.ts'
import { all, first, run, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import type { InstallationDbRow } from '../rows.ts'
import type { HandledBatch } from '../store.ts'
import type { LaneNotes } from './lane-notes.ts'
import { saveLaneNotes } from './lane-notes.ts'
import { applyEffects } from './effects.ts'
import type { EffectsWritten } from './effects.ts'
import { append } from './events.ts'

/** Compare-and-set: whoever moved it in between, this one then does nothing. */
const MOVE_CURSOR = 'UPDATE installations SET cursor = ? WHERE workspace = ? AND id = ? AND cursor = ?'

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
    `SELECT workspace, id, plugin, state, reason, state_since, cursor, last_success_at, last_failure_at, last_error
      FROM installations ORDER BY workspace, id`,
    [],
  )
}

/** Sets the state with its reason and logs the event that says so. */
export function* setInstallationState(input: {
  readonly workspace: WorkspaceId
  readonly id: string
  readonly state: InstallationState
  readonly reason: string | null
  readonly at: string
  readonly event: NewEvent | null
}): Procedure<void> {
  const { workspace, id, state, reason, at } = input
  const changed = yield* run(
    'UPDATE installations SET state = ?, reason = ?, state_since = ? WHERE workspace = ? AND id = ?',
    [state, reason, at, workspace, id],
  )
  if (changed === 0) throw noInstallation(id)
  if (input.event !== null) yield* append(workspace, [input.event])
}

/** Moves the cursor, back or forth: a backfill or a skip, asked for by an admin. */
export function* setCursor(input: {
  readonly workspace: WorkspaceId
  readonly id: string
  readonly cursor: number
}): Procedure<void> {
  const changed = yield* run('UPDATE installations SET cursor = ? WHERE workspace = ? AND id = ?', [
    input.cursor,
    input.workspace,
    input.id,
  ])
  if (changed === 0) throw noInstallation(input.id)
}

/** The commit of a batch, or the cursor it should have started from. */
export type Handled =
  | ({ readonly kind: 'committed' } & EffectsWritten)
  | { readonly kind: 'moved'; readonly cursor: number }

/** Effects and cursor, guarded by compare-and-set on the cursor. */
export function* commitHandled(input: { readonly batch: HandledBatch; readonly at: string }): Procedure<Handled> {
  const { batch, at } = input
  const { workspace, installation, plugin } = batch
  const moved = yield* run(MOVE_CURSOR, [batch.toCursor, workspace, installation, batch.fromCursor])
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
