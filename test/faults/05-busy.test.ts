/** F-05: another process holds the database's write lock. Ingest waits a while, then says 503; everything else goes on. */
import Database from 'better-sqlite3'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { settled } from '../support/hub.ts'
import { storedKeys } from '../support/pages.ts'
import { DECK, openScene } from '../support/scene.ts'

test('F-05 a second writer holds the lock: 503 with Retry-After and never 500, health answers, and it recovers', async () => {
  await using scene = await openScene({ driver: { timeoutMs: 20_000 } })
  const { hub, ledger, driver } = scene
  expect(await driver.submit('before')).toBe(201)
  const file = readdirSync(hub.dataDir).find((name) => /\.(db|sqlite)$/.test(name)) as string
  const other = new Database(join(hub.dataDir, file))
  other.exec('BEGIN IMMEDIATE')
  const answers: { status: number; retryAfter: string | undefined }[] = []
  const waiting = Array.from({ length: 5 }, (_, n) => {
    ledger.sent(`held-${n}`)
    return hub
      .api(
        'POST',
        `/api/v2/forms/${DECK}/responses`,
        { data: { key: `held-${n}` } },
        { headers: { 'idempotency-key': `held-${n}` } },
      )
      .then(({ status, headers }) => answers.push({ status, retryAfter: headers['retry-after'] }))
  })
  let alive = 0
  while (answers.length < waiting.length) {
    expect((await hub.api('GET', '/healthz')).status).toBe(200)
    alive += 1
    await new Promise((resolve) => {
      setTimeout(resolve, 100)
    })
  }
  await Promise.all(waiting)
  expect(answers.map(({ status }) => status)).toEqual([503, 503, 503, 503, 503])
  expect(answers.every(({ retryAfter }) => Number(retryAfter) > 0)).toBe(true)
  expect(alive).toBeGreaterThan(10)
  other.exec('ROLLBACK')
  other.close()

  await driver.resendOpen()
  await settled(hub)
  const account = ledger.account(await storedKeys(hub, DECK))
  expect(account).toMatchObject({ sent: 6, acknowledged: 6, lost: [], storedTwice: [], undelivered: [] })
})
