/** How many keys an installation may keep: counted once, then estimated upwards, counted again only near the limit. */
import { HubError } from '../errors.ts'
import type { Installation } from '../registry/installation.ts'
import type { GuestEffects } from '../sandbox/sandbox.ts'
import type { Store } from '../storage/store.ts'

export interface KvQuota {
  /** To be awaited before `admit` when there are writes; a promise only when keys have to be counted. */
  ready(installation: Installation, writes: GuestEffects['kv']): Promise<void> | undefined
  /** Throws `capability_limit` when these writes could bring more keys than allowed; else they count. */
  admit(installation: Installation, writes: GuestEffects['kv']): void
  /** Counts anew where somebody else may have written. */
  forget(): void
}

/** `keysMax` for each installation. A write to a key that is there already counts as a new one until the next count. */
export function createKvQuota(store: Pick<Store, 'kvCount'>, keysMax: number): KvQuota {
  /** The most keys there can be. */
  const estimates = new Map<string, number>()
  const setsOf = (writes: GuestEffects['kv']): number => writes.filter(({ value }) => value !== undefined).length
  return {
    ready: (installation, writes) => {
      const sets = setsOf(writes)
      if (sets === 0) return undefined
      const estimate = estimates.get(installation.key)
      if (estimate !== undefined && estimate + sets <= keysMax) return undefined
      return store
        .kvCount(installation.workspace, installation.id)
        .then((count) => void estimates.set(installation.key, count))
    },
    admit: (installation, writes) => {
      const sets = setsOf(writes)
      if (sets === 0) return
      const estimate = (estimates.get(installation.key) ?? 0) + sets
      if (estimate > keysMax) {
        const { id } = installation.plugin.manifest
        throw new HubError(
          'capability_limit',
          `The plugin "${id}" keeps too many kv keys: ${keysMax} are allowed for an installation. Let it delete some, or give them a ttlMs.`,
        )
      }
      estimates.set(installation.key, estimate)
    },
    forget: () => estimates.clear(),
  }
}
