/** Events that need no handler: written with their response, begun ahead of the disk, and all the same each once. */
import { describe, expect, test } from 'vitest'
import { HubError } from '../../core/errors.ts'
import { newId } from '../../core/ids.ts'
import { startReceiver } from '../support/receiver.ts'
import { tempDir } from '../support/temp.ts'
import { until } from '../support/wait.ts'
import { send } from '../../core/contract/index.ts'
import type { Outcome } from '../../core/contract/index.ts'
import { forwarder, openWorld, submissionOf } from './world.ts'
import type { DoublePlugin, World } from './world.ts'

/** A store that holds back its answer until it is let go. */
function held<A extends unknown[], R>(work: (...args: A) => Promise<R>) {
  const gate = Promise.withResolvers<void>()
  return {
    go: gate.resolve,
    accept: async (...args: A): Promise<R> => {
      await gate.promise
      return await work(...args)
    },
  }
}

describe('forwarding', () => {
  test('one delivery a response, written with it; no handler runs and nothing is left to read', async () => {
    await using receiver = await startReceiver()
    await using world = await openWorld({
      installations: [{ id: 'crm', code: forwarder(receiver.url) }],
    })
    for (let n = 0; n < 20; n++) await world.receive({ n })
    await world.settled()
    expect(receiver.requests.map((request) => request.json<{ n: number }>().n).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, n) => n),
    )
    expect(world.sandbox.crossings).toEqual([])
    const deliveries = await world.deliveries()
    expect(deliveries).toHaveLength(20)
    expect(new Set(deliveries.map(({ eventSeq }) => eventSeq)).size).toBe(20)
    expect(world.counts.get('handled crm')).toBe(20)
  })

  test('many at once, and by both ways at once: each exactly once', async () => {
    await using receiver = await startReceiver()
    await using world = await openWorld({
      installations: [{ id: 'crm', code: forwarder(receiver.url) }],
    })
    await Promise.all(
      Array.from({ length: 100 }, (_, n) => (n % 7 === 0 ? world.submit({ n }).then(() => {}) : world.receive({ n }))),
    )
    await world.settled()
    expect(receiver.requests.map((request) => request.json<{ n: number }>().n).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 100 }, (_, n) => n),
    )
    expect(await world.deliveries()).toHaveLength(100)
  })

  test('an installation that is behind gets it from the log; a filter passes over; a handler is asked', async () => {
    await using receiver = await startReceiver()
    const when = { forms: null, events: null, filter: { 'data.n': { $gte: 5 } } }
    const asked: DoublePlugin = {
      on: { 'response.submitted': (_event, ctx) => ctx.enqueue('note', null) },
      actions: { note: () => ({ outcome: 'delivered' }) },
    }
    await using world = await openWorld({
      installations: [
        { id: 'behind', code: forwarder(receiver.url), state: 'paused' },
        { id: 'picky', code: forwarder(receiver.url), when },
        { id: 'asked', code: asked },
      ],
    })
    for (let n = 0; n < 10; n++) await world.receive({ n })
    await until('the handler', async () => (await world.deliveries({ installation: 'asked' })).length === 10)
    expect(await world.deliveries({ installation: 'picky' })).toHaveLength(5)
    expect(await world.deliveries({ installation: 'behind' })).toEqual([])
    world.place([
      { id: 'behind', code: forwarder(receiver.url) },
      { id: 'picky', code: forwarder(receiver.url), when },
      { id: 'asked', code: asked },
    ])
    await world.receive({ n: 10 })
    await world.settled()
    expect(await world.deliveries({ installation: 'behind' })).toHaveLength(11)
    expect(await world.deliveries({ installation: 'picky' })).toHaveLength(6)
    expect(receiver.requests).toHaveLength(17)
  })

  test('a delivery of a handler that failed is forwarded when the plugin needs none any more', async () => {
    await using receiver = await startReceiver()
    const failing: DoublePlugin = {
      on: {
        'response.submitted': () => {
          throw new Error('not yet')
        },
      },
    }
    const retry = { delaysMs: [200] }
    await using world = await openWorld({ installations: [{ id: 'crm', code: failing, retry }] })
    await world.receive({ n: 1 })
    await until('the failure', () => world.counts.get('handler crm plugin_threw'))
    world.place([{ id: 'crm', code: forwarder(receiver.url), retry, hash: 'new' }])
    await receiver.received(1)
    await world.settled()
    expect((await world.deliveries()).map(({ kind, state }) => [kind, state]).toSorted()).toEqual([
      ['action', 'delivered'],
      ['handler', 'delivered'],
    ])
  })
})

test('what was forwarded before a crash is not made again by whoever reads the log afterwards', async () => {
  await using dir = await tempDir('forward')
  await using receiver = await startReceiver()
  const installations = [{ id: 'crm', code: forwarder(receiver.url), cursor: 0 }]
  {
    await using world = await openWorld({ dir: dir.path, installations })
    for (let n = 0; n < 30; n++) await world.receive({ n })
    await world.settled()
    // As after a kill: the cursor was not written since.
    await world.store.rewindCursor('default', 'crm', 0)
    world.pump.rewind('default/crm', 0)
    await world.caughtUp()
    await world.receive({ n: 30 })
    await world.settled()
    expect(await world.deliveries()).toHaveLength(31)
  }
  expect(receiver.requests).toHaveLength(31)
})

describe('a run ahead of the disk', () => {
  /** Counts its runs and asks the host itself, so that it waits inside. */
  function eager(url: string): { readonly runs: string[]; readonly code: DoublePlugin } {
    const runs: string[] = []
    const post: NonNullable<DoublePlugin['actions']>[string] = async ([item], ctx) => {
      runs.push(item?.delivery.id ?? '')
      await ctx.http({ method: 'POST', url, body: JSON.stringify({ id: item?.delivery.id }) })
      return { outcome: 'delivered' }
    }
    return {
      runs,
      code: {
        hosts: [new URL(url).host],
        forward: { 'response.submitted': 'post' },
        actions: { post },
      },
    }
  }

  /** One submission all the way: forms are known and the lane has looked into storage. */
  const warm = async (world: World): Promise<void> => {
    await world.receive({ n: 0 })
    await world.settled()
  }

  test('begins at once, reaches nobody before its delivery is written, and counts as its attempt', async () => {
    await using receiver = await startReceiver()
    const { runs, code } = eager(receiver.url)
    await using world = await openWorld({ installations: [{ id: 'crm', code }] })
    await warm(world)
    const storing = held(world.store.accept)
    const received = world.receive({ n: 1 }, storing.accept)
    await until('the run', () => runs.length === 2)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(receiver.requests).toHaveLength(1)
    expect(await world.deliveries()).toHaveLength(1)
    storing.go()
    await received
    await world.settled()
    const ids = (await world.deliveries()).map(({ id }) => id).toSorted()
    expect(runs).toEqual(ids)
    expect(receiver.requests.map((request) => request.json<{ id: string }>().id)).toEqual(ids)
    expect(await world.deliveries()).toMatchObject([
      { state: 'delivered', attempts: 1 },
      { state: 'delivered', attempts: 1 },
    ])
  })

  test('is forgotten when nothing was stored', async () => {
    await using receiver = await startReceiver()
    const { runs, code } = eager(receiver.url)
    await using world = await openWorld({ installations: [{ id: 'crm', code }] })
    await warm(world)
    const full = new HubError('storage_full', 'The disk is full.')
    const refused = world.receive({ n: 1 }, () => Promise.reject(full))
    await expect(refused).rejects.toMatchObject({ code: 'storage_full' })
    expect(runs).toHaveLength(2)
    await world.receive({ n: 2 })
    await world.settled()
    expect(receiver.requests).toHaveLength(2)
    expect((await world.deliveries()).map(({ id }) => id).toSorted()).toEqual([runs[0], runs[2]])
  })

  test('is not taken over by an attempt under another configuration', async () => {
    await using old = await startReceiver()
    await using now = await startReceiver()
    await using world = await openWorld({ installations: [{ id: 'crm', code: eager(old.url).code }] })
    await warm(world)
    const storing = held(world.store.accept)
    const received = world.receive({ n: 1 }, storing.accept)
    await new Promise((resolve) => setTimeout(resolve, 30))
    world.place([{ id: 'crm', code: eager(now.url).code, hash: 'new' }])
    storing.go()
    await received
    await world.settled()
    expect([old.requests.length, now.requests.length]).toEqual([1, 1])
    expect((await world.deliveries()).map(({ attempts }) => attempts)).toEqual([1, 1])
  })

  test('does nothing for a response that was erased before it was told', async () => {
    await using receiver = await startReceiver()
    const { code } = eager(receiver.url)
    await using world = await openWorld({ installations: [{ id: 'crm', code }] })
    await warm(world)
    const before = receiver.requests.length
    // The deletion's news overtakes that of the response: memory knows the event without its content.
    await world.receive({ n: 1 }, async (submissions) => {
      const results = await world.store.accept(submissions)
      for (const result of results) {
        if (result.kind !== 'stored') continue
        const { event } = result
        world.recent.add([
          event,
          { ...event, seq: event.seq + 1, id: newId('event'), type: 'response.deleted', data: '{}', response: null },
        ])
      }
      return results
    })
    await until('its end', async () => (await world.deliveries({ state: 'dead' })).length === 1)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(receiver.requests).toHaveLength(before)
    expect(await world.deliveries({ state: 'dead' })).toMatchObject([{ errorCode: 'event_erased' }])
  })

  test('is not begun for an installation that is slowed down by its admin', async () => {
    await using receiver = await startReceiver()
    const { runs, code } = eager(receiver.url)
    await using world = await openWorld({
      installations: [{ id: 'crm', code, ratePerSecond: 1_000 }],
    })
    await warm(world)
    const storing = held(world.store.accept)
    const received = world.receive({ n: 1 }, storing.accept)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(runs).toHaveLength(1)
    storing.go()
    await received
    await world.settled()
    expect(runs).toHaveLength(2)
  })
})

describe('several at once', () => {
  test('a batch of rows of every kind: each gets what it is to get, once, and it is on disk', async () => {
    await using receiver = await startReceiver()
    await using world = await openWorld({ installations: [{ id: 'crm', code: forwarder(receiver.url) }] })
    await world.receive([
      submissionOf({ n: 1 }),
      submissionOf({ n: 2 }, Date.now(), { clientId: 'k:mine' }),
      submissionOf({ n: 3 }, Date.now(), { idempotency: { key: 'p:contact:k', bodyHash: 'h' } }),
      submissionOf({ n: 4 }),
    ])
    await world.settled()
    const deliveries = await world.deliveries()
    expect(deliveries).toHaveLength(4)
    expect(deliveries.every(({ state, attempts }) => state === 'delivered' && attempts === 1)).toBe(true)
    const ids = receiver.requests.map((request) => request.json<{ id: string }>().id)
    expect(ids.toSorted()).toEqual(deliveries.map(({ id }) => id).toSorted())
    expect((await world.store.laneCounts())[0]).toMatchObject({ pending: 0, delivered: 4 })
  })

  /** Counts the items of its runs; `answer` makes what it says of them. */
  function batching(url: string, answer: (ids: readonly string[]) => Outcome | readonly Outcome[]) {
    const sizes: number[] = []
    const code: DoublePlugin = {
      hosts: [new URL(url).host],
      forward: { 'response.submitted': 'post' },
      actions: {
        post: (items) => {
          sizes.push(items.length)
          return answer(items.map(({ delivery }) => delivery.id))
        },
      },
    }
    const manifest = { actions: { post: { data: ['data'], batch: { max: 100 } } } }
    return { sizes, installation: { id: 'crm', code, manifest } }
  }
  const rows = (count: number) => Array.from({ length: count }, (_, n) => submissionOf({ n }))

  test('an action that takes batches gets one, and one request for all of it is made once', async () => {
    await using receiver = await startReceiver()
    const { sizes, installation } = batching(receiver.url, (ids) =>
      send({ method: 'POST', url: receiver.url, json: { ids: [...ids] } }),
    )
    await using world = await openWorld({ installations: [installation] })
    await world.receive(rows(1))
    await world.settled()
    await world.receive(rows(5))
    await world.settled()
    expect(sizes).toEqual([1, 5])
    expect(receiver.requests.map((request) => request.json<{ ids: string[] }>().ids.length)).toEqual([1, 5])
    expect((await world.deliveries()).map(({ state, attempts }) => [state, attempts])).toEqual(
      Array.from({ length: 6 }, () => ['delivered', 1]),
    )
  })

  test('more requests than a run may make: the rest follows in the next run, none is given up', async () => {
    await using receiver = await startReceiver()
    const { installation } = batching(receiver.url, (ids) =>
      ids.map((id) => send({ method: 'POST', url: receiver.url, json: { id } })),
    )
    await using world = await openWorld({ installations: [installation] })
    await world.receive(rows(30))
    await world.settled()
    expect(new Set(receiver.requests.map((request) => request.json<{ id: string }>().id)).size).toBe(30)
    expect(receiver.requests).toHaveLength(30)
    expect((await world.deliveries()).every(({ state, attempts }) => state === 'delivered' && attempts === 1)).toBe(
      true,
    )
  })
})

test('a form that cannot be read holds up nobody and ends nothing', async () => {
  await using receiver = await startReceiver()
  const when = { forms: null, events: null, filter: { 'data.n': { $gte: 0 } } }
  await using world = await openWorld({ installations: [{ id: 'crm', code: forwarder(receiver.url), when }] })
  const read = world.store.listFormVersions
  let failures = 0
  Object.assign(world.store, {
    listFormVersions: (...args: Parameters<typeof read>) =>
      ++failures < 4 ? Promise.reject(new HubError('storage_busy', 'locked')) : read(...args),
  })
  await world.receive({ n: 1 })
  await world.receive({ n: 2 })
  await world.settled()
  expect(failures).toBeGreaterThan(3)
  expect(receiver.requests.map((request) => request.json<{ n: number }>().n).toSorted()).toEqual([1, 2])
})

describe('a request left to the host', () => {
  test('is judged like one of its own: retried, given up, disabled', async () => {
    await using receiver = await startReceiver([{ status: 503 }, { status: 200 }, { status: 404 }, { status: 410 }])
    const code = forwarder(receiver.url, { permanent4xx: 'dead' })
    await using world = await openWorld({ installations: [{ id: 'crm', code }] })
    await world.receive({ n: 1 })
    await world.settled()
    await world.receive({ n: 2 })
    await world.settled()
    await world.receive({ n: 3 })
    await until('the end', async () => (await world.deliveries({ state: 'dead' })).length === 2)
    expect(world.disabled).toHaveLength(1)
    const ended = (await world.deliveries()).toSorted((a, b) => a.id.localeCompare(b.id))
    expect(ended).toMatchObject([
      { state: 'delivered', attempts: 2 },
      { state: 'dead', attempts: 1, reason: 'permanent_reject', errorCode: 'http_404' },
      { state: 'dead', attempts: 1, errorCode: 'gone' },
    ])
    expect(await world.store.listAttempts('default', ended[0]?.id ?? '')).toMatchObject([
      { outcome: 'retry', errorCode: 'http_503', exchanges: [{ status: 503, method: 'POST' }] },
      { outcome: 'delivered', exchanges: [{ status: 200 }] },
    ])
  })

  test('that may not be made is a dead letter for the admin', async () => {
    const code = { ...forwarder('http://127.0.0.1:9/'), hosts: ['example.com'] }
    await using world = await openWorld({ installations: [{ id: 'crm', code }] })
    await world.receive({ n: 1 })
    await world.settled()
    expect(await world.deliveries()).toMatchObject([
      { state: 'dead', attempts: 1, reason: 'config_error', errorCode: 'capability_denied' },
    ])
  })

  test('an open breaker holds it back without an attempt', async () => {
    await using receiver = await startReceiver({ status: 500 })
    await using world = await openWorld({
      installations: [{ id: 'crm', code: forwarder(receiver.url), retry: { delaysMs: [1, 1, 1] } }],
      limits: { breakerFailuresMax: 2, breakerProbeMs: 60_000 },
    })
    await world.receive({ n: 1 })
    await until('the breaker to open', () => world.counts.get('breaker crm open'))
    await world.receive({ n: 2 })
    await until('the second to wait', async () => {
      const [second] = await world.deliveries()
      return second?.state === 'pending' && second.attempts === 0
    })
    expect(receiver.requests).toHaveLength(2)
  })
})
