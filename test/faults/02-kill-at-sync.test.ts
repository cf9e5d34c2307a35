/** F-02: the process dies exactly at its nth sync: between the write and the promise, wherever that is. */
import { mkdir, rm } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { HubDidNotStart, settled } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { storedKeys } from '../support/pages.ts'
import { DECK, idsByKey, openScene } from '../support/scene.ts'
import { straceLauncher } from '../support/strace.ts'
import { until } from '../support/wait.ts'

/** Dense where the start's own commits are, then a spread over normal work. */
const NTHS = [1, 2, 3, 4, 5, 6, 8, 11, 15, 20, 27, 36, 48]
const FIRST_START_NTHS = [1, 2, 4, 7, 10]
const SUBMISSIONS = 60

/** Starts a hub that dies at its nth sync; false when that was before it served. */
async function startDoomed(hub: Hub, nth: number): Promise<boolean> {
  const launcher = await straceLauncher({ syscall: 'sync', effect: 'signal=KILL', nth })
  try {
    await hub.restart({ launcher })
    return true
  } catch (error) {
    if (error instanceof HubDidNotStart && error.exit?.signal === 'SIGKILL') return false
    throw error
  }
}

test(
  'F-02 killed at the nth sync, for many n, in one folder: what was acknowledged is there',
  { timeout: 400_000 },
  async () => {
    await using scene = await openScene({ driver: { timeoutMs: 2_000 } })
    const { hub, receiver, ledger, driver } = scene
    await driver.submit('before')
    const diedServing: number[] = []
    for (const nth of NTHS) {
      if (!(await startDoomed(hub, nth))) continue
      diedServing.push(nth)
      let struck = false
      void hub.exited.then(() => (struck = true))
      expect(ledger.account(await storedKeys(hub, DECK).catch(() => [])).invented, `before ${nth}`).toEqual([])
      for (let n = 0; n < SUBMISSIONS; n += 1) if ((await driver.submit(`s${nth}-${n}`)) === 0) break
      await until(`the kill at sync ${nth} to strike`, () => struck)
    }
    // Some died while starting, some while serving: otherwise the spread is not one.
    expect(diedServing.length).toBeGreaterThan(3)
    await hub.restart({ launcher: [] })
    await driver.resendOpen()
    await settled(hub)

    const account = ledger.account(await storedKeys(hub, DECK))
    expect(account).toMatchObject({
      lost: [],
      invented: [],
      storedTwice: [],
      undelivered: [],
      unaccounted: [],
      idChanged: [],
    })
    expect(account.acknowledged).toBe(account.sent)
    expect([...idsByKey(receiver).values()].filter((ids) => ids.size > 1)).toEqual([])
    expect((await hub.api('GET', '/readyz')).status).toBe(200)
  },
)

test(
  'F-02 killed at the nth sync of the very first start, migrations included: the next start is whole',
  { timeout: 300_000 },
  async () => {
    await using scene = await openScene()
    const { hub, ledger, driver } = scene
    let survived = 0
    for (const nth of FIRST_START_NTHS) {
      await hub.kill('SIGKILL')
      await rm(hub.dataDir, { recursive: true })
      await mkdir(hub.dataDir)
      if (await startDoomed(hub, nth)) survived += 1
      await hub.restart({ launcher: [] })
      expect((await hub.api('GET', '/readyz')).status, `after ${nth}`).toBe(200)
    }
    expect(survived).toBeLessThan(FIRST_START_NTHS.length)
    expect(await driver.submit('first')).toBe(201)
    await settled(hub)
    expect(ledger.account(await storedKeys(hub, DECK))).toMatchObject({ acknowledged: 1, lost: [], undelivered: [] })
  },
)
