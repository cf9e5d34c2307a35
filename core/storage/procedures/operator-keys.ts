/** Admin keys that a hub is given (`MANIFOLD_ADMIN_KEY`): one has a row once it is not given any more, so that its hooks end. */
import type { NewEvent, WorkspaceId } from '../../model.ts'
import { all, run } from '../procedure.ts'
import type { Procedure } from '../procedure.ts'
import { append } from './events.ts'
import { forgetStopped } from './hook-stops.ts'

/** Operators' keys but this one that hooks were made with and that have not ended so far; null: every one. */
export function* strayOperators(input: {
  readonly workspace: WorkspaceId
  readonly inForce: string | null
}): Procedure<readonly { readonly key_id: string; readonly n: number }[]> {
  return yield* all(
    `SELECT key_id, count(*) AS n FROM hooks WHERE workspace = ? AND key_id LIKE 'operator%' AND key_id <> ?
     AND NOT EXISTS (SELECT 1 FROM api_keys WHERE api_keys.id = hooks.key_id) GROUP BY key_id ORDER BY key_id`,
    [input.workspace, input.inForce ?? ''],
  )
}

const ROW = `INSERT INTO api_keys (id, workspace, name, prefix, hash, scopes, created_at, revoked_at, kind)
  VALUES (?, ?, 'operator', '', ?, '[]', ?, ?, 'operator') ON CONFLICT (id) DO NOTHING`

/** Lets the one go on and ends the others, their hooks with the reason; the event tells if any did. Answers its sequence. */
export function* settleOperators(input: {
  readonly workspace: WorkspaceId
  readonly inForce: string | null
  readonly ended: readonly string[]
  readonly reason: string
  readonly at: string
  readonly event: NewEvent
}): Procedure<number | null> {
  const { workspace, at, reason } = input
  const goesOn = yield* run("DELETE FROM api_keys WHERE id = ? AND kind = 'operator'", [input.inForce ?? ''])
  if (goesOn > 0 && input.inForce !== null) yield* forgetStopped(workspace, input.inForce)
  let count = 0
  for (const id of input.ended) {
    // No key has its id for a hash.
    const made = yield* run(ROW, [id, workspace, id, at, at])
    if (made === 0) continue
    count += 1
    yield* run(
      'UPDATE hooks SET last_failure_at = ?, last_reason = ?, stopped_at = ? WHERE workspace = ? AND key_id = ?',
      [at, reason, at, workspace, id],
    )
  }
  return count === 0 ? null : yield* append(workspace, [input.event])
}
