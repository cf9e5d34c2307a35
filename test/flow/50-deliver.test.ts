/** Fifth stop: what a receiver gets, checked with other people's libraries, and what its answers lead to. */
import { verify } from '@octokit/webhooks-methods'
import { Webhook } from 'standardwebhooks'
import { expect, test } from 'vitest'
import { deliveriesOf } from '../support/hostility.ts'
import { settled, startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { startReceiver } from '../support/receiver.ts'
import type { Received } from '../support/receiver.ts'
import { HOOK_SECRET } from '../support/scene.ts'
import { until } from '../support/wait.ts'

const SHOP = {
  name: 'Shop "quoted" & co',
  fields: [
    { key: 'item', type: 'text' },
    { key: 'count', type: 'number' },
    { key: 'gift', type: 'boolean' },
    { key: 'note', type: 'long_text' },
  ],
}
const configOf = (installations: readonly object[]) => ({
  forms: { shop: SHOP },
  network: { allow: ['127.0.0.1/32'] },
  installations,
})
const order = async (hub: Hub, data: object): Promise<string> => {
  const answer = await hub.api<{ id: string }>('POST', '/api/v2/forms/shop/responses', { data })
  expect(answer.status, answer.text).toBe(201)
  return answer.body.id
}

test("signatures: GitHub's and Standard Webhooks' own libraries accept what arrived, and nothing that was touched", async () => {
  await using receiver = await startReceiver()
  const signed = {
    id: 'signed',
    use: 'webhooks',
    with: { url: receiver.url, secret: HOOK_SECRET, signatures: ['sha256=hex', 'standard'] },
  }
  await using hub = await startHub({ config: configOf([signed]) })
  const responseId = await order(hub, { item: 'Käse 🧀 "x"', count: 2 })
  const [got] = (await receiver.received(1)) as [Received]
  const signature = String(got.headers['x-webhook-signature'])
  expect(await verify(HOOK_SECRET, got.body, signature)).toBe(true)
  expect(await verify(HOOK_SECRET, `${got.body} `, signature)).toBe(false)
  const standard = new Webhook(HOOK_SECRET)
  expect(standard.verify(got.body, { ...got.headers })).toEqual(got.json())
  expect(() => standard.verify(got.body.replace('2', '3'), { ...got.headers })).toThrow()

  expect(got.json()).toMatchObject({
    type: 'response.submitted',
    id: got.id,
    data: {
      form: { id: 'shop', name: SHOP.name },
      response: { id: responseId, status: 'completed' },
      answers: { item: 'Käse 🧀 "x"', count: 2 },
    },
  })
  expect(got.id).toMatch(/^dlv_/)
  expect(got.headers['idempotency-key']).toBe(got.id)
  expect(got.headers['content-type']).toContain('application/json')
})

test("templates: tags keep types, text is joined and never read again, headers and method are the admin's", async () => {
  await using receiver = await startReceiver()
  const templated = {
    id: 'templated',
    use: 'webhooks',
    with: {
      url: receiver.url,
      method: 'PUT',
      headers: { 'x-team': 'shop' },
      secretHeaders: { authorization: 'Bearer top-secret-value' },
      template: {
        title: 'New {{form.name}}: {{data.item}}',
        count: '{{data.count}}',
        gift: '{{data.gift}}',
        list: ['{{data.note}}', 1, null],
        missing: '{{data.nothing}}',
      },
    },
  }
  await using hub = await startHub({ config: configOf([templated]) })
  await order(hub, { item: '{{data.note}} <b>', count: 3, gift: true, note: 'line\n"two"' })
  const [got] = (await receiver.received(1)) as [Received]
  expect(got.json()).toEqual({
    title: 'New Shop "quoted" & co: {{data.note}} <b>',
    count: 3,
    gift: true,
    list: ['line\n"two"', 1, null],
    missing: null,
  })
  expect([got.method, got.headers['x-team'], got.headers['authorization']]).toEqual([
    'PUT',
    'shop',
    'Bearer top-secret-value',
  ])
})

test('500 twice, then success: same id, fresh signature, three attempts', async () => {
  await using receiver = await startReceiver([{ status: 500 }, { status: 503 }, { status: 200 }])
  const steady = {
    id: 'steady',
    use: 'webhooks',
    with: { url: receiver.url, secret: HOOK_SECRET, signatures: ['standard'] },
    retry: { schedule: ['20ms', '20ms', '20ms'] },
  }
  await using hub = await startHub({ config: configOf([steady]) })
  await order(hub, { item: 'a' })
  await settled(hub)
  expect(receiver.requests).toHaveLength(3)
  expect(new Set(receiver.requests.map(({ id }) => id)).size).toBe(1)
  for (const { body, headers } of receiver.requests) new Webhook(HOOK_SECRET).verify(body, { ...headers })
  const [delivery] = await deliveriesOf(hub, 'steady')
  expect(delivery).toMatchObject({ state: 'delivered', attempts: 3, reason: null })
})

test('Retry-After outlasts the schedule, and is clamped', async () => {
  await using receiver = await startReceiver([{ status: 429, headers: { 'retry-after': '600' } }])
  const asked = { id: 'asked', use: 'webhooks', with: { url: receiver.url }, retry: { schedule: ['10ms'] } }
  await using hub = await startHub({ config: { ...configOf([asked]), limits: { retryAfterMsMax: 60_000 } } })
  await order(hub, { item: 'a' })
  const [item] = await until(
    'the delivery to wait',
    async () =>
      (await hub.api<{ items: readonly { due_at: string }[] }>('GET', '/api/v2/deliveries?state=retrying')).body.items,
    {
      accept: (items) => items.length === 1,
    },
  )
  const waitMs = Date.parse(String(item?.due_at)) - (receiver.requests[0]?.atMs ?? 0)
  expect(waitMs).toBeGreaterThan(55_000)
  expect(waitMs).toBeLessThan(65_000)
})

test('410 Gone disables the installation, says why, and leaves its neighbour alone', async () => {
  await using receiver = await startReceiver(({ path }) => ({ status: path === '/gone' ? 410 : 200 }))
  const at = (id: string) => ({ id, use: 'webhooks', with: { url: `${receiver.url}/${id}` } })
  await using hub = await startHub({ config: configOf([at('gone'), at('here')]) })
  await order(hub, { item: 'a' })
  const gone = await until('the installation to be disabled', () => hub.api('GET', '/api/v2/installations/gone'), {
    accept: ({ body }) => body['state'] === 'disabled',
  })
  expect(gone.body['reason']).toContain('410')
  await order(hub, { item: 'b' })
  await until('the neighbour to have both', () => receiver.requests.filter(({ path }) => path === '/here').length === 2)
  expect(receiver.requests.filter(({ path }) => path === '/gone')).toHaveLength(1)
  expect((await deliveriesOf(hub, 'gone'))[0]).toMatchObject({ state: 'dead', error_code: 'gone', attempts: 1 })
  expect((await hub.api('GET', '/api/v2/installations/here')).body['state']).toBe('ready')
})

test('test-send goes the way of the real thing: same plugin, same signature, listed like any delivery', async () => {
  await using receiver = await startReceiver()
  const signed = {
    id: 'signed',
    use: 'webhooks',
    with: { url: receiver.url, secret: HOOK_SECRET, signatures: ['standard'] },
  }
  await using hub = await startHub({ config: configOf([signed]) })
  const testSend = () =>
    hub.api<{ event_id: string; deliveries: readonly string[] }>('POST', '/api/v2/installations/signed/test-send', {
      form: 'shop',
    })
  // Before anything came in there is no sample to send, and that is said.
  expect((await testSend()).status).toBe(404)
  await order(hub, { item: 'sample' })
  await settled(hub)
  receiver.forget()
  const sent = await testSend()
  expect(sent.status, sent.text).toBe(202)
  expect(sent.body.deliveries).toHaveLength(1)
  const [got] = (await receiver.received(1)) as [Received]
  expect(got.id).toBe(sent.body.deliveries[0])
  new Webhook(HOOK_SECRET).verify(got.body, { ...got.headers })
  expect(got.json()).toMatchObject({ data: { event_id: sent.body.event_id, answers: { item: 'sample' } } })
  await settled(hub)
  const all = await deliveriesOf(hub, 'signed')
  expect(all.map(({ state, event_id: eventId }) => [state, eventId])).toEqual([
    ['delivered', sent.body.event_id],
    ['delivered', sent.body.event_id],
  ])
  // Newest first: only the one that was sent by hand says so.
  expect(all.map(({ id, test: isTest }) => [id === got.id, isTest])).toEqual(
    all.map(({ id }) => [id === got.id, id === got.id]),
  )
})
