/** The same sandbox, with somebody who hears of every run that came to an end. */
import type { Run, RunResult, Sandbox } from '../sandbox/sandbox.ts'

/** `key` is the unit's. Must not throw: it stands between a run and its effects. */
export type RunEar = (key: string, run: Run, result: RunResult) => void

export const watchRuns = (sandbox: Sandbox, hear: RunEar): Sandbox => ({
  load: (unit) => sandbox.load(unit),
  unload: (key) => sandbox.unload(key),
  setApart: (key, isApart) => sandbox.setApart(key, isApart),
  runBatch: async (key, runs) => {
    const results = await sandbox.runBatch(key, runs)
    for (const [i, result] of results.entries()) {
      const run = runs[i]
      if (run !== undefined) hear(key, run, result)
    }
    return results
  },
  runEach: async (key, run) => {
    const result = await sandbox.runEach(key, run)
    hear(key, run, result)
    return result
  },
  stats: () => sandbox.stats(),
  close: () => sandbox.close(),
})
