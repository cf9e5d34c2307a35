/** WebSockets of live numbers and alerts, on real sockets: who gets in, what is told and when, and how it goes on. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { LIMITS } from '../../core/limits.ts'
import type { NewEvent } from '../../core/model.ts'
import { openDoor } from '../http/door.ts'
import type { Door } from '../http/door.ts'
import { startHub } from '../support/hub.ts'
import { until } from '../support/wait.ts'

const TIGHT = { liveConnectionsPerKeyMax: 3, liveHeartbeatMs: 200, liveMetricMs: 300 }
/** How often each subject was asked about, and what is answered. */
const asked: string[] = []
const counts = new Map<string, number>()
let door: Door
let key: string
beforeAll(async () => {
  const area = {
    area: 'numbers',
    scope: 'analytics:read' as const,
    plugin: 'numbers',
    isLive: true,
    described: [],
    isShared: false,
    installationIn: () => ({ id: 'numbers', scopesFor: () => [] }),
  }
  door = await openDoor({
    limits: TIGHT,
    deps: {
      pluginAreas: [area],
      pluginRoute: async ({ request: { path } }) => {
        asked.push(path)
        const count = counts.get(path)
        return count === undefined ? { status: 404 } : { json: { completed: count, rate: null } }
      },
    },
  })
  key = await door.key(['analytics:read'])
})
afterAll(() => door[Symbol.asyncDispose]())

interface Told {
  readonly type: string
  readonly seq: number
  readonly [name: string]: unknown
}

/** Everything said on one connection. */
async function listen(path: string, { protocols = ['manifold', `bearer.${key}`], headers = {}, base = door.url } = {}) {
  const socket = new WebSocket(base.replace('http', 'ws') + path, protocols, { headers })
  const told: Told[] = []
  // A refusal is told by the answer.
  socket.on('error', () => {})
  socket.on('message', (data) => void told.push(JSON.parse((data as Buffer).toString()) as Told))
  const closed = new Promise<number>((resolve) => socket.once('close', resolve))
  const status = await new Promise<number>((resolve) => {
    socket.once('open', () => resolve(101))
    socket.once('unexpected-response', (_request, response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
  })
  const of = (type: string) => told.filter((each) => each.type === type)
  return {
    status,
    socket,
    told,
    of,
    closed,
    reached: (type: string, count: number) => until(`${count} of ${type}`, () => of(type).length >= count),
    [Symbol.asyncDispose]: async () => {
      socket.terminate()
      await until('its place to be free', () => socket.readyState === WebSocket.CLOSED)
    },
  }
}

const event = (type: string, formId: string | null, data: object = {}): NewEvent => ({
  id: `evt_${Math.random()}`,
  type,
  at: '2026-01-01T00:00:00.000Z',
  formId,
  responseId: null,
  hops: 0,
  data: JSON.stringify(data),
})
const append = async (...events: NewEvent[]): Promise<void> => {
  const appended = await door.store.appendEvents('default', events)
  door.deps.live.feed.grown(appended.at(-1)?.seq ?? 0)
}

test('who gets in: by subprotocol or header, with the scope, from a page of the hub', async () => {
  const without = await door.key(['forms:read'])
  const cases = [
    [101, '/ws/numbers/live', {}],
    [101, '/ws/numbers/alerts', { protocols: [], headers: { authorization: `Bearer ${key}` } }],
    [101, '/ws/numbers/events/gala', { headers: { origin: door.url } }],
    [401, '/ws/numbers/live', { protocols: ['manifold'] }],
    [401, '/ws/numbers/live', { protocols: ['manifold', 'bearer.mfk_none'] }],
    [400, '/ws/numbers/live', { protocols: [`bearer.${key}`] }],
    [401, `/ws/numbers/live?key=${key}`, { protocols: ['manifold'] }],
    [403, '/ws/numbers/live', { protocols: ['manifold', `bearer.${without}`] }],
    [403, '/ws/numbers/live', { headers: { origin: 'https://elsewhere.example' } }],
    [403, '/ws/numbers/live', { headers: { origin: 'null' } }],
    [404, '/ws/others/live', {}],
    [404, '/ws/numbers/other', {}],
    [422, '/ws/numbers/live?forms=x', {}],
    [422, '/ws/numbers/live?after=999999', {}],
  ] as const
  for (const [status, path, options] of cases) {
    await using one = await listen(path, options as never)
    expect([path, one.status]).toEqual([path, status])
    if (status === 101 && options !== undefined && !('protocols' in options))
      expect(one.socket.protocol).toBe('manifold')
  }
  await until('all places to be free', () => door.deps.live.seats.size() === 0)
})

test('numbers are told as they change, a subject at most once a second, and to all alike', async () => {
  counts.set('/live/forms/a', 5)
  counts.set('/live/forms/b', 1)
  await using one = await listen('/ws/numbers/live?form=a')
  await one.reached('metric_update', 1)
  expect(one.of('metric_update')[0]).toMatchObject({ form_id: 'a', metrics: { completed: 5 } })
  await using two = await listen('/ws/numbers/live?form=a')
  await two.reached('metric_update', 1)
  const before = asked.length
  const startedMs = performance.now()
  for (let n = 1; n <= 40; n++) {
    counts.set('/live/forms/a', 5 + n)
    counts.set('/live/forms/b', n)
    await append(event('response.submitted', 'a'), event('response.submitted', 'b'))
  }
  const isLast = (each: typeof one) => each.of('metric_update').at(-1)?.['metrics']
  await until('the last', () => JSON.stringify([isLast(one), isLast(two)]) === '[{"completed":45},{"completed":45}]')
  const windows = Math.ceil((performance.now() - startedMs) / TIGHT.liveMetricMs) + 1
  expect(one.of('metric_update').length).toBeLessThanOrEqual(windows + 1)
  // However many follow it.
  expect(asked.length - before).toBeLessThanOrEqual(windows)
  expect(one.told.filter(({ form_id: id }) => id !== undefined && id !== 'a')).toEqual([])
})

test('what numbers alone do not tell is a data_refresh; so is a form that is gone', async () => {
  counts.set('/live/forms/c', 1)
  await using one = await listen('/ws/numbers/live?form=c,gone')
  await one.reached('metric_update', 1)
  expect(one.of('data_refresh')).toMatchObject([{ form_id: 'gone' }])
  await append(event('response.deleted', 'c'))
  await one.reached('data_refresh', 2)
  expect(one.of('data_refresh')[1]).toMatchObject({ form_id: 'c' })
})

test('what visitors do in a form that is watched changes its numbers', async () => {
  counts.set('/live/forms/w', 1)
  await using one = await listen('/ws/numbers/live?form=w')
  await one.reached('metric_update', 1)
  counts.set('/live/forms/w', 2)
  await append(event('track.form_abandon', 'w'))
  await one.reached('metric_update', 2)
  expect(one.of('metric_update')[1]).toMatchObject({ form_id: 'w', metrics: { completed: 2 } })
})

test("an organizer's event has numbers of its own", async () => {
  counts.set('/live/events/gala', 2)
  await using one = await listen('/ws/numbers/events/gala')
  await one.reached('metric_update', 1)
  counts.set('/live/events/gala', 3)
  await append(
    event('track.click', null, { context: { event: 'other' } }),
    event('track.click', null, { context: { event: 'gala' } }),
  )
  await one.reached('metric_update', 2)
  expect(one.of('metric_update')[1]).toMatchObject({ event_id: 'gala', metrics: { completed: 3 } })
})

test('it goes on where it was: a change that came in between is told, and nothing else', async () => {
  counts.set('/live/forms/d', 1)
  counts.set('/live/forms/e', 1)
  const first = await listen('/ws/numbers/live?form=d,e')
  await first.reached('metric_update', 2)
  await first.reached('heartbeat', 2)
  const { seq } = first.told.at(-1) as Told
  await first[Symbol.asyncDispose]()
  counts.set('/live/forms/d', 2)
  await append(event('response.submitted', 'd'))
  await using again = await listen(`/ws/numbers/live?form=d,e&after=${seq}`)
  await again.reached('heartbeat', 2)
  expect(again.of('metric_update')).toMatchObject([{ form_id: 'd', metrics: { completed: 2 } }])
})

test('alerts: each once over a break, in the words that the key may see', async () => {
  const alert = { kind: 'installation_paused', installation: 'crm', reason: 'it answered: ada@example.com is unknown' }
  const first = await listen('/ws/numbers/alerts')
  await append(event('alert.raised', null, alert), event('delivery.dead', null, { error: 'ada@example.com' }))
  await first.reached('alert_triggered', 1)
  const { seq } = first.of('alert_triggered').at(-1) as Told
  await first[Symbol.asyncDispose]()
  await append(event('alert.raised', null, { ...alert, installation: 'mail' }))
  await using again = await listen(`/ws/numbers/alerts?after=${seq}`)
  await again.reached('alert_triggered', 1)
  await again.reached('heartbeat', 2)
  expect([...first.of('alert_triggered'), ...again.of('alert_triggered')].map(({ alert: told }) => told)).toEqual([
    { kind: 'installation_paused', installation: 'crm' },
    { kind: 'installation_paused', installation: 'mail' },
  ])
  await using whole = await listen(`/ws/numbers/alerts?after=${seq - 1}`, {
    protocols: ['manifold', `bearer.${await door.key(['analytics:read', 'responses:read'])}`],
  })
  await whole.reached('alert_triggered', 3)
  expect(whole.of('alert_triggered').map(({ event: type }) => type)).toEqual([
    'alert.raised',
    'delivery.dead',
    'alert.raised',
  ])
})

test('a key that is revoked ends its connections; too many are refused', async () => {
  const mine = await door.key(['analytics:read'])
  const protocols = ['manifold', `bearer.${mine}`]
  const open = await Promise.all([1, 2, 3].map(() => listen('/ws/numbers/alerts', { protocols })))
  expect((await listen('/ws/numbers/alerts', { protocols })).status).toBe(429)
  const rows = await door.store.listKeys('default')
  for (const { id } of rows.slice(-1)) await door.keys.revoke('default', id)
  expect(await Promise.all(open.map(({ closed }) => closed))).toEqual([1008, 1008, 1008])
})

test('what is too large, or does not answer a ping, is cut off', async () => {
  await using loud = await listen('/ws/numbers/alerts')
  loud.socket.send('x'.repeat(LIMITS.liveMessageBytesMax + 1))
  expect(await loud.closed).toBe(1009)
  const deaf = connect(door.port, '127.0.0.1')
  const closed = once(deaf, 'close')
  deaf.resume()
  deaf.write(
    `GET /ws/numbers/alerts HTTP/1.1\r\nhost: hub\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nauthorization: Bearer ${key}\r\n\r\n`,
  )
  await closed
  const plain = await door.call('GET', '/healthz', { headers: { connection: 'upgrade', upgrade: 'h2c' } })
  expect(plain.status).toBe(200)
})

test('in a whole hub: a response is told in numbers that the engine counts, and a stop says goodbye', async () => {
  const field = { key: 'name', type: 'text' }
  await using hub = await startHub({
    config: {
      forms: { one: { name: 'One', fields: [field] } },
      installations: [{ id: 'analytics', use: 'analytics' }],
    },
  })
  const protocols = ['manifold', `bearer.${hub.adminKey}`]
  await using live = await listen('/ws/analytics/live?form=one', { protocols, base: hub.url })
  const submit = () => hub.api('POST', '/api/v2/forms/one/responses', { data: { name: 'Ada' } })
  await submit()
  await until('the first', () => live.of('metric_update').at(-1)?.['metrics'] !== undefined)
  await submit()
  const last = () => Object.assign({}, ...live.of('metric_update').map(({ metrics }) => metrics)) as object
  await until('the second', () => JSON.stringify(last()).includes('"completed":2'))
  expect(last()).toMatchObject({ started: 2, completed: 2, partial: 0, completion_rate: 1, today: 2 })
  const purchase = { name: 'ticket', value: 30, currency: 'EUR', user_id: 'ada', context: { event: 'gala' } }
  await using gala = await listen('/ws/analytics/events/gala', { protocols, base: hub.url })
  const sent = await hub.api('POST', '/api/v2/events/conversion', purchase)
  expect(sent.status, sent.text).toBeLessThan(300)
  await gala.reached('metric_update', 1)
  expect(gala.of('metric_update')[0]).toMatchObject({
    event_id: 'gala',
    metrics: { events: 1, visitors: 1, conversions: 1, conversion_value: 30, conversion_currency: 'EUR' },
  })
  await hub.kill('SIGTERM')
  expect(await live.closed).toBe(1001)
})
