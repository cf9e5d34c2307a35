/** F-19: plugins that throw, now or later, and a sandbox child that dies of a signal. Runs in flight are run again. */
import { describe, expect, test } from 'vitest'
import { settled } from '../support/hub.ts'
import { storedKeys } from '../support/pages.ts'
import { childrenOf } from '../support/processes.ts'
import { deliveriesOf, openHostileScene, play, watchHealth } from '../support/hostility.ts'
import { DECK, idsByKey, openScene } from '../support/scene.ts'
import { sleep, until } from '../support/wait.ts'

const KEYS = ['a', 'b', 'c', 'd']

describe('F-19 plugins that crash', () => {
  test('F-19 throw, unhandled rejection, throw in a timer: recorded with the place, neighbours whole', async () => {
    await using scene = await openHostileScene(['throws', 'rejects', 'throws-later'])
    const { hub, receiver, ledger } = scene
    {
      await using pulse = watchHealth(hub)
      await play(scene, KEYS)
      expect(pulse.failures).toBe(0)
    }
    const thrown = await deliveriesOf(hub, 'throws')
    expect(thrown).toHaveLength(KEYS.length)
    for (const delivery of thrown) {
      expect(delivery).toMatchObject({ state: 'dead', error_code: 'plugin_threw', reason: 'internal_error' })
      expect(delivery.error).toContain(`thrown on purpose for ${delivery.event_id}`)
    }
    // What nobody awaits may be told or not; it never takes anything else with it.
    for (const id of ['rejects', 'throws-later']) {
      for (const delivery of await deliveriesOf(hub, id))
        expect(delivery).toMatchObject({ state: 'dead', error_code: 'plugin_threw' })
    }
    expect(ledger.account(await storedKeys(hub, DECK))).toMatchObject({
      lost: [],
      undelivered: [],
      duplicates: new Map(),
    })
    expect(new Set(receiver.requests.map(({ id }) => id)).size).toBe(KEYS.length)
  })

  test.each<NodeJS.Signals>(['SIGSEGV', 'SIGKILL'])(
    'F-19 the sandbox child dies of %s under load: it comes back, nothing is lost',
    async (signal) => {
      await using scene = await openScene({ driver: { perSecond: 50 } })
      const { hub, receiver, ledger, driver } = scene
      driver.start()
      await receiver.received(10)
      let killed = 0
      for (let round = 0; round < 4; round += 1) {
        const children = await until('a sandbox child to run', () => childrenOf(hub.pid), {
          accept: (all) => all.length > 0,
        })
        for (const pid of children) {
          process.kill(pid, signal)
          killed += 1
        }
        await sleep(200)
        const seen = receiver.requests.length
        await receiver.received(seen + 5)
      }
      await driver.stop()
      await settled(hub)
      expect(killed).toBeGreaterThanOrEqual(4)
      expect([...driver.answers.keys()]).toEqual([201])
      const account = ledger.account(await storedKeys(hub, DECK))
      expect(account).toMatchObject({ lost: [], undelivered: [], unaccounted: [] })
      expect([...idsByKey(receiver).values()].filter((ids) => ids.size > 1)).toEqual([])
      expect(await hub.metric('manifold_deliveries', { installation: 'honest', state: 'dead' })).toBe(0)
    },
  )
})
