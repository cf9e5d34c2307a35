/** Who tells that a plugin waits for approval: the process that runs it, whenever it comes to do so, and once. */
import { expect, test } from 'vitest'
import { systemClock } from '../../core/clock.ts'
import type { Logger } from '../../core/observe/observe.ts'
import { openApprovalAlerts } from '../../core/registry/approval-alerts.ts'
import type { ApprovalAlertDeps } from '../../core/registry/approval-alerts.ts'
import type { Assembly } from '../../core/registry/assemble.ts'

const quiet: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => quiet }

/** One plugin that waits, and an installation of it. */
const assemblyOf = (hash: string): Assembly =>
  ({
    pending: [{ id: 'hey', version: '2.0.0', running: '1.0.0', hash, diff: '+ http: more.example' }],
    installations: [{ key: 'default/greeter', workspace: 'default', plugin: { manifest: { id: 'hey' } } }],
  }) as unknown as Assembly

function world() {
  const held = new Set<string>()
  const raised: { readonly workspace: string; readonly data: unknown }[] = []
  const store: ApprovalAlertDeps['store'] = {
    appendEvents: async (workspace, events) => {
      for (const { data } of events) raised.push({ workspace, data: JSON.parse(data) })
      return []
    },
  }
  const fleet = { holds: (key: string) => held.has(key) }
  const alerts = openApprovalAlerts({ store, fleet, clock: systemClock, logger: quiet, published: () => {} })
  return { alerts, held, raised }
}

test('a process that is given the installation later tells then, and not again when others come and go', () => {
  const { alerts, held, raised } = world()
  alerts.moved()
  alerts.applied(assemblyOf('one'))
  expect(raised).toEqual([])
  held.add('default/greeter')
  alerts.moved()
  const data = { kind: 'plugin_needs_approval', plugin: 'hey', version: '2.0.0', running: '1.0.0' }
  expect(raised).toMatchObject([{ workspace: 'default', data }])
  alerts.moved()
  held.clear()
  alerts.moved()
  held.add('default/greeter')
  alerts.moved()
  expect(raised).toHaveLength(1)
})

test('other code that waits is another alert, told where it runs when the file is read', () => {
  const { alerts, held, raised } = world()
  held.add('default/greeter')
  alerts.applied(assemblyOf('one'))
  alerts.applied(assemblyOf('two'))
  alerts.moved()
  expect(raised).toHaveLength(2)
})
