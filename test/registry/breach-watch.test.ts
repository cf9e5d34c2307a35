/** Who breaks limits again and again is degraded with a reason, and comes back when it behaves. */
import { expect, test } from 'vitest'
import type { Clock } from '../../core/clock.ts'
import { HubError } from '../../core/errors.ts'
import type { ErrorCode } from '../../core/errors.ts'
import type { InstallationState } from '../../core/model.ts'
import type { Logger } from '../../core/observe/observe.ts'
import { BREACHES_TO_DEGRADE, watchBreaches } from '../../core/registry/breach-watch.ts'
import { moveInstallation } from '../../core/registry/states.ts'
import type { InstallationMove } from '../../core/registry/states.ts'
import type { RunResult, Sandbox } from '../../core/sandbox/sandbox.ts'

const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silent }

function world(code: () => ErrorCode | null) {
  let nowMs = 0
  const timers: { atMs: number; call: () => void }[] = []
  const clock: Clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    after: (delayMs, call) => {
      timers.push({ atMs: nowMs + delayMs, call })
      return () => {}
    },
  }
  const advance = (ms: number): void => {
    const endMs = nowMs + ms
    for (;;) {
      const due = timers.filter(({ atMs }) => atMs <= endMs).toSorted((a, b) => a.atMs - b.atMs)[0]
      if (due === undefined) break
      timers.splice(timers.indexOf(due), 1)
      nowMs = due.atMs
      due.call()
    }
    nowMs = endMs
  }
  const place = { state: 'ready' as InstallationState, reason: null as string | null }
  const roster = {
    find: () => ({ ...place, installation: {} as never }),
    move: async (_key: string, move: InstallationMove, reason: string | null) => {
      place.state = moveInstallation(place.state, move)
      place.reason = reason
    },
  }
  const inner = {
    runEach: async () => {
      const failed = code()
      return { error: failed === null ? null : new HubError(failed, 'index.ts:3:5 kept the CPU') } as RunResult
    },
  } as unknown as Sandbox
  const sandbox = watchBreaches(inner, { roster: () => roster, clock, logger: silent })
  const run = () => sandbox.runEach('default/a', {} as never)
  return { place, run, advance }
}

test('degrades after several breaches within a minute, says why, and recovers after a quiet minute', async () => {
  const { place, run, advance } = world(() => 'plugin_cpu')
  for (let n = 1; n < BREACHES_TO_DEGRADE; n += 1) await run()
  expect(place.state).toBe('ready')
  await run()
  expect(place).toEqual({ state: 'degraded', reason: expect.stringContaining('index.ts:3:5') })
  advance(30_000)
  await run()
  advance(45_000)
  expect(place.state).toBe('degraded')
  advance(20_000)
  expect(place).toEqual({ state: 'ready', reason: null })
})

test('breaches far apart, a thrown error and a failing destination never degrade', async () => {
  const slow = world(() => 'plugin_memory')
  for (let n = 0; n < 10; n += 1) {
    await slow.run()
    slow.advance(31_000)
  }
  expect(slow.place.state).toBe('ready')
  for (const code of ['plugin_threw', 'plugin_wall', 'http_timeout', 'plugin_interrupted', null] as const) {
    const other = world(() => code)
    for (let n = 0; n < 10; n += 1) await other.run()
    expect(other.place.state).toBe('ready')
  }
})
