/** F-02: the process dies exactly at its nth sync: between the write and the promise, wherever that is. */
import { mkdir, rm } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { HubDidNotStart, settled } from '../support/hub.ts'
import { storedKeys } from '../support/pages.ts'
import { DECK, idsByKey, openScene } from '../support/scene.ts'
import { straceLauncher } from '../support/strace.ts'
import { until } from '../support/wait.ts'

/** Dense at the start, where migrations and the first commits are, then a spread over normal work. */
const NTHS = [1, 2, 3, 4, 5, 6, 8, 11, 15, 20, 27, 36, 48, 60]
const SUBMISSIONS = 40

describe('F-02 kill at the nth sync', () => {
  test.each(NTHS)('F-02 killed at sync %i: what was acknowledged is there after the restart', async (nth) => {
    // A hub that has run before, so that the account does not begin with the migrations only.
    await using scene = await openScene({ driver: { timeoutMs: 2_000 } })
    const { hub, receiver, ledger, driver } = scene
    await driver.submit('before')
    const launcher = await straceLauncher({ syscall: 'sync', effect: 'signal=KILL', nth })
    let struck = false
    const started = await hub.restart({ launcher }).then(
      () => true,
      (error: unknown) => {
        if (error instanceof HubDidNotStart && error.exit?.signal === 'SIGKILL') return false
        throw error
      },
    )
    if (started) {
      void hub.exited.then(() => (struck = true))
      for (let n = 0; n < SUBMISSIONS; n += 1) if ((await driver.submit(`n${n}`)) === 0) break
      await until('the kill to strike', () => struck)
    }
    await hub.restart({ launcher: [] })
    await driver.resendOpen()
    await settled(hub)

    const account = ledger.account(await storedKeys(hub, DECK))
    expect(account).toMatchObject({ lost: [], invented: [], storedTwice: [], undelivered: [], unaccounted: [], idChanged: [] })
    expect([...idsByKey(receiver).values()].filter((ids) => ids.size > 1)).toEqual([])
    expect(ledger.open()).toEqual([])
  })

  test.each([1, 2, 3, 5, 8, 13])('F-02 killed at sync %i of the very first start: the next start is whole', async (nth) => {
    await using scene = await openScene()
    const { hub, ledger, driver } = scene
    const launcher = await straceLauncher({ syscall: 'sync', effect: 'signal=KILL', nth })
    await hub.kill('SIGKILL')
    await rm(hub.dataDir, { recursive: true })
    await mkdir(hub.dataDir)
    await hub.restart({ launcher }).then(
      () => hub.kill('SIGKILL'),
      (error: unknown) => expect(error).toBeInstanceOf(HubDidNotStart),
    )
    await hub.restart({ launcher: [] })
    expect(await driver.submit('first')).toBe(201)
    await settled(hub)
    expect(ledger.account(await storedKeys(hub, DECK))).toMatchObject({ acknowledged: 1, lost: [], undelivered: [] })
  })
})
