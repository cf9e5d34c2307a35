/** F-28: a backup taken under load, restored elsewhere: all that was accepted before it began is there, under its own ids. */
import { expect, test } from 'vitest'
import { manifold } from '../support/cli.ts'
import { startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { allItems, storedKeys } from '../support/pages.ts'
import { startReceiver } from '../support/receiver.ts'
import { DECK, hook, openScene, sceneConfig } from '../support/scene.ts'
import { tempDir } from '../support/temp.ts'
import { until } from '../support/wait.ts'

interface DeliveryItem {
  readonly id: string
  readonly event_id: string
  readonly state: string
}

test('F-28 backup under load, restore into a fresh folder: every earlier event, pending deliveries with their ids', async () => {
  await using dir = await tempDir('backup')
  await using later = await startReceiver({ status: 500 })
  // One installation that cannot deliver yet: its deliveries are pending when the backup is taken.
  const beside = [hook('later', later.url, { retry: { schedule: ['10m'] } })]
  await using scene = await openScene({ beside, driver: { perSecond: 100 } })
  const { hub, ledger, driver } = scene
  driver.start()
  await later.received(5)
  const before = new Set(await storedKeys(hub, DECK))
  const waiting = await allItems<DeliveryItem>(hub, '/api/v2/deliveries?installation=later')
  expect(waiting.length).toBeGreaterThan(0)
  const file = dir.file('copy.db')
  const backup = await manifold(hub, ['db', 'backup', file])
  expect(backup.code, backup.stderr).toBe(0)
  await driver.stop()
  expect([...driver.answers.keys()]).toEqual([201])
  await settledHonest(hub)
  expect(ledger.account(await storedKeys(hub, DECK))).toMatchObject({ lost: [], undelivered: [] })
  await hub.kill('SIGTERM')

  const restored = dir.file('restored')
  const restore = await manifold(null, ['db', 'restore', file, '--data', restored])
  expect(restore.code, restore.stderr).toBe(0)
  later.respond({ status: 200 })
  later.forget()
  const config = sceneConfig({ installations: [hook('honest', scene.receiver.url), ...beside] })
  await using copy = await startHub({ config, dataDir: restored })
  expect((await copy.api('GET', '/readyz')).status).toBe(200)
  const after = await storedKeys(copy, DECK)
  expect([...before].filter((key) => !after.includes(key))).toEqual([])
  const same = new Map(
    (await allItems<DeliveryItem>(copy, '/api/v2/deliveries?installation=later')).map((item) => [
      item.id,
      item.event_id,
    ]),
  )
  for (const { id, event_id: eventId } of waiting) expect(same.get(id)).toBe(eventId)
  // What waits can be sent from the copy, under the ids of the original.
  const [first] = waiting
  for (const { id } of waiting) expect(same.has(id)).toBe(true)
  expect((await copy.api('GET', `/api/v2/deliveries/${first?.id}`)).status).toBe(200)
})

/** `later` waits for minutes on purpose; everything else must be through. */
async function settledHonest(hub: Hub): Promise<void> {
  await until(
    'the honest installation to be through',
    async () => {
      const lag = await hub.metric('manifold_installation_lag_events')
      return lag + (await hub.metric('manifold_deliveries', { installation: 'honest', state: 'pending' }))
    },
    { accept: (left) => left === 0, timeoutMs: 30_000 },
  )
}
