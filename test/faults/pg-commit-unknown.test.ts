/** Commits whose answer is lost, lines that are cut and come back: what was written is carried out, and once. */
import { expect, test } from 'vitest'
import { startFleet } from '../support/fleet.ts'
import { startReceiver } from '../support/receiver.ts'
import { DECK, hook, sceneConfig } from '../support/scene.ts'
import { freshDatabase } from '../support/services.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'
import { until } from '../support/wait.ts'

async function wired() {
  const database = await freshDatabase()
  const place = new URL(database.url)
  const wire = await startTcpProxy({ port: Number(place.port || 5432) })
  place.port = String(wire.port)
  return { database, wire, at: { url: database.url, hubUrl: place.href } }
}

const submit = (key: string) => ['POST', `/api/v2/forms/${DECK}/responses`, { data: { key } }] as const

test('a response whose commit got no answer is delivered all the same, and so is its repetition', async () => {
  const { database, wire, at } = await wired()
  await using _database = database
  await using _wire = wire
  await using receiver = await startReceiver()
  const config = sceneConfig({ installations: [hook('honest', `${receiver.url}/honest`)] })
  await using fleet = await startFleet({ config, apis: 0, workers: 0, both: 1, database: at })
  const [hub] = fleet.workers
  if (hub === undefined) throw new Error('There is no process')
  const headers = { 'idempotency-key': 'the-lost-one' }
  expect((await hub.api(...submit('first'))).status).toBe(201)
  await receiver.received(1)

  wire.swallowCommitAfter('ZZMARK')
  const lost = await hub.api(...submit('ZZMARK'), { headers })
  expect([lost.status, lost.body['code']]).toEqual([503, 'storage_busy'])
  expect(lost.body['detail']).toContain('may or may not be written')
  expect(await fleet.sql('SELECT count(*)::int AS count FROM responses')).toEqual([{ count: 2 }])
  // Nobody else submits anything: what was written has to be found without being pushed to.
  await receiver.received(2)
  const again = await hub.api<{ duplicate?: boolean }>(...submit('ZZMARK'), { headers })
  expect(again.status, again.text).toBe(200)
  await until('all of it to be ended', async () => {
    const rows = await fleet.sql<{ state: string }>('SELECT state FROM deliveries')
    return rows.length === 2 && rows.every(({ state }) => state === 'delivered')
  })
  expect(receiver.requests.map((request) => request.json()['key'])).toEqual(['first', 'ZZMARK'])
})

test('a process that could not reach its database and comes back makes no attempt twice', async () => {
  const { database, wire, at } = await wired()
  await using _database = database
  await using _wire = wire
  await using receiver = await startReceiver(() => ({ delayMs: 9_500 }))
  const config = sceneConfig({ installations: [hook('slow', `${receiver.url}/slow`, { concurrency: 4 })] })
  await using fleet = await startFleet({ config, apis: 0, workers: 0, both: 1, database: at })
  const [hub] = fleet.workers
  if (hub === undefined) throw new Error('There is no process')
  for (let n = 0; n < 4; n++) expect((await hub.api(...submit(`k${n}`))).status).toBe(201)
  await receiver.received(4)

  wire.cut()
  await until('it to stand still', () => hub.logs.some(({ msg }) => String(msg).includes('lanes stand still')), {
    timeoutMs: 20_000,
  })
  wire.heal()
  await until(
    'all four to be ended',
    async () => {
      const rows = await fleet.sql<{ state: string }>("SELECT state FROM deliveries WHERE state = 'delivered'")
      return rows.length === 4
    },
    { timeoutMs: 40_000 },
  )
  expect(receiver.requests.map(({ id }) => id).toSorted()).toEqual(
    [...new Set(receiver.requests.map(({ id }) => id))].toSorted(),
  )
  expect(receiver.requests).toHaveLength(4)
  expect(await fleet.sql('SELECT DISTINCT attempts FROM deliveries')).toEqual([{ attempts: 1 }])
})
