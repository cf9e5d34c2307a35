/** Processes that do not all have the same file or the same secrets: one that lacks something takes nothing from the others. */
import { expect, test } from 'vitest'
import { startFleet } from '../support/fleet.ts'
import type { Hub } from '../support/hub.ts'
import { startReceiver } from '../support/receiver.ts'
import { until } from '../support/wait.ts'

const FORM = { name: 'Guests', fields: [{ key: 'name', type: 'text' }] }
const NETWORK = { allow: ['127.0.0.1/32'] }
const greet = (hub: Hub, name: string, form = 'guests') =>
  hub.api('POST', `/api/v2/forms/${form}/responses`, { data: { name } }, { key: null })
const details = async (hub: Hub): Promise<string> => {
  const ready = await hub.api<{ checks: readonly { detail: string | null }[] }>('GET', '/readyz')
  return ready.body.checks.map(({ detail }) => detail ?? '').join('\n')
}

test('a process without a secret cannot run an installation, and the others go on running it', async () => {
  await using receiver = await startReceiver()
  const installations = [
    { id: 'crm', use: 'webhooks', with: { url: receiver.url, secret: '${CRM_SECRET:?is not set}' } },
  ]
  const config = { forms: { guests: FORM }, network: NETWORK, installations }
  await using fleet = await startFleet({ config, apis: 1, workers: 1, env: { CRM_SECRET: 'a secret of the fleet' } })
  const [api] = fleet.apis as readonly [Hub]
  const poor = await fleet.add('worker', { env: { CRM_SECRET: '' } })
  expect(await details(poor)).toContain('crm invalid')
  expect((await greet(api, 'Ada')).status).toBe(201)
  await receiver.received(1)
  const state = async (hub: Hub) => {
    const list = await hub.api<{ items: readonly { id: string; state: string }[] }>('GET', '/api/v2/installations')
    return list.body.items.find(({ id }) => id === 'crm')?.state
  }
  expect([await state(api), await state(poor)]).toEqual(['ready', 'invalid'])
  await fleet.kill(poor)
  expect((await greet(api, 'Bob')).status).toBe(201)
  await receiver.received(2)
})

test('a process with an older file closes no form of the newer one, and says so', async () => {
  const file = (...forms: readonly string[]) => ({
    forms: Object.fromEntries(forms.map((id) => [id, FORM])),
    network: NETWORK,
  })
  await using fleet = await startFleet({ config: file('guests'), apis: 1, workers: 0 })
  const [api] = fleet.apis as readonly [Hub]
  await api.writeConfig(file('guests', 'quiz'))
  await until('the new form', async () => (await greet(api, 'Ada', 'quiz')).status === 201)

  const old = await fleet.add('api')
  expect(await details(old)).toContain('older than what other processes run')
  expect((await greet(api, 'Bob', 'quiz')).status).toBe(201)
  expect(await details(api)).not.toContain('older')
  const list = await api.api<{ items: readonly { config: string }[] }>('GET', '/api/v2/processes')
  expect(new Set(list.body.items.map(({ config }) => config)).size).toBe(2)

  // Whoever runs the newest may put an older one back.
  await api.writeConfig(file('guests'))
  await until('the form to be closed', async () => (await greet(api, 'Cleo', 'quiz')).status === 401)
})

test('rows of one spreadsheet go to the process that could write them all, although another one writes some', async () => {
  const rows = (tab: string) => ({
    id: `rows-${tab.length}`,
    use: 'google-sheets',
    with: {
      credentials: { client_email: 'bot@example.com', private_key: 'none' },
      spreadsheet: '1theSpreadsheetOfBoth',
      tab,
    },
  })
  const config = { forms: { guests: FORM }, network: NETWORK, installations: [rows('One'), rows('${TAB:?is not set}')] }
  await using fleet = await startFleet({ config, apis: 0, workers: 1, env: { TAB: '' } })
  const key = (at: number): string => `default/${config.installations[at]?.id}`
  await until('one to run', async () => [...(await fleet.owners()).keys()].join() === key(0))
  const before = (await fleet.owners()).get(key(0))
  await fleet.add('worker', { env: { TAB: 'Two' } })
  const owners = await until('both to run', () => fleet.owners(), { accept: ({ size }) => size === 2 })
  expect(owners.get(key(0))).toBe(owners.get(key(1)))
  expect(owners.get(key(0))).not.toBe(before)
})
