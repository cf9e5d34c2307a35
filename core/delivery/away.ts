/**
 * Deliveries that a lane leaves in storage although they are due, since what they wait for has enough of them in memory:
 * their ids, which a load must leave out until there is room.
 */
import type { DuePlace } from '../storage/store.ts'

/** Of one lane. */
const AWAY_MAX = 20_000

export interface Away {
  /** False when there are too many. */
  add(key: string, place: DuePlace): boolean
  has(id: string): boolean
  /** The first that was left of that key. */
  firstOf(key: string): DuePlace | undefined
  keys(): Iterable<string>
  ids(): Iterable<string>
  /** The first of that key may be loaded again; false: there are none. */
  comeBack(key: string, countMax?: number): boolean
  clear(): void
}

/** Empty. */
export function createAway(): Away {
  const all = new Set<string>()
  const byKey = new Map<string, DuePlace[]>()
  return {
    add: (key, { dueAtMs, id }) => {
      if (all.size >= AWAY_MAX) return false
      all.add(id)
      const places = byKey.get(key)
      if (places === undefined) byKey.set(key, [{ dueAtMs, id }])
      else places.push({ dueAtMs, id })
      return true
    },
    has: (id) => all.has(id),
    firstOf: (key) => byKey.get(key)?.[0],
    keys: () => byKey.keys(),
    ids: () => all,
    comeBack: (key, countMax = AWAY_MAX) => {
      const places = byKey.get(key)
      if (places === undefined) return false
      for (const { id } of places.splice(0, countMax)) all.delete(id)
      if (places.length === 0) byKey.delete(key)
      return true
    },
    clear: () => {
      all.clear()
      byKey.clear()
    },
  }
}
