/** F-32: kill -9 in the middle of an attempt. The next one counts as the first again, so it is told that it may be a repeat. */
import { expect, test } from 'vitest'
import { openScene } from '../support/scene.ts'
import { startReceiver } from '../support/receiver.ts'
import { FAULT_PLUGINS } from '../support/scene.ts'
import { settled } from '../support/hub.ts'

interface Told {
  readonly key: string
  readonly attempt: number
  readonly repeat: boolean
}

test('F-32 kill -9 in the middle of an attempt: it is repeated as what may be a repeat, and nothing else is', async () => {
  await using teller = await startReceiver()
  const told = (): readonly Told[] =>
    teller.requests.map((request) => {
      const { key, attempt, repeat } = request.json<Told>()
      return { key, attempt, repeat }
    })
  await using scene = await openScene({
    pluginDirs: [FAULT_PLUGINS],
    beside: [{ id: 'teller', use: 'teller', with: { url: teller.url }, retry: { schedule: ['10ms', '10ms'] } }],
  })
  const { hub, driver } = scene

  teller.respond([{ status: 503 }, {}])
  expect(await driver.submit('refused')).toBe(201)
  await teller.received(2)
  teller.respond({ hang: true })
  expect(await driver.submit('killed')).toBe(201)
  await teller.received(3)
  await hub.kill('SIGKILL')
  const killedMs = Date.now()
  teller.respond({})
  await hub.restart()
  await teller.received(4)
  expect(await driver.submit('after')).toBe(201)
  await teller.received(5)
  await settled(hub)

  const sentBeforeMs = teller.requests.map((request) => {
    const { sentBefore } = request.json<{ sentBefore?: string }>()
    return sentBefore === undefined ? null : Date.parse(sentBefore)
  })
  expect(sentBeforeMs).toEqual([null, expect.any(Number), null, expect.any(Number), null])
  // What was under way then was so until the kill, at the latest until this hub began.
  expect(sentBeforeMs[1]).toBeLessThan(killedMs)
  expect(sentBeforeMs[3]).toBeGreaterThanOrEqual(killedMs)
  expect(told()).toEqual([
    { key: 'refused', attempt: 1, repeat: false },
    { key: 'refused', attempt: 2, repeat: true },
    { key: 'killed', attempt: 1, repeat: false },
    { key: 'killed', attempt: 1, repeat: true },
    { key: 'after', attempt: 1, repeat: false },
  ])
})
