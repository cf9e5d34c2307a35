/** F-17: plugins that never give back the processor, or never answer. Each run ends by its limit, recorded, alone. */
import { expect, test } from 'vitest'
import { storedKeys } from '../support/pages.ts'
import { deliveriesOf, openHostileScene, play, watchHealth } from '../support/hostility.ts'
import { DECK } from '../support/scene.ts'

const KEYS = ['a', 'b', 'c', 'd']

/** What the hub may say about each. A stuck process that had to be killed may be told as that or as the limit it broke. */
const ENDS = {
  loop: ['plugin_cpu', 'plugin_killed'],
  microtasks: ['plugin_cpu', 'plugin_killed'],
  never: ['plugin_wall'],
  'native-call': ['plugin_cpu', 'plugin_killed', 'plugin_memory', 'plugin_wall'],
} as const

test('F-17 endless loop, microtask loop, never settling, long native call: each a recorded failure, neighbours whole', async () => {
  await using scene = await openHostileScene(Object.keys(ENDS))
  const { hub, receiver, ledger } = scene
  {
    await using pulse = watchHealth(hub)
    await play(scene, KEYS)
    expect(pulse.failures).toBe(0)
    expect(pulse.beats).toBeGreaterThan(0)
  }
  for (const [id, codes] of Object.entries(ENDS)) {
    const deliveries = await deliveriesOf(hub, id)
    expect(deliveries, id).toHaveLength(KEYS.length)
    for (const delivery of deliveries) {
      expect(delivery, id).toMatchObject({
        plugin: id,
        kind: 'handler',
        name: 'response.submitted',
        state: 'dead',
        reason: 'internal_error',
        attempts: 1,
      })
      expect(codes, id).toContain(delivery.error_code)
      expect(delivery.event_id, id).toMatch(/^evt_/)
      expect(delivery.error, id).toBeTruthy()
    }
    expect(new Set(deliveries.map((delivery) => delivery.event_id)).size, id).toBe(KEYS.length)
  }
  const account = ledger.account(await storedKeys(hub, DECK))
  expect(account).toMatchObject({ lost: [], undelivered: [], unaccounted: [], duplicates: new Map() })
  expect(new Set(receiver.requests.map(({ id }) => id)).size).toBe(KEYS.length)
})
