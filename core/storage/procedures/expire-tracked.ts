/** What behaviour events say is forgotten by age; that they were there stays, since the log has no gaps. */
import type { WorkspaceId } from '../../model.ts'
import { all, runMany } from '../procedure.ts'
import type { Procedure } from '../procedure.ts'

const SLICE_ROWS = 1_000
const FIND = `SELECT seq, workspace FROM events WHERE type LIKE 'track.%' AND data IS NOT NULL AND at < ? ORDER BY at LIMIT ?`
const FORGET = 'UPDATE events SET data = NULL, meta = NULL, client_id = NULL WHERE seq = ?'

/** One slice of what was received before that time; `more` says that another is due. */
export function* expireTrackedSlice({ before }: { readonly before: string }): Procedure<{
  readonly workspaces: readonly WorkspaceId[]
  readonly dropped: number
  readonly more: boolean
}> {
  const found = yield* all<{ seq: number; workspace: WorkspaceId }>(FIND, [before, SLICE_ROWS])
  yield* runMany(
    FORGET,
    found.map(({ seq }) => [seq]),
  )
  const workspaces = [...new Set(found.map(({ workspace }) => workspace))]
  return { workspaces, dropped: found.length, more: found.length === SLICE_ROWS }
}
