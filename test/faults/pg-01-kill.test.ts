/** F-01 on Postgres: SIGKILL at any moment under load, processes of both roles. Nothing that was acknowledged is lost. */
import { expect, test } from 'vitest'
import { brokenAttempts, brokenLog, changedIds, openFleetScene, repeatsOf } from '../support/fleet-scene.ts'
import { sleep } from '../support/wait.ts'

/** A hundred by hand (`MANIFOLD_FAULT_KILLS`). */
const KILLS = Number(process.env['MANIFOLD_FAULT_KILLS'] ?? 20)
const CONCURRENCY = 4
const KILL_AFTER_MS_MAX = 500

test(
  'F-01 on Postgres: kill -9 under load, 3 workers and 2 APIs: 0 lost, no gap, duplicates bounded and under one id',
  { timeout: KILLS * 6_000 + 420_000 },
  async () => {
    const hooks = ['honest', 'second', 'third']
    await using scene = await openFleetScene({
      hooks,
      honest: { concurrency: CONCURRENCY },
      driver: { perSecond: 50, timeoutMs: 12_000 },
    })
    const { fleet, receiver, driver } = scene
    driver.start()
    const begunMs = performance.now()
    let kills = 0
    const starting: Promise<unknown>[] = []
    while (kills < KILLS) {
      await sleep(Math.random() * KILL_AFTER_MS_MAX)
      const role = Math.random() < 0.6 ? 'worker' : 'api'
      const living = role === 'worker' ? fleet.workers : fleet.apis
      const victim = living[Math.floor(Math.random() * living.length)]
      // One of each kind lives at every moment; the others may be coming up.
      if (victim === undefined || living.length === 1) continue
      kills += 1
      await fleet.kill(victim)
      starting.push(fleet.add(role))
    }
    const killingMs = performance.now() - begunMs
    await Promise.all(starting)
    await driver.stop()
    await driver.resendOpen()
    await scene.settled(300_000)

    const account = await scene.account()
    expect(account).toMatchObject({ lost: [], invented: [], storedTwice: [], undelivered: [], unaccounted: [] })
    expect(account.idChanged).toEqual([])
    expect(account.acknowledged).toBe(account.sent)
    expect(account.acknowledged).toBeGreaterThan((killingMs / 1_000) * 20)
    // What runs at a time, those whose ends are not on disk included.
    expect(repeatsOf(receiver)).toBeLessThanOrEqual(kills * CONCURRENCY * hooks.length)
    expect(await brokenLog(fleet)).toEqual([])
    expect(await brokenAttempts(fleet)).toEqual([])
    const perKey = receiver.requests.filter(({ path }) => path === '/honest')
    expect(changedIds({ ...receiver, requests: perKey })).toEqual([])
  },
)
