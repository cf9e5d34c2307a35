/** What transforms use in processes that do not run their installation: each parcel counts once, in the account of the owner. */
import { expect, test } from 'vitest'
import { createAccounting } from '../../core/accounting/accounting.ts'
import { FORGIVEN_AFTER_MS } from '../../core/accounting/handover.ts'
import type { Parcel } from '../../core/accounting/handover.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Logger } from '../../core/observe/observe.ts'
import { createManualClock } from '../../core/testing/manual-clock.ts'
import { tempDir } from '../support/temp.ts'
import { EVENT, resultOf, runOf } from './runs.ts'
import { KEY, NOON_MS, openWorld } from './world.ts'
import type { World } from './world.ts'

/** Whatever of it costs: runs of transforms themselves do not. */
const HANDLER = EVENT
const STATS = { units: [] }
/** A run of 550 ms of CPU costs a hundred points. */
const burned = () => [runOf(HANDLER), resultOf({ cpuMs: 550 })] as const

/** A process that takes responses beside the world's, with the same installations and none of them its own. */
function besideOf(world: World) {
  const told: object[] = []
  const quiet = (): void => {}
  const warn = (fields: object) => void told.push(fields)
  const logger: Logger = { debug: quiet, info: quiet, warn, error: quiet, child: () => logger }
  const clock = createManualClock(NOON_MS)
  const { roster } = world
  const setApart = () => Promise.resolve()
  const accounting = createAccounting({ roster: () => roster, setApart, clock, limits: LIMITS, logger })
  const sent: (readonly Parcel[])[] = []
  let line: 'open' | 'cut' | 'answer lost' = 'open'
  accounting.handTo(async ({ parcels }) => {
    sent.push(parcels)
    if (line === 'cut') throw new Error('nobody there')
    // Through a door of JSON.
    const taken = await world.accounting.take({ parcels: JSON.parse(JSON.stringify(parcels)) as Parcel[] })
    if (line === 'answer lost') throw new Error('the answer was lost')
    return taken
  })
  return {
    accounting,
    sent,
    told,
    cut: (how: typeof line) => void (line = how),
    /** Until the next second is over and what it brought is done. */
    pass: async (ms = 1_000) => {
      clock.moveTo(clock.nowMs() + ms)
      await accounting.handOver()
    },
  }
}

const usageOf = (world: World) => {
  const used = world.accounting.usage(STATS).get(KEY)
  if (used === undefined) throw new Error('an account')
  return used
}

test('runs elsewhere count and cost as if they were here, once a second in one parcel', async () => {
  await using dir = await tempDir('handover')
  await using world = await openWorld(dir)
  const beside = besideOf(world)
  for (let n = 0; n < 10; n += 1) beside.accounting.heard(KEY, ...burned())
  beside.accounting.heard(KEY, runOf(HANDLER), resultOf({ code: 'plugin_threw', cpuMs: 1, hostOps: 2 }))
  expect(usageOf(world).cpuMs).toBe(0)
  await beside.pass()
  expect(beside.sent).toHaveLength(1)
  expect(beside.sent[0]).toHaveLength(1)
  expect(usageOf(world)).toMatchObject({
    runs: { handler: { ok: 10, failed: 1, interrupted: 0 } },
    failedByCode: { plugin_threw: 1 },
    cpuMs: 5_501,
    hostOps: 2,
    lastMinute: { runs: 11, failed: 1, cpuMs: 5_501 },
  })
  expect(world.points()).toBe(LIMITS.pluginPointsMax - 1_000)
  // It has none of its own to show, and nothing more to hand over.
  expect(beside.accounting.usage(STATS).size).toBe(0)
  await beside.pass(5_000)
  expect(beside.sent).toHaveLength(1)
})

test('a parcel whose answer was lost is handed over again, and counts once', async () => {
  await using dir = await tempDir('handover')
  await using world = await openWorld(dir)
  const beside = besideOf(world)
  beside.cut('answer lost')
  beside.accounting.heard(KEY, ...burned())
  await beside.pass()
  beside.accounting.heard(KEY, ...burned())
  beside.cut('cut')
  await beside.pass()
  beside.cut('open')
  await beside.pass()
  await beside.pass()
  const numbers = beside.sent.flatMap((parcels) => parcels.map(({ n }) => n))
  expect(numbers.slice(0, 3)).toEqual([numbers[0], numbers[0], numbers[0]])
  expect(usageOf(world).runs.handler.ok).toBe(2)
  expect(world.points()).toBe(LIMITS.pluginPointsMax - 200)
})

test('used up elsewhere it stands still, with what its points went for', async () => {
  await using dir = await tempDir('handover')
  await using world = await openWorld(dir)
  const beside = besideOf(world)
  const runs = LIMITS.pluginPointsMax / 100 + 1
  for (let n = 0; n < runs; n += 1) beside.accounting.heard(KEY, ...burned())
  beside.accounting.offended(KEY, 'killed')
  await beside.pass()
  expect((await world.reaches('paused')).reason).toContain('mostly CPU in handler response.submitted')
  expect(usageOf(world).breaches.killed).toBe(1)
})

test('what nobody takes for a minute is counted still, and its points are forgiven and told', async () => {
  await using dir = await tempDir('handover')
  await using world = await openWorld(dir)
  const beside = besideOf(world)
  beside.cut('cut')
  beside.accounting.heard(KEY, ...burned())
  await beside.pass()
  await beside.pass(FORGIVEN_AFTER_MS)
  expect(beside.told).toEqual([
    { installation: 'one', costs: [{ cause: 'CPU in handler response.submitted', points: 100 }] },
  ])
  beside.cut('open')
  await beside.pass()
  expect(usageOf(world).runs.handler.ok).toBe(1)
  expect(world.points()).toBe(LIMITS.pluginPointsMax)
})

test('what is not there any more is nobody’s', async () => {
  await using dir = await tempDir('handover')
  await using world = await openWorld(dir)
  const beside = besideOf(world)
  beside.accounting.heard('default/gone', ...burned())
  await beside.pass()
  await beside.pass()
  expect(beside.sent).toEqual([])
})

test('CPU beside runs counts and costs as well: of loading, and of code that goes on after its run', async () => {
  await using dir = await tempDir('handover')
  await using world = await openWorld(dir)
  const beside = besideOf(world)
  beside.accounting.spent(KEY, 550, 'loading')
  beside.accounting.spent(KEY, 500, 'ended runs')
  beside.accounting.spent(KEY, 1, 'loading')
  await beside.pass()
  expect(usageOf(world)).toMatchObject({ cpuMs: 1_051, lastMinute: { runs: 0, cpuMs: 1_051 } })
  expect(world.points()).toBe(LIMITS.pluginPointsMax - 200)
  expect(beside.sent).toMatchObject([
    [
      {
        costs: [
          { cause: 'CPU in loading', points: 100 },
          { cause: 'CPU in ended runs', points: 100 },
        ],
      },
    ],
  ])
})
