/** Who runs what: evenly shared, shared anew when a worker comes or goes in order, and nothing is done twice for it. */
import { describe, expect, test } from 'vitest'
import { brokenAttempts, brokenLog, openFleetScene, repeatsOf } from '../support/fleet-scene.ts'
import type { FleetScene } from '../support/fleet-scene.ts'
import { tempDir } from '../support/temp.ts'
import { sleep, until } from '../support/wait.ts'

const HOOKS = Array.from({ length: 8 }, (_, n) => `hook-${n}`)
const MOVED_MS_MAX = 15_000

describe('installations over processes', () => {
  test(
    'eight over three workers are spread evenly, a new one gets its share, one that stops gives its back at once; nothing doubled',
    { timeout: 240_000 },
    async () => {
      await using scene = await openFleetScene({
        apis: 1,
        workers: 3,
        hooks: HOOKS,
        honest: { concurrency: 4 },
        reply: () => ({ delayMs: 20 }),
        driver: { perSecond: 20 },
      })
      const { fleet, driver, receiver } = scene
      driver.start()
      await spread(scene, [2, 3, 3])
      const fourth = await fleet.add('worker')
      await spread(scene, [2, 2, 2, 2])
      await fleet.add('worker')
      await spread(scene, [1, 1, 2, 2, 2])
      await sleep(1_000)
      fleet.forget(fourth)
      expect(await fourth.kill('SIGTERM')).toEqual({ code: 0, signal: null })
      // It left nothing behind that others would have to wait for.
      const [left] = await fleet.sql<{ processes: number; free: number; owners: number }>(
        `SELECT count(*)::int AS processes, (SELECT count(*) FROM leases WHERE owner IS NOT NULL
            AND owner NOT IN (SELECT id FROM hub_processes))::int AS owners FROM hub_processes`,
      )
      expect(left).toMatchObject({ processes: 5, owners: 0 })
      await spread(scene, [2, 2, 2, 2])
      await sleep(1_000)
      await driver.stop()
      await scene.settled()
      expect([...driver.answers.keys()]).toEqual([201])
      expect(repeatsOf(receiver)).toBe(0)
      await nothingLost(scene)
    },
  )

  test(
    'processes that take requests and run installations hand over under load: what ingest made for a lane that left is delivered',
    { timeout: 240_000 },
    async () => {
      await using scene = await openFleetScene({
        apis: 0,
        workers: 0,
        hooks: HOOKS.slice(0, 4),
        honest: { concurrency: 4 },
        both: 2,
        driver: { perSecond: 40 },
      })
      const { fleet, driver, receiver } = scene
      driver.start()
      await receiver.received(100)
      for (let round = 0; round < 3; round += 1) {
        await fleet.replace(fleet.apis[0] ?? never())
        await sleep(2_500)
      }
      await driver.stop()
      await driver.resendOpen()
      await scene.settled()
      expect([...driver.answers.keys()].filter((status) => status >= 300)).toEqual([])
      expect(repeatsOf(receiver)).toBe(0)
      await nothingLost(scene)
    },
  )

  test('all processes over one data folder: nothing there is one process’s alone', { timeout: 240_000 }, async () => {
    await using folder = await tempDir('shared')
    await using scene = await openFleetScene({ apis: 1, workers: 2, dataDir: folder.path, driver: { perSecond: 40 } })
    const { fleet, driver, receiver } = scene
    driver.start()
    await receiver.received(30)
    for (const role of ['worker', 'api'] as const) {
      const victims = role === 'api' ? fleet.apis : fleet.workers
      await fleet.kill(victims[0] ?? never())
      await fleet.add(role)
    }
    await sleep(1_000)
    await driver.stop()
    await driver.resendOpen()
    await scene.settled()
    await nothingLost(scene)
  })
})

/** Waits until all installations are run, by workers that have so many of them each. */
async function spread({ fleet }: FleetScene, counts: readonly number[]): Promise<void> {
  await until(
    `shares of ${counts.join(', ')}`,
    async () => {
      const perOwner = new Map<string, number>()
      for (const owner of (await fleet.owners()).values()) perOwner.set(owner, (perOwner.get(owner) ?? 0) + 1)
      return [...perOwner.values()].toSorted()
    },
    { timeoutMs: MOVED_MS_MAX, everyMs: 100, accept: (seen) => seen.join() === counts.join() },
  )
}

async function nothingLost(scene: FleetScene): Promise<void> {
  const account = await scene.account()
  expect(account).toMatchObject({ lost: [], invented: [], storedTwice: [], undelivered: [], unaccounted: [] })
  expect(await brokenAttempts(scene.fleet)).toEqual([])
  expect(await brokenLog(scene.fleet)).toEqual([])
}

function never(): never {
  throw new Error('The fleet is empty')
}
