/** Hooks that nothing is sent to any more: which of them nobody was told of so far, and that somebody has been. */
import type { NewEvent, WorkspaceId } from '../../model.ts'
import { all, allMany, run, runMany } from '../procedure.ts'
import type { Procedure } from '../procedure.ts'
import type { HookRow } from '../rows.ts'
import { append } from './events.ts'
import { endedBy, HOOK_COLUMNS, holdLog } from './hooks.ts'
import { where } from '../where.ts'

/** Of all workspaces, those of one next to each other. */
export function* untoldHooks(input: { readonly nowMs: number; readonly limit: number }): Procedure<readonly HookRow[]> {
  const { sql, params } = where([['stopped_at IS NULL'], endedBy(input.nowMs)])
  return yield* all<HookRow>(`SELECT ${HOOK_COLUMNS} FROM hooks WHERE ${sql} ORDER BY workspace, id LIMIT ?`, [
    ...params,
    input.limit,
  ])
}

/**
 * Notes that an event tells of these, and appends it; answers its sequence. Null, and nothing is written, when one of them was told
 * of meanwhile, has been asked for again or is gone: two processes that look at the same time tell it once.
 */
export function* tellStopped(input: {
  readonly workspace: WorkspaceId
  readonly ids: readonly string[]
  readonly nowMs: number
  readonly event: NewEvent
}): Procedure<number | null> {
  const { workspace, ids, nowMs, event } = input
  yield* holdLog()
  const isUntold = where([['workspace = ?', workspace], ['stopped_at IS NULL'], endedBy(nowMs)])
  const untold = yield* allMany(
    `SELECT 1 AS one FROM hooks WHERE ${isUntold.sql} AND id = ?`,
    ids.map((id) => [...isUntold.params, id]),
  )
  if (untold.length < ids.length) return null
  yield* runMany(
    'UPDATE hooks SET stopped_at = ? WHERE workspace = ? AND id = ?',
    ids.map((id) => [event.at, workspace, id]),
  )
  return yield* append(workspace, [event])
}

/** They are in force again: when they stop the next time, it is told the next time. */
export function* forgetStopped(workspace: WorkspaceId, keyId: string): Procedure<number> {
  return yield* run('UPDATE hooks SET stopped_at = NULL WHERE workspace = ? AND key_id = ?', [workspace, keyId])
}
