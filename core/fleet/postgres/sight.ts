/** What can be read off the rows of the fleet as this process saw them last. Pure. */
import type { FleetMember } from '../fleet.ts'
import type { ProcessRow, Sight } from './leases.ts'
import type { Ask } from './notices.ts'
import { planShare } from './plan.ts'
import type { Plan } from './plan.ts'
import { turnsIn } from './wishes.ts'
import type { Wishes } from './wishes.ts'

/** The processes there are; none before the first look. */
export const membersOf = (sight: Sight | null, asked: string): readonly FleetMember[] =>
  (sight?.processes ?? []).map((row) => ({
    id: row.id,
    role: row.role,
    version: row.version,
    url: row.url,
    asked: row.id === asked,
    silentMs: Math.max(0, Math.round(row.silent_ms)),
    config: row.config,
    installations: (sight?.leases ?? [])
      .filter(({ owner }) => owner === row.id)
      .map(({ workspace, installation }) => `${workspace}/${installation}`),
  }))

/** Installations that a living process runs, by key; null before the first look. */
export function runBy(sight: Sight | null, isAlive: (row: ProcessRow) => boolean): ReadonlySet<string> | null {
  if (sight === null) return null
  const alive = new Set(sight.processes.filter(isAlive).map(({ id }) => id))
  const run = sight.leases.filter(({ owner }) => owner !== null && alive.has(owner))
  return new Set(run.map(({ workspace, installation }) => `${workspace}/${installation}`))
}

/** `workspace/id` in its parts. */
export function partsOf(key: string): readonly [workspace: string, installation: string] {
  const at = key.indexOf('/')
  return [key.slice(0, at), key.slice(at + 1)]
}

/**
 * What others shall give up: they run a part of what goes together, know nothing of the rest, which so waits for ever, and
 * this process could run all of it. `orphans`: what this process could run and nobody alive does.
 */
export function asksOf(
  { leases, processes }: Pick<Sight, 'leases' | 'processes'>,
  { orphans, wishes, me, isAlive }: Pick<Mine, 'me' | 'wishes' | 'isAlive'> & { readonly orphans: readonly string[] },
): readonly Ask[] {
  const others = new Set(processes.filter((row) => row.id !== me && isAlive(row)).map(({ id }) => id))
  const could = new Set(wishes.keys)
  return orphans.flatMap((orphan): readonly Ask[] => {
    const together = wishes.keys.filter((key) => wishes.unit(key) === wishes.unit(orphan))
    const turns = new Set(together.flatMap((key) => turnsIn(wishes.turns(key))))
    const inTheWay = leases.filter((lease) => turnsIn(lease.turns).some((turn) => turns.has(turn)))
    const held = inTheWay.flatMap(({ workspace, installation, owner }) =>
      owner !== null && others.has(owner) ? [{ owner, key: `${workspace}/${installation}` }] : [],
    )
    if (!held.every(({ key }) => could.has(key))) return []
    return [...Map.groupBy(held, ({ owner }) => owner)].map(([owner, of]) => ({
      owner,
      orphan,
      keys: of.map(({ key }) => key),
    }))
  })
}

/** What of it this process gives up; nothing where it could run the rest itself. */
export const givenTo = (
  ask: Ask | null,
  { me, wishes, held }: Pick<Mine, 'me' | 'wishes'> & { readonly held: ReadonlyMap<string, unknown> },
): readonly string[] =>
  ask === null || ask.owner !== me || wishes.keys.includes(ask.orphan) ? [] : ask.keys.filter((key) => held.has(key))

interface Mine {
  readonly me: string
  /** False: it runs nothing, whatever there is. */
  readonly isWorking: boolean
  readonly wishes: Wishes
  readonly isAlive: (row: ProcessRow) => boolean
  /** Runs installations, and could run the same as this one. */
  readonly isCounted: (row: ProcessRow) => boolean
  readonly freeBefore: ReadonlySet<string>
}

/** What this process is to take and to give back, and what it asks others for. */
export function planOf(sight: Sight, mine: Mine): Plan & { readonly asks: readonly Ask[] } {
  const { me, isWorking, wishes, isAlive, isCounted, freeBefore } = mine
  const leases = sight.leases.map(({ workspace, installation, ...lease }) => ({
    ...lease,
    key: `${workspace}/${installation}`,
  }))
  const plan = planShare({
    me,
    wanted: isWorking ? wishes.keys : [],
    unit: wishes.unit,
    processes: sight.processes.map((row) => ({ id: row.id, runsLanes: isCounted(row), alive: isAlive(row) })),
    leases,
    freeBefore,
  })
  const others = leases.filter(({ key, owner, turns }) => owner === me && turns !== wishes.turns(key))
  // Free the last time, too: whoever could take it with what it goes together with did not.
  const orphans = plan.free.filter((key) => freeBefore.has(key))
  const asks = asksOf(sight, { orphans, ...mine })
  return { ...plan, asks, release: [...new Set([...plan.release, ...others.map(({ key }) => key)])] }
}
