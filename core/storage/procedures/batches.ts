/** What several deliveries share that were in one run: its record stands with the first of them, and goes with any of them. */
import type { DeliveryState, WorkspaceId } from '../../model.ts'
import { causeOf } from '../cause.ts'
import { allMany, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import { eraseRepeated } from './said.ts'
import type { Repeating } from './said.ts'

/** A run that one delivery was in with others, and what it failed with there. */
export interface SharedRun {
  readonly workspace: WorkspaceId
  readonly batch: string
  readonly error: string | null
}

/** The runs that these deliveries were in with others; `keys`: workspace and id of each. */
export function* sharedRunsOf(keys: readonly SqlValue[][]): Procedure<readonly SharedRun[]> {
  return yield* allMany<SharedRun>(
    'SELECT workspace, batch, error FROM attempts WHERE workspace = ? AND delivery_id = ? AND batch IS NOT NULL',
    keys,
  )
}

/** Empties what was sent and logged in these runs. */
function* eraseRecords(runs: readonly SharedRun[]): Procedure<void> {
  yield* runMany(
    `UPDATE attempts SET exchanges = '[]', logs = '[]' WHERE workspace = ? AND batch = ?`,
    runs.map(({ workspace, batch }): SqlValue[] => [workspace, batch]),
  )
}

interface Sharing extends Repeating {
  readonly state: DeliveryState
}

/**
 * The record of these runs goes, and so do the words, wherever another delivery of the run repeats them: a run that failed
 * as a whole says the same of all, and may have quoted any. Words of its own stay with each.
 */
export function* eraseSharedRuns(runs: readonly SharedRun[]): Procedure<void> {
  yield* eraseRecords(runs)
  const said = runs.flatMap(({ workspace, batch, error }): SqlValue[][] =>
    error === null ? [] : [[workspace, batch, error]],
  )
  const sharing = yield* allMany<Sharing>(
    `SELECT d.workspace, d.id, d.installation, d.state, d.error_code, d.response_id, a.error
      FROM attempts a JOIN deliveries d ON d.workspace = a.workspace AND d.id = a.delivery_id
      WHERE a.workspace = ? AND a.batch = ? AND a.error = ?`,
    said,
  )
  yield* runMany('UPDATE attempts SET error = NULL WHERE workspace = ? AND batch = ? AND error = ?', said)
  yield* runMany(
    'UPDATE deliveries SET error = NULL, cause = ? WHERE workspace = ? AND id = ? AND error = ?',
    sharing.map((each): SqlValue[] => [causeLeft(each), each.workspace, each.id, each.error]),
  )
  yield* eraseRepeated(sharing)
  yield* eraseDeathWords(sharing)
}

const causeLeft = ({ installation, state, error_code: code }: Sharing): string | null =>
  state === 'dead' ? causeOf({ installation, code, error: null }) : null

/** The events that told of their deaths keep all but the words. */
function* eraseDeathWords(sharing: readonly Sharing[]): Procedure<void> {
  const words = new Map(sharing.map(({ id, error }) => [id, error]))
  const events = yield* allMany<{ seq: number; data: string }>(
    `SELECT seq, data FROM events WHERE workspace = ? AND response_id = ? AND type = 'delivery.dead' AND data IS NOT NULL`,
    sharing
      .filter(({ state, response_id: response }) => state === 'dead' && response !== null)
      .map(({ workspace, response_id: response }): SqlValue[] => [workspace, response]),
  )
  yield* runMany(
    'UPDATE events SET data = ? WHERE seq = ?',
    events.flatMap(({ seq, data }): SqlValue[][] => {
      const told = JSON.parse(data) as { readonly delivery_id: string; readonly message: string | null }
      const isOfRun = told.message !== null && words.get(told.delivery_id) === told.message
      return isOfRun ? [[JSON.stringify({ ...told, message: null }), seq]] : []
    }),
  )
}

/** What ended in a run while another part of it was deleted brings nothing of that back: its record goes at once. */
export function* eraseOfDeleted(refused: readonly (SharedRun & { readonly deliveryId: string })[]): Procedure<void> {
  const whole = yield* allMany<{ id: string }>(
    'SELECT id FROM deliveries WHERE workspace = ? AND id = ? AND input IS NOT NULL',
    refused.map(({ workspace, deliveryId }): SqlValue[] => [workspace, deliveryId]),
  )
  const left = new Set(whole.map(({ id }) => id))
  yield* eraseSharedRuns(refused.filter(({ deliveryId }) => !left.has(deliveryId)))
}
