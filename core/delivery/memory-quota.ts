/** How much an installation may keep: kv keys and names of counters, counted once and again only near the limit. */
import { HubError } from '../errors.ts'
import type { Limits } from '../limits.ts'
import type { Installation } from '../registry/installation.ts'
import type { GuestEffects } from '../sandbox/sandbox.ts'
import type { Store } from '../storage/store.ts'

/** What of a run's effects is kept. */
export type Kept = Pick<GuestEffects, 'kv' | 'tally'>

export interface MemoryQuota {
  /** To be awaited before `admit` of the same effects; a promise only when something has to be counted. */
  ready(installation: Installation, wanted: readonly Kept[]): Promise<void> | undefined
  /** Throws `capability_limit` when these could bring more than allowed; else they count. */
  admit(installation: Installation, wanted: Kept): void
  /** Counts anew where somebody else may have written. */
  forget(): void
}

/** Of one installation, the most there can be. */
interface Held {
  /** A write to a key that is there already counts as a new one until the next count. */
  keys: number | null
  names: number | null
  /** Counters that are surely there: who adds to the same few for ever is never counted again. */
  readonly known: Set<string>
}

export function createMemoryQuota(
  store: Pick<Store, 'kvCount' | 'talliesHeld'>,
  { pluginKvKeysMax: keysMax, pluginTalliesMax: namesMax }: Pick<Limits, 'pluginKvKeysMax' | 'pluginTalliesMax'>,
): MemoryQuota {
  const byKey = new Map<string, Held>()
  const heldBy = ({ key }: Installation): Held => {
    const held = byKey.get(key) ?? { keys: null, names: null, known: new Set() }
    byKey.set(key, held)
    return held
  }
  const countKeys = async ({ workspace, id }: Installation, held: Held): Promise<void> => {
    held.keys = await store.kvCount(workspace, id)
  }
  const countNames = async ({ workspace, id }: Installation, held: Held, names: readonly string[]): Promise<void> => {
    const { count, found } = await store.talliesHeld({ workspace, installation: id, names })
    held.names = count
    // More can be there only from before there was a limit.
    if (held.known.size > namesMax) held.known.clear()
    for (const name of found) held.known.add(name)
  }
  return {
    ready: (installation, wanted) => {
      let sets = 0
      for (const { kv } of wanted) sets += setsOf(kv)
      const counters = wanted.some(({ tally }) => tally.length > 0)
      if (sets === 0 && !counters) return undefined
      const held = heldBy(installation)
      const names = counters ? newNames(held, wanted) : []
      const isNearKeys = sets > 0 && (held.keys === null || held.keys + sets > keysMax)
      const isNearNames = names.length > 0 && (held.names === null || held.names + names.length > namesMax)
      if (!isNearKeys && !isNearNames) return undefined
      return Promise.all([
        isNearKeys ? countKeys(installation, held) : undefined,
        isNearNames ? countNames(installation, held, names) : undefined,
      ]).then(() => undefined)
    },
    admit: (installation, wanted) => {
      const sets = setsOf(wanted.kv)
      if (sets === 0 && wanted.tally.length === 0) return
      const held = heldBy(installation)
      const names = newNames(held, [wanted])
      const keyCount = (held.keys ?? 0) + sets
      const nameCount = (held.names ?? 0) + names.length
      const { id } = installation.plugin.manifest
      if (sets > 0 && keyCount > keysMax)
        throw tooMany(
          id,
          `kv keys: ${keysMax} are allowed for an installation. Let it delete some, or give them a ttlMs.`,
        )
      if (names.length > 0 && nameCount > namesMax)
        throw tooMany(
          id,
          `counters: ${namesMax} names are allowed for an installation. Name them by what there are few of.`,
        )
      if (sets > 0) held.keys = keyCount
      if (names.length === 0) return
      held.names = nameCount
      for (const name of names) held.known.add(name)
    },
    forget: () => byKey.clear(),
  }
}

const tooMany = (id: string, what: string): HubError =>
  new HubError('capability_limit', `The plugin "${id}" keeps too many ${what}`)

function setsOf(writes: GuestEffects['kv']): number {
  let sets = 0
  for (const { value } of writes) if (value !== undefined) sets += 1
  return sets
}

/** Each once. */
function newNames({ known }: Held, wanted: readonly Kept[]): readonly string[] {
  const names = new Set<string>()
  for (const { tally } of wanted) for (const { name } of tally) if (!known.has(name)) names.add(name)
  return [...names]
}
