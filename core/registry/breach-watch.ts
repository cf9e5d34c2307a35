/**
 * Watches runs for broken limits. An installation that breaks them again and again is degraded (one delivery at a time)
 * with the reason shown, and comes back by itself when it has behaved for a while. A failing destination never counts.
 */
import type { Clock } from '../clock.ts'
import type { ErrorCode } from '../errors.ts'
import type { Logger } from '../observe/observe.ts'
import type { RunResult, Sandbox } from '../sandbox/sandbox.ts'
import type { Roster } from './roster.ts'
import { canMove } from './states.ts'

/** Not `plugin_wall`: whoever waits too long waits, as a rule, for somebody else. */
const BREACHES: ReadonlySet<ErrorCode> = new Set(['plugin_cpu', 'plugin_memory', 'plugin_killed'])
/** So many within `WINDOW_MS` degrade; none for that long brings it back. */
export const BREACHES_TO_DEGRADE = 3
const WINDOW_MS = 60_000

export interface BreachWatchDeps {
  readonly roster: () => Pick<Roster, 'find' | 'move'>
  readonly clock: Clock
  readonly logger: Logger
}

/** The same sandbox, with an eye on what its runs come to. */
export function watchBreaches(sandbox: Sandbox, deps: BreachWatchDeps): Sandbox {
  const times = new Map<string, number[]>()
  const recovering = new Set<string>()
  const look = (key: string, result: RunResult): void => {
    if (result.error === null || !BREACHES.has(result.error.code)) return
    const nowMs = deps.clock.monotonicMs()
    const recent = [...(times.get(key) ?? []), nowMs]
      .filter((atMs) => nowMs - atMs < WINDOW_MS)
      .slice(-BREACHES_TO_DEGRADE)
    times.set(key, recent)
    if (recent.length < BREACHES_TO_DEGRADE) return
    const reason = `broke a limit ${recent.length} times within a minute, last: ${result.error.message}`
    move(deps, key, { what: 'breach', reason })
    if (recovering.has(key)) return
    recovering.add(key)
    deps.clock.after(WINDOW_MS, () => recover(key))
  }
  const recover = (key: string): void => {
    const lastMs = times.get(key)?.at(-1) ?? 0
    const quietMs = deps.clock.monotonicMs() - lastMs
    if (quietMs < WINDOW_MS) return void deps.clock.after(WINDOW_MS - quietMs, () => recover(key))
    times.delete(key)
    recovering.delete(key)
    move(deps, key, { what: 'recover', reason: null })
  }
  return {
    load: (unit) => sandbox.load(unit),
    unload: (key) => {
      times.delete(key)
      return sandbox.unload(key)
    },
    runBatch: async (key, runs) => {
      const results = await sandbox.runBatch(key, runs)
      for (const result of results) look(key, result)
      return results
    },
    runEach: async (key, run) => {
      const result = await sandbox.runEach(key, run)
      look(key, result)
      return result
    },
    stats: () => sandbox.stats(),
    close: () => sandbox.close(),
  }
}

/** Only when the state table has that way: an operator's pause is not undone, a degraded one is not degraded again. */
function move(
  { roster, logger }: BreachWatchDeps,
  key: string,
  { what, reason }: { readonly what: 'breach' | 'recover'; readonly reason: string | null },
): void {
  const member = roster().find(key)
  if (member === undefined || !canMove(member.state, what)) return
  roster()
    .move(key, what, reason)
    .catch((error: unknown) =>
      logger.error({ err: error, installation: key, move: what }, 'a state could not be written'),
    )
}
