/** Seventh stop: sending again what failed: by filter, since a time, or by itself when the receiver is back. */
import { expect, test } from 'vitest'
import { deliveriesOf } from '../support/hostility.ts'
import { settled, startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { startReceiver } from '../support/receiver.ts'
import { DECK, hook, sceneConfig } from '../support/scene.ts'
import { sleep, until } from '../support/wait.ts'

const submit = async (hub: Hub, key: string) => {
  const answer = await hub.api('POST', `/api/v2/forms/${DECK}/responses`, { data: { key } })
  expect(answer.status, answer.text).toBe(201)
}

interface Replay {
  readonly dry_run: boolean
  readonly matched: number
  readonly replayed: number
}

test('replay by installation and since a time; a dry run counts and sends nothing', async () => {
  await using receiver = await startReceiver({ status: 500 })
  const once = { retry: { schedule: [] } }
  const installations = [hook('left', `${receiver.url}/left`, once), hook('right', `${receiver.url}/right`, once)]
  await using hub = await startHub({ config: sceneConfig({ installations, limits: { breakerFailuresMax: 1_000 } }) })
  for (const key of ['a', 'b']) await submit(hub, key)
  await settled(hub)
  await sleep(20)
  const since = new Date().toISOString()
  await sleep(20)
  for (const key of ['c', 'd', 'e']) await submit(hub, key)
  await settled(hub)
  const failed = new Map((await deliveriesOf(hub, 'left')).map(({ id, attempts }) => [id, attempts]))
  receiver.respond({ status: 200 })
  receiver.forget()

  const replay = (body: object) => hub.api<Replay>('POST', '/api/v2/replay', body)
  expect((await replay({ since, dry_run: true })).body).toMatchObject({ dry_run: true, matched: 6, replayed: 0 })
  expect((await replay({ since: '2020-01-01', dry_run: true })).body.matched).toBe(10)
  expect((await replay({ since, installation: 'left', dry_run: true })).body.matched).toBe(3)
  expect(receiver.requests).toHaveLength(0)

  const real = await replay({ since, installation: 'left' })
  expect(real.status).toBe(202)
  expect(real.body).toEqual({ dry_run: false, matched: 3, replayed: 3, next_cursor: null })
  await settled(hub)
  expect(receiver.requests.map((request) => `${request.path} ${String(request.json()['key'])}`).toSorted()).toEqual([
    '/left c',
    '/left d',
    '/left e',
  ])
  expect(receiver.requests.every(({ id }) => failed.get(id) === 1)).toBe(true)

  // What was delivered is sent again only when asked for by name.
  expect((await replay({ since, installation: 'left', dry_run: true })).body.matched).toBe(0)
  expect((await replay({ since, installation: 'left', states: ['delivered'], dry_run: true })).body.matched).toBe(3)
  expect((await hub.api('POST', '/api/v2/replay', { since: 'yesterday' })).status).toBe(400)
})

test('the breaker opens on a dead receiver, alarms, and replays by itself when the receiver is back', async () => {
  await using down = await startReceiver({ status: 500 })
  await using healthy = await startReceiver()
  const installations = [
    hook('down', down.url, { retry: { schedule: ['10ms'] }, concurrency: 2 }),
    hook('healthy', healthy.url),
  ]
  const limits = { breakerFailuresMax: 3, breakerProbeMs: 200, breakerProbeMsMax: 400 }
  await using hub = await startHub({ config: sceneConfig({ installations, limits }) })
  for (let n = 0; n < 12; n += 1) await submit(hub, `k${n}`)
  await healthy.received(12)
  const opened = await until(
    'the breaker to open',
    () => hub.api<{ breakers: readonly object[] }>('GET', '/api/v2/installations/down'),
    {
      accept: ({ body }) => body.breakers.length > 0,
    },
  )
  expect(opened.body.breakers[0]).toMatchObject({ host: new URL(down.url).host })
  // The alert is written a moment after the breaker has opened.
  const alarms = await until(
    'the alarm',
    () => hub.api<{ items: readonly { data: object }[] }>('GET', '/api/v2/events?type=alert.raised'),
    { accept: ({ body }) => body.items.length > 0 },
  )
  expect(alarms.body.items[0]?.data).toMatchObject({ kind: 'breaker_open', installation: 'down' })
  // Held back deliveries cost no attempts: far fewer requests than two for each event came.
  await sleep(500)
  expect(down.requests.length).toBeLessThan(20)

  down.respond({ status: 200 })
  await settled(hub)
  const delivered = await deliveriesOf(hub, 'down')
  expect(delivered).toHaveLength(12)
  expect(new Set(delivered.map(({ state }) => state))).toEqual(new Set(['delivered']))
  expect((await hub.api<{ breakers: readonly object[] }>('GET', '/api/v2/installations/down')).body.breakers).toEqual(
    [],
  )
  const kinds = (
    await hub.api<{ items: readonly { data: { kind: string } }[] }>('GET', '/api/v2/events?type=alert.raised')
  ).body.items.map(({ data }) => data.kind)
  expect(kinds).toContain('breaker_closed')
  expect(healthy.requests).toHaveLength(12)
})

test('backfill: an installation reads the log again from a time', async () => {
  await using receiver = await startReceiver()
  await using hub = await startHub({ config: sceneConfig({ installations: [hook('again', receiver.url)] }) })
  for (const key of ['a', 'b']) await submit(hub, key)
  await settled(hub)
  receiver.forget()
  const answer = await hub.api<{ cursor: number; events: number }>('POST', '/api/v2/installations/again/backfill', {
    from: 'beginning',
  })
  expect(answer.status, answer.text).toBe(202)
  expect(answer.body.events).toBeGreaterThanOrEqual(2)
  await settled(hub)
  // The same event in the same installation has the same key: what was delivered is not enqueued twice.
  expect(receiver.requests).toHaveLength(0)
  await submit(hub, 'c')
  await receiver.received(1)
})

test('backfill: a time later than where an installation stands skips nothing that waits', async () => {
  await using receiver = await startReceiver()
  await using hub = await startHub({ config: sceneConfig({ installations: [hook('again', receiver.url)] }) })
  await hub.api('POST', '/api/v2/installations/again/pause')
  for (const key of ['a', 'b']) await submit(hub, key)
  const later = new Date(Date.now() + 60_000).toISOString()
  const answer = await hub.api<{ events: number }>('POST', '/api/v2/installations/again/backfill', { from: later })
  expect(answer.status, answer.text).toBe(202)
  expect(answer.body.events).toBeGreaterThanOrEqual(2)
  await hub.api('POST', '/api/v2/installations/again/resume')
  await receiver.received(2)
})
