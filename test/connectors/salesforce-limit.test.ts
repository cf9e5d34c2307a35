/** Salesforce's calls of a day are used up under a real hub: it makes no more for an hour, loses nothing, and nobody has to resume it. */
import { expect, test } from 'vitest'
import { startFake, type Fake } from '../../integrations/salesforce/fake/server.ts'
import { deliveriesOf } from '../support/hostility.ts'
import { startHub } from '../support/hub.ts'
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
interface Waiting {
  readonly due_at: string
  readonly error: string
}

const crmOf = async (hub: Hub) => (await hub.api('GET', '/api/v2/installations/crm')).body
const alertsOf = async (hub: Hub) =>
  (await allItems<{ data: { installation?: string } }>(hub, '/api/v2/events?type=alert.raised'))
    .map(({ data }) => data)
    .filter(({ installation }) => installation === 'crm')
const collections = (fake: Fake): number => fake.requests.filter(({ path }) => path.includes('/composite/')).length

test('the calls of a day are used up: nothing stops, no call more, one alert, nothing dead; what is left waits an hour, also over a restart', async () => {
  await using fake = await startFake({ callsMax: CALLS_MAX })
  await using hub = await startHub({ config: configOf(fake) })
  const checked = await until('the check of the settings', () => crmOf(hub), { accept: ({ check }) => check !== null })
  expect(checked['state']).toBe('ready')
  fake.callsUsed = 0
  const rows = Array.from({ length: RESPONSES }, (_, n) => ({ data: { name: `Name ${n}` } }))
  expect((await hub.api('POST', `/api/v2/forms/${FORM}/responses/batch`, rows)).status).toBe(200)

  const sent = await until('the limit to be met', () => deliveriesOf(hub, 'crm'), {
    accept: (all) => all.length === RESPONSES && all.every(({ state }) => state !== 'pending'),
  })
  const inFortyMinutes = new Date(Date.now() + 2_400_000).toISOString()
  await hub.restart()
  expect(await crmOf(hub)).toMatchObject({ state: 'ready' })
  const states = (await deliveriesOf(hub, 'crm')).map(({ state }) => state)
  expect(states.toSorted()).toEqual(sent.map(({ state }) => state).toSorted())
  expect(states.filter((state) => state === 'delivered').length).toBe(CALLS_MAX * BATCH)
  expect(states.filter((state) => state === 'retrying').length).toBe(RESPONSES - CALLS_MAX * BATCH)
  const waiting = await allItems<Waiting>(hub, '/api/v2/deliveries?installation=crm&state=retrying')
  for (const { due_at: dueAt, error } of waiting) {
    expect(dueAt > inFortyMinutes).toBe(true)
    expect(error).toMatch(/TotalRequests Limit exceeded.*3 of the 2 API calls .*24 hours/)
  }
  // Once, and not again by the process that came after.
  expect(await alertsOf(hub)).toMatchObject([{ kind: 'receiver_waits', code: 'REQUEST_LIMIT_EXCEEDED' }])
  expect(collections(fake)).toBe(CALLS_MAX + 1)
})
