/** Salesforce's calls of a day are used up under a real hub: it stands still with one alert, loses nothing, and goes on. */
import { expect, test } from 'vitest'
import { startFake, type Fake } from '../../integrations/salesforce/fake/server.ts'
import { deliveriesOf } from '../support/hostility.ts'
import { settled, startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { allItems } from '../support/pages.ts'
import { until } from '../support/wait.ts'

const FORM = 'contact'
/** Of the org: the third collection is one too many. */
const CALLS_MAX = 2
const BATCH = 10
const RESPONSES = 50

const configOf = (fake: Fake) => ({
  forms: { [FORM]: { name: 'Contact', fields: [{ key: 'name', type: 'text' }] } },
  network: { allow: ['127.0.0.1/32'] },
  installations: [
    {
      id: 'crm',
      use: 'salesforce',
      // One after the other, so that it is known which call is the first too many.
      concurrency: 1,
      retry: { schedule: ['10ms'] },
      with: {
        instanceUrl: fake.url,
        auth: { flow: 'client_credentials', clientId: fake.app.clientId, clientSecret: fake.app.clientSecret },
        batchSize: BATCH,
        fields: { LastName: '{{data.name}}', Company: 'Acme' },
      },
    },
  ],
})
const crmOf = async (hub: Hub) => (await hub.api('GET', '/api/v2/installations/crm')).body
const alertsOf = async (hub: Hub) =>
  (await allItems<{ data: { installation?: string } }>(hub, '/api/v2/events?type=alert.raised'))
    .map(({ data }) => data)
    .filter(({ installation }) => installation === 'crm')
const collections = (fake: Fake): number => fake.requests.filter(({ path }) => path.includes('/composite/')).length

test('the calls of a day are used up: one alert, no call more, nothing dead; all of it goes out once there is room', async () => {
  await using fake = await startFake({ callsMax: CALLS_MAX })
  await using hub = await startHub({ config: configOf(fake) })
  const checked = await until('the check of the settings', () => crmOf(hub), { accept: ({ check }) => check !== null })
  expect(checked['state']).toBe('ready')
  fake.callsUsed = 0
  const rows = Array.from({ length: RESPONSES }, (_, n) => ({ data: { name: `Name ${n}` } }))
  expect((await hub.api('POST', `/api/v2/forms/${FORM}/responses/batch`, rows)).status).toBe(200)

  const stopped = await until('it to stand still', () => crmOf(hub), { accept: ({ state }) => state === 'disabled' })
  expect(stopped['reason']).toMatch(/TotalRequests Limit exceeded.*24 hours.*resume/)
  await hub.restart()
  expect(await crmOf(hub)).toMatchObject({ state: 'disabled' })
  const states = (await deliveriesOf(hub, 'crm')).map(({ state }) => state)
  expect(states.filter((state) => state === 'delivered').length).toBe(CALLS_MAX * BATCH)
  expect(states.filter((state) => state !== 'delivered' && state !== 'pending')).toEqual([])
  expect(await alertsOf(hub)).toMatchObject([{ kind: 'installation_disabled', code: 'credential_refused' }])
  expect(collections(fake)).toBe(CALLS_MAX + 1)

  fake.callsUsed = -1_000
  expect((await hub.api('POST', '/api/v2/installations/crm/resume')).status).toBe(200)
  await settled(hub)
  expect(fake.org.records('Lead').length).toBe(RESPONSES)
  expect((await deliveriesOf(hub, 'crm')).every(({ state }) => state === 'delivered')).toBe(true)
  expect(await alertsOf(hub)).toHaveLength(1)
})
