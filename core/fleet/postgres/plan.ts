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
 * has least, and whoever has two more than another gives one back.
 */
export function planShare({ me, wanted, processes, leases, freeBefore }: Sight): Plan {
  const alive = new Set(processes.filter(({ alive: lives }) => lives).map(({ id }) => id))
  const owners = new Map(leases.map(({ key, owner }) => [key, owner !== null && alive.has(owner) ? owner : null]))
  const could = new Set(wanted)
  const workers = processes.filter(({ id, runsLanes }) => runsLanes && alive.has(id)).map(({ id }) => id)
  const held = new Map(workers.toSorted().map((id) => [id, 0]))
  for (const [key, owner] of owners) {
    const count = owner === null || !could.has(key) ? undefined : held.get(owner)
    if (owner !== null && count !== undefined) held.set(owner, count + 1)
  }
  const mine = [...owners].filter(([, owner]) => owner === me).map(([key]) => key)
  const free = wanted.filter((key) => (owners.get(key) ?? null) === null)
  const claim = held.has(me) ? free.filter((key) => takePoorest(held) === me || freeBefore.has(key)) : []
  const above = gifts(me, held)
  const kept = mine.filter((key) => could.has(key))
  const unwanted = mine.filter((key) => !could.has(key))
  // The youngest claims go first: they have the least in memory.
  return { claim, free, release: [...unwanted, ...(above > 0 ? kept.slice(-above) : [])] }
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
