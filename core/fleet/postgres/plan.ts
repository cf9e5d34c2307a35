/** Who should run what: an even share for each living worker, and nothing without one. Pure. */

/** A process as the database knows it. */
export interface ProcessSeen {
  readonly id: string
  readonly runsLanes: boolean
  readonly alive: boolean
}

export interface LeaseSeen {
  readonly key: string
  readonly owner: string | null
}

export interface Sight {
  readonly me: string
  /** What this process could run. */
  readonly wanted: readonly string[]
  /** What of it goes together: the same for installations that one process has to run. */
  readonly unit: (key: string) => string
  readonly processes: readonly ProcessSeen[]
  readonly leases: readonly LeaseSeen[]
  /** Free ones that were free the last time, too: whoever could take them first did not. */
  readonly freeBefore: ReadonlySet<string>
}

export interface Plan {
  readonly claim: readonly string[]
  readonly release: readonly string[]
  readonly free: readonly string[]
}

/**
 * Each process plans for itself, and as all see the same they come to the same: what is free goes, one by one, to whoever
 * has least, and whoever has two more than another gives one back. What goes together counts as one, and is where the
 * first of it is; as long as a part of it is on its way out of a process, nobody takes the rest.
 */
export function planShare({ me, wanted, unit, processes, leases, freeBefore }: Sight): Plan {
  const alive = new Set(processes.filter(({ alive: lives }) => lives).map(({ id }) => id))
  const owners = new Map(leases.map(({ key, owner }) => [key, owner !== null && alive.has(owner) ? owner : null]))
  const units = Map.groupBy(wanted.toSorted(), unit)
  const ownerOf = (keys: readonly string[]): string | null =>
    keys.map((key) => owners.get(key) ?? null).find((owner) => owner !== null) ?? null
  const unitOwners = new Map([...units].map(([name, keys]) => [name, ownerOf(keys)]))
  const workers = processes.filter(({ id, runsLanes }) => runsLanes && alive.has(id)).map(({ id }) => id)
  const held = new Map(workers.toSorted().map((id) => [id, 0]))
  for (const owner of unitOwners.values()) {
    const count = owner === null ? undefined : held.get(owner)
    if (owner !== null && count !== undefined) held.set(owner, count + 1)
  }
  const isFree = (key: string): boolean => (owners.get(key) ?? null) === null
  const mine = new Set([...unitOwners].filter(([, owner]) => owner === me).map(([name]) => name))
  const claimed = new Set(held.has(me) ? mine : [])
  for (const [name, owner] of unitOwners) {
    if (owner !== null || !held.has(me)) continue
    if (takePoorest(held) === me || units.get(name)?.some((key) => freeBefore.has(key)) === true) claimed.add(name)
  }
  const above = gifts(me, held)
  // The youngest claims go first: they have the least in memory.
  const given = new Set(above > 0 ? [...mine].slice(-above) : [])
  const could = new Set(wanted)
  const stays = (key: string): boolean => could.has(key) && mine.has(unit(key)) && !given.has(unit(key))
  return {
    claim: wanted.filter((key) => isFree(key) && claimed.has(unit(key)) && !given.has(unit(key))),
    free: wanted.filter(isFree),
    release: [...owners].filter(([key, owner]) => owner === me && !stays(key)).map(([key]) => key),
  }
}

type Held = Map<string, number>

/** One more for whoever has least; of several the first. */
function takePoorest(held: Held): string {
  const [id, count] = [...held].reduce((least, each) => (each[1] < least[1] ? each : least))
  held.set(id, count + 1)
  return id
}

/** How many of those that this process has must go, so that nobody has two more than another. */
function gifts(me: string, held: Held): number {
  let mine = 0
  if (held.size === 0) return mine
  for (;;) {
    const [richest, most] = [...held].reduce((best, each) => (each[1] > best[1] ? each : best))
    if (most - Math.min(...held.values()) < 2) return mine
    held.set(richest, most - 1)
    takePoorest(held)
    if (richest === me) mine += 1
  }
}
