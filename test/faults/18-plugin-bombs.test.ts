/** F-18: plugins that take all the memory they can get. The child pays for it, the hub does not. */
import { expect, test } from 'vitest'
import { storedKeys } from '../support/pages.ts'
import { deliveriesOf, openHostileScene, play, watchHealth } from '../support/hostility.ts'
import { watchPeaks } from '../support/processes.ts'
import { DECK } from '../support/scene.ts'

const MB = 1_048_576
const CHILD_RSS_MB = 256
const KEYS = ['a', 'b', 'c']
const BOMBS = ['heap-bomb', 'string-bomb', 'buffer-bomb', 'promise-chain']
/** A bomb that meets an allocation failure first sees it as an exception of its own. */
const ENDS = ['plugin_memory', 'plugin_killed', 'plugin_cpu', 'plugin_threw']

test('F-18 heap, string, ArrayBuffer and promise bombs: child bounded, hub unharmed, each a recorded failure, neighbours whole', async () => {
  await using scene = await openHostileScene(BOMBS, { childRssMb: CHILD_RSS_MB, pluginSliceMs: 500, pluginCpuMs: 500 })
  const { hub, receiver, ledger } = scene
  const before = await hub.rssBytes()
  using peaks = watchPeaks(hub.pid)
  {
    await using pulse = watchHealth(hub)
    await play(scene, KEYS)
    expect(pulse.failures).toBe(0)
  }
  expect(peaks.ownBytesMax - before).toBeLessThan(64 * MB)
  // The tick that measures comes late to a process that allocates as fast as the machine lets it.
  expect(peaks.childBytesMax).toBeLessThan(CHILD_RSS_MB * MB * 3)
  for (const id of BOMBS) {
    const deliveries = await deliveriesOf(hub, id)
    expect(deliveries, id).toHaveLength(KEYS.length)
    for (const delivery of deliveries) {
      expect(delivery, id).toMatchObject({ plugin: id, kind: 'handler', state: 'dead', reason: 'internal_error' })
      expect(ENDS, id).toContain(delivery.error_code)
    }
  }
  expect(ledger.account(await storedKeys(hub, DECK))).toMatchObject({
    lost: [],
    undelivered: [],
    duplicates: new Map(),
  })
  expect(new Set(receiver.requests.map(({ id }) => id)).size).toBe(KEYS.length)
})
