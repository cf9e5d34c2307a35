/** `item.delivery.repeat`: true when an earlier attempt may have reached the receiver, false only when none can have. */
import { expect, test } from 'vitest'
import { systemClock } from '../../core/clock.ts'
import { createEarlierAttempts } from '../../core/delivery/earlier-attempts.ts'
import { replayDeliveries } from '../../core/delivery/replay.ts'
import { HubError } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Delivery } from '../../core/model.ts'
import { startReceiver } from '../support/receiver.ts'
import { tempDir } from '../support/temp.ts'
import { until } from '../support/wait.ts'
import { openWorld } from './world.ts'
import type { DoublePlugin } from './world.ts'

interface Told {
  readonly n: number
  readonly attempt: number
  readonly repeat: boolean
}

/** Posts to where `url` says at the time, and writes down what each attempt was told. */
function teller(told: Told[], url: () => string, hosts: readonly string[]): DoublePlugin {
  return {
    hosts,
    on: { 'response.submitted': (event, ctx) => ctx.enqueue('tell', event.data ?? {}) },
    actions: {
      tell: async ([item], ctx) => {
        const { attempt, repeat, sentBefore } = item!.delivery
        expect(repeat).toBe(sentBefore !== undefined && Date.parse(sentBefore) <= Date.now())
        told.push({ n: (item!.input as { n: number }).n, attempt, repeat })
        const { status } = await ctx.http({ method: 'POST', url: url() })
        return status < 300 ? { outcome: 'delivered' } : { outcome: 'retry', reason: `answered ${status}` }
      },
    },
  }
}

/** Whatever ended. Answers what was replayed, once that is over as well. */
async function replayAll(world: Awaited<ReturnType<typeof openWorld>>) {
  const deps = {
    store: world.store,
    limits: world.limits,
    clock: systemClock,
    push: world.engine.push.bind(world.engine),
  }
  const replayed = await replayDeliveries(deps, {
    workspace: 'default',
    since: '2000-01-01T00:00:00.000Z',
    states: ['dead', 'delivered'],
  })
  await world.settled()
  return replayed
}

const host = (url: string): string => new URL(url).host
/** Nobody listens there. */
const CLOSED = 'http://127.0.0.1:9'

test('an answer makes a repeat, a connection that was refused does not', async () => {
  await using receiver = await startReceiver([{ status: 500 }, {}])
  const told: Told[] = []
  let url = CLOSED
  const code = teller(told, () => url, [host(CLOSED), host(receiver.url)])
  await using world = await openWorld({
    installations: [{ id: 'crm', code, retry: { delaysMs: [10, 10, 10, 10, 10, 10] } }],
    limits: { breakerFailuresMax: 1_000 },
  })
  await world.submit({ n: 0 })
  await until('two attempts to have failed', () => told.length >= 2)
  url = receiver.url
  await world.settled()
  const reached = told.length - 1
  expect(told.map(({ repeat }) => repeat)).toEqual(told.map((_, index) => index === reached))
  expect(told.map(({ attempt }) => attempt)).toEqual(told.map((_, index) => index + 1))
})

test('what only read is none, not even when the delivery died and is replayed', async () => {
  await using receiver = await startReceiver()
  const told: Told[] = []
  const methods = ['GET', 'GET', 'POST', 'POST']
  const code: DoublePlugin = {
    ...teller(told, () => receiver.url, [host(receiver.url)]),
    actions: {
      tell: async ([item], ctx) => {
        const { attempt, repeat } = item!.delivery
        told.push({ n: 0, attempt, repeat })
        const method = methods[told.length - 1] as string
        await ctx.http({ method, url: receiver.url })
        if (told.length === 1) return { outcome: 'retry', reason: 'not yet' }
        return told.length === 2 ? { outcome: 'dead', code: 'missing', message: 'not there' } : { outcome: 'delivered' }
      },
    },
  }
  await using world = await openWorld({ installations: [{ id: 'crm', code, retry: { delaysMs: [10, 10] } }] })
  await world.submit({ n: 0 })
  await world.settled()
  await replayAll(world)
  await replayAll(world)
  expect(told.map(({ repeat }) => repeat)).toEqual([false, false, false, true])
})

test('what the receiver refused is none: neither when a dead letter is replayed, nor when the credential was mended', async () => {
  await using receiver = await startReceiver()
  const told: boolean[] = []
  const code: DoublePlugin = {
    ...teller([], () => receiver.url, [host(receiver.url)]),
    actions: {
      tell: async ([item], ctx) => {
        told.push(item!.delivery.repeat)
        await ctx.http({ method: 'POST', url: receiver.url })
        const untouched = told.length < 3
        if (told.length === 1) return { outcome: 'unauthorized', message: 'expired', untouched }
        return { outcome: 'dead', code: 'missing', message: 'not there', untouched }
      },
    },
  }
  await using world = await openWorld({ installations: [{ id: 'crm', code }] })
  await world.submit({ n: 0 })
  await until('the refusal', () => world.refusals.length === 1)
  world.move('default/crm', 'ready')
  await world.settled()
  await replayAll(world)
  await replayAll(world)
  expect(told).toEqual([false, false, false, true])
})

test('a run that was cut short after its request left is a repeat; one cut short before is not', async () => {
  await using receiver = await startReceiver()
  const told: Told[] = []
  let cut: 'before' | 'after' | null = 'before'
  const code: DoublePlugin = {
    ...teller(told, () => receiver.url, [host(receiver.url)]),
    actions: {
      tell: async ([item], ctx) => {
        const { attempt, repeat } = item!.delivery
        told.push({ n: 0, attempt, repeat })
        if (cut === 'before') {
          cut = 'after'
          throw new HubError('plugin_interrupted', 'killed')
        }
        await ctx.http({ method: 'POST', url: receiver.url })
        if (cut === 'after') {
          cut = null
          throw new HubError('plugin_interrupted', 'killed')
        }
        return { outcome: 'delivered' }
      },
    },
  }
  await using world = await openWorld({ installations: [{ id: 'crm', code }] })
  await world.submit({ n: 0 })
  await world.settled()
  expect(told).toEqual([
    { n: 0, attempt: 1, repeat: false },
    { n: 0, attempt: 1, repeat: false },
    { n: 0, attempt: 1, repeat: true },
  ])
})

test('what memory does not hold is read back and is no repeat; after a restart everything that waits is one', async () => {
  await using dir = await tempDir('repeat')
  await using receiver = await startReceiver({ hang: true })
  const told: Told[] = []
  const code = teller(told, () => receiver.url, [host(receiver.url)])
  const options = {
    dir: dir.path,
    installations: [{ id: 'crm', code, concurrency: 1 }],
    limits: { laneMemoryDeliveriesMax: 4 },
  }
  {
    await using world = await openWorld(options)
    await world.submit(...Array.from({ length: 12 }, (_, n) => ({ n })))
    await receiver.received(1)
    await world.caughtUp()
    await world.stop(50)
  }
  receiver.respond({})
  const before = told.length
  {
    await using world = await openWorld(options)
    await world.submit(...Array.from({ length: 12 }, (_, n) => ({ n: 100 + n })))
    await world.settled()
  }
  expect(told.slice(0, before).every(({ repeat }) => !repeat)).toBe(true)
  const after = told.slice(before)
  expect(after.filter(({ n }) => n < 100).map(({ repeat }) => repeat)).toEqual(Array(12).fill(true))
  expect(after.filter(({ n }) => n >= 100).map(({ repeat }) => repeat)).toEqual(Array(12).fill(false))
})

test('events from before the lane began: what this process made of them is no repeat, whether it waited in memory or not', async () => {
  await using receiver = await startReceiver()
  const told: Told[] = []
  const code = teller(told, () => receiver.url, [host(receiver.url)])
  await using dir = await tempDir('repeat')
  {
    await using world = await openWorld({ dir: dir.path, installations: [] })
    await world.submit(...Array.from({ length: 30 }, (_, n) => ({ n })))
  }
  await using world = await openWorld({
    dir: dir.path,
    installations: [{ id: 'crm', code, cursor: 0 }],
    limits: { laneMemoryDeliveriesMax: 4 },
  })
  await until('all of them to be told', () => told.length >= 30)
  await world.settled()
  expect(told).toHaveLength(30)
  expect(told.filter(({ repeat }) => repeat)).toEqual([])
})

test('replay: what was delivered is a repeat', async () => {
  await using receiver = await startReceiver()
  const told: Told[] = []
  const code = teller(told, () => receiver.url, [host(receiver.url)])
  await using world = await openWorld({ installations: [{ id: 'crm', code }] })
  await world.submit({ n: 0 })
  await world.settled()
  expect(await replayAll(world)).toEqual({ replayed: 1, next: null })
  expect(told.map(({ attempt, repeat }) => [attempt, repeat])).toEqual([
    [1, false],
    [2, true],
  ])
})

test('a lane that has to remember too much counts everything as sent, just now, and never the other way round', () => {
  let nowMs = 1_000
  const earlier = createEarlierAttempts(() => nowMs)
  const delivery = (n: number): Delivery => ({ id: `dlv_${n}`, attempts: 0, eventSeq: n }) as Delivery
  const told = (n: number) => earlier.sentBeforeMs(delivery(n))
  earlier.begunAt(0)
  expect(told(1)).toBeNull()
  for (let n = 1; n <= 20_000; n += 1) earlier.uncounted(delivery(n), true)
  nowMs = 2_000
  expect([1, 20_000, 20_001].map(told)).toEqual([1_000, 1_000, null])
  earlier.uncounted(delivery(20_001), true)
  expect([1, 20_000, 20_001, 20_002].map(told)).toEqual([2_000, 2_000, 2_000, 2_000])
})

test('since when nothing of it is under way: its last attempt that went out, and of what this lane did not see, its own beginning', () => {
  let nowMs = 1_000
  const earlier = createEarlierAttempts(() => nowMs)
  const delivery = (eventSeq: number, attempts: number): Delivery =>
    ({ id: `dlv_${eventSeq}`, attempts, eventSeq }) as Delivery
  nowMs = 2_000
  earlier.begunAt(10)
  nowMs = 2_500
  earlier.begunAt(20)
  expect([delivery(5, 0), delivery(5, 3), delivery(11, 1)].map((each) => earlier.sentBeforeMs(each))).toEqual([
    2_000, 2_000, 2_000,
  ])
  earlier.ended(delivery(11, 0), { written: true, left: true, state: 'retrying', atMs: 3_000 })
  nowMs = 4_000
  expect(earlier.sentBeforeMs(delivery(11, 1))).toBe(3_000)
  // Nothing went out the second time, and an admin asks again for what died.
  earlier.ended(delivery(11, 1), { written: true, left: false, state: 'dead', atMs: 4_000 })
  expect(earlier.sentBeforeMs(delivery(11, 2))).toBe(3_000)
  earlier.ended(delivery(12, 0), { written: false, left: true, state: 'delivered', atMs: 3_500 })
  expect(earlier.sentBeforeMs(delivery(12, 0))).toBe(4_000)
})

test('an attempt that the receiver is known to have done nothing in makes no repeat', async () => {
  await using receiver = await startReceiver([{ status: 429 }, { status: 429 }, { status: 500 }, {}])
  const told: boolean[] = []
  const code: DoublePlugin = {
    hosts: [host(receiver.url)],
    on: { 'response.submitted': (event, ctx) => ctx.enqueue('tell', event.data ?? {}) },
    actions: {
      tell: async ([item], ctx) => {
        told.push(item!.delivery.repeat)
        const { status } = await ctx.http({ method: 'POST', url: receiver.url })
        if (status < 300) return { outcome: 'delivered' }
        return { outcome: 'retry', reason: `answered ${status}`, untouched: status === 429 }
      },
    },
  }
  await using world = await openWorld({
    installations: [{ id: 'crm', code, retry: { delaysMs: [10, 10, 10, 10] } }],
    limits: { breakerFailuresMax: 1_000 },
  })
  await world.submit({ n: 0 })
  await world.settled()
  expect(told).toEqual([false, false, false, true])
})

test('in a fleet the process before may be at an attempt for as long as an action may take', async () => {
  for (const alone of [true, false]) {
    await using dir = await tempDir('overlap')
    const told: number[] = []
    const code: DoublePlugin = {
      on: { 'response.submitted': (event, ctx) => ctx.enqueue('tell', event.data ?? {}) },
      actions: {
        tell: async ([item]) => {
          const { sentBefore } = item!.delivery
          if (sentBefore === undefined) return { outcome: 'retry', reason: 'again', afterMs: 50 }
          told.push(Date.parse(sentBefore))
          return { outcome: 'delivered' }
        },
      },
    }
    const options = { dir: dir.path, alone, installations: [{ id: 'crm', code, retry: { delaysMs: [200] } }] }
    const before = await openWorld(options)
    await before.submit({ n: 0 })
    await until('the first attempt', async () => (await before.deliveries({ state: 'retrying' })).length === 1)
    await before.stop(0)
    const beganMs = Date.now()
    await using world = await openWorld(options)
    await world.settled()
    const aheadMs = (told[0] ?? 0) - beganMs
    expect(aheadMs).toBeGreaterThanOrEqual(alone ? 0 : LIMITS.pluginActionWallMs)
    expect(aheadMs).toBeLessThan(alone ? 5_000 : LIMITS.pluginActionWallMs + 5_000)
  }
})
