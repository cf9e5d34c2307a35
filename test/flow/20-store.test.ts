/** Second stop: what was accepted stays, over restarts, backups and restores. */
import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { manifold } from '../support/cli.ts'
import { settled, startHub } from '../support/hub.ts'
import { allItems } from '../support/pages.ts'
import { startReceiver } from '../support/receiver.ts'
import { DECK, hook, sceneConfig } from '../support/scene.ts'
import { tempDir } from '../support/temp.ts'

const PATH = `/api/v2/forms/${DECK}/responses`
const READS = [PATH, '/api/v2/forms', '/api/v2/deliveries', '/api/v2/dead-letters']

test('a restart keeps forms, responses, deliveries, attempts and keys', async () => {
  await using receiver = await startReceiver()
  await using hub = await startHub({ config: sceneConfig({ installations: [hook('keeper', receiver.url)] }) })
  await hub.api('POST', '/api/v2/forms', { id: 'extra', name: 'Extra', fields: [] })
  for (const key of ['a', 'b', 'c']) expect((await hub.api('POST', PATH, { data: { key } })).status).toBe(201)
  await settled(hub)
  const before = await Promise.all(READS.map((path) => allItems(hub, path)))

  await hub.kill('SIGTERM')
  await hub.restart()
  expect(await Promise.all(READS.map((path) => allItems(hub, path)))).toEqual(before)
  expect((await hub.api('POST', PATH, { data: { key: 'd' } })).status).toBe(201)
  await receiver.received(4)
  await settled(hub)
  // The restart repeated nothing.
  expect(receiver.requests.map((request) => request.json()['key']).toSorted()).toEqual(['a', 'b', 'c', 'd'])
})

test('a backup is taken while the hub runs; restored elsewhere it is the same hub', async () => {
  await using dir = await tempDir('backup')
  await using receiver = await startReceiver()
  const config = sceneConfig({ installations: [hook('keeper', receiver.url)] })
  await using hub = await startHub({ config })
  for (const key of ['a', 'b']) await hub.api('POST', PATH, { data: { key } })
  await settled(hub)

  const file = dir.file('copy.db')
  const backup = await manifold(hub, ['db', 'backup', file])
  expect(backup.code, backup.stderr).toBe(0)
  expect(existsSync(file)).toBe(true)
  const before = await Promise.all(READS.map((path) => allItems(hub, path)))
  await hub.api('POST', PATH, { data: { key: 'after' } })

  const restored = dir.file('restored')
  const restore = await manifold(null, ['db', 'restore', file, '--data', restored])
  expect(restore.code, restore.stderr).toBe(0)
  await using second = await startHub({ config, dataDir: restored })
  expect(await Promise.all(READS.map((path) => allItems(second, path)))).toEqual(before)
  // Restoring over a hub's data needs to be meant.
  const again = await manifold(null, ['db', 'restore', file, '--data', hub.dataDir])
  expect(again.code).not.toBe(0)
})
