/** What may have happened unheard is looked for: work in every lane that runs here, cursors, the log. */
import { expect, test } from 'vitest'
import { systemClock } from '../../core/clock.ts'
import { fleetDuties } from '../../core/fleet/duties.ts'
import type { DutyDeps } from '../../core/fleet/duties.ts'
import type { News } from '../../core/fleet/fleet.ts'
import type { Logger } from '../../core/observe/observe.ts'
import { until } from '../support/wait.ts'

const quiet: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => quiet }
const NEWS: News = { head: null, forms: [], installations: [], cursors: [], keys: false, lanes: [], missed: false }

function duties() {
  const seen = {
    woken: [] as string[],
    adopted: [] as string[],
    reached: [] as number[],
    later: [] as (() => void)[],
    moved: 0,
  }
  const row = (id: string, cursor: number) => ({ workspace: 'w', id, cursor })
  const deps = {
    fleet: { holds: (key: string) => key !== 'w/elsewhere' },
    store: { syncInstallations: async () => [row('here', 7), row('elsewhere', 9)], headSeq: async () => 42 },
    pump: { adopt: (key: string, cursor: number) => void seen.adopted.push(`${key} ${cursor}`), rewind: () => {} },
    queue: {
      wake: (lane: { kind: string; installation: string }) => void seen.woken.push(`${lane.kind} ${lane.installation}`),
    },
    roster: { catchUp: async () => {} },
    forms: { hear: () => {}, clear: () => {} },
    formViews: { hear: () => {}, clear: () => {} },
    keys: { forget: () => {} },
    alerts: { moved: () => void (seen.moved += 1), unattended: () => {} },
    memoryQuota: { forget: () => {} },
    log: { reach: (head: number) => void seen.reached.push(head) },
    logger: quiet,
    clock: { ...systemClock, after: (_delayMs: number, act: () => void) => (seen.later.push(act), () => {}) },
  }
  return { hooks: fleetDuties(deps as unknown as DutyDeps), seen }
}

test('after a commit without an answer every lane of this process looks, at once and once more a while later', async () => {
  const { hooks, seen } = duties()
  hooks.doubt()
  await until('the log to be looked at', () => seen.reached.length === 1)
  expect([seen.woken, seen.adopted, seen.reached]).toEqual([['deliver here', 'schedule here'], ['w/here 7'], [42]])
  seen.later[0]?.()
  await until('the second look', () => seen.reached.length === 2)
  expect(seen.woken).toHaveLength(4)
})

test('so it does when the line to the others was cut, and not for ordinary news', async () => {
  const { hooks, seen } = duties()
  hooks.heard({ ...NEWS, head: 5 })
  expect([seen.woken, seen.reached]).toEqual([[], [5]])
  hooks.heard({ ...NEWS, missed: true })
  await until('the log to be looked at', () => seen.reached.length === 2)
  expect(seen.woken).toEqual(['deliver here', 'schedule here'])
})

test('what waits for approval is looked at again when this process runs others than before', () => {
  const { hooks, seen } = duties()
  hooks.changed()
  expect(seen.moved).toBe(1)
})
