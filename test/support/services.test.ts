/** The finder of test services: a database of one's own, a Redis that can be killed, and binaries that can be started. */
import { access } from 'node:fs/promises'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { expect, test } from 'vitest'
import { findPostgres, findRedis } from './find-services.ts'
import { freshDatabase, freshPrefix, postgres, privateRedis } from './services.ts'

async function ask(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows.map((row) => Object.values(row)[0])
  } finally {
    await client.end()
  }
}

test('a fresh database is empty, one’s own, and gone afterwards even while somebody is connected', async () => {
  let name: unknown
  const lingering: Client[] = []
  {
    await using first = await freshDatabase()
    await using second = await freshDatabase()
    name = (await ask(first.url, 'SELECT current_database()'))[0]
    await ask(first.url, 'CREATE TABLE t (n int)')
    expect(await ask(second.url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).toEqual([])
    const client = new Client({ connectionString: first.url })
    client.on('error', () => {})
    await client.connect()
    lingering.push(client)
  }
  expect(String(name)).toMatch(/^manifold_test_/)
  expect(await ask(postgres(), `SELECT 1 FROM pg_database WHERE datname = '${String(name)}'`)).toEqual([])
  await Promise.all(lingering.map((client) => client.end().catch(() => {})))
})

test('a corner of the shared Redis is emptied afterwards', async () => {
  let key = ''
  let url = ''
  {
    await using corner = await freshPrefix()
    url = corner.url
    key = `${corner.prefix}x`
    const client = new Redis(url)
    await client.set(key, '1')
    client.disconnect()
  }
  const client = new Redis(url)
  expect(await client.exists(key)).toBe(0)
  client.disconnect()
})

test('a private Redis dies when told to and comes back empty on its port', async () => {
  await using server = await privateRedis()
  const client = new Redis(server.url, { maxRetriesPerRequest: null })
  client.on('error', () => {})
  await client.set('x', '1')
  const before = server.pid
  await server.kill()
  const late = new Redis(server.url, { retryStrategy: () => null, lazyConnect: true })
  late.on('error', () => {})
  await expect(late.ping()).rejects.toThrow()
  await server.start()
  expect(server.pid).not.toBe(before)
  expect(await client.get('x')).toBeNull()
  client.disconnect()
})

test('without a server on the standard port a local binary is started, and stopped with its folder', async () => {
  const { PGPORT } = process.env
  process.env['PGPORT'] = '1'
  try {
    const found = await findPostgres()
    const dir = String((await ask(found.url, 'SHOW data_directory'))[0])
    expect(new URL(found.url).port).not.toBe('1')
    await found.stop()
    await expect(ask(found.url, 'SELECT 1')).rejects.toThrow()
    await expect(access(dir)).rejects.toThrow()
  } finally {
    if (PGPORT === undefined) delete process.env['PGPORT']
    else process.env['PGPORT'] = PGPORT
  }
})

test('a Redis is found', async () => {
  const found = await findRedis()
  const client = new Redis(found.url)
  expect(await client.ping()).toBe('PONG')
  client.disconnect()
  await found.stop()
})
