/**
 * Three well-known packages of pure JavaScript run unchanged inside: bundled by the hub, in a real isolate, over the hub's
 * own capabilities. They were chosen for breadth, and none of them was written with Manifold in mind:
 *
 *   zod    the validator of the field: large, closures and prototypes all over, Proxy, generated functions
 *   jose   JOSE on Web Cryptography and nothing else: CryptoKey, subtle, TextEncoder, base64url; here with a sealed key
 *   hono   a web framework on Request, Response, Headers and URL and nothing else
 */
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { jwtVerify } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LIMITS } from '../../core/limits.ts'
import { bundlePlugin } from '../../core/sandbox/bundle.ts'
import type { RunResult } from '../../core/sandbox/sandbox.ts'
import { openRunBench } from '../capabilities/run-bench.ts'
import { type Bench, eventRun, openBench, runOf, UNIT_LIMITS } from './harness.ts'

const KEY = 'default/npm-packages'
const pem = generateKeyPairSync('rsa', { modulusLength: 2048 })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString()

let bench: Bench
let hub: Awaited<ReturnType<typeof openRunBench>>
beforeAll(async () => {
  bench = await openBench()
  hub = await openRunBench()
  const bundle = await bundlePlugin({
    dir: fileURLToPath(new URL('../fixtures/npm-packages', import.meta.url)),
    main: 'index.ts',
    pluginId: 'npm-packages',
    version: '1.0.0',
    bytesMax: LIMITS.pluginBundleBytesMax,
  })
  await bench.sandbox.load({ key: KEY, bundle, config: '{}', limits: UNIT_LIMITS, group: 'community' })
})
afterAll(async () => {
  await bench[Symbol.asyncDispose]()
  await hub.close()
})

async function submit(data: object): Promise<RunResult | undefined> {
  const run = hub.open({ secrets: { pem } })
  const [result] = await bench.sandbox.runBatch(KEY, [
    eventRun({ ...data, url: hub.receiver.url }, (name, args) => run.handler(name, args)),
  ])
  return result
}

const route = async (method: string, path: string, more: object = {}) => {
  const request = { method, path, params: {}, query: {}, headers: {}, form: [], scopes: [], body: '', ...more }
  const result = await bench.sandbox.runEach(KEY, runOf({ kind: 'route', name: `${method} /links/*`, request }))
  expect(result.error).toBeNull()
  return result.value as { status: number; headers: Record<string, string>; body: string }
}

test('zod checks, jose signs with a key of the hub, fetch delivers', async () => {
  hub.receiver.forget()
  hub.receiver.respond({ status: 202, body: '{"stored":1}' })
  const result = await submit({ email: 'Ada@Example.COM', score: '7', tags: [' a '] })
  expect(result).toMatchObject({ error: null, logs: [{ message: '202 1' }] })
  const [got] = hub.receiver.requests
  expect(got?.json()).toEqual({ email: 'ada@example.com', score: 7, tags: ['a'] })
  const token = got?.headers['authorization']?.replace('Bearer ', '') ?? ''
  const { payload, protectedHeader } = await jwtVerify(token, createPublicKey(pem), { subject: 'ada@example.com' })
  expect(protectedHeader).toEqual({ alg: 'RS256', kid: 'k1' })
  expect(payload).toMatchObject({ scope: 'forms', exp: (payload.iat ?? 0) + 3_600 })
})

test('zod says what is wrong, and nothing is sent', async () => {
  hub.receiver.forget()
  const result = await submit({ email: 'nobody', score: 11 })
  expect(result?.error).toBeNull()
  expect(result?.logs[0]?.message).toMatch(/Invalid email address\n.*at email\n.*<=10\n.*at score/)
  expect(hub.receiver.requests).toEqual([])
})

test('hono routes, jose signs and verifies with a key of the plugin', async () => {
  const made = await route('POST', '/links/abc', {
    query: { lang: 'ü' },
    headers: { 'content-type': 'application/json' },
    body: '{"minutes":5}',
  })
  expect(made).toMatchObject({ status: 201, headers: { 'content-type': 'application/json', 'x-middleware': 'ran' } })
  const { token, lang } = JSON.parse(made.body) as { token: string; lang: string }
  expect(lang).toBe('ü')
  expect(await route('GET', `/links/${token}`)).toMatchObject({ status: 200, body: 'id abc' })
  expect(await route('GET', `/links/${token.slice(0, -4)}AAAA`)).toMatchObject({
    status: 403,
    body: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
  })
  const wrong = await route('POST', '/links/abc', { body: '{"minutes":"5"}' })
  expect(wrong).toMatchObject({ status: 422, body: expect.stringContaining('expected number') })
  expect(await route('GET', '/links')).toMatchObject({ status: 404, body: '404 Not Found' })
})
