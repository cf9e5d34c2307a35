/** The shared cache while its Redis dies, stalls, is flushed, is full or comes back old: never wrong, never a hang. */
import { connect as connectTcp, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { Redis } from 'ioredis'
import { describe, expect, test } from 'vitest'
import type { SharedCache } from '../../core/cache/cache.ts'
import { openRedisCache } from '../../core/cache/redis/cache.ts'
import type { RedisConnection } from '../../core/cache/redis/connection.ts'
import { systemClock } from '../../core/clock.ts'
import { privateRedis } from '../support/services.ts'
import { tempDir } from '../support/temp.ts'
import { sleep, until } from '../support/wait.ts'
import { USUAL_MS, connect } from './connections.ts'

const HOUR_MS = 3_600_000
const cacheOn = (connection: RedisConnection): SharedCache =>
  openRedisCache({ connection, clock: systemClock, name: 'forms', prefix: 'manifold:' })

/** As a reader does: looks, loads, puts, until it stands there. */
const refill = (cache: SharedCache, text: string): Promise<unknown> =>
  until(`"${text}" in the cache`, async () => {
    const seen = await cache.get('a')
    if (seen === undefined) await cache.put('a', text, HOUR_MS)
    return seen === text
  })

const count = (lines: readonly string[], part: string): number => lines.filter((line) => line.includes(part)).length

describe('killed', () => {
  test('everything resolves, the cache fills again afterwards, and the log says each change once', async () => {
    await using server = await privateRedis()
    await using connection = await connect(server.url)
    const cache = cacheOn(connection)
    await refill(cache, 'one')
    await server.kill()
    await until('the news', () => !connection.isUp())
    expect(await cache.get('a')).toBeUndefined()
    await cache.put('a', 'x', HOUR_MS)
    await cache.drop('a')
    expect(connection.describe()).toMatch(/^away: /)
    // Several tries to connect fail meanwhile.
    await sleep(700)
    await server.start()
    await refill(cache, 'two')
    expect(connection.describe()).toBe('up')
    expect([count(connection.lines, 'Redis is away'), count(connection.lines, 'Redis is back')]).toEqual([1, 1])
  })

  test('a hub starts without it and finds it later', async () => {
    await using server = await privateRedis()
    await server.kill()
    await using connection = await connect(server.url)
    const cache = cacheOn(connection)
    expect(await cache.get('a')).toBeUndefined()
    await server.start()
    await refill(cache, 'found')
  })

  test('one that comes back with an older snapshot does not bring back what was dropped since', async () => {
    await using dir = await tempDir('snapshot')
    await using server = await privateRedis(['--dir', dir.path, '--dbfilename', 'old.rdb'])
    await using connection = await connect(server.url)
    const cache = cacheOn(connection)
    await refill(cache, 'old')
    const admin = new Redis(server.url)
    await admin.save()
    admin.disconnect()
    await cache.drop('a')
    await server.kill()
    await until('the news', () => !connection.isUp())
    await server.start()
    await until('the connection', () => connection.isUp())
    const raw = await connection.ask((client) => client.get('manifold:cache:forms:a'))
    expect(raw, 'the snapshot holds the old text').toContain('old')
    for (let n = 0; n < 5; n++) expect(await cache.get('a')).toBeUndefined()
    await refill(cache, 'new')
  })
})

describe('stalled', () => {
  test('costs one short wait, not one a request; then all is as before', async () => {
    await using server = await privateRedis()
    await using connection = await connect(server.url, USUAL_MS)
    const cache = cacheOn(connection)
    await refill(cache, 'one')
    process.kill(server.pid, 'SIGSTOP')
    try {
      const beganMs = performance.now()
      for (let n = 0; n < 500; n++) await cache.get('a')
      // One wait each would be 50 s.
      expect(performance.now() - beganMs).toBeLessThan(10_000)
      expect(connection.isUp()).toBe(false)
    } finally {
      process.kill(server.pid, 'SIGCONT')
    }
    await refill(cache, 'one')
    expect(connection.isUp()).toBe(true)
  })

  test('DEBUG SLEEP: look-ups go on as misses', async () => {
    await using server = await privateRedis()
    await using connection = await connect(server.url, USUAL_MS)
    const cache = cacheOn(connection)
    await refill(cache, 'one')
    const admin = new Redis(server.url)
    const slept = admin.call('DEBUG', 'SLEEP', '2')
    await until('a miss', async () => (await cache.get('a')) === undefined)
    await slept
    admin.disconnect()
    await refill(cache, 'one')
  })

  test('a drop that it did not hear counts all the same', async () => {
    await using server = await privateRedis()
    await using connection = await connect(server.url, USUAL_MS)
    await using bystander = await connect(server.url)
    const cache = cacheOn(connection)
    await refill(cache, 'old')
    process.kill(server.pid, 'SIGSTOP')
    try {
      await until('the news', async () => (await cache.get('a'), !connection.isUp()))
      // Not even sent: Redis is being spared.
      await cache.drop('a')
    } finally {
      process.kill(server.pid, 'SIGCONT')
    }
    const raw = await bystander.ask((client) => client.get('manifold:cache:forms:a'))
    expect(raw, 'Redis still holds the old text').toContain('old')
    await until('the connection', async () => {
      expect(await cache.get('a')).toBeUndefined()
      return connection.isUp()
    })
    for (let n = 0; n < 5; n++) expect(await cache.get('a')).toBeUndefined()
    await refill(cache, 'new')
  })

  test('a put that it carries out much too late is not carried out', async () => {
    await using server = await privateRedis()
    await using connection = await connect(server.url, USUAL_MS)
    await using bystander = await connect(server.url)
    const cache = cacheOn(connection)
    await until('a line', async () => (await cache.get('a'), connection.isUp()))
    process.kill(server.pid, 'SIGSTOP')
    try {
      await cache.put('a', 'old', HOUR_MS)
      await sleep(2_500)
    } finally {
      process.kill(server.pid, 'SIGCONT')
    }
    await until('the connection', async () => (await cache.get('b'), connection.isUp()))
    expect(await bystander.ask((client) => client.exists('manifold:cache:forms:a'))).toBe(0)
  })

  test('a connection that has gone dead is given up for a new one', async () => {
    await using server = await privateRedis()
    const port = Number(new URL(server.url).port)
    const inside: Socket[] = []
    let dead = false
    const proxy = createServer((socket) => {
      const onward = connectTcp(port, '127.0.0.1')
      const deadOnes = inside.length === 0
      inside.push(socket, onward)
      for (const each of [socket, onward]) each.on('error', () => {})
      // The first connection goes silent without being closed, as when a machine vanishes from the network.
      socket.on('data', (bytes) => void ((deadOnes && dead) || onward.write(bytes)))
      onward.on('data', (bytes) => void socket.write(bytes))
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    try {
      await using connection = await connect(`redis://127.0.0.1:${(proxy.address() as AddressInfo).port}`, USUAL_MS)
      const cache = cacheOn(connection)
      await refill(cache, 'one')
      dead = true
      await until('the news', async () => (await cache.get('a'), !connection.isUp()))
      await until('a new connection', async () => (await cache.get('a'), connection.isUp()), { timeoutMs: 30_000 })
    } finally {
      for (const socket of inside) socket.destroy()
      proxy.close()
    }
  })
})

describe('a process that begins', () => {
  test('does not trust what another may have failed to drop, replaces it, and the others see that', async () => {
    await using server = await privateRedis()
    await using first = await connect(server.url)
    const lasting = cacheOn(first)
    await refill(lasting, 'old')
    // Another process changed the form here and was killed before its drop.
    await using second = await connect(server.url)
    const begun = cacheOn(second)
    for (let n = 0; n < 3; n++) expect(await begun.get('a')).toBeUndefined()
    await begun.put('a', 'new', HOUR_MS)
    expect(await begun.get('a')).toBe('new')
    expect(await lasting.get('a')).toBe('new')
  })
})

describe('flushed', () => {
  test('again and again: what is answered was put, and the cache fills again', async () => {
    await using server = await privateRedis()
    await using connection = await connect(server.url)
    const cache = cacheOn(connection)
    const admin = new Redis(server.url)
    const flushing = setInterval(() => void admin.flushall(), 20)
    try {
      for (let n = 0; n < 500; n++) {
        const text = await cache.get('a')
        expect([undefined, 'one']).toContain(text)
        if (text === undefined) await cache.put('a', 'one', HOUR_MS)
      }
    } finally {
      clearInterval(flushing)
    }
    await admin.flushall('SYNC')
    admin.disconnect()
    await refill(cache, 'one')
  })
})

describe('full', () => {
  test.each(['noeviction', 'allkeys-lru'])(
    '%s: nothing is wrong and nothing fails; with room it fills again',
    async (policy) => {
      await using server = await privateRedis(['--maxmemory-policy', policy])
      await using connection = await connect(server.url)
      const cache = cacheOn(connection)
      await refill(cache, 'old')
      const admin = new Redis(server.url)
      await admin.config('SET', 'maxmemory', '1mb')
      await cache.drop('a')
      for (let n = 0; n < 20; n++) {
        expect(await cache.get('a')).toBeUndefined()
        await cache.put(`b${n}`, 'x'.repeat(200_000), HOUR_MS)
        expect([undefined, 200_000]).toContain((await cache.get(`b${n}`))?.length)
      }
      expect(connection.isUp()).toBe(true)
      await admin.config('SET', 'maxmemory', '0')
      admin.disconnect()
      await until('room', async () => {
        if ((await cache.get('c')) === undefined) await cache.put('c', 'fits', HOUR_MS)
        return (await cache.get('c')) === 'fits'
      })
    },
  )
})

describe('the connection', () => {
  test('a password works and is never logged, right or wrong', async () => {
    const right = 'right-horse-4711'
    const wrong = 'wrong-horse-4712'
    await using server = await privateRedis()
    const admin = new Redis(server.url)
    await admin.config('SET', 'requirepass', right)
    admin.disconnect()
    const { host } = new URL(server.url)
    await using refused = await connect(`redis://:${wrong}@${host}`)
    await until('the refusal', () => refused.lines.length > 0)
    expect(refused.isUp()).toBe(false)
    expect(await refused.ask((client) => client.ping())).toBeUndefined()
    expect(refused.lines.join() + refused.describe()).not.toMatch(/horse/)
    await using admitted = await connect(`redis://:${right}@${host}`)
    expect(await admitted.ask((client) => client.ping())).toBe('PONG')
    expect(admitted.lines.join() + admitted.describe()).not.toMatch(/horse/)
  })

  test('rediss: speaks TLS from its first byte', async () => {
    const first = Promise.withResolvers<number | undefined>()
    const listener = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', (bytes) => {
        first.resolve(bytes[0])
        socket.destroy()
      })
    })
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
    await using _connection = await connect(`rediss://127.0.0.1:${(listener.address() as AddressInfo).port}`)
    const TLS_HANDSHAKE = 0x16
    expect(await first.promise).toBe(TLS_HANDSHAKE)
    listener.close()
  })

  test('closes, and leaves nobody waiting, while Redis stalls', async () => {
    await using server = await privateRedis()
    const connection = await connect(server.url)
    process.kill(server.pid, 'SIGSTOP')
    try {
      const asked = connection.ask((client) => client.ping())
      const beganMs = performance.now()
      await connection.close()
      expect(await asked).toBeUndefined()
      expect(performance.now() - beganMs).toBeLessThan(8_000)
      expect(await connection.ask((client) => client.ping())).toBeUndefined()
    } finally {
      process.kill(server.pid, 'SIGCONT')
    }
  })
})
