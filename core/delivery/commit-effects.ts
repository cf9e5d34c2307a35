/** Commits what a run asked for that follows no event: a route's call, a test. The cursor stays where it is. */
import { HubError } from '../errors.ts'
import type { Delivery, LogEvent } from '../model.ts'
import type { Installation } from '../registry/installation.ts'
import type { Effects, Store } from '../storage/store.ts'

/** The pump may move the cursor at the same time; each time it does, the guard is read anew. */
const TRIES_MAX = 100

/** New deliveries and events, on disk. */
export async function commitEffects(
  store: Pick<Store, 'commitHandled'>,
  { workspace, id, plugin }: Installation,
  effects: Effects,
): Promise<{ readonly deliveries: readonly Delivery[]; readonly events: readonly LogEvent[] }> {
  let cursor = 0
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const batch = {
      workspace,
      installation: id,
      plugin: plugin.manifest.id,
      fromCursor: cursor,
      toCursor: cursor,
      effects,
    }
    const result = await store.commitHandled(batch)
    if (result.kind === 'committed') return result
    cursor = result.cursor
  }
  throw new HubError(
    'unavailable',
    `The effects of a run of "${id}" could not be committed: its cursor never stands still.`,
  )
}
