/** Both ways to run a plugin behind the one interface: whoever runs something need not know which. */
import type { Sandbox, SandboxStats } from '../sandbox/sandbox.ts'

/** `native` runs units that say so, `isolates` all others. A unit may change sides when its plugin does. */
export function bothRuntimes(isolates: Sandbox, native: Sandbox): Sandbox {
  const natives = new Set<string>()
  const sideOf = (key: string): Sandbox => (natives.has(key) ? native : isolates)
  return {
    load: async (unit) => {
      const side = unit.native === undefined ? isolates : native
      const before = sideOf(unit.key)
      if (side === native) natives.add(unit.key)
      else natives.delete(unit.key)
      if (before !== side) await before.unload(unit.key)
      return side.load(unit)
    },
    unload: async (key) => {
      await sideOf(key).unload(key)
      natives.delete(key)
    },
    setApart: (key, isApart) => sideOf(key).setApart(key, isApart),
    runBatch: (key, runs) => sideOf(key).runBatch(key, runs),
    runEach: (key, run) => sideOf(key).runEach(key, run),
    stats: () => joined(isolates.stats(), native.stats()),
    close: async () => void (await Promise.all([isolates.close(), native.close()])),
  }
}

const joined = (one: SandboxStats, other: SandboxStats): SandboxStats => ({
  children: [...one.children, ...other.children],
  units: [...one.units, ...other.units],
  restarts: one.restarts + other.restarts,
  kills: one.kills + other.kills,
})
