/** Who tells that a plugin waits for approval: the process that runs it, whenever it comes to do so, and once. */
import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { HubError } from '../../core/errors.ts'
import type { NewEvent } from '../../core/model.ts'
import type { Logger } from '../../core/observe/observe.ts'
import { openAlerts } from '../../core/registry/alerts.ts'
import type { AlertDeps } from '../../core/registry/alerts.ts'
import type { Assembly } from '../../core/registry/assemble.ts'
import { createManualClock } from '../../core/testing/manual-clock.ts'

const quiet: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => quiet }

/** One plugin that waits, and an installation of it. */
const assemblyOf = (hash: string): Assembly =>
  ({
    pending: [{ id: 'hey', version: '2.0.0', running: '1.0.0', isGone: false, hash, diff: '+ http: more.example' }],
    granted: { hey: { grantedAt: '2026-03-01T12:00:00.000Z' } },
    installations: [{ key: 'default/greeter', workspace: 'default', plugin: { manifest: { id: 'hey' } } }],
  }) as unknown as Assembly

const NOTHING = { pending: [], installations: [], granted: {} } as unknown as Assembly
const MINUTE_MS = 60_000

function world() {
  const clock = createManualClock(Date.parse('2026-03-02T12:00:00.000Z'))
  const state = { isDown: false, hooks: 0 }
  const held = new Set<string>()
  const raised: { readonly workspace: string; readonly data: unknown }[] = []
  const told = new Map<string, NewEvent>()
  const store = {
    getEvent: async (_: string, id: string) => told.get(id),
    countHooks: async () => state.hooks,
    appendEvents: async (workspace: string, events: readonly NewEvent[]) => {
      if (state.isDown) throw new HubError('storage_busy', 'later')
      for (const event of events) {
        told.set(event.id, event)
        raised.push({ workspace, data: JSON.parse(event.data) })
      }
      return []
    },
  } as unknown as AlertDeps['store']
  const fleet = { holds: (key: string) => held.has(key) }
  const start = () => openAlerts({ store, fleet, clock, logger: quiet, published: () => {} })
  return { alerts: start(), start, held, raised, clock, state }
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

test('hooks that nobody sends to any more are told of as the installation goes, once over all starts, and again when it goes again', async () => {
  const { alerts, start, raised, clock, state } = world()
  const plugin = { manifest: { id: 'zapier', permissions: { hooks: true } } }
  const carried = { ...NOTHING, installations: [{ key: 'default/zapier', workspace: 'default', plugin }] } as never
  alerts.applied(carried)
  alerts.applied(NOTHING)
  await setImmediate()
  expect(raised).toEqual([])
  state.hooks = 2
  alerts.applied(carried)
  for (let time = 0; time < 2; time++) alerts.applied(NOTHING)
  await setImmediate()
  expect(raised).toMatchObject([
    {
      data: {
        kind: 'hooks_unattended',
        hooks: 2,
        reason: expect.stringMatching(/any more: nothing is sent to 2 hooks$/),
      },
    },
  ])
  start().applied(NOTHING)
  await setImmediate()
  expect(raised).toHaveLength(1)
  clock.moveTo(clock.nowMs() + 10 * MINUTE_MS)
  alerts.applied(carried)
  alerts.applied(NOTHING)
  await setImmediate()
  expect(raised).toHaveLength(2)
})

test('what could not be written is tried again for as long as it is so', async () => {
  const { alerts, held, raised, clock, state } = world()
  held.add('default/greeter')
  state.isDown = true
  alerts.refused([])
  alerts.applied(assemblyOf('one'))
  alerts.refused([])
  await setImmediate()
  expect(raised).toEqual([])
  state.isDown = false
  clock.moveTo(clock.nowMs() + MINUTE_MS)
  await setImmediate()
  const kinds = () => raised.map(({ data }) => (data as { kind: string }).kind).toSorted()
  // That it was mended is over, and of what came before that nobody has to hear any more.
  expect(kinds()).toEqual(['config_refused', 'plugin_needs_approval'])
  state.isDown = true
  alerts.applied(NOTHING)
  alerts.close()
  await setImmediate()
  state.isDown = false
  clock.moveTo(clock.nowMs() + MINUTE_MS)
  await setImmediate()
  expect(kinds()).toHaveLength(2)
})

test('what comes to wait again is told again, by one of all processes; a file that goes to and fro is not', async () => {
  const { alerts, start, held, raised, clock } = world()
  held.add('default/greeter')
  const other = start()
  const both = async (assembly: Assembly): Promise<number> => {
    for (const each of [alerts, other]) {
      each.applied(assembly)
      await setImmediate()
    }
    return raised.length
  }
  expect(await both(assemblyOf('one'))).toBe(1)
  expect(await both(NOTHING)).toBe(1)
  expect(await both(assemblyOf('one'))).toBe(1)
  await both(NOTHING)
  clock.moveTo(clock.nowMs() + 5 * MINUTE_MS)
  expect(await both(assemblyOf('one'))).toBe(2)
  // A start does not know since when.
  start().applied(assemblyOf('one'))
  await setImmediate()
  expect(raised).toHaveLength(2)
})

test('what stays without a worker is told of after a minute and then once a day, by one process of all', async () => {
  const { alerts, start, raised, clock } = world()
  alerts.applied({ ...assemblyOf('one'), pending: [] })
  const other = start()
  const look = async (keys: readonly string[], waitMs: number): Promise<number> => {
    clock.moveTo(clock.nowMs() + waitMs)
    for (const each of [alerts, other]) {
      each.unattended(keys)
      await setImmediate()
    }
    return raised.length
  }
  const key = 'default/greeter'
  // A change of hands.
  expect([await look([key], 0), await look([key], MINUTE_MS - 1), await look([], 1)]).toEqual([0, 0, 0])
  expect([await look([key], 0), await look([key], MINUTE_MS - 1), await look([key], 1)]).toEqual([0, 0, 1])
  expect(raised).toMatchObject([
    { workspace: 'default', data: { kind: 'no_worker', installation: 'greeter', plugin: 'hey' } },
  ])
  expect([await look([key], MINUTE_MS), await look([key], 24 * 60 * MINUTE_MS)]).toEqual([1, 2])
})
