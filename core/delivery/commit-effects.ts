/** Commits effects that no cursor caused (a route's, a test-send's) beside whatever the pump is doing. */
import type { Delivery, LogEvent } from '../model.ts'
import { HubError } from '../errors.ts'
import type { Installation } from '../registry/installation.ts'
import type { Effects, Store } from '../storage/store.ts'

const TRIES_MAX = 20

/** The cursor stays where it is: the compare-and-set only fails when the pump moved it meanwhile, and is then repeated. */
export async function commitEffects(
  store: Pick<Store, 'commitHandled'>,
  installation: Installation,
  effects: Effects,
): Promise<{ readonly deliveries: readonly Delivery[]; readonly events: readonly LogEvent[] }> {
  const { workspace, id, plugin } = installation
  let cursor = 0
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const result = await store.commitHandled({
      workspace,
      installation: id,
      plugin: plugin.manifest.id,
      fromCursor: cursor,
      toCursor: cursor,
      effects,
    })
    if (result.kind === 'committed') return result
    cursor = result.cursor
  }
  throw new HubError('conflict', `The installation "${id}" is too busy to take this now; try again.`)
}
