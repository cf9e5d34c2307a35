/** `fetch` and `crypto.subtle` where they meet the hub: what is asked of it, what becomes of its answers and refusals. */
import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Json } from '../../core/contract/index.ts'
import { HubError } from '../../core/errors.ts'
import type { Run } from '../../core/sandbox/sandbox.ts'
import { inGuest } from './differential.ts'
import { type Bench, eventRun, onEvent, openBench, untilRun } from './harness.ts'

let bench: Bench
beforeAll(async () => {
  bench = await openBench()
  await bench.plugin('keeper', onEvent(''))
})
afterAll(async () => {
  await bench[Symbol.asyncDispose]()
})

interface Asked {
  readonly name: string
  readonly args: Json
}

/** Evaluates in a run whose hub answers `answer`; tells what it was asked. */
async function ask(expression: string, answer: object | HubError): Promise<{ value: unknown; asked: Asked[] }> {
  const asked: Asked[] = []
  const [value] = await inGuest(bench, [expression], async (name, args) => {
    asked.push({ name, args })
    if (answer instanceof HubError) throw answer
    return answer as Json
  })
  return { value, asked }
}

const reply = (body = '', more: object = {}): object => ({ status: 200, headers: {}, body, truncated: false, ...more })

test('fetch asks what ctx.http asks, and answers a Response', async () => {
  const { value, asked } = await ask(
    `(async () => { const r = await fetch('https://a.test/x y?q#frag', { method: 'post', body: JSON.stringify({ a: 1 }), headers: new Headers({ 'Content-Type': 'application/json', 'X-A': '1' }) }); return [r.status, r.ok, r.url, r.type, r.headers.get('X-B'), await r.json()] })()`,
    reply('{"b":2}', { status: 201, headers: { 'x-b': 'yes' } }),
  )
  expect(asked).toEqual([
    {
      name: 'http',
      args: {
        method: 'POST',
        url: 'https://a.test/x%20y?q#frag',
        headers: { 'content-type': 'application/json', 'x-a': '1' },
        body: '{"a":1}',
      },
    },
  ])
  expect(value).toEqual([201, true, 'https://a.test/x%20y?q', 'basic', 'yes', { b: 2 }])
})

test('secrets stay references, in headers and URL, and show as [sealed]', async () => {
  const { value, asked } = await ask(
    `(async () => { const h = new Headers({ authorization: ['Bearer ', ctx.secret('token')], plain: ['a', 'b'] }); h.append('authorization', 'and more'); const r = new Request([ctx.secret('base'), '/path'], { headers: h }); await fetch(r.clone()); return [r.url, h.get('authorization'), h.get('plain')] })()`,
    reply(),
  )
  expect(asked[0]?.args).toEqual({
    method: 'GET',
    url: [{ $secret: 'base' }, '/path'],
    headers: { authorization: ['Bearer ', { $secret: 'token' }, ', ', 'and more'], plain: 'a,b' },
  })
  expect(value).toEqual(['[sealed]', '[sealed], and more', 'a,b'])
})

test('a refusal or failure of the hub is a TypeError that carries its code', async () => {
  const expression = `fetch('https://a.test').catch((e) => [e.name, e.code, e.message, e.cause.name, e.cause.code])`
  const { value } = await ask(expression, new HubError('http_dns', 'a.test does not resolve.'))
  expect(value).toEqual([
    'TypeError',
    'http_dns',
    'fetch failed: a.test does not resolve.',
    'CapabilityError',
    'http_dns',
  ])
  await bench.plugin('uncaught', onEvent(`await fetch('https://a.test')`))
  const result = await untilRun(bench.sandbox, 'default/uncaught', () =>
    eventRun({}, async () => {
      throw new HubError('capability_denied', 'not granted')
    }),
  )
  expect(result.error?.code).toBe('capability_denied')
})

test('redirects are refused unless asked for as they are', async () => {
  const moved = reply('', { status: 302, headers: { location: 'https://b.test/' } })
  const refused = await ask(`fetch('https://a.test').catch((e) => [e.name, e.message])`, moved)
  expect(refused.value).toEqual(['TypeError', expect.stringMatching(/follows no redirects.*redirect: "manual"/)])
  const manual = await ask(
    `fetch('https://a.test', { redirect: 'manual' }).then((r) => [r.status, r.headers.get('location'), r.redirected])`,
    moved,
  )
  expect(manual.value).toEqual([302, 'https://b.test/', false])
  expect(refused.asked).toHaveLength(1)
})

test.each([
  ['a cut answer', reply('half', { truncated: true }), 'text', /longer than the hub reads/],
  ['an encoded answer', reply('', { headers: { 'content-encoding': 'gzip' } }), 'json', /content-encoding gzip/],
  ['bytes of no text', reply('PNG\uFFFD'), 'arrayBuffer', /not UTF-8 text/],
])('%s does not pass for a whole one', async (_what, answer, method, message) => {
  const { value } = await ask(
    `fetch('https://a.test').then(async (r) => [r.status, await r.${method}().catch((e) => [e.name, e.message])])`,
    answer,
  )
  expect(value).toEqual([200, ['TypeError', expect.stringMatching(message)]])
})

test('bytes are sent where they are text; anything else is refused before the hub is asked', async () => {
  const text = await ask(
    `fetch('https://a.test', { method: 'POST', body: new TextEncoder().encode('ü') }).then((r) => r.status)`,
    reply(),
  )
  expect(text.asked[0]?.args).toMatchObject({ body: 'ü' })
  const bytes = await ask(
    `fetch('https://a.test', { method: 'POST', body: new Uint8Array([255]) }).catch((e) => e.message)`,
    reply(),
  )
  expect(bytes).toEqual({ value: expect.stringMatching(/sends text only/), asked: [] })
  const answers = await ask(
    `fetch('https://a.test').then((r) => [r.headers.set('a', 'b')]).catch((e) => e.name)`,
    reply(),
  )
  expect(answers.value).toBe('TypeError')
})

test('requests are counted with those of ctx.http', async () => {
  const { value, asked } = await ask(
    `(async () => { for (let n = 0; n < 10; n++) { await fetch('https://a.test'); await ctx.http({ url: 'https://a.test' }) } return [await fetch('https://a.test').catch((e) => e.code), await ctx.http({ url: 'https://a.test' }).catch((e) => e.code)] })()`,
    reply(),
  )
  expect(asked).toHaveLength(20)
  expect(value).toEqual(['capability_limit', 'capability_limit'])
})

test('a signal ends the wait; one with a time tells the hub how long', async () => {
  const asked: Json[] = []
  const never: Run['capabilities'] = async (_name, args) => {
    asked.push(args)
    return new Promise<Json>((resolve) => {
      setTimeout(() => resolve(reply() as Json), 1_000)
    })
  }
  const [byHand, byTime, joined] = await inGuest(
    bench,
    [
      `(async () => { const c = new AbortController(); setTimeout(() => c.abort('enough'), 5); return fetch('https://a.test', { signal: c.signal }).catch((e) => e) })()`,
      `fetch('https://a.test', { signal: AbortSignal.timeout(20) }).catch((e) => [e.name, e.message])`,
      `fetch('https://a.test', { signal: AbortSignal.any([new AbortController().signal, AbortSignal.timeout(20)]) }).catch((e) => e.name)`,
    ],
    never,
  )
  expect(byHand).toBe('enough')
  expect(byTime).toEqual(['TimeoutError', 'The operation was aborted due to timeout'])
  expect(joined).toBe('TimeoutError')
  expect(asked[0]).not.toHaveProperty('timeoutMs')
  for (const args of asked.slice(1)) {
    const { timeoutMs } = args as { timeoutMs: number }
    expect(timeoutMs).toBeGreaterThan(50)
    expect(timeoutMs).toBeLessThanOrEqual(70)
  }
})

test('ctx.signal is an AbortSignal that turns before the wall limit and leaves no timer behind', async () => {
  const body = `ctx.log.info(String(ctx.signal instanceof AbortSignal && ctx.signal === ctx.signal) + ctx.signal.aborted)
    if (event.data.wait) await new Promise((done) => ctx.signal.addEventListener('abort', () => done(0)))
    else ctx.signal.addEventListener('abort', () => {})
    AbortSignal.timeout(60_000)
    ctx.log.info(ctx.signal.aborted + ' ' + ctx.signal.reason?.name)`
  await bench.plugin('signal', onEvent(body), { limits: { eventWallMs: 400 } })
  const results = await bench.sandbox.runBatch('default/signal', [eventRun({ wait: false }), eventRun({ wait: true })])
  expect(results.map(({ error, logs }) => [error, logs.map((line) => line.message)])).toEqual([
    [null, ['truefalse', 'false undefined']],
    [null, ['truefalse', 'true TimeoutError']],
  ])
})

test('nothing is sent while the plugin is being loaded', async () => {
  const top = `fetch('https://a.test').catch((e: Error) => console.log(e.name, e.message))`
  await bench.plugin('early', onEvent(`ctx.log.info('run')`, top))
  const result = await untilRun(bench.sandbox, 'default/early', () => eventRun())
  expect(result.logs.map((line) => line.message)).toEqual([
    'TypeError fetch failed: it works only while the plugin runs, not while it is being loaded',
    'run',
  ])
})

test('a sealed key signs in the hub; its value never comes in', async () => {
  const mac = createHmac('sha256', 'hidden')
    .update(Buffer.from([0, 255, 65]))
    .digest('base64')
  const asked: Asked[] = []
  const [macs, rsa, refused] = await inGuest(
    bench,
    [
      `(async () => { const key = await crypto.subtle.importKey('raw', ctx.secret('s'), { name: 'HMAC', hash: 'SHA-256', keyFormat: 'whsec' }, false, ['sign', 'verify']); const data = new Uint8Array([0, 255, 65]); const mac = await crypto.subtle.sign('HMAC', key, data); return [key.type, key.extractable, mac, await crypto.subtle.verify('HMAC', key, mac, data), await crypto.subtle.verify('HMAC', key, new Uint8Array(32), data), await crypto.subtle.exportKey('raw', key).catch((e) => e)] })()`,
      `(async () => { const key = await crypto.subtle.importKey('pkcs8', ctx.secret('pem'), { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, false, ['sign']); return [key.algorithm.modulusLength, await crypto.subtle.sign(key.algorithm.name, key, new Uint8Array([1]))] })()`,
      `Promise.all([['raw', true, 'SHA-256'], ['jwk', false, 'SHA-256'], ['raw', false, 'SHA-1']].map(([f, x, hash]) => crypto.subtle.importKey(f, ctx.secret('s'), { name: 'HMAC', hash }, x, ['sign']).catch((e) => e.message)))`,
    ],
    async (name, args) => {
      asked.push({ name, args })
      return mac
    },
  )
  const bytes = [...Buffer.from(mac, 'base64')]
  expect(macs).toEqual(['secret', false, bytes, true, false, 'DOMException InvalidAccessError'])
  expect(rsa).toEqual([2048, bytes])
  expect(refused).toEqual([
    expect.stringMatching(/cannot be extractable/),
    expect.stringMatching(/as "raw"/),
    expect.stringMatching(/SHA-256 and SHA-512/),
  ])
  const hmac = {
    name: 'hmac',
    args: {
      key: { $secret: 's' },
      alg: 'sha256',
      data: 'AP9B',
      dataEncoding: 'base64',
      encoding: 'base64',
      keyFormat: 'whsec',
    },
  }
  expect(asked).toEqual([
    hmac,
    hmac,
    hmac,
    { name: 'sign', args: { key: { $secret: 'pem' }, alg: 'RS256', data: 'AQ==' } },
  ])
})
