/** What a subscriber of `form:events` hears of a whole hub: what it accepted, changed and erased, each once. */
import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { startHub } from '../support/hub.ts'
import { privateRedis } from '../support/services.ts'
import { until } from '../support/wait.ts'

interface Message {
  readonly event: string
  readonly form_id: string
  readonly response_id: string | null
  readonly timestamp: string
}

test('a form is made, a response comes and is erased, the form goes: four messages', async () => {
  await using server = await privateRedis()
  const client = new Redis(server.url)
  const heard: Message[] = []
  client.on('message', (_channel: string, text: string) => void heard.push(JSON.parse(text) as Message))
  await client.subscribe('form:events')
  await using hub = await startHub({ env: { REDIS_URL: server.url } })
  const field = { key: 'email', label: 'Email', type: 'email', required: true }
  const made = await hub.api('POST', '/api/v2/forms', { id: 'contact', name: 'Contact', fields: [field] })
  expect(made.status).toBe(201)
  const data = { email: 'ada@example.com' }
  const { body } = await hub.api<{ id: string }>('POST', '/api/v2/forms/contact/responses', { data })
  expect((await hub.api('DELETE', `/api/v2/responses/${body.id}`)).status).toBe(204)
  expect((await hub.api('DELETE', '/api/v2/forms/contact')).status).toBe(204)
  await until('the messages', () => heard.some(({ event }) => event === 'form.deleted'))
  client.disconnect()
  expect(heard.map(({ event, form_id, response_id }) => [event, form_id, response_id])).toEqual([
    ['form.changed', 'contact', null],
    ['response.submitted', 'contact', body.id],
    ['response.deleted', 'contact', body.id],
    ['form.deleted', 'contact', null],
  ])
  for (const message of heard) {
    expect(Object.keys(message)).toEqual(['event', 'form_id', 'response_id', 'timestamp'])
    expect(message.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/)
  }
  expect(JSON.stringify(heard)).not.toContain('ada@example.com')
  expect(await hub.metric('manifold_feed_dropped_total')).toBe(0)
})
