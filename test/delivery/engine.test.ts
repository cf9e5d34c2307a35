/** Deliveries from enqueue to their end: outcomes, retries, memory, crash, drain, deletion, replay. */
import { expect, test } from 'vitest'
import { replayDeliveries } from '../../core/delivery/replay.ts'
import { systemClock } from '../../core/clock.ts'
import { HubError } from '../../core/errors.ts'
import type { Delivery } from '../../core/model.ts'
import { tempDir } from '../support/temp.ts'
import { startReceiver } from '../support/receiver.ts'
import { until } from '../support/wait.ts'
import { openWorld, sender } from './world.ts'
import type { DoublePlugin, World } from './world.ts'

const answers = (count: number): object[] => Array.from({ length: count }, (_, n) => ({ n }))

test('many submissions arrive once each, with their attempts recorded', async () => {
  await using receiver = await startReceiver()
  await using world = await openWorld({ installations: [{ id: 'crm', code: sender(receiver.url) }] })
  for (let round = 0; round < 10; round++) await world.submit(...answers(30))
  await receiver.received(300)
  await world.settled()
  const ids = receiver.requests.map((request) => request.json<{ id: string }>().id)
  expect(new Set(ids).size).toBe(300)
  const deliveries = await world.deliveries()
  expect(deliveries).toHaveLength(300)
  expect(
    deliveries.every(
      ({ state, attempts, host }) => state === 'delivered' && attempts === 1 && host === `127.0.0.1:${receiver.port}`,
    ),
  ).toBe(true)
  const [attempt] = await world.store.listAttempts('default', deliveries[0]?.id ?? '')
  expect(attempt).toMatchObject({ n: 1, outcome: 'delivered', exchanges: [{ status: 200, method: 'POST' }] })
  expect(world.counts.get('end to end crm')).toBe(300)
})

test('failures are retried by the schedule under the same id, then dead with the last error and an event', async () => {
  await using receiver = await startReceiver({ status: 503 })
  await using world = await openWorld({
    installations: [{ id: 'crm', code: sender(receiver.url), retry: { delaysMs: [5, 5] } }],
    limits: { breakerFailuresMax: 100 },
  })
  await world.submit({ a: 1 })
  await world.settled()
  expect(receiver.requests.map((request) => request.json<{ id: string }>().id)).toHaveLength(3)
  expect(new Set(receiver.requests.map((request) => request.json<{ id: string }>().id)).size).toBe(1)
  const [delivery] = await world.deliveries()
  expect(delivery).toMatchObject({
    state: 'dead',
    attempts: 3,
    reason: 'receiver_failed',
    errorCode: 'http_503',
    error: 'answered 503',
  })
  await until('the event', () => world.events.find(({ type }) => type === 'delivery.dead'))
})

test('a receiver that comes back gets it; 4xx to the end is a permanent reject; 410 disables the installation', async () => {
  await using receiver = await startReceiver([{ status: 500 }, { reset: true }, { status: 200 }])
  await using world = await openWorld({ installations: [{ id: 'crm', code: sender(receiver.url) }] })
  await world.submit({ a: 1 })
  await world.settled()
  expect((await world.deliveries())[0]).toMatchObject({ state: 'delivered', attempts: 3, errorCode: null })
  const attempts = await world.store.listAttempts('default', (await world.deliveries())[0]?.id ?? '')
  expect(attempts.map(({ outcome, errorCode }) => [outcome, errorCode])).toEqual([
    ['retry', 'http_500'],
    ['retry', 'http_reset'],
    ['delivered', null],
  ])
  receiver.respond({ status: 404 })
  await world.submit({ a: 2 })
  await world.settled()
  expect((await world.deliveries({ state: 'dead' }))[0]).toMatchObject({
    reason: 'permanent_reject',
    errorCode: 'http_404',
  })
  receiver.respond({ status: 410 })
  await world.submit({ a: 3 })
  await until('the disabling', () => world.disabled.length > 0)
  expect(world.disabled[0]).toMatchObject({ key: 'default/crm' })
  receiver.respond({ status: 200 })
  receiver.forget()
  await world.submit({ a: 4 })
  expect(receiver.requests).toHaveLength(0)
})

test('Retry-After is waited for, though the schedule is shorter', async () => {
  await using receiver = await startReceiver([{ status: 429, headers: { 'retry-after': '3' } }, { status: 200 }])
  await using world = await openWorld({ installations: [{ id: 'crm', code: sender(receiver.url) }] })
  const beforeMs = Date.now()
  await world.submit({ a: 1 })
  const [delivery] = await until('the retry', () => world.deliveries({ state: 'retrying' }), {
    accept: (list) => list.length === 1,
  })
  expect((delivery?.dueAtMs ?? 0) - beforeMs).toBeGreaterThanOrEqual(3_000)
})

test('a refused address is for the admin to mend: it waits, and is told', async () => {
  await using world = await openWorld({
    installations: [
      {
        id: 'crm',
        code: sender('http://10.0.0.1/x'),
        manifest: { permissions: { http: { hosts: ['10.0.0.1'] } } },
        http: { hosts: ['10.0.0.1'], methods: ['POST'] },
      },
    ],
  })
  await world.submit({ a: 1 })
  const [refusal] = await until('the refusal', () => world.refusals, { accept: (list) => list.length > 0 })
  expect(refusal).toMatchObject({ key: 'default/crm', message: expect.stringContaining('network.allow') })
  const [delivery] = await until('the attempt to be written', () => world.deliveries(), {
    accept: ([first]) => first?.attempts === 1,
  })
  expect(delivery).toMatchObject({ state: 'pending', scheduleStep: 0, errorCode: 'http_refused_address' })
})

test('more than memory holds: the rest waits in storage and follows', async () => {
  await using receiver = await startReceiver()
  await using world = await openWorld({
    installations: [{ id: 'crm', code: sender(receiver.url) }],
    limits: { laneMemoryDeliveriesMax: 10 },
  })
  await world.submit(...answers(200))
  await world.settled()
  expect(new Set(receiver.requests.map((request) => request.json<{ id: string }>().id)).size).toBe(200)
  expect(receiver.requests).toHaveLength(200)
})

test('what was in flight when the process ended is attempted again under the same id; nothing is lost', async () => {
  await using dir = await tempDir('crash')
  await using receiver = await startReceiver({ hang: true })
  const options = { dir: dir.path, installations: [{ id: 'crm', code: sender(receiver.url), concurrency: 4 }] }
  {
    const world = await openWorld(options)
    await world.submit(...answers(12))
    await receiver.received(4)
    // No grace: the attempts under way are let go.
    expect(await world.stop(0)).toEqual({ released: 4 })
  }
  const inFlight = receiver.requests.map((request) => request.json<{ id: string }>().id)
  receiver.forget()
  receiver.respond({ status: 200 })
  {
    await using world = await openWorld(options)
    await world.settled()
    expect((await world.deliveries({ state: 'delivered' })).length).toBe(12)
    expect((await world.deliveries()).every(({ attempts }) => attempts === 1)).toBe(true)
  }
  const ids = receiver.requests.map((request) => request.json<{ id: string }>().id)
  expect(new Set(ids).size).toBe(12)
  expect(ids).toEqual(expect.arrayContaining(inFlight))
})

test('stop lets what runs finish within its grace', async () => {
  await using dir = await tempDir('drain')
  await using receiver = await startReceiver({ delayMs: 150 })
  const options = { dir: dir.path, installations: [{ id: 'crm', code: sender(receiver.url), concurrency: 2 }] }
  const world = await openWorld(options)
  await world.submit(...answers(6))
  await receiver.received(1)
  expect(await world.stop(5_000)).toEqual({ released: 0 })
  const begun = receiver.requests.length
  await using again = await openWorld({
    ...options,
    installations: [{ id: 'crm', code: sender(receiver.url), state: 'paused' }],
  })
  expect((await again.deliveries({ state: 'delivered' })).length).toBe(begun)
  expect((await again.deliveries({ state: 'pending' })).length).toBe(6 - begun)
})

test('an interrupted run costs nothing and is repeated', async () => {
  await using receiver = await startReceiver()
  await using world = await openWorld({ installations: [{ id: 'crm', code: sender(receiver.url) }] })
  let interruptions = 0
  world.sandbox.interfere = (_key, run) =>
    run.input.kind === 'action' && interruptions++ < 3
      ? new HubError('plugin_interrupted', 'a neighbour broke the process')
      : null
  await world.submit({ a: 1 })
  await world.settled()
  expect((await world.deliveries())[0]).toMatchObject({ state: 'delivered', attempts: 1 })
})

test('a deleted response is not delivered from memory', async () => {
  await using receiver = await startReceiver()
  const spec = { id: 'crm', code: sender(receiver.url), concurrency: 1, ratePerSecond: 1 }
  await using world = await openWorld({ installations: [spec] })
  const events = await world.submit({ n: 0 }, { n: 1 })
  await receiver.received(1)
  const gone = events[1]
  const deletion = {
    id: 'evt_gone',
    type: 'response.deleted',
    at: new Date().toISOString(),
    formId: 'contact',
    responseId: gone?.responseId ?? null,
    hops: 0,
    data: '{}',
  }
  await world.store.deleteResponse('default', gone?.responseId ?? '', deletion)
  const told = await world.store.getEvent('default', 'evt_gone')
  world.published(told === undefined ? [] : [told])
  await world.submit({ n: 2 })
  await receiver.received(2)
  await world.settled()
  expect(receiver.requests.map((request) => request.json<{ answers: { n: number } }>().answers.n)).toEqual([0, 2])
  expect((await world.deliveries({ state: 'dead' }))[0]).toMatchObject({ errorCode: 'event_erased' })
})

test('replay: one, a filter, in steps, so many a request; what dies again at once is taken only once', async () => {
  await using receiver = await startReceiver({ status: 400 })
  const code: DoublePlugin = {
    ...sender(receiver.url),
    actions: {
      post: async (_items, ctx) =>
        (await ctx.http({ method: 'POST', url: receiver.url })).status < 300
          ? { outcome: 'delivered' }
          : { outcome: 'dead', code: 'http_400', message: 'no' },
    },
  }
  await using world = await openWorld({
    installations: [{ id: 'crm', code }],
    limits: { replayRowsPerStepMax: 4, replayStepsPerRequestMax: 2 },
  })
  await world.submit(...answers(10))
  await world.settled()
  const steps: number[] = []
  const deps = {
    store: world.store,
    push: (made: readonly Delivery[]) => {
      steps.push(made.length)
      world.engine.push(made)
    },
    clock: systemClock,
    limits: world.limits,
  }
  const query = { workspace: 'default', installation: 'crm', states: ['dead'] as const }
  expect(await world.store.countReplay(query)).toBe(10)
  const { replayed, next } = await replayDeliveries(deps, query)
  expect([replayed, typeof next, steps]).toEqual([8, 'string', [4, 4]])
  await receiver.received(18)
  await world.settled()
  // All ten are dead again; the rest of them is two.
  expect(await world.store.countReplay(query)).toBe(10)
  expect(await replayDeliveries(deps, { ...query, after: next ?? '' })).toEqual({ replayed: 2, next: null })
  await receiver.received(20)
  await world.settled()
  receiver.respond({ status: 200 })
  const [one] = await world.deliveries()
  expect(await replayDeliveries(deps, { ...query, deliveryIds: [one?.id ?? ''] })).toMatchObject({ replayed: 1 })
  await world.settled()
  expect(await world.store.getDelivery('default', one?.id ?? '')).toMatchObject({
    state: 'delivered',
    attempts: 3,
    scheduleStep: 1,
  })
  const rest = await replayDeliveries(deps, query)
  expect(rest.replayed).toBe(8)
  expect(await replayDeliveries(deps, { ...query, after: rest.next ?? '' })).toEqual({ replayed: 1, next: null })
  await world.settled()
  expect(await world.store.countReplay(query)).toBe(0)
})

test('pressure counts what ingest brought, not what an earlier process left or a replay brings back', async () => {
  await using dir = await tempDir('pressure')
  await using receiver = await startReceiver({ hang: true })
  const options = { dir: dir.path, installations: [{ id: 'crm', code: sender(receiver.url), concurrency: 4 }] }
  const freshOf = (world: World): number => world.engine.pressure()[0]?.fresh ?? -1
  {
    const world = await openWorld(options)
    await world.submit(...answers(20))
    await receiver.received(4)
    await until('the rest in line', () => freshOf(world), { accept: (fresh) => fresh === 16 })
    await world.stop(0)
  }
  receiver.forget()
  const world = await openWorld(options)
  await receiver.received(4)
  await world.submit({ n: 20 })
  await until('the new one', () => freshOf(world), { accept: (fresh) => fresh === 1 })
  await world.stop(0)
})
