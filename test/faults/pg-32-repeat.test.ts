/** F-32 in a fleet: a worker dies in the middle of an attempt, and another takes its lane over. */
import { expect, test } from 'vitest'
import { openFleetScene } from '../support/fleet-scene.ts'
import { startReceiver } from '../support/receiver.ts'
import { FAULT_PLUGINS } from '../support/scene.ts'
import { until } from '../support/wait.ts'

interface Told {
  readonly key: string
  readonly attempt: number
  readonly repeat: boolean
}

test(
  'F-32 a takeover: what the dead worker may have sent is a repeat for the next; what comes later is not',
  { timeout: 120_000 },
  async () => {
    await using teller = await startReceiver()
    await using scene = await openFleetScene({
      apis: 1,
      workers: 2,
      pluginDirs: [FAULT_PLUGINS],
      beside: [{ id: 'teller', use: 'teller', with: { url: teller.url } }],
    })
    const { fleet, driver } = scene
    const told = (): readonly Told[] =>
      teller.requests.map((request) => {
        const { key, attempt, repeat } = request.json<Told>()
        return { key, attempt, repeat }
      })
    // The API process writes them, the worker reads them back from the database: still no repeat.
    expect(await driver.submit('before')).toBe(201)
    await teller.received(1)
    teller.respond({ hang: true })
    expect(await driver.submit('killed')).toBe(201)
    await teller.received(2)
    teller.respond({})
    const owner = await until('the owner of the lane', async () => {
      const [row] = await fleet.sql<{ pid: number }>(
        "SELECT p.pid FROM leases l JOIN hub_processes p ON p.id = l.owner WHERE l.installation = 'teller'",
      )
      return fleet.workers.find(({ pid }) => pid === row?.pid)
    })
    await fleet.kill(owner!)
    await teller.received(3, { timeoutMs: 30_000 })
    expect(await driver.submit('after')).toBe(201)
    await teller.received(4)

    expect(told()).toEqual([
      { key: 'before', attempt: 1, repeat: false },
      { key: 'killed', attempt: 1, repeat: false },
      { key: 'killed', attempt: 1, repeat: true },
      { key: 'after', attempt: 1, repeat: false },
    ])
  },
)
