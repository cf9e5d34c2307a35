/** Which runs pump and delivery tell the history of: each that counted, once, with what came of it; none that is made again. */
import { expect, test } from 'vitest'
import { HubError } from '../../core/errors.ts'
import { forwarder, openWorld } from '../delivery/world.ts'
import type { DoublePlugin } from '../delivery/world.ts'
import { startReceiver } from '../support/receiver.ts'

const answers = (count: number): object[] => Array.from({ length: count }, (_, n) => ({ n }))
const interrupted = () => new HubError('plugin_interrupted', 'a neighbour broke the process')

test('runs that were interrupted and repeated are told once, when they counted', async () => {
  const code: DoublePlugin = {
    on: { 'response.submitted': (event, ctx) => ctx.enqueue('post', {}, { key: event.id }) },
    actions: { post: () => ({ outcome: 'delivered' }) },
  }
  await using world = await openWorld({ installations: [{ id: 'a', code }] })
  let runs = 0
  world.sandbox.interfere = () => (++runs % 4 === 0 && runs < 40 ? interrupted() : null)
  const events = await world.submit(...answers(12))
  await world.settled()
  const about = (kind: string) =>
    world.runs.filter((run) => run.kind === kind).flatMap(({ items }) => items.map(({ eventId }) => eventId))
  expect(about('handler').toSorted()).toEqual(events.map(({ id }) => id).toSorted())
  expect(about('action').toSorted()).toEqual(events.map(({ id }) => id).toSorted())
  expect(world.runs.every(({ failure }) => failure === null)).toBe(true)
})

test('runs of a batch that read what others wrote are told once, as they were committed', async () => {
  const code: DoublePlugin = {
    on: {
      'response.submitted': async (_event, ctx) => {
        ctx.kv.set('count', Number((await ctx.kv.get('count')) ?? 0) + 1)
      },
    },
  }
  await using world = await openWorld({ installations: [{ id: 'a', code }] })
  const events = await world.submit(...answers(20))
  await world.caughtUp()
  expect(world.runs.map(({ items }) => items[0]?.eventId)).toEqual(events.map(({ id }) => id))
  expect(world.runs.map(({ effects }) => effects.kv[0]?.value)).toEqual(events.map((_, n) => String(n + 1)))
})

test('what the hub refused of a handler is a failed run without effects; its delivery is named, also when it fails again', async () => {
  const code: DoublePlugin = {
    on: { 'response.submitted': (_event, ctx) => ctx.enqueue('nonsense', {}) },
    actions: { post: () => ({ outcome: 'delivered' }) },
  }
  await using world = await openWorld({ installations: [{ id: 'a', code }] })
  const [event] = await world.submit({ n: 1 })
  await world.settled()
  const [delivery] = await world.deliveries()
  expect(world.runs).toMatchObject([
    {
      kind: 'handler',
      attempt: 1,
      failure: { code: 'capability_denied' },
      effects: { deliveries: [] },
      items: [{ eventId: event?.id, deliveryId: delivery?.id, responseId: event?.responseId }],
    },
  ])
  await world.store.rewindCursor('default', 'a', 0)
  world.pump.rewind('default/a', 0)
  await expect.poll(() => world.runs.length, { timeout: 20_000 }).toBe(2)
  expect(world.runs[1]?.items[0]?.deliveryId).toBe(delivery?.id)
})

test('of a batch each delivery has its own outcome, and the first that failed speaks for the run', async () => {
  const code: DoublePlugin = {
    on: { 'response.submitted': (event, ctx) => ctx.enqueue('post', event.data ?? {}) },
    actions: {
      post: (items) =>
        items.map(({ input }) =>
          (input as { n: number }).n === 2
            ? { outcome: 'dead', code: 'second', message: 'not the second' }
            : { outcome: 'delivered' },
        ),
    },
  }
  const manifest = { actions: { post: { batch: { max: 3, waitMs: 200 } } } }
  await using world = await openWorld({ installations: [{ id: 'a', code, manifest }] })
  await world.submit({ n: 1 }, { n: 2 }, { n: 3 })
  await world.settled()
  const [batch] = world.runs.filter(({ kind }) => kind === 'action')
  expect(batch?.items.map(({ outcome }) => outcome)).toEqual(['delivered', 'dead', 'delivered'])
  expect(batch?.failure).toMatchObject({ code: 'second', error: 'not the second' })
})

test('an action that leaves its request to the hub is told with the answer; where nothing runs nothing is told', async () => {
  await using receiver = await startReceiver([{ status: 500 }, { status: 200 }])
  await using world = await openWorld({ installations: [{ id: 'a', code: forwarder(receiver.url) }] })
  await world.submit({ n: 1 })
  await world.settled()
  expect(world.runs.map(({ kind, failure, exchanges }) => [kind, failure?.code, exchanges[0]?.status])).toEqual([
    ['action', 'http_500', 500],
    ['action', undefined, 200],
  ])
})

test('an attempt that its breaker holds back is no run', async () => {
  await using receiver = await startReceiver({ status: 500 })
  const { hosts = [], actions } = forwarder(receiver.url)
  const post = actions?.['post']
  if (post === undefined) throw new Error('an action')
  let held = 0
  const code: DoublePlugin = {
    hosts,
    on: { 'response.submitted': (event, ctx) => ctx.enqueue(event.data?.['n'] === 1 ? 'post' : 'other', {}) },
    // Nobody knows the host of this one before it has run.
    actions: { post, other: (items, ctx) => ((held += 1), post(items, ctx)) },
  }
  await using world = await openWorld({
    installations: [{ id: 'a', code, retry: { delaysMs: [1, 1, 1, 1, 1, 1, 1, 1] } }],
    limits: { breakerFailuresMax: 2, breakerProbeMs: 60_000 },
  })
  await world.submit({ n: 1 })
  await expect.poll(() => world.breakers.isOpen('default/a'), { timeout: 20_000 }).toBe(true)
  await world.submit({ n: 2 })
  await expect.poll(() => held, { timeout: 20_000 }).toBe(1)
  await world.engine.stop(1_000)
  expect(receiver.requests).toHaveLength(2)
  expect(world.runs.filter(({ kind }) => kind === 'action').map(({ name }) => name)).toEqual(['post', 'post'])
})

test('one event once more on purpose is a run, whether it works or not', async () => {
  let fails = false
  const code: DoublePlugin = {
    on: {
      'response.submitted': (event, ctx) => {
        if (fails) throw new Error('not again')
        ctx.enqueue('post', event.data ?? {})
      },
    },
    actions: { post: () => ({ outcome: 'delivered' }) },
  }
  await using world = await openWorld({ installations: [{ id: 'a', code }] })
  const [event] = await world.submit({ n: 1 })
  if (event === undefined) throw new Error('an event')
  await world.settled()
  await world.pump.runOnce('default/a', event)
  fails = true
  await expect(world.pump.runOnce('default/a', event)).rejects.toThrow('not again')
  const handlers = world.runs.filter(({ kind }) => kind === 'handler')
  expect(handlers.map(({ failure, effects }) => [failure?.code, effects.deliveries.length])).toEqual([
    [undefined, 1],
    [undefined, 1],
    ['plugin_threw', 0],
  ])
  expect(new Set(handlers.map(({ id }) => id)).size).toBe(3)
})
