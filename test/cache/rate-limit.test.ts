/** Rate limits that processes share: one count for all, never open when Redis is away. */
import { expect, test } from 'vitest'
import { openSharedRateLimit } from '../../core/cache/redis/rate-limit.ts'
import type { RedisConnection } from '../../core/cache/redis/connection.ts'
import { openRateLimit } from '../../core/http/rate-limit.ts'
import { freshPrefix, privateRedis } from '../support/services.ts'
import { sleep, until } from '../support/wait.ts'
import { openDoor } from '../http/door.ts'
import { USUAL_MS, connect } from './connections.ts'

/** So slow that no token comes back during a test unless it waits for it. */
const SLOW = { ratePerSecond: 0.001, burst: 10 }

const limitOn = (connection: RedisConnection, prefix: string, rate = SLOW) =>
  openSharedRateLimit({ connection, prefix, local: openRateLimit(rate), ...rate })

/** How many of `times` requests pass. */
async function passed(
  take: (bucket: string, nowMs: number) => number | Promise<number>,
  bucket: string,
  times: number,
) {
  let passes = 0
  for (let n = 0; n < times; n++) if ((await take(bucket, performance.now())) === 0) passes += 1
  return passes
}

test('two processes share one count; another bucket has its own', async () => {
  await using corner = await freshPrefix()
  await using one = await connect(corner.url)
  await using other = await connect(corner.url)
  const [first, second] = [limitOn(one, corner.prefix), limitOn(other, corner.prefix)]
  expect(await passed(first.take, '203.0.113.7', 6)).toBe(6)
  expect(await passed(second.take, '203.0.113.7', 9)).toBe(4)
  expect(await first.take('203.0.113.7', performance.now())).toBeGreaterThan(0)
  expect(await passed(second.take, '203.0.113.8', 3)).toBe(3)
  expect([first.fallbacks(), second.fallbacks()]).toEqual([0, 0])
})

test('a thousand at once get exactly the burst', async () => {
  await using corner = await freshPrefix()
  await using one = await connect(corner.url)
  await using other = await connect(corner.url)
  const limits = [limitOn(one, corner.prefix), limitOn(other, corner.prefix)]
  const waits = await Promise.all(
    Array.from({ length: 1_000 }, async (_, n) => limits[n % 2]?.take('busy', performance.now())),
  )
  expect(waits.filter((waitMs) => waitMs === 0)).toHaveLength(SLOW.burst)
})

test('tokens come back at the rate, and the wait that is told is enough', async () => {
  await using corner = await freshPrefix()
  await using connection = await connect(corner.url)
  await using other = await connect(corner.url)
  const rate = { ratePerSecond: 5, burst: 1 }
  const limit = limitOn(connection, corner.prefix, rate)
  expect(await limit.take('a', performance.now())).toBe(0)
  const waitMs = await limitOn(other, corner.prefix, rate).take('a', performance.now())
  expect(waitMs).toBeGreaterThan(0)
  expect(waitMs).toBeLessThanOrEqual(200)
  await sleep(waitMs + 5)
  expect(await limitOn(other, corner.prefix, rate).take('a', performance.now())).toBe(0)
})

test('any text is a name, and Redis forgets a bucket that is full again', async () => {
  await using corner = await freshPrefix()
  await using connection = await connect(corner.url)
  const limit = limitOn(connection, corner.prefix, { ratePerSecond: 1_000, burst: 2 })
  for (const name of ['', 'a b\r\n', 'x'.repeat(10_000), '\u0000']) expect(await limit.take(name, 0)).toBe(0)
  const keys = await connection.ask((client) => client.keys(`${corner.prefix}rate:*`))
  expect(keys).toHaveLength(4)
  expect(Math.max(...(keys ?? []).map((key) => key.length))).toBeLessThan(100)
  await until('none', async () => {
    return ((await connection.ask((client) => client.keys(`${corner.prefix}rate:*`))) ?? keys)?.length === 0
  })
})

test('without Redis this process counts alone, and goes on from what it had counted', async () => {
  await using server = await privateRedis()
  await using connection = await connect(server.url)
  const limit = limitOn(connection, 'manifold:')
  expect(await passed(limit.take, 'a', 7)).toBe(7)
  await server.kill()
  await until('the news', () => !connection.isUp())
  expect(await passed(limit.take, 'a', 20)).toBe(3)
  expect(await passed(limit.take, 'b', 20)).toBe(10)
  expect(limit.fallbacks()).toBe(13)
})

test('a Redis that stalls costs one short wait, one that is flushed or full opens nothing', async () => {
  await using server = await privateRedis()
  await using connection = await connect(server.url, USUAL_MS)
  const limit = limitOn(connection, 'manifold:')
  process.kill(server.pid, 'SIGSTOP')
  try {
    const beganMs = performance.now()
    let passes = 0
    for (let n = 0; n < 20; n++) passes += await passed(limit.take, `stalled ${n}`, 12)
    expect(passes).toBe(20 * SLOW.burst)
    // One wait each would be 20 s.
    expect(performance.now() - beganMs).toBeLessThan(8_000)
  } finally {
    process.kill(server.pid, 'SIGCONT')
  }
  await until('its answer', async () => (await connection.ask((client) => client.ping())) === 'PONG')
  expect(await passed(limit.take, 'flushed', 10)).toBe(10)
  await connection.ask((client) => client.flushall('SYNC'))
  expect(await passed(limit.take, 'flushed', 10)).toBe(0)
  await connection.ask((client) => client.config('SET', 'maxmemory', '1mb'))
  const before = limit.fallbacks()
  expect(await passed(limit.take, 'full', 20)).toBe(10)
  expect(limit.fallbacks() - before).toBe(10)
})

test('two doors with one count turn the stranger away together, and a valid key passes both', async () => {
  await using corner = await freshPrefix()
  await using one = await connect(corner.url)
  await using other = await connect(corner.url)
  const limits = { publicRateBurst: 10, publicRatePerSecond: 0.001 }
  await using first = await openDoor({ limits, deps: { rateLimit: limitOn(one, corner.prefix).take } })
  await using second = await openDoor({ limits, deps: { rateLimit: limitOn(other, corner.prefix).take } })
  for (const door of [first, second]) {
    await door.saveForm('contact', { fields: [{ key: 'email', label: 'Email', type: 'text' }] })
  }
  const send = async (door: typeof first, key: string | null) =>
    (await door.call('POST', '/api/v2/forms/contact/responses', { key, json: { data: { email: 'a@b.example' } } }))
      .status
  const statuses: number[] = []
  for (let n = 0; n < 12; n++) statuses.push(await send(n % 2 === 0 ? first : second, null))
  expect(statuses).toEqual([...Array<number>(10).fill(201), 429, 429])
  // Wrong keys count in the same bucket, which is empty.
  expect(await send(first, 'mfk_wrong')).toBe(429)
  expect(await send(second, await second.key(['responses:write']))).toBe(201)
})
