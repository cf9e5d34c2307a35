/** The webhooks plugin over real sockets: its requests, and its signatures checked by other people's libraries. */
import { createHmac } from 'node:crypto'
import { verify as verifyGithub } from '@octokit/webhooks-methods'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import Stripe from 'stripe'
import { Webhook as SvixWebhook } from 'svix'
import { describe, expect, test } from 'vitest'
import type { Json } from 'manifold/plugin'
import { installationOf, nativeRun, submittedItem, type NativeRun } from '../../test/capabilities/native-run.ts'
import { startReceiver, type Received, type Receiver } from '../../test/support/receiver.ts'
import plugin from './index.ts'
import { signatureHeaders, type Scheme } from './sign.ts'

const DIR = new URL('./', import.meta.url)
const OLD = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const NEW = `whsec_${Buffer.from('a second secret of 32 bytes long').toString('base64')}`
const DAY_MS = 86_400_000
const stripe = new Stripe('sk_test_not_used')

const install = (receiver: Receiver, config: Record<string, unknown> = {}): Promise<NativeRun> =>
  nativeRun(plugin, DIR, { url: `${receiver.url}/in?x=1`, ...config })

async function oneRequest(
  config: Record<string, unknown>,
  data: { readonly [key: string]: Json } = { email: 'ädä@example.com' },
) {
  await using receiver = await startReceiver()
  await using hub = await install(receiver, config)
  const item = submittedItem(data)
  const { outcome, run } = await hub.act(item)
  expect(outcome).toEqual({ outcome: 'delivered' })
  const [request] = await receiver.received(1)
  return { request: request as Received, item, run }
}

describe('the request', () => {
  test('by default: POST, JSON of the documented shape, stable ids, no signature without a secret', async () => {
    const { request, item } = await oneRequest({})
    expect([request.method, request.path]).toEqual(['POST', '/in?x=1'])
    expect(request.headers).toMatchObject({
      'content-type': 'application/json',
      'idempotency-key': item.delivery.id,
      'webhook-id': item.delivery.id,
      'user-agent': expect.stringMatching(/^Manifold\/\d/),
      'accept-encoding': 'identity',
    })
    expect(Object.keys(request.headers).filter((name) => /signature|timestamp/.test(name))).toEqual([])
    expect(request.json()).toEqual({
      type: 'response.submitted',
      timestamp: item.event?.at,
      id: item.delivery.id,
      data: {
        event_id: item.event?.id,
        form: { id: 'contact', name: 'Contact us' },
        response: { id: item.event?.response?.id, status: 'completed', started_at: null, submitted_at: item.event?.at },
        answers: { email: 'ädä@example.com' },
      },
    })
  })

  test('other events carry what they say as payload', async () => {
    await using receiver = await startReceiver()
    await using hub = await install(receiver)
    const {
      form: _form,
      response: _response,
      ...event
    } = submittedItem({ version: 4 }, { type: 'form.changed' }).event ?? ({} as never)
    await hub.act({ ...submittedItem({}), event })
    const [request] = await receiver.received(1)
    expect(request?.json()).toMatchObject({
      type: 'form.changed',
      data: { event_id: event.id, payload: { version: 4 } },
    })
  })

  test('method, headers, secret headers, content type and template as configured', async () => {
    const { request, run } = await oneRequest({
      method: 'PUT',
      contentType: 'application/vnd.acme+json',
      headers: { 'X-Static': 'a b', 'USER-AGENT': 'Mine/1', 'Webhook-Id': 'forged', 'Content-Type': 'text/html' },
      secretHeaders: { Authorization: 'Bearer tok-0123456789' },
      template: { mail: '{{data.email}}', line: 'New {{form.name}}' },
    })
    expect(request.method).toBe('PUT')
    expect(request.headers).toMatchObject({
      'x-static': 'a b',
      'user-agent': 'Mine/1',
      authorization: 'Bearer tok-0123456789',
      'content-type': 'application/vnd.acme+json',
    })
    expect(request.id).toMatch(/^dlv_/)
    expect(request.json()).toEqual({ mail: 'ädä@example.com', line: 'New Contact us' })
    expect(JSON.stringify(run.exchanges)).not.toContain('0123456789')
    expect(run.exchanges[0]?.requestHeaders['Authorization']).toBe('[secret]')
  })

  test('with another content type the template is the body', async () => {
    const { request } = await oneRequest({ contentType: 'text/plain', template: 'From {{data.email}}\n' })
    expect(request.body).toBe('From ädä@example.com\n')
  })
})

describe('signatures, as foreign libraries see them', () => {
  const secrets = [{ secret: NEW }, { secret: OLD, until: new Date(Date.now() + DAY_MS).toISOString() }]

  test('sha256=hex, the default: @octokit/webhooks-methods', async () => {
    const { request } = await oneRequest({ secret: OLD })
    const signature = request.headers['x-webhook-signature'] ?? ''
    expect(signature).toMatch(/^sha256=[0-9a-f]{64}$/)
    expect(await verifyGithub(OLD, request.body, signature)).toBe(true)
    expect(await verifyGithub(OLD, `${request.body} `, signature)).toBe(false)
    expect(await verifyGithub(NEW, request.body, signature)).toBe(false)
  })

  test('hex in a header of one’s own', async () => {
    const { request } = await oneRequest({ secret: OLD, signatures: ['hex'], signatureHeader: 'X-Acme-Digest' })
    expect(request.headers['x-acme-digest']).toBe(createHmac('sha256', OLD).update(request.body).digest('hex'))
    expect(request.headers['x-webhook-signature']).toBeUndefined()
  })

  test('t,v1: stripe, with either secret of a rotation', async () => {
    const { request } = await oneRequest({ secrets, signatures: ['t,v1'] })
    const header = request.headers['x-webhook-signature'] ?? ''
    expect(header).toMatch(/^t=\d{10},v1=[0-9a-f]{64},v1=[0-9a-f]{64}$/)
    for (const secret of [NEW, OLD]) {
      expect(stripe.webhooks.signature?.verifyHeader(request.body, header, secret)).toBe(true)
      expect(stripe.webhooks.constructEvent(request.body, header, secret)).toMatchObject({ type: 'response.submitted' })
    }
    expect(() => stripe.webhooks.constructEvent(`${request.body} `, header, NEW)).toThrow('No signatures found')
    expect(() => stripe.webhooks.constructEvent(request.body, header, 'whsec_other')).toThrow('No signatures found')
  })

  test('standard: standardwebhooks and svix, with either secret of a rotation', async () => {
    const { request, item } = await oneRequest({ secrets, signatures: ['standard'] })
    expect(request.headers['webhook-signature']?.split(' ')).toHaveLength(2)
    for (const secret of [NEW, OLD]) {
      expect(new StandardWebhook(secret).verify(request.body, request.headers)).toMatchObject({ id: item.delivery.id })
      expect(() => new SvixWebhook(secret).verify(request.body, request.headers)).not.toThrow()
      expect(() => new SvixWebhook(secret).verify(`${request.body} `, request.headers)).toThrow()
    }
    const other = new StandardWebhook(`whsec_${Buffer.alloc(24).toString('base64')}`)
    expect(() => other.verify(request.body, request.headers)).toThrow()
    expect(() => new StandardWebhook(NEW).verify(request.body, { ...request.headers, 'webhook-id': 'dlv_x' })).toThrow()
  })

  test('two at once over the same bytes', async () => {
    const { request } = await oneRequest({
      secret: NEW,
      secrets: [{ secret: OLD }],
      signatures: ['sha256=hex', 'standard'],
    })
    // One value has room for one key only: the newest.
    expect(await verifyGithub(NEW, request.body, request.headers['x-webhook-signature'] ?? '')).toBe(true)
    new StandardWebhook(OLD).verify(request.body, request.headers)
    new StandardWebhook(NEW).verify(request.body, request.headers)
  })

  test('the published Standard Webhooks vector', async () => {
    await using receiver = await startReceiver()
    await using hub = await install(receiver, { secret: OLD, signatures: ['standard'] })
    const id = 'msg_p5jXN8AQM9LWM0D4loKWxJek'
    const config = hub.installation.config as { secret: { $secret: string }; signatures: Scheme[] }
    const headers = signatureHeaders(config, { id, nowMs: 1_614_265_330_000, secrets: [config.secret] })
    const url = `${receiver.url}/`
    await hub.open().handler('http', {
      method: 'POST',
      url,
      headers: { ...headers, 'webhook-id': id },
      body: '{"test": 2432232314}',
    })
    const [request] = await receiver.received(1)
    expect(request?.headers).toMatchObject({
      'webhook-id': id,
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    })
  })

  test('the published GitHub vector', async () => {
    const secret = "It's a Secret to Everybody"
    const { request } = await oneRequest({ secret, contentType: 'text/plain', template: 'Hello, World!' })
    expect(request.headers['x-webhook-signature']).toBe(
      'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
    )
  })

  test('every attempt is signed afresh, the id stays', async () => {
    await using receiver = await startReceiver([{ status: 500 }, {}])
    await using hub = await install(receiver, { secret: OLD, signatures: ['t,v1', 'standard'] })
    const item = submittedItem({})
    expect((await hub.act(item)).outcome).toMatchObject({ outcome: 'retry', code: 'http_500' })
    await new Promise((resolve) => setTimeout(resolve, 1_001))
    expect((await hub.act({ ...item, delivery: { ...item.delivery, attempt: 2 } })).outcome).toEqual({
      outcome: 'delivered',
    })
    const [first, second] = await receiver.received(2)
    expect(second?.id).toBe(first?.id)
    expect(second?.headers['idempotency-key']).toBe(first?.headers['idempotency-key'])
    expect(second?.body).toBe(first?.body)
    for (const name of ['webhook-timestamp', 'webhook-signature', 'x-webhook-signature']) {
      expect(second?.headers[name]).not.toBe(first?.headers[name])
    }
    new StandardWebhook(OLD).verify(second?.body ?? '', second?.headers ?? {})
  })

  test('a secret whose time is over no longer signs; when none is left nothing is sent', async () => {
    const past = new Date(Date.now() - 1_000).toISOString()
    const { request } = await oneRequest({
      secrets: [{ secret: NEW }, { secret: OLD, until: past }],
      signatures: ['t,v1'],
    })
    expect(request.headers['x-webhook-signature']).toMatch(/^t=\d+,v1=[0-9a-f]{64}$/)
    await using receiver = await startReceiver()
    await using hub = await install(receiver, { secrets: [{ secret: OLD, until: past }] })
    expect((await hub.act(submittedItem({}))).outcome).toMatchObject({ outcome: 'dead', code: 'config_invalid' })
    expect(receiver.requests).toEqual([])
  })

  test('a secret that cannot be a Standard Webhooks key is told, and not shown', async () => {
    await using receiver = await startReceiver()
    await using hub = await install(receiver, { secret: 'not base64 at all', signatures: ['standard'] })
    await expect(hub.act(submittedItem({}))).rejects.toMatchObject({
      code: 'config_invalid',
      message:
        'The secret "config.secret" cannot be a signing key: it has to be "whsec_" followed by base64 (Standard Webhooks).',
    })
    expect(receiver.requests).toEqual([])
  })
})

describe('what an answer comes to', () => {
  test.each([
    [200, {}, { outcome: 'delivered' }],
    [204, {}, { outcome: 'delivered' }],
    [302, { location: 'http://127.0.0.1:1/' }, { outcome: 'retry', code: 'http_302' }],
    [404, {}, { outcome: 'retry', code: 'http_404' }],
    [410, {}, { outcome: 'dead', code: 'gone', disable: true }],
    [429, { 'retry-after': '7' }, { outcome: 'retry', code: 'http_429', afterMs: 7_000 }],
    [503, {}, { outcome: 'retry', code: 'http_503' }],
  ] as const)('%i', async (status, headers, expected) => {
    await using receiver = await startReceiver({ status, headers })
    await using hub = await install(receiver)
    expect((await hub.act(submittedItem({}))).outcome).toMatchObject(expected)
    expect(receiver.requests).toHaveLength(1)
  })

  test('permanent4xx: dead gives up on what will not change, and only on that', async () => {
    await using receiver = await startReceiver([{ status: 404 }, { status: 429 }, { status: 500 }])
    await using hub = await install(receiver, { permanent4xx: 'dead' })
    expect((await hub.act(submittedItem({}))).outcome).toMatchObject({ outcome: 'dead', code: 'http_404' })
    expect((await hub.act(submittedItem({}))).outcome).toMatchObject({ outcome: 'retry', code: 'http_429' })
    expect((await hub.act(submittedItem({}))).outcome).toMatchObject({ outcome: 'retry', code: 'http_500' })
  })

  test('a template that cannot be rendered is a dead letter that names the place; nothing is sent', async () => {
    await using receiver = await startReceiver()
    await using hub = await install(receiver, { template: { ok: 1, list: ['{{#data.email}}'] } })
    const { outcome } = await hub.act(submittedItem({}))
    expect(outcome).toMatchObject({ outcome: 'dead', code: 'config_invalid' })
    expect((outcome as { message: string }).message).toContain('template at /list/0: Unclosed section')
    expect(receiver.requests).toEqual([])
  })

  test('an event that was erased meanwhile is not sent', async () => {
    await using receiver = await startReceiver()
    await using hub = await install(receiver)
    const { event: _gone, ...item } = submittedItem({})
    expect((await hub.act(item)).outcome).toMatchObject({ outcome: 'dead', code: 'event_erased' })
  })
})

describe('which events', () => {
  test('submissions unless `when.event` says otherwise', async () => {
    const installation = await installationOf(DIR, { url: 'https://example.com/' })
    expect(installation.when.events).toEqual(['response.submitted'])
  })

  test('each becomes one send; dead letters of its own do not', async () => {
    await using receiver = await startReceiver()
    await using hub = await install(receiver)
    const { on } = hub.installation.plugin.manifest
    for (const type of ['response.submitted', 'response.partial', 'response.deleted', 'form.changed'])
      expect(on[type]?.enqueue).toBe('send')
    const another = submittedItem({ installation: 'another' }, { type: 'delivery.dead' }).event as never
    expect(await hub.handle(another)).toEqual([{ action: 'send', input: null }])
    const own = submittedItem({ installation: 'under-test' }, { type: 'delivery.dead' }).event as never
    expect(await hub.handle(own)).toEqual([])
  })
})

describe('settings that cannot work are refused', () => {
  test.each([
    [{ url: 'ftp://example.com/' }],
    [{ url: 'example.com' }],
    [{}],
    [{ url: 'https://example.com', method: 'GET' }],
    [{ url: 'https://example.com', signatures: ['sha256=hex', 't,v1'] }],
    [{ url: 'https://example.com', signatures: ['md5'] }],
    [{ url: 'https://example.com', headers: { 'x y': 'z' } }],
    [{ url: 'https://example.com', secrets: [{ secret: 's', until: 'tomorrow' }] }],
    [{ url: 'https://example.com', secret: '' }],
    [{ url: 'https://example.com', templte: {} }],
  ])('%j', async (config) => {
    await expect(installationOf(DIR, config)).rejects.toThrow(/with/)
  })
})
