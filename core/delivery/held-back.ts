/** The deliveries of a lane that wait for a host to work again: the first of each host whole, of the others the ids only. */
import type { Delivery } from '../model.ts'

/** Held whole for one host, and for all of them; they take no room from what can run. */
const HELD_PER_HOST_MAX = 200
const HELD_MAX = 2_000
/** Ids of those left to storage. When even they are too many, more are held whole and take room: loading ends at last. */
const AWAY_MAX = 20_000

export interface HeldBack {
  /** `away`: the lane forgets the delivery but for its id, which storage must not be asked for until the host is tried. */
  add(delivery: Delivery, host: string): 'held' | 'away'
  hosts(): readonly string[]
  /** All of that host that are here whole. `more`: storage has others of it, which may be loaded again from now on. */
  release(host: string): { readonly deliveries: readonly Delivery[]; readonly more: boolean }
  /** The first of that host. When none is here whole, some of those in storage may be loaded again. */
  releaseOne(host: string): { readonly first: Delivery | undefined; readonly more: boolean }
  isAway(id: string): boolean
  away(): Iterable<string>
  /** How many are here and take no room. */
  uncounted(): number
  /** Forgets all; answers the ids of those that were here whole. */
  clear(): readonly string[]
}

const NO_HOSTS: readonly string[] = []

/** Empty. */
export function createHeldBack(): HeldBack {
  const held = new Map<string, Delivery[]>()
  const awayIds = new Set<string>()
  const awayByHost = new Map<string, string[]>()
  let heldCount = 0

  const comeBack = (host: string, countMax: number): boolean => {
    const ids = awayByHost.get(host)
    if (ids === undefined) return false
    for (const id of ids.splice(0, countMax)) awayIds.delete(id)
    if (ids.length === 0) awayByHost.delete(host)
    return true
  }

  return {
    add: (delivery, host) => {
      const waiting = held.get(host)
      const isFull = heldCount >= HELD_MAX || (waiting?.length ?? 0) >= HELD_PER_HOST_MAX
      if (isFull && awayIds.size < AWAY_MAX) {
        awayIds.add(delivery.id)
        const ids = awayByHost.get(host)
        if (ids === undefined) awayByHost.set(host, [delivery.id])
        else ids.push(delivery.id)
        return 'away'
      }
      const named = delivery.host === host ? delivery : { ...delivery, host }
      if (waiting === undefined) held.set(host, [named])
      else waiting.push(named)
      heldCount += 1
      return 'held'
    },
    hosts: () => (held.size + awayByHost.size === 0 ? NO_HOSTS : [...new Set([...held.keys(), ...awayByHost.keys()])]),
    release: (host) => {
      const deliveries = held.get(host) ?? []
      held.delete(host)
      heldCount -= deliveries.length
      return { deliveries, more: comeBack(host, AWAY_MAX) }
    },
    releaseOne: (host) => {
      const waiting = held.get(host)
      const first = waiting?.shift()
      if (waiting?.length === 0) held.delete(host)
      if (first !== undefined) heldCount -= 1
      return { first, more: first === undefined && comeBack(host, HELD_PER_HOST_MAX) }
    },
    isAway: (id) => awayIds.has(id),
    away: () => awayIds,
    uncounted: () => Math.min(heldCount, HELD_MAX),
    clear: () => {
      const ids = [...held.values()].flatMap((list) => list.map(({ id }) => id))
      held.clear()
      awayIds.clear()
      awayByHost.clear()
      heldCount = 0
      return ids
    },
  }
}
