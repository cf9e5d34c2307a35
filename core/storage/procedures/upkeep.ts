/** Small duties: expired rows, sizes, proof that a write can be committed. */
import { causeOf } from '../cause.ts'
import { all, first, run, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import type { DeliveryRow } from '../rows.ts'
import { eraseLeftBehind } from './left-behind.ts'
import { purgeRuns } from './runs.ts'
import { dropTraffic } from './traffic.ts'

const SLICE_ROWS = 500
const MINUTE_MS = 60_000

/** Drops one slice of what expired, and does what programs of before left undone; `more` says that another is due. */
export function* purgeSlice({
  nowMs,
  runsBeforeMs,
  trafficBeforeMs,
}: {
  readonly nowMs: number
  readonly runsBeforeMs: number
  readonly trafficBeforeMs: number
}): Procedure<{ readonly dropped: number; readonly more: boolean }> {
  const keys = yield* run(
    `DELETE FROM idempotency WHERE (workspace, idempotency_key) IN
      (SELECT workspace, idempotency_key FROM idempotency WHERE expires_at_ms <= ? ORDER BY expires_at_ms LIMIT ?)`,
    [nowMs, SLICE_ROWS],
  )
  const values = yield* run(
    `DELETE FROM kv WHERE (workspace, installation, kv_key) IN
      (SELECT workspace, installation, kv_key FROM kv WHERE expires_at_ms <= ? ORDER BY expires_at_ms LIMIT ?)`,
    [nowMs, SLICE_ROWS],
  )
  // A handful at most: one a day.
  yield* run('DELETE FROM event_salts WHERE expires_at_ms <= ?', [nowMs])
  const runs = yield* purgeRuns(runsBeforeMs, SLICE_ROWS)
  const minutes = yield* dropTraffic(Math.floor(trafficBeforeMs / MINUTE_MS), SLICE_ROWS)
  const counts = [keys, values, runs, minutes, yield* nameCauses(), yield* eraseLeftBehind(SLICE_ROWS)]
  return { dropped: keys + values + runs + minutes, more: counts.includes(SLICE_ROWS) }
}

/** Of what died under a program that kept none; as long as a fleet is replaced there are more. */
function* nameCauses(): Procedure<number> {
  const dead = yield* all<Pick<DeliveryRow, 'workspace' | 'id' | 'installation' | 'error_code' | 'error'>>(
    `SELECT workspace, id, installation, error_code, error FROM deliveries WHERE state = 'dead' AND cause IS NULL LIMIT ?`,
    [SLICE_ROWS],
  )
  return yield* runMany(
    `UPDATE deliveries SET cause = ? WHERE workspace = ? AND id = ? AND state = 'dead'`,
    dead.map(({ workspace, id, installation, error_code: code, error }): SqlValue[] => [
      causeOf({ installation, code, error }),
      workspace,
      id,
    ]),
  )
}

/** A real write, so that a full or read-only disk shows. */
export function* ping(): Procedure<void> {
  yield* run('UPDATE log_head SET pings = pings + 1 WHERE only_row = 1', [])
}

/** What the log holds, from its one row. */
export function* totals(): Procedure<{ readonly responses: number; readonly events: number }> {
  const row = yield* first<{ first_seq: number; seq: number; responses: number }>(
    'SELECT first_seq, seq, responses FROM log_head WHERE only_row = 1',
    [],
  )
  if (row === undefined) return { responses: 0, events: 0 }
  return { responses: row.responses, events: row.seq - row.first_seq + 1 }
}
