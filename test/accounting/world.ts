/** Accounts over a real roster, store and sandbox, with time that stands until it is moved. Runs are told, not made. */
import { writeFile } from 'node:fs/promises'
import { createAccounting } from '../../core/accounting/accounting.ts'
import type { Accounting } from '../../core/accounting/accounting.ts'
import { createFleetOfOne } from '../../core/fleet/alone/fleet.ts'
import { LIMITS } from '../../core/limits.ts'
import type { LogEvent } from '../../core/model.ts'
import type { Logger } from '../../core/observe/observe.ts'
import { assemble } from '../../core/registry/assemble.ts'
import { isOwnFault } from '../../core/registry/load-again.ts'
import { Roster } from '../../core/registry/roster.ts'
import type { Standing } from '../../core/registry/standing.ts'
import { unitOf } from '../../core/registry/units.ts'
import { createSandbox } from '../../core/sandbox/pool.ts'
import { openSqliteStore } from '../../core/storage/sqlite/open.ts'
import type { Store } from '../../core/storage/store.ts'
import { createManualClock } from '../../core/testing/manual-clock.ts'
import type { ManualClock } from '../../core/testing/manual-clock.ts'
import { writePlugin } from '../registry/plugin-folder.ts'
import type { TempDir } from '../support/temp.ts'
import { until } from '../support/wait.ts'
import { resultOf, runOf } from './runs.ts'

export const KEY = 'default/one'
export const NOON_MS = Date.parse('2026-05-04T12:00:00Z')
export const MINUTE_MS = 60_000

const quiet: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => quiet }

export interface World extends AsyncDisposable {
  readonly store: Store
  readonly roster: Roster
  readonly accounting: Accounting
  /** Has its code, which now throws as it is loaded, loaded so often, and refused each time. */
  loadBroken(times: number): Promise<void>
  readonly clock: ManualClock
  /** Where the sandbox was told to run it, in order. */
  readonly moves: readonly boolean[]
  /** `kind` of each alert, in order. */
  alerts(): readonly string[]
  stands(): Standing
  points(): number
  /** As many runs of 550 ms of CPU: a hundred points each. */
  burn(runs: number): void
  /** Time passes. */
  pass(ms: number): void
  /** Waits until it is in this state. */
  reaches(state: Standing['state']): Promise<Standing>
  /** The file as it is now, put to work. */
  apply(file?: { readonly paused?: boolean; readonly port?: number }): Promise<void>
}

/** `await using world = await openWorld(dir, atMs)`: a process that was just started on this folder. */
export async function openWorld(
  dir: TempDir,
  atMs = NOON_MS,
  file: Parameters<World['apply']>[0] = {},
): Promise<World> {
  const clock = createManualClock(atMs)
  const store = await openSqliteStore({
    dir: dir.file('data'),
    limits: LIMITS,
    logger: quiet,
    onFatal: () => {},
    nowMs: clock.nowMs,
  })
  const sandbox = createSandbox({
    logger: quiet,
    limits: LIMITS,
    onOffence: (key, what) => accounting.offended(key, what),
  })
  const events: LogEvent[] = []
  const moves: boolean[] = []
  const accounting = createAccounting({
    roster: () => roster,
    setApart: (key, isApart) => {
      if (moves.at(-1) !== isApart) moves.push(isApart)
      return sandbox.setApart(key, isApart)
    },
    clock,
    limits: LIMITS,
    logger: quiet,
  })
  const roster = new Roster({
    store,
    sandbox,
    fleet: createFleetOfOne(),
    clock,
    logger: quiet,
    published: (more) => void events.push(...more),
    changed: (placed) => accounting.setInstallations(placed.map(({ installation }) => installation.key)),
  })
  await writePlugin(dir.file('mine'), 'hello')
  const stands = (): Standing => roster.find(KEY) as Standing
  const world: World = {
    store,
    roster,
    accounting,
    loadBroken: async (times) => {
      const unit = unitOf(stands().installation)
      const broken = { ...unit, bundle: { ...unit.bundle, code: "throw new Error('not today')" } }
      for (let n = 0; n < times; n += 1)
        await sandbox.load(broken).then(
          () => {
            throw new Error('it was loaded')
          },
          (error: unknown) => {
            if (!isOwnFault(error)) throw error
          },
        )
    },
    clock,
    moves,
    alerts: () =>
      events
        .filter(({ type }) => type === 'alert.raised')
        .map(({ data }) => (JSON.parse(data as string) as { kind: string }).kind),
    stands,
    points: () => accounting.usage(sandbox.stats()).get(KEY)?.points ?? Number.NaN,
    burn: (runs) => {
      for (let n = 0; n < runs; n += 1) accounting.heard(KEY, runOf(), resultOf({ cpuMs: 550 }))
    },
    pass: (ms) => clock.moveTo(clock.nowMs() + ms),
    reaches: (state) =>
      until(`it to be ${state}`, () => stands().state, { accept: (now) => now === state, timeoutMs: 5_000 }).then(
        stands,
      ),
    apply: async ({ paused = false, port = 8 } = {}) => {
      const one = `{ id: one, use: hello, paused: ${paused}, with: { url: "https://hooks.example", port: ${port} } }`
      await writeFile(dir.file('manifold.yaml'), `pluginDirs: [mine]\ninstallations: [${one}]\n`)
      const assembly = await assemble({
        file: dir.file('manifold.yaml'),
        env: {},
        dataDir: dir.file('data'),
        roots: (dirs) => dirs.map((folder) => ({ dir: folder, origin: 'community' as const })),
        nowMs: clock.nowMs(),
      })
      if ('problems' in assembly) throw new Error(JSON.stringify(assembly.problems))
      await roster.apply(assembly)
      await roster.loaded()
    },
    [Symbol.asyncDispose]: async () => {
      await roster.loaded()
      await sandbox.close()
      await store.close()
    },
  }
  await world.apply(file)
  return world
}
