/** The pace of actions: runs that share a key start no faster, everybody else starts at once, and time is the test's own. */
import { expect, test } from 'vitest'
import { createBreakers } from '../../core/delivery/breaker.ts'
import { Lane } from '../../core/delivery/lane.ts'
import type { LaneDeps } from '../../core/delivery/lane.ts'
import { isAfter } from '../../core/delivery/onward.ts'
import { createSerialTurns } from '../../core/delivery/serial.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Delivery } from '../../core/model.ts'
import type { Installation } from '../../core/registry/installation.ts'
import { createManualClock } from '../../core/testing/manual-clock.ts'
import { installation } from './world.ts'

const PACED = { actions: { post: { pace: { perS: 2 } }, free: {}, rows: { batch: { max: 10 }, pace: { perS: 1 } } } }

interface Started {
  readonly ids: readonly string[]
  readonly paceKey: string | null
  readonly name: string
  readonly atMs: number
}

/** Of each order key the oldest, and all without one. */
function headsOf(all: readonly Delivery[]): readonly Delivery[] {
  const first = new Map<string, string>()
  for (const { id, orderKey } of all)
    if (orderKey !== null && id < (first.get(orderKey) ?? '~')) first.set(orderKey, id)
  return all.filter(({ id, orderKey }) => orderKey === null || first.get(orderKey) === id)
}

/** A lane over a list that stands for storage; runs end as soon as the test looks. */
function openLane(
  { concurrency = 1_000, ...manifest }: { readonly actions: object; readonly concurrency?: number } = PACED,
  limits: Partial<LaneDeps['limits']> = {},
  order: 'none' | 'fifo' = 'none',
) {
  const clock = createManualClock(1_000_000)
  const stored = new Map<string, Delivery>()
  const started: Started[] = []
  const running: Delivery[] = []
  const wakes: number[] = []
  /** Runs under way of keys whose runs end when the test says so. */
  const slow = new Map<string, (readonly Delivery[])[]>()
  let made = 0
  const spec = (more: object): Installation =>
    installation({ id: 'crm', code: {}, concurrency, order, manifest: { ...manifest, ...more } })
  const deps: LaneDeps = {
    store: {
      loadDue: async ({ limit, exceptIds, from, heads, untilMs }) => {
        const except = new Set(exceptIds)
        const all = [...stored.values()].toSorted((a, b) => a.dueAtMs - b.dueAtMs || (a.id < b.id ? -1 : 1))
        const eligible = heads === true ? headsOf(all) : all
        const isFrom = (place: Delivery): boolean => from === undefined || !isAfter(from, place)
        return eligible
          .filter((each) => each.dueAtMs <= untilMs && !except.has(each.id) && isFrom(each))
          .slice(0, limit)
      },
      nextDue: async () => null,
      headSeq: async () => 0,
    },
    breakers: createBreakers(LIMITS),
    turns: createSerialTurns(),
    clock,
    limits: { ...LIMITS, ...limits },
    logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => deps.logger },
    freshFrom: '',
    overlapMs: 0,
    start: (_lane, deliveries) => {
      const [{ name, paceKey } = { name: '', paceKey: null }] = deliveries
      started.push({ ids: deliveries.map(({ id }) => id), name, paceKey, atMs: clock.nowMs() })
      if (paceKey !== null && slow.has(paceKey)) return void slow.get(paceKey)?.push(deliveries)
      running.push(...deliveries)
      lane.ended(deliveries)
    },
    wakeAt: (atMs) => void wakes.push(atMs),
  }
  const lane = new Lane(deps, spec({}), 'ready')
  const endAll = (): void => {
    for (const delivery of running.splice(0)) {
      stored.delete(delivery.id)
      lane.left(delivery)
    }
  }
  /** Loads are promises of this process alone. */
  const calm = async (): Promise<void> => {
    for (let n = 0; n < 50; n += 1) await new Promise((resolve) => void setImmediate(resolve))
  }
  return {
    lane,
    started,
    slow: (paceKey: string): void => void slow.set(paceKey, []),
    /** The first that is under way of a slow key is through. */
    end: (paceKey: string): void => {
      const deliveries = slow.get(paceKey)?.shift() ?? []
      running.push(...deliveries)
      lane.ended(deliveries)
    },
    keys: (paceKey: string | null) => started.filter((each) => each.paceKey === paceKey),
    /** Each with an order key of its own, or all with that one. */
    add: (name: string, paceKey: string | null = null, count = 1, orderKey?: string): void => {
      for (let n = 0; n < count; n += 1) {
        made += 1
        const id = `dlv_${String(made).padStart(6, '0')}`
        const one = { id, kind: 'action', name, paceKey, dueAtMs: 0, attempts: 0, eventId: null, host: null }
        const keyed = { ...one, orderKey: orderKey ?? `key of ${id}` } as Delivery
        stored.set(id, keyed)
        lane.push(keyed)
      }
    },
    /** Its last attempt failed, as storage has it: it waits for that time. */
    retryAt: (orderKey: string, dueAtMs: number): void => {
      const head = headsOf([...stored.values()]).find((each) => each.orderKey === orderKey)
      if (head === undefined) throw new Error(`Nothing waits for ${orderKey}.`)
      stored.set(head.id, { ...head, attempts: 1, dueAtMs })
    },
    reconfigure: (more: object) => lane.reconfigure(spec(more), 'ready'),
    /** Moves from one wake-up to the next, as the queue would call, until that time has passed. */
    run: async (forMs: number): Promise<void> => {
      const untilMs = clock.nowMs() + forMs
      for (;;) {
        for (let before = -1; before < started.length;) {
          before = started.length
          lane.turn()
          await calm()
          endAll()
        }
        const next = wakes.splice(0).filter((atMs) => atMs > clock.nowMs() && atMs <= untilMs)
        if (next.length === 0) break
        clock.moveTo(Math.min(...next))
      }
      clock.moveTo(untilMs)
    },
  }
}

const gaps = (started: readonly Started[]): readonly number[] =>
  started.slice(1).map(({ atMs }, n) => atMs - (started[n]?.atMs ?? 0))

test('those that share a key start at its pace; other keys and other actions do not wait', async () => {
  const world = openLane()
  world.add('post', 'C1', 5)
  world.add('post', 'C2', 3)
  world.add('free', 'C1', 4)
  await world.run(0)
  expect(world.started.map(({ name, paceKey }) => `${name} ${paceKey}`).toSorted()).toEqual([
    'free C1',
    'free C1',
    'free C1',
    'free C1',
    'post C1',
    'post C2',
  ])
  await world.run(10_000)
  expect(gaps(world.keys('C1').filter(({ name }) => name === 'post'))).toEqual([500, 500, 500, 500])
  expect(gaps(world.keys('C2'))).toEqual([500, 500])
})

test('without a key they share one pace; after a rest as many as the burst start at once', async () => {
  const world = openLane({ actions: { post: { pace: { perS: 1, burst: 3 } } } })
  world.add('post', null, 5)
  await world.run(20_000)
  expect(gaps(world.started)).toEqual([0, 0, 1_000, 1_000])
  world.add('post', null, 4)
  await world.run(20_000)
  expect(gaps(world.started.slice(5))).toEqual([0, 0, 1_000])
})

test('of those that share a key no more are under way than the manifest says, and the others have the rest of the lane', async () => {
  const world = openLane({ actions: { post: { pace: { perS: 100, burst: 100, atOnce: 3 } } } })
  world.slow('hangs')
  world.add('post', 'hangs', 10)
  world.add('post', 'works', 10)
  await world.run(10_000)
  expect([world.keys('hangs').length, world.keys('works').length]).toEqual([3, 10])
  world.end('hangs')
  await world.run(10_000)
  expect(world.keys('hangs')).toHaveLength(4)
  for (let n = 0; n < 9; n += 1) {
    world.end('hangs')
    await world.run(10_000)
  }
  expect(world.keys('hangs').flatMap(({ ids }) => ids)).toEqual(
    Array.from({ length: 10 }, (_, n) => `dlv_${String(n + 1).padStart(6, '0')}`),
  )
})

test('however many keys are slow, another finds a place: the fuller the lane, the fewer each has', async () => {
  const world = openLane({ actions: { post: { pace: { perS: 100, burst: 100, atOnce: 8 } } }, concurrency: 64 })
  const slow = Array.from({ length: 9 }, (_, n) => `slow-${n}`)
  for (const key of slow) {
    world.slow(key)
    world.add('post', key, 20)
  }
  await world.run(10_000)
  const underWay = slow.map((key) => world.keys(key).length)
  expect(Math.min(...underWay)).toBeGreaterThanOrEqual(5)
  world.add('post', 'works', 20)
  await world.run(10_000)
  expect(world.keys('works')).toHaveLength(20)
})

test('a batch counts once, and holds what shares the key', async () => {
  const world = openLane()
  world.add('rows', 'sheet-1', 15)
  world.add('rows', 'sheet-2', 2)
  await world.run(5_000)
  expect(world.keys('sheet-1').map(({ ids }) => ids.length)).toEqual([10, 5])
  expect(gaps(world.keys('sheet-1'))).toEqual([1_000])
  expect(world.keys('sheet-2').map(({ ids }) => ids.length)).toEqual([2])
})

test('thousands behind one key leave room for all others, and each of them starts once, in order', async () => {
  const world = openLane(PACED, { laneMemoryDeliveriesMax: 20 })
  world.add('post', 'slow', 3_000)
  world.add('post', 'quick', 4)
  world.add('free', null, 30)
  await world.run(0)
  expect(world.keys('quick')).toHaveLength(1)
  expect(world.started.filter(({ name }) => name === 'free')).toHaveLength(30)
  await world.run(3_000 * 500)
  const ids = world.keys('slow').flatMap((each) => each.ids)
  expect(ids).toEqual(Array.from({ length: 3_000 }, (_, n) => `dlv_${String(n + 1).padStart(6, '0')}`))
  expect(new Set(gaps(world.keys('slow')))).toEqual(new Set([500]))
  expect(world.keys('quick')).toHaveLength(4)
})

test('a key with more due than the memory has ids for leaves room for all others, and each keeps its order', async () => {
  const world = openLane()
  world.add('post', 'slow', 27_000)
  world.add('post', 'quick', 150)
  world.add('free', null, 30)
  await world.run(60_000)
  expect(world.started.filter(({ name }) => name === 'free')).toHaveLength(30)
  for (const [key, first] of [
    ['slow', 1],
    ['quick', 27_001],
  ] as const) {
    const ids = world.keys(key).flatMap((each) => each.ids)
    expect(ids.length).toBeGreaterThan(100)
    expect(ids).toEqual(ids.map((_, n) => `dlv_${String(first + n).padStart(6, '0')}`))
  }
  // What comes later starts at once, whatever waits before it.
  const before = world.started.length
  world.add('post', 'new', 1)
  await world.run(0)
  expect(world.started.slice(before).map(({ paceKey }) => paceKey)).toEqual(['new'])
})

test('fifo: however long a paced line is, what shares an order key waits for its head, and nothing else for the line', async () => {
  const world = openLane(PACED, {}, 'fifo')
  world.add('free', null, 1, 'K')
  world.retryAt('K', 1_000_000 + 12_000)
  world.add('post', 'slow', 25_000)
  await world.run(3_000)
  expect(world.keys('slow').length).toBeGreaterThan(5)
  const others = (...names: string[]) =>
    world.started.filter(({ name, paceKey }) => names.includes(paceKey ?? name)).map(({ ids }) => ids[0])
  world.add('free', null, 2, 'K')
  await world.run(3_000)
  expect(others('free', 'quick')).toEqual([])
  // Another key waits neither for it nor for the line.
  world.add('free', null, 3, 'L')
  world.add('post', 'quick', 2)
  await world.run(3_000)
  expect(others('free')).toEqual(['dlv_025004', 'dlv_025005', 'dlv_025006'])
  expect(others('quick')).toEqual(['dlv_025007', 'dlv_025008'])
  world.lane.noteDue(1_000_000 + 12_000)
  await world.run(5_000)
  expect(others('free').slice(3)).toEqual(['dlv_000001', 'dlv_025002', 'dlv_025003'])
  expect(new Set(gaps(world.keys('slow')))).toEqual(new Set([500]))
}, 60_000)

test('hundreds of keys at once: each at its pace', async () => {
  const world = openLane(PACED, { laneMemoryDeliveriesMax: 100 })
  for (let round = 0; round < 4; round += 1) for (let n = 0; n < 700; n += 1) world.add('post', `C${n}`)
  await world.run(1_500)
  for (let n = 0; n < 700; n += 1) expect(gaps(world.keys(`C${n}`))).toEqual([500, 500, 500])
})

test('another pace holds from the next start; without one nothing waits', async () => {
  const world = openLane()
  world.add('post', 'C1', 6)
  await world.run(1_000)
  expect(world.keys('C1')).toHaveLength(3)
  world.reconfigure({ actions: { post: { pace: { perS: 10 } }, free: {} } })
  await world.run(200)
  expect(gaps(world.keys('C1').slice(3))).toEqual([100, 100])
  world.add('post', 'C1', 5)
  world.reconfigure({ actions: { post: {}, free: {} } })
  await world.run(0)
  expect(world.keys('C1')).toHaveLength(11)
})
