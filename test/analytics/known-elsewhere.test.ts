/** Answers that processes of a hub share through Redis: never stale, never another's, and no question needs Redis. */
import { mkdir, rm } from 'node:fs/promises'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { noSharedCache } from '../../core/cache/none/cache.ts'
import { openRedisCache } from '../../core/cache/redis/cache.ts'
import { systemClock } from '../../core/clock.ts'
import type { FieldInfo, LoggedEvent } from '../../core/contract/index.ts'
import { LIMITS } from '../../core/limits.ts'
import { openPluginCache } from '../../core/native/plugin-cache.ts'
import { openSharing } from '../../core/redis.ts'
import { openMetrics } from '../../plugins/analytics/metrics/metrics.ts'
import { Keeper } from '../../plugins/analytics/metrics/keeper.ts'
import { openAsker } from '../../plugins/analytics/query/answer.ts'
import type { Answer } from '../../plugins/analytics/query/answer.ts'
import { readQuestion } from '../../plugins/analytics/query/question.ts'
import { openShared } from '../../plugins/analytics/query/known-elsewhere.ts'
import { formSource } from '../../plugins/analytics/query/source.ts'
import { connect } from '../cache/connections.ts'
import { installation } from '../delivery/world.ts'
import { startFleet } from '../support/fleet.ts'
import { startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { NEVER, openProjected, WIDE } from '../support/projected.ts'
import { silent } from '../support/full-store.ts'
import { freshPrefix, redis } from '../support/services.ts'
import type { FreshPrefix } from '../support/services.ts'
import { caughtUp, submitAll } from '../support/surveys.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'
import { tempDir } from '../support/temp.ts'
import { until } from '../support/wait.ts'

const FIELDS: readonly FieldInfo[] = [{ key: 'dept', label: 'Dept', type: 'select', required: false, pii: false }]
const AT = '2026-11-27T12:00:00.000Z'
const NOW_MS = Date.parse(AT) + 60_000

let prefix: FreshPrefix
beforeAll(async () => {
  prefix = await freshPrefix()
})
afterAll(() => prefix[Symbol.asyncDispose]())

const submitted = (seq: number, dept: string): LoggedEvent => ({
  seq,
  id: `evt_${seq}`,
  type: 'response.submitted',
  v: 1,
  at: AT,
  data: { dept },
  form: { id: 'f', name: 'F', version: 1, fields: FIELDS },
  response: { id: `rsp_${seq}`, status: 'completed', startedAt: null, submittedAt: AT },
})
const erased = (seq: number, of: number): LoggedEvent => ({
  seq,
  id: `evt_${seq}`,
  type: 'response.deleted',
  v: 1,
  at: AT,
  data: { id: `rsp_${of}` },
  form: { id: 'f', name: 'F', version: 1, fields: FIELDS },
})

/** A process with a projection, an engine and a connection of its own; `id`: of its installation. */
async function openProcess({ url = redis(), id = 'analytics' }: { readonly url?: string; readonly id?: string } = {}) {
  const projected = await openProjected(FIELDS)
  const connection = await connect(url)
  const { projection, readers } = projected
  const texts = openRedisCache({
    connection,
    clock: systemClock,
    name: 'plugins',
    prefix: prefix.prefix,
    isKeyedByState: true,
  })
  const cache = openPluginCache({ sharing: { plugins: texts }, clock: systemClock, limits: LIMITS })
  const own = installation({ id, code: {} })
  const services = {
    get: (key: string) => cache.get(own, key),
    put: (key: string, text: string) => cache.put(own, key, text),
    textBytesMax: async () => cache.textBytesMax,
  }
  const shared = await openShared(services, ['grant'])
  const asker = openAsker(readers, { timezone: 'UTC', shared })
  const idle = new Keeper({ bytesMax: 0, warn: () => undefined })
  const metrics = openMetrics({ readers, keeper: idle, projection, timezone: 'UTC', shared })
  const formOf = () => {
    const form = projection.form('f')
    if (form === undefined) throw new Error('nothing was told')
    return form
  }
  return {
    hear: projected.hear,
    ask: async (): Promise<readonly [Answer['rows'], 'shared' | 'kept' | 'computed']> => {
      const question = readQuestion(JSON.stringify({ form_id: 'f', aggregate: 'count', group_by: 'dept' }))
      const source = formSource(formOf(), projection.applied())
      const { rows, isShared, ageMs } = await asker.ask(question, source, { access: WIDE, signal: NEVER })
      return [rows, isShared === true ? 'shared' : ageMs === null ? 'computed' : 'kept']
    },
    completed: async (): Promise<readonly [number, string]> => {
      const query = { timezone: 'UTC', bucket: 'day', fromMs: NOW_MS - 86_400_000, toMs: NOW_MS } as const
      const asking = { nowMs: NOW_MS, signal: NEVER, asOf: projection.applied() }
      const { metrics: found, source } = await metrics.of(formOf(), query, asking)
      return [found.totals.completed, source]
    },
    [Symbol.asyncDispose]: async () => {
      await connection[Symbol.asyncDispose]()
      await projected[Symbol.asyncDispose]()
    },
  }
}
const of = (counts: { readonly [dept: string]: number }): Answer['rows'] =>
  Object.entries(counts).map(([dept, value]) => ({ dept, value }))

test('a second process answers from what the first one computed, and after an event or an erasure neither does', async () => {
  await using one = await openProcess()
  await using other = await openProcess()
  await one.hear([submitted(1, 'IT'), submitted(2, 'IT'), submitted(3, 'HR')])
  // Read in other stretches: it is the same state all the same.
  await other.hear([submitted(1, 'IT')])
  await other.hear([submitted(2, 'IT'), submitted(3, 'HR')])
  expect(await one.ask()).toEqual([of({ IT: 2, HR: 1 }), 'computed'])
  expect(await one.completed()).toEqual([3, 'rows'])
  await until('the answer to be there', other.ask, { accept: ([, how]) => how !== 'computed' })
  expect(await other.ask()).toEqual([of({ IT: 2, HR: 1 }), 'kept'])
  await until('the numbers to be there', other.completed, { accept: ([, how]) => how !== 'rows' })
  await other.hear([submitted(4, 'HR')])
  expect(await other.ask()).toEqual([of({ HR: 2, IT: 2 }), 'computed'])
  expect(await other.completed()).toEqual([4, 'rows'])
  await one.hear([submitted(4, 'HR'), erased(5, 1)])
  expect(await one.ask()).toEqual([of({ HR: 2, IT: 1 }), 'computed'])
  expect(await one.completed()).toEqual([3, 'rows'])
})

test('where nothing is shared nothing is made for it, and what would be too long is neither read again nor sent', async () => {
  const asked: string[] = []
  const services = (textBytesMax: number) => ({
    get: async (key: string) => {
      asked.push(key)
      return null
    },
    put: async (_key: string, text: string) => void asked.push(text),
    textBytesMax: async () => textBytesMax,
  })
  const none = openPluginCache({ sharing: { plugins: noSharedCache }, clock: systemClock, limits: LIMITS })
  expect(none.textBytesMax).toBe(0)
  const without = await openShared(services(none.textBytesMax), [])
  // It would tell of being read.
  const watched = { toJSON: () => asked.push('read') }
  expect([await without.get('evt_1', []), without.put('evt_1', [], watched), asked]).toEqual([undefined, undefined, []])
  const few = await openShared(services(1_000), [])
  expect(few.put('evt_1', [], 'x'.repeat(2_000))).toBeGreaterThan(2_000)
  expect(asked).toEqual([])
  expect(few.put('evt_1', [], 'x'.repeat(20))).toBeLessThan(100)
  expect(asked).toEqual([expect.stringContaining('x'.repeat(20))])
})

test('another installation is not answered with it', async () => {
  await using one = await openProcess()
  await using other = await openProcess({ id: 'another' })
  for (const each of [one, other]) await each.hear([submitted(1, 'IT'), submitted(12, 'Legal')])
  expect(await one.ask()).toEqual([of({ IT: 1, Legal: 1 }), 'computed'])
  expect(await other.ask()).toEqual([of({ IT: 1, Legal: 1 }), 'computed'])
})

test('hubs whose data folders are called the same do not answer each other, and one that starts again has its own', async () => {
  await using folder = await tempDir('redis-id')
  const seenBy = async (put?: string): Promise<string | undefined> => {
    await using closers = new AsyncDisposableStack()
    const settings = { redisUrl: redis(), databaseUrl: null, dataDir: folder.path }
    const { plugins } = await openSharing({ settings, limits: LIMITS, clock: systemClock, logger: silent, closers })
    if (put !== undefined) await plugins.put('form', put, 60_000)
    return plugins.get('form')
  }
  expect(await seenBy('of the first')).toBe('of the first')
  expect(await seenBy()).toBe('of the first')
  // Another container with a volume of its own at the same place.
  await rm(folder.path, { recursive: true })
  await mkdir(folder.path)
  expect(await seenBy()).toBeUndefined()
  expect(await seenBy('of the other')).toBe('of the other')
})

test('with Redis cut off, and with none that can be reached, every question is answered', async () => {
  await using wire = await startTcpProxy({ port: Number(new URL(redis()).port || 6379) })
  await using one = await openProcess({ url: `redis://127.0.0.1:${wire.port}` })
  await one.hear([submitted(21, 'IT')])
  expect(await one.ask()).toEqual([of({ IT: 1 }), 'computed'])
  wire.cut()
  for (let seq = 22; seq < 27; seq += 1) {
    await one.hear([submitted(seq, 'IT')])
    expect(await one.ask()).toEqual([of({ IT: seq - 20 }), 'computed'])
    expect(await one.completed()).toEqual([seq - 20, 'rows'])
  }
  await using never = await openProcess({ url: 'redis://127.0.0.1:9' })
  await never.hear([submitted(21, 'IT')])
  expect(await never.ask()).toEqual([of({ IT: 1 }), 'computed'])
})

test('whoever takes the installation over answers from what the process before it computed, and from its own rows after the next event', async () => {
  await using fleet = await startFleet({
    apis: 0,
    workers: 0,
    both: 2,
    env: { REDIS_URL: redis() },
    config: {
      forms: { f: { name: 'F', fields: [{ key: 'dept', label: 'Dept', type: 'select', options: ['IT', 'HR'] }] } },
      installations: [{ id: 'analytics', use: 'analytics' }],
    },
  })
  const [one, other] = fleet.apis as [Hub, Hub]
  const about = { form_id: 'f', aggregate: 'count', group_by: 'dept' }
  const ask = async (hub: Hub): Promise<unknown> => (await hub.api('POST', '/api/v2/analytics/query', about)).body
  const cache = (hub: Hub, name: string) => hub.metric(`manifold_plugin_analytics_query_cache_${name}`)
  await submitAll(one, 'f', [{ data: { dept: 'IT' } }, { data: { dept: 'HR' } }, { data: { dept: 'IT' } }])
  await caughtUp(one)
  const answer = { IT: 2, HR: 1 }
  // Both ask the one that runs it.
  expect([await ask(one), await ask(other)]).toEqual([answer, answer])
  const [mine] = await Promise.all([cache(one, 'misses'), cache(other, 'misses')])
  const [owner, next] = mine > 0 ? [one, other] : [other, one]
  expect([await cache(owner, 'misses'), await cache(next, 'misses')]).toEqual([1, 0])
  const client = new Redis(redis())
  await until('the answer to be in Redis', () => client.keys('manifold:*:cache:plugins:default/analytics:*'), {
    accept: (keys) => keys.length > 0,
  })
  await client.quit()
  await fleet.kill(owner)
  await caughtUp(next, 30_000)
  expect([await ask(next), await cache(next, 'shared_hits')]).toEqual([answer, 1])
  await submitAll(next, 'f', [{ data: { dept: 'HR' } }])
  expect([await ask(next), await cache(next, 'shared_hits')]).toEqual([{ IT: 2, HR: 2 }, 1])
})

test('a hub shares what its engine answers, and a file that was made anew answers from that', async () => {
  await using hub = await startHub({
    env: { REDIS_URL: redis() },
    config: {
      forms: { f: { name: 'F', fields: [{ key: 'dept', label: 'Dept', type: 'select', options: ['IT', 'HR'] }] } },
      installations: [{ id: 'analytics', use: 'analytics' }],
    },
  })
  await submitAll(hub, 'f', [{ data: { dept: 'IT' } }, { data: { dept: 'HR' } }, { data: { dept: 'IT' } }])
  await caughtUp(hub)
  const ask = async (): Promise<unknown> => {
    const question = { form_id: 'f', aggregate: 'count', group_by: 'dept' }
    return (await hub.api('POST', '/api/v2/analytics/query', question)).body
  }
  const sharedHits = () => hub.metric('manifold_plugin_analytics_query_cache_shared_hits')
  expect([await ask(), await sharedHits()]).toEqual([{ IT: 2, HR: 1 }, 0])
  const client = new Redis(redis())
  await until('the answer to be in Redis', () => client.keys('manifold:*:cache:plugins:default/analytics:*'), {
    accept: (keys) => keys.length > 0,
  })
  await client.quit()
  await hub.api('POST', '/api/v2/analytics/rebuild')
  await until('the new file to answer', async () => (await hub.api('GET', '/api/v2/analytics/rebuild')).body['state'], {
    accept: (state) => state === 'done',
  })
  expect([await ask(), await sharedHits()]).toEqual([{ IT: 2, HR: 1 }, 1])
})
