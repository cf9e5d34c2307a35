/** Credentials that a receiver does not accept: nothing is given up, nothing counted, and told once. */
import { expect, test } from 'vitest'
import { HubError } from '../../core/errors.ts'
import { startReceiver } from '../support/receiver.ts'
import { until } from '../support/wait.ts'
import { openWorld } from './world.ts'
import type { DoublePlugin } from './world.ts'

const KEY = 'default/crm'

/** Posts; 401 is refused by the outcome, 403 by the error that `ctx.token` throws. */
const keyed = (url: string): DoublePlugin => ({
  hosts: [new URL(url).host],
  on: { 'response.submitted': (event, ctx) => ctx.enqueue('post', { answers: event.data ?? {} }, { key: event.id }) },
  actions: {
    post: async (_items, ctx) => {
      const res = await ctx.http({ method: 'POST', url, body: '{}' })
      if (res.status === 403) throw new HubError('credential_refused', 'The token has expired.')
      return res.status === 401 ? { outcome: 'unauthorized', message: 'Log in again.' } : { outcome: 'delivered' }
    },
  },
})

test('many at once: told once, each waits with its attempt in the log and its schedule unused; a resume sends them all', async () => {
  await using receiver = await startReceiver({ status: 401 })
  await using world = await openWorld({
    installations: [{ id: 'crm', code: keyed(receiver.url), retry: { delaysMs: [] } }],
  })
  await world.submit(...Array.from({ length: 40 }, (_, n) => ({ n })))
  await until('the refusal', () => world.refusals, { accept: (list) => list.length > 0 })
  await until('the ends of those under way', () => world.engine.pressure(), {
    accept: (lanes) => lanes.every(({ running }) => running === 0),
  })
  const waiting = await until('the attempts to be written', () => world.deliveries(), {
    accept: (list) => list.filter(({ attempts }) => attempts > 0).length === receiver.requests.length,
  })
  // As many as ran side by side, and no more.
  expect(receiver.requests.length).toBeLessThanOrEqual(8)
  expect(world.refusals).toEqual([{ key: KEY, message: 'Log in again.' }])
  expect(waiting.every(({ state, scheduleStep }) => state === 'pending' && scheduleStep === 0)).toBe(true)
  const tried = waiting.find(({ attempts }) => attempts === 1)
  expect(tried).toMatchObject({ errorCode: 'credential_refused', error: 'Log in again.', finishedAt: null })
  expect(await world.store.listAttempts('default', tried?.id ?? '')).toMatchObject([
    { n: 1, outcome: 'unauthorized', errorCode: 'credential_refused', exchanges: [{ status: 401 }] },
  ])

  receiver.respond({ status: 200 })
  receiver.forget()
  world.move(KEY, 'ready')
  await world.settled()
  const ended = await world.deliveries()
  expect(ended).toHaveLength(40)
  expect(ended.every(({ state }) => state === 'delivered')).toBe(true)
  expect(receiver.requests).toHaveLength(40)
})

test('`credential_refused` uncaught means the same, also in a handler', async () => {
  await using receiver = await startReceiver({ status: 403 })
  let isOpen = false
  const code = keyed(receiver.url)
  const handler: DoublePlugin = {
    on: {
      'response.submitted': (event, ctx) => {
        if (!isOpen) throw new HubError('credential_refused', 'The token has expired.')
        ctx.enqueue('post', {}, { key: event.id })
      },
    },
    actions: { post: () => ({ outcome: 'delivered' }) },
  }
  await using world = await openWorld({
    installations: [
      { id: 'crm', code, retry: { delaysMs: [] } },
      { id: 'asker', code: handler, retry: { delaysMs: [] } },
    ],
  })
  await world.submit({ a: 1 })
  const told = await until('both refusals', () => world.refusals, { accept: (list) => list.length === 2 })
  expect(told.map(({ key }) => key).toSorted()).toEqual(['default/asker', KEY])
  expect(told[0]?.message).toBe('The token has expired.')
  const [asking] = await world.deliveries({ installation: 'asker' })
  expect(asking).toMatchObject({ kind: 'handler', state: 'retrying', attempts: 1, scheduleStep: 0 })
  receiver.respond({ status: 200 })
  isOpen = true
  world.move(KEY, 'ready')
  world.move('default/asker', 'ready')
  await world.settled()
  expect(
    (await world.deliveries({ state: 'delivered' }))
      .map(({ kind, installation }) => `${installation} ${kind}`)
      .toSorted(),
  ).toEqual(['asker action', 'asker handler', 'crm action'])
})

test.each([
  [{ outcome: 'unauthorized', message: 'Expired.' }, [1, 0], 'delivered'],
  [{ outcome: 'dead', code: 'tab_missing', message: 'No such tab.', disable: true }, [0, 1], 'dead'],
] as const)(
  'what was under way when it was mended says nothing of what there is now: %o',
  async (stops, told, ends) => {
    const { promise: gate, resolve: open } = Promise.withResolvers<void>()
    let answers = 0
    const code: DoublePlugin = {
      on: { 'response.submitted': (event, ctx) => ctx.enqueue('post', {}, { key: event.id }) },
      actions: {
        post: async () => {
          answers += 1
          if (answers === 1) return stops
          if (answers > 2) return { outcome: 'delivered' }
          // Began with the old credential, ends after the resume.
          await gate
          return stops
        },
      },
    }
    await using world = await openWorld({ installations: [{ id: 'crm', code, concurrency: 2 }] })
    await world.submit({ a: 1 }, { a: 2 })
    const stopped = () => [world.refusals.length, world.disabled.length]
    await until('the stop', stopped, { accept: (counts) => counts.join() === told.join() })
    await until('the other to be under way', () => answers, { accept: (count) => count >= 2 })
    world.move(KEY, 'ready')
    open()
    await world.settled()
    expect(stopped()).toEqual(told)
    expect((await world.deliveries()).map(({ state }) => state)).toEqual([ends, ends])
  },
)
