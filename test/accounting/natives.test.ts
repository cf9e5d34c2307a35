/** Native plugins are the hub's own: what they use is counted, and pauses nobody. */
import { expect, test } from 'vitest'
import { openAccountedSandboxes } from '../../core/accounting/open.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Logger } from '../../core/observe/observe.ts'
import type { Sandbox, Unit } from '../../core/sandbox/sandbox.ts'
import { createManualClock } from '../../core/testing/manual-clock.ts'
import { KEY, NOON_MS } from './world.ts'
import { resultOf, runOf } from './runs.ts'

const quiet: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => quiet }

test('fifty questions at once, each with much CPU and late, leave the installation as it was', async () => {
  const judged: string[] = []
  const surface = { on: [], actions: [], schedules: [], routes: ['POST /query'], transform: false, check: false }
  const late = resultOf({ code: 'plugin_wall', cpuMs: 60_000 })
  const native: Sandbox = {
    load: async () => surface,
    unload: async () => {},
    setApart: async () => {},
    runBatch: async () => [late],
    runEach: async () => late,
    stats: () => ({ children: [], units: [], restarts: 0, kills: 0 }),
    close: async () => {},
  }
  const installation = { key: KEY, hash: 'one' }
  const accounted = openAccountedSandboxes({
    native,
    roster: () =>
      ({
        find: () => ({ state: 'ready', installation, pausesAtMs: [], returnsAtMs: null }),
        judge: async (_key: string, move: string) => void judged.push(move),
      }) as never,
    clock: createManualClock(NOON_MS),
    limits: LIMITS,
    logger: quiet,
    meter: { sandboxRestart: () => {} },
  })
  accounted.setInstallations([{ installation }] as never)
  await accounted.sandbox.load({ key: KEY, native: { dir: '/', main: 'index.ts', grant: 'all' } } as unknown as Unit)
  const run = runOf({ kind: 'route', name: 'POST /query', request: {} as never })
  await Promise.all(Array.from({ length: 50 }, () => accounted.sandbox.runBatch(KEY, [run])))
  expect(judged).toEqual([])
  expect(accounted.usage().get(KEY)).toMatchObject({ points: LIMITS.pluginPointsMax, runs: { route: { failed: 50 } } })
  await accounted.close()
})
