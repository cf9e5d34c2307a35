/** F-21: one event that always kills one plugin. It is buried after its attempts; everything behind and beside it passes. */
import { expect, test } from 'vitest'
import { storedKeys } from '../support/pages.ts'
import { SHORT_LIMITS, deliveriesOf, play } from '../support/hostility.ts'
import { DECK, FAULT_PLUGINS, openScene } from '../support/scene.ts'

test('F-21 poison event: dead after its attempts, the events behind it are handled once, the neighbour had it once', async () => {
  await using scene = await openScene({
    pluginDirs: [FAULT_PLUGINS],
    beside: [{ id: 'poison', use: 'poison', retry: { schedule: ['50ms', '50ms'] } }],
    limits: SHORT_LIMITS,
  })
  const { hub, receiver, ledger } = scene
  await play(scene, ['a', 'poison', 'b', 'c', 'd'])
  const deliveries = await deliveriesOf(hub, 'poison')
  expect(deliveries).toHaveLength(1)
  expect(deliveries[0]).toMatchObject({ kind: 'handler', state: 'dead', reason: 'internal_error', attempts: 3 })
  expect(['plugin_cpu', 'plugin_killed']).toContain(deliveries[0]?.error_code)
  const dead = await hub.api<{ items: readonly { id: string }[] }>('GET', '/api/v2/dead-letters?installation=poison')
  expect(dead.body.items.map(({ id }) => id)).toEqual([deliveries[0]?.id])
  expect(await hub.metric('manifold_installation_lag_events', { installation: 'poison' })).toBe(0)
  expect(ledger.account(await storedKeys(hub, DECK))).toMatchObject({
    received: 5,
    lost: [],
    undelivered: [],
    duplicates: new Map(),
  })
  expect(receiver.requests.filter((request) => request.json<{ key: string }>().key === 'poison')).toHaveLength(1)
})
