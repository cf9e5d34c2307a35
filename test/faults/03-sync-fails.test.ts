/** F-03: the disk refuses to say that data is safe. The hub must not say it either: it stops, and starts clean. */
import { describe, expect, test } from 'vitest'
import { settled } from '../support/hub.ts'
import type { Exit } from '../support/hub.ts'
import { storedKeys } from '../support/pages.ts'
import { DECK, openScene } from '../support/scene.ts'
import { straceLauncher } from '../support/strace.ts'
import { until } from '../support/wait.ts'

const SUBMISSIONS = 60

describe('F-03 EIO on sync', () => {
  test.each([8, 15, 30])(
    'F-03 sync %i fails: no 201 from then on, the hub exits with an error, a repeat is stored once',
    async (nth) => {
      const launcher = await straceLauncher({ syscall: 'sync', effect: 'error=EIO', nth })
      await using scene = await openScene({ driver: { timeoutMs: 5_000 } })
      const { hub, ledger, driver } = scene
      await hub.restart({ launcher })
      let exit: Exit | undefined
      void hub.exited.then((how) => (exit = how))
      const statuses: number[] = []
      for (let n = 0; n < SUBMISSIONS; n += 1) {
        statuses.push(await driver.submit(`n${n}`))
        if (statuses.at(-1) === 0) break
      }
      const firstFailure = statuses.findIndex((status) => status !== 201)
      expect(firstFailure, `the fault never struck: ${statuses.join(' ')}`).toBeGreaterThanOrEqual(0)
      expect(statuses.slice(firstFailure).filter((status) => status === 201)).toEqual([])
      await until('the hub to stop', () => exit !== undefined, { timeoutMs: 5_000 })
      expect(exit?.signal).toBeNull()
      expect(exit?.code).toBeGreaterThan(0)

      await hub.restart({ launcher: [] })
      await driver.resendOpen()
      await settled(hub)
      const account = ledger.account(await storedKeys(hub, DECK))
      expect(account).toMatchObject({ lost: [], invented: [], storedTwice: [], undelivered: [], idChanged: [] })
      expect(account.acknowledged).toBe(account.sent)
    },
  )
})
