/** F-20: plugins that say too much, or talk to themselves for ever. What is kept is bounded, and circles end. */
import { describe, expect, test } from 'vitest'
import { LIMITS } from '../../core/limits.ts'
import { storedKeys } from '../support/pages.ts'
import { deliveriesOf, openHostileScene, play, watchHealth } from '../support/hostility.ts'
import { DECK } from '../support/scene.ts'

interface Log {
  readonly level: string
  readonly message: string
  readonly fields?: Readonly<Record<string, unknown>>
}

describe('F-20 plugins that flood', () => {
  test('F-20 a million log lines and one of ten million characters: bounded and cut, neighbours whole', async () => {
    await using scene = await openHostileScene(['log-flood'], {
      pluginSliceMs: 2_000,
      pluginCpuMs: 5_000,
      pluginActionWallMs: 10_000,
    })
    const { hub, ledger } = scene
    const before = await hub.rssBytes()
    {
      await using pulse = watchHealth(hub)
      await play(scene, ['a', 'b'])
      expect(pulse.failures).toBe(0)
    }
    expect((await hub.rssBytes()) - before).toBeLessThan(128 * 1_048_576)
    const deliveries = await deliveriesOf(hub, 'log-flood')
    expect(deliveries.map(({ name }) => name).toSorted()).toEqual(['lines', 'lines', 'long-line', 'long-line'])
    for (const { id, name, error_code: code } of deliveries) {
      const { body } = await hub.api<{ attempt_log: readonly { logs: readonly Log[] }[] }>(
        'GET',
        `/api/v2/deliveries/${id}`,
      )
      const logs = body.attempt_log.flatMap((attempt) => attempt.logs)
      // A run whose process had to be killed has told nothing; every other one its first lines.
      if (code !== 'plugin_killed') expect(logs.length, `${name} ${code}`).toBeGreaterThan(0)
      expect(logs.length, name).toBeLessThanOrEqual(LIMITS.pluginLogLinesMax + 1)
      for (const line of logs) expect(line.message.length, name).toBeLessThanOrEqual(LIMITS.pluginLogLineCharsMax + 100)
    }
    expect(ledger.account(await storedKeys(hub, DECK))).toMatchObject({
      lost: [],
      undelivered: [],
      duplicates: new Map(),
    })
  })

  test('F-20 a plugin that answers its own events: the circle ends at the hop limit, recorded, neighbours whole', async () => {
    await using scene = await openHostileScene(['emit-cycle'])
    const { hub, ledger } = scene
    await play(scene, ['a', 'b'])
    const deliveries = await deliveriesOf(hub, 'emit-cycle')
    expect(deliveries).toHaveLength(2)
    for (const delivery of deliveries) {
      expect(delivery).toMatchObject({
        kind: 'handler',
        state: 'dead',
        error_code: 'hop_limit',
        name: 'plugin.emit-cycle.again',
      })
    }
    expect(await hub.metric('manifold_events_handled_total', { installation: 'emit-cycle' })).toBeLessThanOrEqual(
      2 * (LIMITS.hopsMax + 2),
    )
    expect(ledger.account(await storedKeys(hub, DECK))).toMatchObject({
      lost: [],
      undelivered: [],
      duplicates: new Map(),
    })
  })
})
