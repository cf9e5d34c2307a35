/** The pump: every event once, in order, whatever fails; filters; cursors that move. */
import { describe, expect, test } from 'vitest'
import { HubError } from '../../core/errors.ts'
import type { HubEvent } from '../../core/contract/index.ts'
import { startReceiver } from '../support/receiver.ts'
import { tempDir } from '../support/temp.ts'
import { until } from '../support/wait.ts'
import { openWorld } from '../delivery/world.ts'
import type { DoublePlugin } from '../delivery/world.ts'

const answers = (count: number): object[] => Array.from({ length: count }, (_, n) => ({ n }))

/** Notes what it is given, in order. */
function noting(): { readonly seen: HubEvent[]; readonly code: DoublePlugin } {
  const seen: HubEvent[] = []
  return { seen, code: { on: { 'response.submitted': (event) => void seen.push(event) } } }
}

const numbers = (events: readonly HubEvent[]): unknown[] => events.map(({ data }) => data?.['n'])

test('events come in order and in batches no larger than the limit', async () => {
  const { seen, code } = noting()
  await using world = await openWorld({ installations: [{ id: 'a', code }], limits: { pumpBatchEventsMax: 7 } })
  await world.submit(...answers(50))
  await world.caughtUp()
  expect(numbers(seen)).toEqual(answers(50).map((_, n) => n))
  expect(Math.max(...world.sandbox.crossings)).toBe(7)
  expect(world.counts.get('handled a')).toBe(50)
})

test('a handler that wants the latest alone gets the last of those that wait, and the cursor passes all', async () => {
  const seen: string[] = []
  const note = ({ type, data }: HubEvent): void => void seen.push(`${type} ${JSON.stringify(data?.['n'])}`)
  const code = { on: { 'response.submitted': note, 'response.partial': note } }
  const manifest = {
    on: { 'response.submitted': { data: ['data'], latest: true }, 'response.partial': { data: ['data'] } },
  }
  const spec = { id: 'a', code, manifest }
  await using world = await openWorld({ installations: [{ ...spec, state: 'paused' }] })
  await world.submit(...answers(10))
  world.place([{ ...spec, state: 'ready' }])
  await world.caughtUp()
  expect(seen).toEqual(['response.submitted 9'])
  const [row] = await world.store.syncInstallations([])
  expect(row?.cursor).toBe(await world.store.headSeq())
})

test('who looks itself what there is hears of a stream of news once in a while', async () => {
  let passedMs = 0
  const timers: { readonly atMs: number; readonly act: () => void }[] = []
  const clock = {
    nowMs: () => Date.UTC(2026, 10, 27) + passedMs,
    monotonicMs: () => passedMs,
    after: (delayMs: number, act: () => void) => {
      const timer = { atMs: passedMs + delayMs, act }
      timers.push(timer)
      return () => void timers.splice(timers.indexOf(timer), timers.includes(timer) ? 1 : 0)
    },
  }
  const { seen, code } = noting()
  const manifest = { on: { 'response.submitted': { data: ['data'], latest: true } } }
  await using world = await openWorld({ clock, installations: [{ id: 'a', code, manifest }] })
  await world.submit({ n: 0 })
  await world.caughtUp()
  for (const n of [1, 2, 3]) await world.submit({ n })
  await until('it to be called later', () => timers.length > 0)
  expect(numbers(seen)).toEqual([0])
  passedMs += 1_000
  for (const { act } of timers.splice(0)) act()
  await world.caughtUp()
  expect(numbers(seen)).toEqual([0, 3])
})

test('a new installation reads from where it is told; the log is read from storage when memory does not reach back', async () => {
  await using dir = await tempDir('pump')
  {
    await using world = await openWorld({ dir: dir.path, installations: [] })
    await world.submit(...answers(1_500))
  }
  const { seen, code } = noting()
  await using world = await openWorld({ dir: dir.path, installations: [{ id: 'late', code, cursor: 0 }] })
  await until('all of it', () => seen.length === 1_500)
  await world.submit({ n: 1_500 })
  await until('the newest', () => seen.length === 1_501)
  expect(numbers(seen)).toEqual(answers(1_501).map((_, n) => n))
})

test('filters, forms and types; what is skipped moves the cursor without a commit each', async () => {
  await using dir = await tempDir('pump')
  const { seen, code } = noting()
  const when = { forms: ['contact'], events: null, filter: { 'data.n': { $gte: 90 } } }
  {
    await using world = await openWorld({ dir: dir.path, installations: [{ id: 'a', code, when }] })
    await world.submit(...answers(100))
    await world.caughtUp()
    expect(numbers(seen)).toEqual([90, 91, 92, 93, 94, 95, 96, 97, 98, 99])
    await world.submit(...answers(20))
    await world.caughtUp()
  }
  // What it skipped last was written at the stop.
  await using again = await openWorld({ dir: dir.path, installations: [] })
  const [row] = await again.store.syncInstallations([])
  expect(row?.cursor).toBe(await again.store.headSeq())
})

test('a poison event is retried on its own and buried; those behind it do not wait, and neighbours get it once', async () => {
  const { seen, code } = noting()
  const tries: number[] = []
  const poisoned: DoublePlugin = {
    on: {
      'response.submitted': (event, ctx) => {
        if (event.data?.['n'] === 3) {
          tries.push(Date.now())
          throw new Error('poison')
        }
        ctx.tally('handled')
      },
    },
  }
  await using world = await openWorld({
    installations: [
      { id: 'a', code: poisoned, retry: { delaysMs: [20, 20] } },
      { id: 'b', code },
    ],
  })
  await world.submit(...answers(10))
  await world.settled()
  expect(tries).toHaveLength(3)
  expect(
    await world.store.tallies({ workspace: 'default', installation: 'a', prefix: '', after: null, limit: 100 }),
  ).toEqual({ handled: 9 })
  expect(numbers(seen)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  const [delivery] = await world.deliveries()
  expect(delivery).toMatchObject({
    kind: 'handler',
    name: 'response.submitted',
    state: 'dead',
    attempts: 3,
    reason: 'internal_error',
    errorCode: 'plugin_threw',
  })
  expect(await world.store.listAttempts('default', delivery?.id ?? '')).toHaveLength(3)
  await until('the event', () => world.events.find(({ type }) => type === 'delivery.dead'))
})

test('a failed handler that works at its second try has its effects then, once', async () => {
  let broken = true
  const code: DoublePlugin = {
    on: {
      'response.submitted': (event, ctx) => {
        if (broken) throw new Error('not yet')
        ctx.enqueue('post', event.data ?? {})
        ctx.tally('handled')
      },
    },
    actions: { post: () => ({ outcome: 'delivered' }) },
  }
  await using world = await openWorld({
    installations: [{ id: 'a', code, retry: { delaysMs: [30, 30, 30, 30, 30, 30, 30, 30] } }],
  })
  const [event] = await world.submit({ n: 1 })
  await until('the failure', () => world.counts.get('handler a plugin_threw'))
  broken = false
  await world.settled()
  const all = await world.deliveries()
  expect(all.map(({ kind, state }) => [kind, state]).sort()).toEqual([
    ['action', 'delivered'],
    ['handler', 'delivered'],
  ])
  expect(all.find(({ kind }) => kind === 'action')).toMatchObject({ eventId: event?.id, formId: 'contact' })
  expect(
    await world.store.tallies({ workspace: 'default', installation: 'a', prefix: '', after: null, limit: 100 }),
  ).toEqual({ handled: 1 })
})

test('an interrupted batch is repeated; nothing is skipped and nothing is counted against the plugin', async () => {
  const { seen, code } = noting()
  await using world = await openWorld({ installations: [{ id: 'a', code }] })
  let runs = 0
  world.sandbox.interfere = () =>
    ++runs % 4 === 0 && runs < 40 ? new HubError('plugin_interrupted', 'a neighbour broke the process') : null
  await world.submit(...answers(12))
  await world.caughtUp()
  expect(new Set(numbers(seen)).size).toBe(12)
  expect(await world.deliveries()).toEqual([])
})

describe('what a manifest does not allow', () => {
  test.each([
    [
      'emit',
      (ctx: { emit(name: string, data: object): void }) => ctx.emit('x', {}),
      { permissions: { kv: true } },
      'capability_denied',
    ],
    [
      'kv',
      (ctx: { kv: { set(key: string, value: number): void } }) => ctx.kv.set('a', 1),
      { permissions: { emit: true } },
      'capability_denied',
    ],
    [
      'an action of no name',
      (ctx: { enqueue(action: string, input: null): void }) => ctx.enqueue('nope', null),
      {},
      'capability_denied',
    ],
  ] as const)('%s', async (_name, act, manifest, code) => {
    const plugin: DoublePlugin = { on: { 'response.submitted': (_event, ctx) => act(ctx) } }
    await using world = await openWorld({ installations: [{ id: 'a', code: plugin, manifest }] })
    await world.submit({ n: 1 })
    await world.settled()
    expect((await world.deliveries())[0]).toMatchObject({
      kind: 'handler',
      state: 'dead',
      reason: 'config_error',
      errorCode: code,
    })
    expect(await world.store.kvCount('default', 'a')).toBe(0)
  })
})

test('plugins that answer each other stop at the hop limit', async () => {
  const code: DoublePlugin = { on: { '*': (_event, ctx) => ctx.emit('echo', { again: true }) } }
  await using world = await openWorld({
    installations: [{ id: 'a', code, retry: { delaysMs: [] } }],
    limits: { hopsMax: 4 },
  })
  await world.submit({ n: 1 })
  await world.settled()
  await until('the end of the circle', () => world.deliveries({ state: 'dead' }), { accept: (list) => list.length > 0 })
  await world.caughtUp()
  const echoes = world.events.filter(({ type }) => type === 'plugin.double.echo')
  expect(Math.max(...echoes.map(({ hops }) => hops))).toBe(4)
  const dead = await world.deliveries({ state: 'dead' })
  expect(dead.map(({ errorCode }) => errorCode)).toEqual(dead.map(() => 'hop_limit'))
  // The last one's `delivery.dead` is told to nobody, so the circle has an end.
  expect(dead.length).toBeLessThan(20)
})

test('the same key is enqueued once for ever; a backfill repeats nothing; one event can be had again on purpose', async () => {
  let sent = 0
  const code: DoublePlugin = {
    on: { 'response.submitted': (event, ctx) => ctx.enqueue('post', event.data ?? {}) },
    actions: { post: () => (sent++, { outcome: 'delivered' }) },
  }
  await using world = await openWorld({ installations: [{ id: 'a', code }] })
  const [event] = await world.submit(...answers(5))
  await world.settled()
  expect(sent).toBe(5)
  await world.store.rewindCursor('default', 'a', 0)
  world.pump.rewind('default/a', 0)
  await until('the second reading', () => world.counts.get('handled a') === 10)
  await world.settled()
  expect(sent).toBe(5)
  if (event === undefined) throw new Error('an event')
  const made = await world.pump.runOnce('default/a', event)
  expect(made).toHaveLength(1)
  await world.settled()
  expect(sent).toBe(6)
  expect((await world.deliveries()).length).toBe(6)
})

test('an erased event is skipped', async () => {
  const { seen, code } = noting()
  const spec = { id: 'a', code, state: 'paused' as const }
  await using world = await openWorld({ installations: [spec] })
  const [first] = await world.submit({ n: 1 }, { n: 2 })
  const deletion = {
    id: 'evt_gone',
    type: 'response.deleted',
    at: new Date().toISOString(),
    formId: 'contact',
    responseId: first?.responseId ?? null,
    hops: 0,
    data: '{}',
  }
  await world.store.deleteResponse('default', first?.responseId ?? '', deletion)
  const told = await world.store.getEvent('default', 'evt_gone')
  if (told !== undefined) world.published([told])
  world.place([{ ...spec, state: 'ready' }])
  await until('the other', () => seen.length > 0)
  await world.caughtUp()
  expect(numbers(seen)).toEqual([2])
})

test('paused it stands still, resumed it goes on where it was; a stranger notices neither', async () => {
  const paused = noting()
  const other = noting()
  const specs = [
    { id: 'a', code: paused.code },
    { id: 'b', code: other.code },
  ] as const
  await using world = await openWorld({ installations: specs })
  await world.submit({ n: 0 })
  await until('both', () => paused.seen.length === 1 && other.seen.length === 1)
  world.place([{ ...specs[0], state: 'paused' }, specs[1]])
  await world.submit({ n: 1 }, { n: 2 })
  await until('the other', () => other.seen.length === 3)
  expect(paused.seen).toHaveLength(1)
  world.place(specs)
  await until('the paused one', () => paused.seen.length === 3)
  expect(numbers(paused.seen)).toEqual([0, 1, 2])
  expect(numbers(other.seen)).toEqual([0, 1, 2])
})

test('a handler is no success where actions are to follow, or where nobody outside was asked', async () => {
  await using receiver = await startReceiver()
  const enqueues: DoublePlugin = {
    on: { 'response.submitted': (event, ctx) => ctx.enqueue('post', event.data ?? {}) },
    actions: { post: () => ({ outcome: 'retry', reason: 'no' }) },
  }
  const tallies: DoublePlugin = { on: { 'response.submitted': (_event, ctx) => ctx.tally('n') } }
  const asks: DoublePlugin = {
    hosts: [new URL(receiver.url).host],
    on: { 'response.submitted': async (_event, ctx) => void (await ctx.http({ method: 'POST', url: receiver.url })) },
  }
  const retry = { delaysMs: [60_000] }
  await using world = await openWorld({
    installations: [
      { id: 'enqueues', code: enqueues, retry },
      { id: 'silent', code: tallies },
      { id: 'tallies', code: tallies, manifest: { permissions: { kv: true } } },
      { id: 'asks', code: asks },
    ],
  })
  await world.submit({ n: 0 })
  await world.caughtUp()
  const rows = await world.store.syncInstallations([])
  const worked = rows.filter(({ lastSuccessAt }) => lastSuccessAt !== null).map(({ id }) => id)
  expect(worked).toEqual(['asks', 'tallies'])
})

test('effects and cursor are one: a commit that finds the cursor moved writes nothing', async () => {
  const code: DoublePlugin = { on: { 'response.submitted': (_event, ctx) => ctx.tally('handled') } }
  await using world = await openWorld({ installations: [{ id: 'a', code }] })
  const head = await world.store.headSeq()
  // Somebody else (another process) moves the cursor past what is about to come.
  const effects = { deliveries: [], kv: [], events: [], tallies: [] }
  const place = { workspace: 'default', installation: 'a', plugin: 'double' }
  await world.store.commitHandled({ ...place, fromCursor: head, toCursor: head + 3, effects })
  await world.submit(...answers(5))
  await world.caughtUp()
  expect(
    await world.store.tallies({ workspace: 'default', installation: 'a', prefix: '', after: null, limit: 100 }),
  ).toEqual({ handled: 2 })
})

test('what the log had before is catching up, not pressure; what came since is', async () => {
  await using dir = await tempDir('pump')
  {
    await using world = await openWorld({ dir: dir.path, installations: [] })
    await world.submit(...answers(30))
  }
  const { code } = noting()
  await using world = await openWorld({ dir: dir.path, installations: [{ id: 'late', code, cursor: 0 }] })
  let blocked = true
  world.sandbox.interfere = () => (blocked ? new HubError('plugin_interrupted', 'not now') : null)
  await world.submit({ n: 30 })
  expect(world.pump.catchingUp('default/late')).toBe(true)
  blocked = false
  await world.caughtUp()
  expect(world.pump.catchingUp('default/late')).toBe(false)
  blocked = true
  await world.submit({ n: 31 })
  await until('the lag', () => world.pump.behind('default/late') > 0)
  expect(world.pump.catchingUp('default/late')).toBe(false)
  await world.store.rewindCursor('default', 'late', 0)
  world.pump.rewind('default/late', 0)
  expect(world.pump.catchingUp('default/late')).toBe(true)
})
