/**
 * What programs from before `attempts.batch` left of deleted responses in runs that those shared with others: they knew
 * of no such runs, neither as they wrote an attempt nor as they deleted a response. There are more as long as a fleet is replaced.
 */
import { all, allMany, first, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import { eraseSharedRuns } from './batches.ts'
import type { SharedRun } from './batches.ts'

/** How the record of an attempt begins that was not the first of its run; an index finds those without `batch` by it. */
const UNMARKED = `batch IS NULL AND substr(logs, 1, 40) = '[{"level":"info","message":"Ran as item '`
/** Runs that are marked at once: that looks at each attempt there is, since none is found by its time. */
const MARKED_AT_ONCE = 5_000
const SIZE = /^\[\{"level":"info","message":"Ran as item \d+ of a batch of (\d+);/

/** Answers how many of `rowsMax` deleted responses it looked at. */
export function* eraseLeftBehind(rowsMax: number): Procedure<number> {
  yield* eraseIncomplete(yield* markRuns())
  const responses = yield* all<{ workspace: string; response_id: string }>(
    'SELECT workspace, response_id FROM erased_responses WHERE batches_erased IS NULL LIMIT ?',
    [rowsMax],
  )
  const keys = responses.map(({ workspace, response_id: id }): SqlValue[] => [workspace, id])
  const runs = yield* allMany<Run>(
    `SELECT DISTINCT a.workspace, a.batch FROM deliveries d
      JOIN attempts a ON a.workspace = d.workspace AND a.delivery_id = d.id
      WHERE d.workspace = ? AND d.response_id = ? AND a.batch IS NOT NULL`,
    keys,
  )
  yield* eraseWhole(runs)
  yield* runMany('UPDATE erased_responses SET batches_erased = 1 WHERE workspace = ? AND response_id = ?', keys)
  return responses.length
}

type Run = Omit<SharedRun, 'error'>

/** Those of one installation that began and ended together. Better two too many together than one that is left behind. */
function* markRuns(): Procedure<readonly Run[]> {
  if ((yield* first(`SELECT 1 AS found FROM attempts WHERE ${UNMARKED} LIMIT 1`, [])) === undefined) return []
  const rows = yield* all<Run>(
    `UPDATE attempts SET batch = 'at_' || together.at || '_' || together.duration_ms || '_' || together.installation
      FROM (SELECT DISTINCT a.workspace, a.at, a.duration_ms, COALESCE(d.installation, '') AS installation FROM attempts a
        LEFT JOIN deliveries d ON d.workspace = a.workspace AND d.id = a.delivery_id WHERE ${UNMARKED} LIMIT ?) AS together
      WHERE attempts.workspace = together.workspace AND attempts.at = together.at
        AND attempts.duration_ms = together.duration_ms AND attempts.batch IS NULL
        AND COALESCE((SELECT d.installation FROM deliveries d
          WHERE d.workspace = attempts.workspace AND d.id = attempts.delivery_id), '') = together.installation
      RETURNING attempts.workspace, attempts.batch`,
    [MARKED_AT_ONCE],
  )
  return [...new Map(rows.map((run) => [JSON.stringify(run), run])).values()]
}

interface Part extends Run {
  readonly logs: string
  readonly erased: number | null
}

/** A deleted response was in it, or a delivery that ended otherwise or is discarded, so that it has no attempt there. */
function* eraseIncomplete(runs: readonly Run[]): Procedure<void> {
  const parts = yield* allMany<Part>(
    `SELECT a.workspace, a.batch, a.logs, e.batches_erased AS erased FROM attempts a
      LEFT JOIN deliveries d ON d.workspace = a.workspace AND d.id = a.delivery_id
      LEFT JOIN erased_responses e ON e.workspace = d.workspace AND e.response_id = d.response_id
      WHERE a.workspace = ? AND a.batch = ?`,
    runs.map(({ workspace, batch }): SqlValue[] => [workspace, batch]),
  )
  const byRun = Map.groupBy(parts, ({ workspace, batch }) => JSON.stringify([workspace, batch]))
  const isIncomplete = (ofRun: readonly Part[]): boolean =>
    ofRun.some(({ erased, logs }) => erased !== null || Number(SIZE.exec(logs)?.[1] ?? 0) > ofRun.length)
  yield* eraseWhole([...byRun.values()].filter(isIncomplete).flatMap((ofRun) => ofRun.slice(0, 1)))
}

/** Which of their words were said of all of them nobody knows any more: all of them go. */
function* eraseWhole(runs: readonly Run[]): Procedure<void> {
  yield* eraseSharedRuns(
    yield* allMany<SharedRun>(
      'SELECT DISTINCT workspace, batch, error FROM attempts WHERE workspace = ? AND batch = ?',
      runs.map(({ workspace, batch }): SqlValue[] => [workspace, batch]),
    ),
  )
}
