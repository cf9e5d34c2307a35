/** What can be read off the rows of the fleet as this process saw them last. Pure. */
import type { FleetMember } from '../fleet.ts'
import type { ProcessRow, Sight } from './leases.ts'

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
