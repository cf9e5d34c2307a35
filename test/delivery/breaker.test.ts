/** Breakers at work: a host that fails is left alone, probed, and given back what died of it. */
import { describe, expect, test } from 'vitest'
import { startReceiver } from '../support/receiver.ts'
import { until } from '../support/wait.ts'
import { openWorld, sender } from './world.ts'
import type { DoublePlugin } from './world.ts'

const answers = (count: number): object[] => Array.from({ length: count }, (_, n) => ({ n }))

describe('the breaker', () => {
  test('opens once, holds the rest uncounted, closes after a probe, and brings back what died meanwhile', async () => {
    await using receiver = await startReceiver({ status: 500 })
    await using world = await openWorld({
      installations: [{ id: 'crm', code: sender(receiver.url), retry: { delaysMs: [] }, concurrency: 1 }],
      limits: { breakerFailuresMax: 3, breakerProbeMs: 100, breakerProbeMsMax: 200 },
    })
    await world.submit(...answers(40))
    await until('the breaker to open', () => world.counts.get('breaker crm open'))
    const waiting = await world.deliveries({ state: 'pending' })
    expect(waiting.length).toBeGreaterThan(30)
    expect(waiting.every(({ attempts }) => attempts === 0)).toBe(true)
    // Probes go on, one at a time, and each of them dies of its own failure.
    await receiver.received(5)
    expect(
      world.events.filter(({ type, data }) => type === 'alert.raised' && data?.includes('breaker_open') === true),
    ).toHaveLength(1)
    receiver.respond({ status: 200 })
    await world.settled()
    expect((await world.deliveries({ state: 'delivered' })).length).toBe(40)
    expect(world.counts.get('breaker crm open')).toBe(1)
    expect(world.counts.get('breaker crm closed')).toBe(1)
    await until('the news', () => world.events.find(({ data }) => data?.includes('breaker_closed') === true))
  })

  test('a probe whose plugin fails before it sends leaves the door to the next', async () => {
    await using receiver = await startReceiver({ status: 500 })
    let broken = false
    const healthy = sender(receiver.url)
    const code: DoublePlugin = {
      ...healthy,
      actions: {
        post: (items, ctx) => {
          if (broken) throw new Error('not even sent')
          return healthy.actions?.['post']?.(items, ctx) ?? { outcome: 'delivered' }
        },
      },
    }
    await using world = await openWorld({
      installations: [{ id: 'crm', code, retry: { delaysMs: Array.from({ length: 200 }, () => 20) }, concurrency: 1 }],
      limits: { breakerFailuresMax: 2, breakerProbeMs: 50, breakerProbeMsMax: 50 },
    })
    await world.submit(...answers(4))
    await until('the breaker to open', () => world.counts.get('breaker crm open'))
    broken = true
    const before = receiver.requests.length
    const attempts = async (): Promise<number> =>
      (await world.deliveries()).reduce((sum, delivery) => sum + delivery.attempts, 0)
    await until('probes that never left', async () => (await attempts()) > before + 2)
    broken = false
    receiver.respond({ status: 200 })
    await world.settled()
    expect(await world.deliveries({ state: 'delivered' })).toHaveLength(4)
  })

  test.each([
    ['whose probe asks it', false],
    ['whose probe does not ask it any more', true],
  ])('a host that a run talks to on its way to another is given back, %s', async (_what, isKept) => {
    await using tokens = await startReceiver({ status: 503 })
    await using api = await startReceiver()
    let token = ''
    const code: DoublePlugin = {
      hosts: [new URL(tokens.url).host, new URL(api.url).host],
      on: { 'response.submitted': (_event, ctx) => ctx.enqueue('post', {}) },
      actions: {
        post: async (_items, ctx) => {
          const asked = token === '' ? (await ctx.http({ method: 'POST', url: tokens.url })).status : 200
          if (asked !== 200) return { outcome: 'retry', reason: 'no token', code: 'token_unavailable' }
          if (isKept) token = 'kept'
          const { status } = await ctx.http({ method: 'POST', url: api.url })
          return status < 300 ? { outcome: 'delivered' } : { outcome: 'retry', reason: `answered ${status}` }
        },
      },
    }
    await using world = await openWorld({
      installations: [{ id: 'crm', code, retry: { delaysMs: Array.from({ length: 200 }, () => 20) } }],
      limits: { breakerFailuresMax: 3, breakerProbeMs: 50, breakerProbeMsMax: 50 },
    })
    await world.submit(...answers(30))
    await until('the breaker to open', () => world.counts.get('breaker crm open'))
    if (isKept) token = 'from before'
    else tokens.respond({ status: 200 })
    await world.settled()
    expect(await world.deliveries({ state: 'delivered' })).toHaveLength(30)
  })

  test('a run that had sent something when it came to a closed door is an attempt, and what it sent is on record', async () => {
    await using sheet = await startReceiver()
    await using mail = await startReceiver({ status: 503 })
    const seen: boolean[] = []
    const post = (to: { url: string }) => ({ method: 'POST', url: to.url }) as const
    const code: DoublePlugin = {
      hosts: [new URL(sheet.url).host, new URL(mail.url).host],
      on: {
        'response.submitted': (event, ctx) => ctx.enqueue(String((event.data as { to?: string }).to), {}),
      },
      actions: {
        mail: async (_items, ctx) =>
          (await ctx.http(post(mail))).status < 300 ? { outcome: 'delivered' } : { outcome: 'retry', reason: 'busy' },
        both: async ([item], ctx) => {
          seen.push(item?.delivery.repeat === true)
          await ctx.http(post(sheet))
          return (await ctx.http(post(mail))).status < 300
            ? { outcome: 'delivered' }
            : { outcome: 'retry', reason: 'busy' }
        },
      },
    }
    await using world = await openWorld({
      installations: [{ id: 'crm', code, retry: { delaysMs: Array.from({ length: 200 }, () => 20) } }],
      limits: { breakerFailuresMax: 3, breakerProbeMs: 60_000, breakerProbeMsMax: 60_000 },
    })
    await world.submit(...Array.from({ length: 4 }, () => ({ to: 'mail' })))
    await until('the breaker to open', () => world.counts.get('breaker crm open'))
    await world.submit({ to: 'both' })
    const waiting = await until('the attempt', () => world.deliveries({ state: 'retrying' }), {
      accept: (list) => list.some(({ name }) => name === 'both'),
    })
    const tried = waiting.find(({ name }) => name === 'both')
    expect(tried).toMatchObject({ attempts: 1, errorCode: 'breaker_open' })
    const attempts = await world.store.listAttempts('default', tried?.id ?? '')
    expect(attempts).toMatchObject([{ outcome: 'retry', errorCode: 'breaker_open', exchanges: [{ status: 200 }] }])
    mail.respond({ status: 200 })
    await world.engine.probe('default/crm')
    await world.settled()
    expect([seen, sheet.requests.length]).toEqual([[false, true], 2])
  })

  test('a dead endpoint leaves its neighbour alone', async () => {
    await using dead = await startReceiver({ hang: true })
    await using alive = await startReceiver()
    await using world = await openWorld({
      installations: [
        { id: 'dead', code: sender(dead.url) },
        { id: 'alive', code: sender(alive.url) },
      ],
    })
    await world.submit(...answers(100))
    await alive.received(100)
    await until('all of the living', () => world.deliveries({ installation: 'alive', state: 'delivered' }), {
      accept: (list) => list.length === 100,
    })
    expect(dead.concurrencyMax).toBeLessThanOrEqual(8)
    expect(await world.store.countDeliveries('default', { installation: 'dead', state: 'pending' })).toBe(100)
    await world.stop(10)
  })
})
