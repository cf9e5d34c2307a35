/**
 * Deliveries that a lane leaves in storage although they are due, since what they wait for has enough of them in memory:
 * their ids, which a load must leave out until there is room.
 */

/** Of one lane. When even the ids are too many, more are kept whole and take room: loading ends at last. */
const AWAY_MAX = 20_000

export interface Away {
  /** False when there are too many. */
  add(key: string, id: string): boolean
  has(id: string): boolean
  keys(): Iterable<string>
  ids(): Iterable<string>
  /** The first of that key may be loaded again; false: there are none. */
  comeBack(key: string, countMax?: number): boolean
  clear(): void
}

/** Empty. */
export function createAway(): Away {
  const all = new Set<string>()
  const byKey = new Map<string, string[]>()
  return {
    add: (key, id) => {
      if (all.size >= AWAY_MAX) return false
      all.add(id)
      const ids = byKey.get(key)
      if (ids === undefined) byKey.set(key, [id])
      else ids.push(id)
      return true
    },
    has: (id) => all.has(id),
    keys: () => byKey.keys(),
    ids: () => all,
    comeBack: (key, countMax = AWAY_MAX) => {
      const ids = byKey.get(key)
      if (ids === undefined) return false
      for (const id of ids.splice(0, countMax)) all.delete(id)
      if (ids.length === 0) byKey.delete(key)
      return true
    },
    clear: () => {
      all.clear()
      byKey.clear()
    },
  }
}
