/** Two hubs on one data folder: the second one refuses to start and the first one notices nothing. */
import { expect, test } from 'vitest'
import { startHub } from '../support/hub.ts'

test('a second hub on the same folder refuses to start, and may start when the first was killed outright', async () => {
  await using first = await startHub()
  await expect(startHub({ dataDir: first.dataDir })).rejects.toThrow(/Another hub runs on/)
  expect((await first.api('GET', '/healthz')).status).toBe(200)
  await first.kill('SIGKILL')
  await using second = await startHub({ dataDir: first.dataDir })
  expect((await second.api('GET', '/readyz')).status).toBe(200)
})
