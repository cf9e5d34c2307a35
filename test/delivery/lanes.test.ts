/** What a lane keeps to: concurrency, rate, order, batches. */
import { expect, test } from 'vitest'
import { systemClock } from '../../core/clock.ts'
import { createBreakers } from '../../core/delivery/breaker.ts'
import { Lane } from '../../core/delivery/lane.ts'
import type { LaneDeps } from '../../core/delivery/lane.ts'
import { createSerialTurns } from '../../core/delivery/serial.ts'
import { newId } from '../../core/ids.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Delivery } from '../../core/model.ts'
import { startReceiver } from '../support/receiver.ts'
import { tempDir } from '../support/temp.ts'
import { sleep, until } from '../support/wait.ts'
import { installation, openWorld, sender } from './world.ts'
import type { DoublePlugin } from './world.ts'

const answers = (count: number): object[] => Array.from({ length: count }, (_, n) => ({ n }))
const hostOf = ({ url }: { readonly url: string }): string => new URL(url).host

test('concurrency: never more at once than the installation allows, and one when it is degraded', async () => {
  await using receiver = await startReceiver({ delayMs: 15 })
  const spec = { id: 'crm', code: sender(receiver.url), concurrency: 3 }
  await using world = await openWorld({ installations: [spec] })
  await world.submit(...answers(20))
  await world.settled()
  expect(receiver.concurrencyMax).toBe(3)
  await using alone = await startReceiver({ delayMs: 5 })
  world.place([{ ...spec, code: sender(alone.url), state: 'degraded' }])
  await world.submit(...answers(10))
  await alone.received(10)
  expect(alone.concurrencyMax).toBe(1)
})

test('a rate limit spreads attempts and neither loses nor repeats any', async () => {
  await using receiver = await startReceiver()
  await using world = await openWorld({ installations: [{ id: 'crm', code: sender(receiver.url), ratePerSecond: 20 }] })
  await world.submit(...answers(30))
  await receiver.received(30)
  await world.settled()
  const [first, last] = [receiver.requests[0], receiver.requests.at(-1)]
  // A burst of one second's worth, then twenty a second.
  expect((last?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThan(350)
  expect(receiver.requests).toHaveLength(30)
})

test('fifo: a failing head blocks its own key and no other, and order holds over a restart', async () => {
  await using dir = await tempDir('fifo')
  await using receiver = await startReceiver((request) => ({
    status: failing && request.body.includes('"key":"a","n":1') ? 500 : 200,
  }))
  let failing = true
  const code: DoublePlugin = {
    ...sender(receiver.url),
    on: {
      'response.submitted': (event, ctx) => {
        const { key } = event.data as { key: string }
        ctx.enqueue('post', event.data ?? {}, { orderBy: key })
      },
    },
  }
  const options = {
    dir: dir.path,
    installations: [
      { id: 'crm', code, order: 'fifo' as const, retry: { delaysMs: [30, 30, 30, 30, 200, 200, 200, 200, 200, 200] } },
    ],
    limits: { breakerFailuresMax: 1_000 },
  }
  const orders = (key: string): number[] =>
    receiver.requests
      .filter((request) => request.body.includes(`"key":"${key}"`))
      .map((request) => request.json<{ n: number }>().n)
  {
    await using world = await openWorld(options)
    for (const key of ['a', 'b']) await world.submit(...[0, 1, 2, 3].map((n) => ({ key, n })))
    await until('all of b', () => orders('b').length === 4)
    await until('a to have tried', () => orders('a').filter((n) => n === 1).length >= 2)
    expect(orders('b')).toEqual([0, 1, 2, 3])
    expect(orders('a')).not.toContain(2)
  }
  {
    await using world = await openWorld(options)
    await until('another try', () => orders('a').filter((n) => n === 1).length >= 3)
    expect(orders('a')).not.toContain(2)
    failing = false
    await world.settled()
    expect([...new Set(orders('a'))]).toEqual([0, 1, 2, 3])
  }
})

test('batches: company up to the maximum, an outcome for each, and who failed in company goes alone', async () => {
  const sizes: number[] = []
  let triesOfThree = 0
  const code: DoublePlugin = {
    on: { 'response.submitted': (event, ctx) => ctx.enqueue('rows', event.data ?? {}) },
    actions: {
      rows: (items) => {
        sizes.push(items.length)
        const all = items.map(({ input }) => (input as { n: number }).n)
        // In company, and once alone.
        if (all.includes(3) && ++triesOfThree <= 2) throw new Error('row 3 breaks the batch')
        return all.map((n) =>
          n === 5 ? { outcome: 'dead', code: 'bad_row', message: 'no' } : { outcome: 'delivered' },
        )
      },
    },
  }
  await using world = await openWorld({
    installations: [
      { id: 'sheet', code, concurrency: 1, manifest: { actions: { rows: { batch: { max: 10, waitMs: 50 } } } } },
    ],
  })
  await world.submit(...answers(10))
  await until('the first try', () => sizes.length > 0)
  expect(sizes[0]).toBe(10)
  await until('the lonely ones', () => sizes.length >= 11)
  expect(sizes.slice(1, 11)).toEqual(Array.from({ length: 10 }, () => 1))
  await world.settled()
  const ended = await world.deliveries()
  expect(ended.filter(({ state }) => state === 'delivered')).toHaveLength(9)
  expect(ended.find(({ state }) => state === 'dead')).toMatchObject({
    errorCode: 'bad_row',
    reason: 'permanent_reject',
  })
})

test('however slow the disk is: a crash repeats no more than may run at a time', async () => {
  const sent: unknown[] = []
  const code: DoublePlugin = {
    on: { 'response.submitted': (event, ctx) => ctx.enqueue('note', event.data ?? {}) },
    actions: {
      note: (items) => {
        sent.push(...items)
        return items.map(() => ({ outcome: 'delivered' }))
      },
    },
  }
  await using world = await openWorld({ installations: [{ id: 'noted', code, concurrency: 3 }] })
  const { finishAttempts } = world.store
  const disk = Promise.withResolvers<void>()
  world.store.finishAttempts = async (finished) => {
    await disk.promise
    return await finishAttempts(finished)
  }
  await world.submit(...answers(20))
  await until('as many as may', () => sent.length >= 3)
  await sleep(200)
  expect(sent).toHaveLength(3)
  disk.resolve()
  await world.settled()
  expect(sent).toHaveLength(20)
})

test('a lane that leaves and comes back makes no attempt twice whose end is not on disk', async () => {
  const sent: unknown[] = []
  const code: DoublePlugin = {
    on: { 'response.submitted': (event, ctx) => ctx.enqueue('note', event.data ?? {}) },
    actions: {
      note: (items) => {
        sent.push(...items)
        return items.map(() => ({ outcome: 'delivered' }))
      },
    },
  }
  const installations = [{ id: 'noted', code, concurrency: 3 }]
  await using world = await openWorld({ installations })
  const { finishAttempts } = world.store
  const disk = Promise.withResolvers<void>()
  world.store.finishAttempts = async (finished) => {
    await disk.promise
    return await finishAttempts(finished)
  }
  await world.submit(...answers(3))
  await until('all three', () => sent.length === 3)
  world.place([])
  world.place(installations)
  await sleep(300)
  expect(sent).toHaveLength(3)
  disk.resolve()
  await world.settled()
  await world.submit(...answers(1))
  await until('the lane to go on', () => sent.length === 4)
  await world.settled()
  expect(sent).toHaveLength(4)
})

test('deletions elsewhere do not make a batch wait anew; its own deleted are not in it', async () => {
  const sent: (readonly unknown[])[] = []
  const code: DoublePlugin = {
    on: { 'response.submitted': (event, ctx) => ctx.enqueue('rows', event.data ?? {}) },
    actions: {
      rows: (items) => {
        sent.push(items.map(({ input }) => input))
        return { outcome: 'delivered' }
      },
    },
  }
  await using world = await openWorld({
    installations: [{ id: 'sheet', code, manifest: { actions: { rows: { batch: { max: 10, waitMs: 1_000 } } } } }],
  })
  const deletion = async (responseId: string): Promise<void> => {
    const about = { formId: 'contact', responseId, hops: 0, data: '{}', at: new Date().toISOString() }
    const event = { id: newId('event'), type: 'response.deleted', ...about }
    await world.store.deleteResponse('default', responseId, event)
    world.published(await world.store.appendEvents('default', [{ ...event, id: newId('event') }]))
  }
  const [own] = await world.submit(...answers(3))
  await world.caughtUp()
  await deletion(own?.responseId ?? '')
  await until('the batch', async () => {
    await deletion(newId('response'))
    await sleep(50)
    return sent.length > 0
  })
  await world.settled()
  expect(sent).toEqual([[{ n: 1 }, { n: 2 }]])
})

test('what a batch asked for happens although its first response was deleted meanwhile', async () => {
  const begun = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  const code: DoublePlugin = {
    on: { 'response.submitted': (event, ctx) => ctx.enqueue('rows', event.data ?? {}) },
    actions: {
      rows: async (_items, ctx) => {
        begun.resolve()
        await goOn.promise
        ctx.tally('rows', 2)
        ctx.emit('written', { rows: 2 })
        return { outcome: 'delivered' }
      },
    },
  }
  await using world = await openWorld({
    installations: [{ id: 'sheet', code, manifest: { actions: { rows: { batch: { max: 2, waitMs: 5_000 } } } } }],
  })
  const [event] = await world.submit(...answers(2))
  await begun.promise
  const responseId = event?.responseId ?? ''
  await world.store.deleteResponse('default', responseId, {
    id: newId('event'),
    type: 'response.deleted',
    at: new Date().toISOString(),
    formId: 'contact',
    responseId,
    hops: 0,
    data: '{}',
  })
  goOn.resolve()
  await world.settled()
  expect(
    await world.store.tallies({ workspace: 'default', installation: 'sheet', prefix: '', after: null, limit: 100 }),
  ).toEqual({ rows: 2 })
  const written = world.events.filter(({ type }) => type === 'plugin.double.written')
  expect(written).toMatchObject([{ responseId: null, hops: 1 }])
})

test('hundreds held for a dead host leave room for a healthy one, and all of them follow when it works again', async () => {
  await using dead = await startReceiver({ status: 500 })
  await using healthy = await startReceiver()
  const post =
    (url: string): NonNullable<DoublePlugin['actions']>[string] =>
    async (_items, ctx) =>
      (await ctx.http({ method: 'POST', url })).status < 300
        ? { outcome: 'delivered' }
        : { outcome: 'retry', reason: 'no', code: 'http_500' }
  const code: DoublePlugin = {
    hosts: [new URL(dead.url).host, new URL(healthy.url).host],
    on: { 'response.submitted': (event, ctx) => ctx.enqueue((event.data as { to: string }).to, 1) },
    actions: { dead: post(dead.url), healthy: post(healthy.url) },
  }
  await using world = await openWorld({
    installations: [{ id: 'crm', code, retry: { delaysMs: Array.from({ length: 50 }, () => 10) } }],
    limits: { laneMemoryDeliveriesMax: 20, breakerFailuresMax: 3, breakerProbeMs: 200, breakerProbeMsMax: 200 },
  })
  await world.submit({ to: 'dead' })
  await until(
    'the breaker to open',
    () => !world.breakers.isClosed({ installation: 'default/crm', host: hostOf(dead) }),
  )
  await world.submit(...Array.from({ length: 300 }, () => ({ to: 'dead' })))
  await world.caughtUp()
  await world.submit(...Array.from({ length: 5 }, () => ({ to: 'healthy' })))
  await healthy.received(5)
  expect((await world.deliveries({ state: 'delivered' })).length).toBeLessThanOrEqual(5)
  dead.respond({ status: 200 })
  await world.settled()
  expect(await world.store.countDeliveries('default', { state: 'delivered' })).toBe(306)
})

test('while more is read from storage, what would be a smaller batch waits for it', async () => {
  const row = (n: number) =>
    ({ id: `dlv_${n}`, kind: 'action', name: 'rows', attempts: 0, eventId: null, host: null }) as Delivery
  const rows = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => row(from + n))
  const second = Promise.withResolvers<readonly Delivery[]>()
  const loads = [Promise.resolve(rows(0, 13)), second.promise, Promise.resolve([])]
  const started: (readonly Delivery[])[] = []
  const actions = { rows: { batch: { max: 10, waitMs: 0 } } }
  const deps: LaneDeps = {
    store: { loadDue: () => loads.shift() ?? Promise.resolve([]), nextDue: async () => null, headSeq: async () => 0 },
    breakers: createBreakers(LIMITS),
    turns: createSerialTurns(),
    clock: systemClock,
    // Three are left of the first load: few enough to read on.
    limits: { ...LIMITS, laneMemoryDeliveriesMax: 13 },
    logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => deps.logger },
    freshFrom: '',
    overlapMs: 0,
    start: (_lane, deliveries) => started.push(deliveries),
    wakeAt: () => {},
  }
  const lane = new Lane(deps, installation({ id: 'crm', code: {}, concurrency: 1, manifest: { actions } }), 'ready')
  const sizes = () => started.map(({ length }) => length)
  lane.turn()
  await until('the first batch', () => started.length === 1)
  lane.ended(started[0] ?? [])
  for (const delivery of started[0] ?? []) lane.left(delivery)
  lane.turn()
  expect(sizes()).toEqual([10])
  second.resolve(rows(13, 23))
  await until('the second batch', () => started.length === 2)
  expect(sizes()).toEqual([10, 10])
  lane.ended(started[1] ?? [])
  for (const delivery of started[1] ?? []) lane.left(delivery)
  lane.turn()
  await until('the rest', () => started.length === 3)
  expect(sizes()).toEqual([10, 10, 3])
})

test('a load that was under way when the lane was stopped starts nothing', async () => {
  const asked = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<readonly Delivery[]>()
  const started: string[] = []
  const spec = installation({ id: 'crm', code: {} })
  const deps: LaneDeps = {
    store: {
      loadDue: async () => {
        asked.resolve()
        return answer.promise
      },
      nextDue: async () => null,
      headSeq: async () => 0,
    },
    breakers: createBreakers(LIMITS),
    turns: createSerialTurns(),
    clock: systemClock,
    limits: LIMITS,
    logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => deps.logger },
    freshFrom: '',
    overlapMs: 0,
    start: (_lane, deliveries) => started.push(...deliveries.map(({ id }) => id)),
    wakeAt: () => {},
  }
  const lanes = [new Lane(deps, spec, 'ready'), new Lane(deps, spec, 'ready')] as const
  for (const lane of lanes) lane.turn()
  await asked.promise
  lanes[0].stop()
  answer.resolve([{ id: 'dlv_1', kind: 'action', name: 'post', attempts: 0, eventId: null, host: null } as Delivery])
  await until('the lane that goes on', () => started.length > 0)
  lanes[0].turn()
  expect(started).toEqual(['dlv_1'])
})
