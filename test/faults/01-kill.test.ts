/** F-01: SIGKILL at any moment under load, a hundred times in one data folder. Nothing that was acknowledged is lost. */
import Database from 'better-sqlite3'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { settled } from '../support/hub.ts'
import { storedKeys } from '../support/pages.ts'
import { DECK, idsByKey, openScene } from '../support/scene.ts'
import { sleep } from '../support/wait.ts'

const CYCLES = 100
const CONCURRENCY = 4
const KILL_AFTER_MS_MAX = 300

test(
  'F-01 kill -9 under load, 100 cycles: 0 lost, no gap, duplicates bounded and under one id',
  { timeout: 720_000 },
  async () => {
    await using scene = await openScene({
      honest: { concurrency: CONCURRENCY },
      driver: { perSecond: 50, timeoutMs: 2_000 },
    })
    const { hub, receiver, ledger, driver } = scene
    for (let cycle = 0; cycle < CYCLES; cycle += 1) {
      driver.start()
      await sleep(Math.random() * KILL_AFTER_MS_MAX)
      await hub.kill('SIGKILL')
      // Nobody listens now: what would be sent meanwhile would only fill the ledger with keys to send again.
      await driver.stop()
      await hub.restart()
    }
    await driver.resendOpen()
    await settled(hub)
    expect((await hub.api('GET', '/readyz')).status).toBe(200)

    const account = ledger.account(await storedKeys(hub, DECK))
    expect(account.lost).toEqual([])
    expect(account.invented).toEqual([])
    expect(account.storedTwice).toEqual([])
    expect(account.undelivered).toEqual([])
    expect(account.unaccounted).toEqual([])
    expect(account.idChanged).toEqual([])
    expect(account.acknowledged).toBe(account.sent)
    expect(account.acknowledged).toBeGreaterThan(CYCLES)

    const repeats = [...account.duplicates.values()].reduce((sum, times) => sum + times - 1, 0)
    expect(repeats).toBeLessThanOrEqual(CYCLES * CONCURRENCY)
    const changed = [...idsByKey(receiver)].filter(([, ids]) => ids.size > 1)
    expect(changed).toEqual([])

    await hub.kill()
    const { events, first, last, integrity } = inspect(hub.dataDir)
    expect(integrity).toBe('ok')
    expect([first, last]).toEqual([1, events])
  },
)

/** The file itself, read by SQLite without the hub. */
function inspect(dataDir: string): { events: number; first: number; last: number; integrity: unknown } {
  const file = readdirSync(dataDir).find((name) => name.endsWith('.db') || name.endsWith('.sqlite'))
  if (file === undefined) throw new Error(`no database in ${dataDir}: ${readdirSync(dataDir).join(', ')}`)
  const database = new Database(join(dataDir, file), { readonly: true })
  try {
    const row = database.prepare('SELECT count(*) AS events, min(seq) AS first, max(seq) AS last FROM events').get()
    const numbers = row as { events: number; first: number; last: number }
    return { ...numbers, integrity: database.pragma('integrity_check', { simple: true }) }
  } finally {
    database.close()
  }
}
