/** What came and went, by the minute: added to, and read as a stretch. */
import type { WorkspaceId } from '../../model.ts'
import { all, run, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import type { TrafficCount } from '../store.ts'

/** Several processes add to the same minute. */
export function* addTraffic(counts: readonly TrafficCount[]): Procedure<void> {
  yield* runMany(
    `INSERT INTO traffic (workspace, minute, what, n) VALUES (?, ?, ?, ?)
      ON CONFLICT (workspace, minute, what) DO UPDATE SET n = traffic.n + excluded.n`,
    counts.map(({ workspace, minute, what, count }): SqlValue[] => [workspace, minute, what, count]),
  )
}

/** From a minute on, in steps of so many minutes; each row says where its step begins. */
export function* traffic(input: {
  readonly workspace: WorkspaceId
  readonly sinceMinute: number
  readonly stepMinutes: number
}): Procedure<readonly Omit<TrafficCount, 'workspace'>[]> {
  const { workspace, sinceMinute, stepMinutes } = input
  const rows = yield* all<{ step: number; what: string; n: number }>(
    `SELECT minute - minute % ? AS step, what, sum(n) AS n FROM traffic
      WHERE workspace = ? AND minute >= ? GROUP BY 1, 2 ORDER BY 1, 2`,
    [stepMinutes, workspace, sinceMinute],
  )
  return rows.map(({ step, what, n }) => ({ minute: Number(step), what, count: Number(n) }))
}

/** Those of before this minute. */
export const dropTraffic = (beforeMinute: number, limit: number): Procedure<number> =>
  run(
    `DELETE FROM traffic WHERE (workspace, minute, what) IN
      (SELECT workspace, minute, what FROM traffic WHERE minute < ? ORDER BY minute LIMIT ?)`,
    [beforeMinute, limit],
  )
