/** The deliveries of a lane that wait for a host to work again: the first of each host whole, of the others the ids only. */
import type { Delivery } from '../model.ts'
import { createAway } from './away.ts'

/** Held whole for one host, and for all of them; they take no room from what can run. */
const HELD_PER_HOST_MAX = 200
const HELD_MAX = 2_000

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
  /** Takes those out that are here whole; answers their ids. */
  remove(isMeant: (delivery: Delivery) => boolean): readonly string[]
  /** Forgets all; answers the ids of those that were here whole. */
  clear(): readonly string[]
}

const NO_HOSTS: readonly string[] = []

/** Empty. */
export function createHeldBack(): HeldBack {
  const held = new Map<string, Delivery[]>()
  const away = createAway()
  let heldCount = 0

  return {
    add: (delivery, host) => {
      const waiting = held.get(host)
      const isFull = heldCount >= HELD_MAX || (waiting?.length ?? 0) >= HELD_PER_HOST_MAX
      if (isFull && away.add(host, delivery)) return 'away'
      const named = delivery.host === host ? delivery : { ...delivery, host }
      if (waiting === undefined) held.set(host, [named])
      else waiting.push(named)
      heldCount += 1
      return 'held'
    },
    hosts: () => {
      const hosts = new Set([...held.keys(), ...away.keys()])
      return hosts.size === 0 ? NO_HOSTS : [...hosts]
    },
    release: (host) => {
      const deliveries = held.get(host) ?? []
      held.delete(host)
      heldCount -= deliveries.length
      return { deliveries, more: away.comeBack(host) }
    },
    releaseOne: (host) => {
      const waiting = held.get(host)
      const first = waiting?.shift()
      if (waiting?.length === 0) held.delete(host)
      if (first !== undefined) heldCount -= 1
      return { first, more: first === undefined && away.comeBack(host, HELD_PER_HOST_MAX) }
    },
    isAway: away.has,
    away: away.ids,
    uncounted: () => Math.min(heldCount, HELD_MAX),
    remove: (isMeant) => {
      const removed: string[] = []
      for (const [host, waiting] of held) {
        const staying = waiting.filter((delivery) => !isMeant(delivery))
        if (staying.length === waiting.length) continue
        removed.push(...waiting.filter(isMeant).map(({ id }) => id))
        heldCount -= waiting.length - staying.length
        if (staying.length === 0) held.delete(host)
        else held.set(host, staying)
      }
      return removed
    },
    clear: () => {
      const ids = [...held.values()].flatMap((list) => list.map(({ id }) => id))
      held.clear()
      away.clear()
      heldCount = 0
      return ids
    },
  }
}
