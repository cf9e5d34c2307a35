/** F-11: Redis gone, flushed, full or asleep. Accepting and delivering go on; what it held is rebuilt; no limit opens. */
import { Redis } from 'ioredis'
import { describe, expect, test } from 'vitest'
import { settled } from '../support/hub.ts'
import { storedKeys } from '../support/pages.ts'
import { DECK, openScene } from '../support/scene.ts'
import type { Scene } from '../support/scene.ts'
import { privateRedis } from '../support/services.ts'
import type { PrivateRedis } from '../support/services.ts'
import { sleep, until } from '../support/wait.ts'

/** What is done to Redis while submissions come in; ends with a Redis that works. */
type Harm = (server: PrivateRedis, admin: Redis) => Promise<void>

const HARMS: Readonly<Record<string, Harm>> = {
  'killed and started again each 2 s': async (server) => {
    for (let n = 0; n < 3; n++) {
      await sleep(1_000)
      await server.kill()
      await sleep(1_000)
      await server.start()
    }
  },
  'flushed each 2 s': async (_server, admin) => {
    for (let n = 0; n < 3; n++) {
      await sleep(2_000)
      await admin.flushall()
    }
  },
  'full (maxmemory 1mb)': async (_server, admin) => {
    await admin.config('SET', 'maxmemory', '1mb')
    await sleep(4_000)
    await admin.config('SET', 'maxmemory', '0')
  },
  'asleep (DEBUG SLEEP 10)': async (_server, admin) => {
    await sleep(500)
    await admin.call('DEBUG', 'SLEEP', '10')
  },
}

const sceneWith = (server: PrivateRedis, limits: Readonly<Record<string, number>> = {}): Promise<Scene> =>
  openScene({ env: { REDIS_URL: server.url }, driver: { perSecond: 50, timeoutMs: 5_000 }, limits })

describe('F-11 Redis fails', () => {
  test.each(Object.entries(HARMS))('F-11 %s: everything is accepted and delivered once', async (_name, harm) => {
    await using server = await privateRedis()
    const admin = new Redis(server.url)
    admin.on('error', () => {})
    await using scene = await sceneWith(server)
    const { hub, ledger, driver } = scene
    driver.start()
    await harm(server, admin)
    await driver.stop()
    admin.disconnect()
    await settled(hub)
    // No request was refused or had to be sent again.
    expect([...driver.answers.keys()]).toEqual([201])
    const account = ledger.account(await storedKeys(hub, DECK))
    expect(account).toMatchObject({ lost: [], invented: [], storedTwice: [], undelivered: [], unaccounted: [] })
    expect(account.duplicates).toEqual(new Map())
    expect(account.acknowledged).toBeGreaterThan(100)
    expect((await hub.api('GET', '/readyz')).status).toBe(200)
    await until('Redis in use again', async () => {
      // Somebody has to ask for it to be noticed that it answers.
      await hub.api('POST', `/api/v2/forms/${DECK}/responses`, { data: { key: 'after' } }, { key: null })
      return (await hub.metric('manifold_redis_up')) === 1
    })
  })

  test('F-11 the caches rebuild, and a changed form counts at once while Redis is away', async () => {
    await using server = await privateRedis()
    await using scene = await sceneWith(server)
    const { hub } = scene
    const define = (method: string, path: string, required: boolean) =>
      hub.api(method, path, {
        id: 'volatile',
        name: 'Volatile',
        access: 'key',
        fields: [{ key: 'extra', label: 'Extra', type: 'text', required }],
      })
    const submit = async () => (await hub.api('POST', '/api/v2/forms/volatile/responses', { data: {} })).status
    expect((await define('POST', '/api/v2/forms', false)).status).toBe(201)
    expect(await submit()).toBe(201)
    const admin = new Redis(server.url)
    admin.on('error', () => {})
    const cached = () => admin.keys('manifold:*:cache:forms:*volatile')
    await until('the shared copy', async () => {
      // Changing nothing makes the next one load it anew.
      return (await submit()) === 201 && (await cached()).length === 1
    })
    await server.kill()
    await until('the news', async () => (await hub.metric('manifold_redis_up')) === 0)
    expect((await define('PUT', '/api/v2/forms/volatile', true)).status).toBe(200)
    expect(await submit()).toBe(422)
    await server.start()
    await until('Redis in use again', async () => (await hub.metric('manifold_redis_up')) === 1)
    expect(await submit()).toBe(422)
    admin.disconnect()
  })

  test('F-11 without Redis the rate limit is that of each process, not open', async () => {
    await using server = await privateRedis()
    await using scene = await sceneWith(server, { publicRateBurst: 5, publicRatePerSecond: 1 })
    const { hub } = scene
    const submit = async () =>
      (await hub.api('POST', `/api/v2/forms/${DECK}/responses`, { data: { key: 'x' } }, { key: null })).status
    expect(await submit()).toBe(201)
    await server.kill()
    await until('the news', async () => (await hub.metric('manifold_redis_up')) === 0)
    const statuses: number[] = []
    for (let n = 0; n < 30; n++) statuses.push(await submit())
    expect(statuses).toContain(201)
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(15)
    expect(await hub.metric('manifold_rate_limit_fallbacks_total')).toBeGreaterThan(0)
  })
})
