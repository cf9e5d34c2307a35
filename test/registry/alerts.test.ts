/** Who tells that a plugin waits for approval: the process that runs it, whenever it comes to do so, and once. */
import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { systemClock } from '../../core/clock.ts'
import type { NewEvent } from '../../core/model.ts'
import type { Logger } from '../../core/observe/observe.ts'
import { openAlerts } from '../../core/registry/alerts.ts'
import type { AlertDeps } from '../../core/registry/alerts.ts'
import type { Assembly } from '../../core/registry/assemble.ts'

const quiet: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => quiet }

/** One plugin that waits, and an installation of it. */
const assemblyOf = (hash: string): Assembly =>
  ({
    pending: [{ id: 'hey', version: '2.0.0', running: '1.0.0', isGone: false, hash, diff: '+ http: more.example' }],
    granted: { hey: { grantedAt: '2026-03-01T12:00:00.000Z' } },
    installations: [{ key: 'default/greeter', workspace: 'default', plugin: { manifest: { id: 'hey' } } }],
  }) as unknown as Assembly

function world() {
  const held = new Set<string>()
  const raised: { readonly workspace: string; readonly data: unknown }[] = []
  const ids = new Set<string>()
  const store = {
    getEvent: async (_: string, id: string) => (ids.has(id) ? {} : undefined),
    appendEvents: async (workspace: string, events: readonly NewEvent[]) => {
      for (const { id, data } of events) {
        ids.add(id)
        raised.push({ workspace, data: JSON.parse(data) })
      }
      return []
    },
  } as unknown as AlertDeps['store']
  const fleet = { holds: (key: string) => held.has(key) }
  const start = () => openAlerts({ store, fleet, clock: systemClock, logger: quiet, published: () => {} })
  return { alerts: start(), start, held, raised }
}

test('a process that is given the installation later tells then, and not again when others come and go', async () => {
  const { alerts, held, raised } = world()
  alerts.moved()
  alerts.applied(assemblyOf('one'))
  expect(raised).toEqual([])
  held.add('default/greeter')
  alerts.moved()
  await setImmediate()
  const data = {
    kind: 'plugin_needs_approval',
    plugin: 'hey',
    version: '2.0.0',
    running: '1.0.0',
    reason: 'hey 2.0.0 on disk is not what was granted (+ http: more.example); 1.0.0 as it was granted runs on',
    todo: 'read it, then: manifold plugin approve hey',
  }
  expect(raised).toMatchObject([{ workspace: 'default', data }])
  alerts.moved()
  held.clear()
  alerts.moved()
  held.add('default/greeter')
  alerts.moved()
  await setImmediate()
  expect(raised).toHaveLength(1)
})

test('other code that waits is another alert, told where it runs when the file is read, and once over all starts', async () => {
  const { alerts, start, held, raised } = world()
  held.add('default/greeter')
  alerts.applied(assemblyOf('one'))
  alerts.applied(assemblyOf('two'))
  alerts.moved()
  await setImmediate()
  expect(raised).toHaveLength(2)
  start().applied(assemblyOf('two'))
  await setImmediate()
  expect(raised).toHaveLength(2)
})

test('a file that is not taken over is told once, by its place alone, and again when one runs', async () => {
  const { alerts, raised } = world()
  const place = { file: '/etc/manifold.yaml', line: 3, column: 5 }
  for (let time = 0; time < 2; time++) alerts.refused([{ place, path: 'x', message: 'is "sesame"', hint: null }])
  await setImmediate()
  expect(raised).toEqual([
    {
      workspace: 'default',
      data: {
        kind: 'config_refused',
        reason: expect.stringMatching(/not taken over \(problems: 1, the first at .*manifold\.yaml:3:5\)/) as string,
        todo: expect.stringContaining('manifold config check') as string,
      },
    },
  ])
  for (let time = 0; time < 2; time++) alerts.applied({ pending: [], installations: [], granted: {} } as never)
  await setImmediate()
  expect(raised.slice(1)).toMatchObject([
    { data: { kind: 'config_mended', reason: expect.stringContaining('runs again') } },
  ])
})
