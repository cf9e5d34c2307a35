/** Who is believed: signatures by the senders' own libraries, and everything that only looks like one. */
import { createHmac } from 'node:crypto'
import { sign as signGitHub } from '@octokit/webhooks-methods'
import { Webhook as Standard } from 'standardwebhooks'
import { Stripe } from 'stripe'
import { Webhook as Svix } from 'svix'
import { expect, test } from 'vitest'
import { argumentReader } from '../../core/capabilities/arguments.ts'
import { createKeyRing } from '../../core/capabilities/signing.ts'
import { verify } from '../../core/capabilities/verify.ts'
import type { Json } from '../../core/contract/index.ts'

const SECRET = "It's a Secret to Everybody"
const WHSEC = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const BODY = '{"test": 2432232314, "ü": "✓"}'
const NOW_MS = 1_614_265_330_000
const KEYS = createKeyRing(
  new Map([
    ['secret', SECRET],
    ['whsec', WHSEC],
  ]),
  () => undefined,
)

interface Asked {
  readonly headers?: { readonly [name: string]: string }
  readonly query?: { readonly [name: string]: string }
  readonly params?: { readonly [name: string]: string }
  readonly body?: string | Buffer
  readonly nowMs?: number
  readonly key?: string
}
const ask = (request: { readonly [name: string]: Json }, asked: Asked = {}): Json => {
  const { headers = {}, query = {}, params = {}, body = BODY, nowMs = NOW_MS, key = 'secret' } = asked
  const args = argumentReader('verify', { key: { $secret: key }, ...request }, [])
  return verify(args, { keys: KEYS, nowMs, arrival: { headers, query, params, bytes: Buffer.from(body) } })
}
const YES = { ok: true, reason: null }
const no = (reason: string) => ({ ok: false, reason })
const HEADER = { from: { header: 'X-Signature' } } as const

test('an HMAC of the body, as GitHub, Typeform and Shopify send it', async () => {
  const github = { scheme: 'hmac', prefix: 'sha256=', ...HEADER } as const
  expect(ask(github, { headers: { 'x-signature': await signGitHub(SECRET, BODY) } })).toEqual(YES)
  const hello = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17'
  expect(ask(github, { headers: { 'x-signature': hello }, body: 'Hello, World!' })).toEqual(YES)
  const hex = createHmac('sha256', SECRET).update(BODY).digest('hex')
  const base64 = Buffer.from(hex, 'hex').toString('base64')
  const plain = { scheme: 'hmac', ...HEADER } as const
  expect(ask(plain, { headers: { 'x-signature': hex } })).toEqual(YES)
  expect(ask(plain, { headers: { 'x-signature': hex.toUpperCase() } })).toEqual(YES)
  expect(ask({ ...plain, encoding: 'base64' }, { headers: { 'x-signature': base64 } })).toEqual(YES)
  const sha512 = createHmac('sha512', SECRET).update(BODY).digest('hex')
  expect(ask({ ...plain, alg: 'sha512' }, { headers: { 'x-signature': sha512 } })).toEqual(YES)
  // The bytes count, not what they read as.
  const bytes = Buffer.from([0xff, 0xfe, 0x00, 0x80])
  const ofBytes = createHmac('sha256', SECRET).update(bytes).digest('hex')
  expect(ask(plain, { headers: { 'x-signature': ofBytes }, body: bytes })).toEqual(YES)
  expect(ask(plain, { headers: { 'x-signature': ofBytes }, body: bytes.toString('utf8') })).toEqual(no('wrong'))
})

test('an HMAC that is none', () => {
  const hex = createHmac('sha256', SECRET).update(BODY).digest('hex')
  const request = { scheme: 'hmac', prefix: 'sha256=', ...HEADER } as const
  const given = (value: string): Json => ask(request, { headers: { 'x-signature': value } })
  expect(given(`sha256=${hex}`)).toEqual(YES)
  for (const value of [
    '',
    'sha256=',
    hex,
    `sha1=${hex}`,
    `sha256=${hex}0`,
    `sha256=${hex} `,
    'sha256=zz',
    `sha256=0x${hex}`,
  ])
    expect([value, given(value)]).toEqual([value, no('missing')])
  const flipped = `${hex.slice(0, -1)}${hex.endsWith('0') ? '1' : '0'}`
  for (const value of [hex.slice(2), `${hex}00`, flipped, '00'.repeat(32)])
    expect([value, given(`sha256=${value}`)]).toEqual([value, no('wrong')])
  expect(ask(request, { headers: { 'x-signature': `sha256=${hex}` }, body: `${BODY} ` })).toEqual(no('wrong'))
  expect(ask(request)).toEqual(no('missing'))
  const base64 = Buffer.from(hex, 'hex').toString('base64')
  expect(given(`sha256=${base64}`)).toEqual(no('missing'))
})

test('t and v1, as Stripe sends it, in time', () => {
  const stripe = new Stripe('sk_test_1')
  const header = (timestamp: number, secret = SECRET): string =>
    stripe.webhooks.generateTestHeaderString({ payload: BODY, secret, timestamp })
  const request = { scheme: 'timestamp', ...HEADER } as const
  const given = (value: string, more: { [name: string]: Json } = {}): Json =>
    ask({ ...request, ...more }, { headers: { 'x-signature': value } })
  const now = NOW_MS / 1_000
  expect(given(header(now))).toEqual(YES)
  expect(given(header(now - 300))).toEqual(YES)
  expect(given(header(now - 301))).toEqual(no('old'))
  expect(given(header(now + 301))).toEqual(no('old'))
  expect(given(header(now - 301), { toleranceS: 600 })).toEqual(YES)
  // While a secret is changed there are two; any right one is enough.
  const [, right] = header(now).split(',')
  const [, wrong] = header(now, 'another').split(',')
  expect(given(`t=${now},${wrong},${right}`)).toEqual(YES)
  expect(given(`${right},v0=aa,t=${now}`)).toEqual(YES)
  expect(given(`t=${now},${wrong}`)).toEqual(no('wrong'))
  expect(given(`t=${now + 1},${right}`)).toEqual(no('wrong'))
  for (const value of [
    `t=${now}`,
    `${right}`,
    `t=NaN,${right}`,
    `t=,${right}`,
    `t=1e9,${right}`,
    `t=${now},v1=`,
    '=,=',
  ])
    expect([value, given(value)]).toEqual([value, no('missing')])
})

test('Standard Webhooks, signed by standardwebhooks and by svix', () => {
  const at = new Date(NOW_MS)
  const request = { scheme: 'standard' } as const
  const headers = (signature: string, seconds = NOW_MS / 1_000, name = 'webhook') => ({
    [`${name}-id`]: 'msg_1',
    [`${name}-timestamp`]: String(seconds),
    [`${name}-signature`]: signature,
  })
  const right = new Standard(WHSEC).sign('msg_1', at, BODY)
  const asked = { key: 'whsec' }
  expect(ask(request, { ...asked, headers: headers(right) })).toEqual(YES)
  expect(
    ask(request, { ...asked, headers: headers(new Svix(WHSEC).sign('msg_1', at, BODY), undefined, 'svix') }),
  ).toEqual(YES)
  // The only published vector.
  const published = {
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  }
  expect(ask(request, { ...asked, headers: published, body: '{"test": 2432232314}' })).toEqual(YES)
  expect(ask(request, { ...asked, headers: headers(`v1,AAAA v1a,xyz ${right}`) })).toEqual(YES)
  expect(ask(request, { ...asked, headers: headers(right.replace('v1,', 'v1a,')) })).toEqual(no('missing'))
  expect(ask(request, { ...asked, headers: headers(right, NOW_MS / 1_000 + 1) })).toEqual(no('wrong'))
  expect(ask(request, { ...asked, headers: { ...headers(right), 'webhook-id': 'msg_2' } })).toEqual(no('wrong'))
  expect(ask(request, { ...asked, headers: headers(right), nowMs: NOW_MS + 300_001 })).toEqual(no('old'))
  expect(ask(request, { ...asked, headers: headers(right), body: BODY.replace('✓', '✗') })).toEqual(no('wrong'))
  expect(ask(request, asked)).toEqual(no('missing'))
})

test('the secret itself, in a header, the query or the path', () => {
  const bearer = { scheme: 'token', from: { header: 'Authorization' }, prefix: 'Bearer ' } as const
  expect(ask(bearer, { headers: { authorization: `bearer ${SECRET}` } })).toEqual(YES)
  expect(ask(bearer, { headers: { authorization: SECRET } })).toEqual(no('missing'))
  expect(ask(bearer, { headers: { authorization: 'Bearer ' } })).toEqual(no('missing'))
  expect(ask(bearer, { headers: { authorization: `Bearer ${SECRET}x` } })).toEqual(no('wrong'))
  expect(ask({ scheme: 'token', from: { param: 'token' } }, { params: { token: SECRET } })).toEqual(YES)
  expect(ask({ scheme: 'token', from: { param: 'token' } }, { params: { token: SECRET.toLowerCase() } })).toEqual(
    no('wrong'),
  )
  expect(ask({ scheme: 'token', from: { query: 'k' } }, { query: { k: SECRET } })).toEqual(YES)
  expect(ask({ scheme: 'token', from: { query: 'constructor' } }, { query: {} })).toEqual(no('missing'))
})

test("a plugin's slips are told", () => {
  const told = (request: { [name: string]: Json }) => () => ask(request)
  expect(told({ scheme: 'md5', ...HEADER })).toThrow('scheme has to be one of token, hmac, timestamp, standard')
  expect(told({ scheme: 'constructor', ...HEADER })).toThrow('scheme has to be one of')
  expect(told({ scheme: 'hmac' })).toThrow('from is missing')
  expect(told({ scheme: 'hmac', from: { body: 'x' } })).toThrow('from has to be {header}, {query} or {param}')
  expect(told({ scheme: 'hmac', encoding: 'utf8', ...HEADER })).toThrow('encoding has to be hex or base64')
  expect(told({ scheme: 'hmac', key: 'text', ...HEADER })).toThrow('key has to be a secret')
  expect(() => ask({ scheme: 'token', ...HEADER }, { key: 'nothing', headers: { 'x-signature': 'x' } })).toThrow(
    'has no value',
  )
})
