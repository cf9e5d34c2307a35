/** The feed `form:events` as a subscriber sees it, and what becomes of it while Redis is away. */
import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { FEED_CHANNEL, openFeed } from '../../core/live/redis/feed.ts'
import type { LogEvent } from '../../core/model.ts'
import { USUAL_MS, connect } from '../cache/connections.ts'
import { privateRedis } from '../support/services.ts'
import { until } from '../support/wait.ts'

const event = (type: string, more: Partial<LogEvent> = {}): LogEvent => ({
  seq: 1,
  id: 'evt_1',
  workspace: 'default',
  type,
  at: '2026-01-09T12:00:00.000Z',
  formId: 'abc123',
  responseId: 'xyz789',
  hops: 0,
  data: '{"email":"private@example.com"}',
  meta: '{}',
  response: null,
  ...more,
})

async function subscribe(url: string) {
  const client = new Redis(url)
  const heard: string[] = []
  client.on('error', () => {})
  client.on('message', (_channel: string, text: string) => void heard.push(text))
  await client.subscribe('form:events')
  return { heard, [Symbol.dispose]: () => client.disconnect() }
}

test('one message an event, in order, with exactly four members; other events are no news', async () => {
  await using server = await privateRedis()
  await using connection = await connect(server.url)
  using subscriber = await subscribe(server.url)
  const feed = openFeed(connection)
  feed.publish([
    event('response.submitted'),
    event('track.page'),
    event('delivery.dead'),
    event('response.deleted'),
    event('form.changed', { responseId: null }),
  ])
  feed.publish([])
  feed.publish([event('response.partial', { formId: 'other' })])
  await until('four messages', () => subscriber.heard.length >= 4)
  const timestamp = '2026-01-09T12:00:00.000Z'
  expect(subscriber.heard.map((text) => JSON.parse(text) as unknown)).toEqual([
    { event: 'response.submitted', form_id: 'abc123', response_id: 'xyz789', timestamp },
    { event: 'response.deleted', form_id: 'abc123', response_id: 'xyz789', timestamp },
    { event: 'form.changed', form_id: 'abc123', response_id: null, timestamp },
    { event: 'response.partial', form_id: 'other', response_id: 'xyz789', timestamp },
  ])
  expect(FEED_CHANNEL).toBe('form:events')
  expect(feed.dropped()).toBe(0)
})

test('what Redis does not take is counted and gone; afterwards the feed goes on', async () => {
  await using server = await privateRedis()
  await using connection = await connect(server.url)
  const feed = openFeed(connection)
  await server.kill()
  await until('the news', () => !connection.isUp())
  for (let n = 0; n < 5_000; n++) feed.publish([event('response.submitted'), event('form.changed')])
  await until('the count', () => feed.dropped() === 10_000)
  await server.start()
  using subscriber = await subscribe(server.url)
  await until('the connection', () => connection.isUp())
  feed.publish([event('response.submitted', { responseId: 'after' })])
  await until('a message', () => subscriber.heard.length > 0)
  expect(subscriber.heard.map((text) => (JSON.parse(text) as { response_id: string }).response_id)).toEqual(['after'])
  expect(feed.dropped()).toBe(10_000)
})

test('a Redis that stalls is sent no more than a bounded number', async () => {
  await using server = await privateRedis()
  // It waits long for each, so that only the bound can stop it.
  await using connection = await connect(server.url, 2_000)
  using subscriber = await subscribe(server.url)
  const feed = openFeed(connection)
  process.kill(server.pid, 'SIGSTOP')
  for (let n = 0; n < 200; n++) feed.publish(Array.from({ length: 100 }, () => event('response.submitted')))
  process.kill(server.pid, 'SIGCONT')
  expect(feed.dropped()).toBe(10_000)
  await until('the rest', () => subscriber.heard.length === 10_000)
})

test('a stall ends and the feed goes on, with everything either sent or counted', async () => {
  await using server = await privateRedis()
  await using connection = await connect(server.url, USUAL_MS)
  using subscriber = await subscribe(server.url)
  const feed = openFeed(connection)
  process.kill(server.pid, 'SIGSTOP')
  feed.publish([event('response.submitted', { responseId: 'in the stall' })])
  await until('the count', () => feed.dropped() === 1)
  process.kill(server.pid, 'SIGCONT')
  await until('a message after the stall', () => {
    feed.publish([event('response.submitted', { responseId: 'after' })])
    return subscriber.heard.some((text) => text.includes('after'))
  })
})
