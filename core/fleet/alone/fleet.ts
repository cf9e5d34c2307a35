/** A process that is the whole hub: it runs everything there is. */
import type { Fleet } from '../fleet.ts'

/** Holds what it is asked to want. */
export function createFleetOfOne(): Fleet {
  let held: ReadonlySet<string> = new Set()
  return {
    alone: true,
    standing: () => Promise.resolve('newest'),
    members: () => [],
    breakers: () => [],
    want: (wanted) => {
      held = new Set(wanted.keys())
    },
    holds: (key) => held.has(key),
    elsewhere: () => Promise.resolve(null),
    orphans: () => [],
    pace: () => [],
    start: () => Promise.resolve(),
    drain: () => {},
    stop: () => Promise.resolve(),
  }
}
