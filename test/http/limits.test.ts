/** Huge, odd and lying bodies through real sockets (F-22), slow ones (F-15): refused in plain words, nothing stored. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connect } from 'node:net'
import { openDoor, raw } from './door.ts'
import type { Door } from './door.ts'

const BODY_MAX = 20_000
let door: Door
beforeAll(async () => {
  door = await openDoor({
    limits: {
      bodyBytesMax: BODY_MAX,
      batchBodyBytesMax: 60_000,
      headersTimeoutMs: 600,
      requestTimeoutMs: 2_500,
      connectionsMax: 60,
      publicRateBurst: 10_000,
    },
  })
  await door.saveForm('contact', { fields: [{ key: 'email', type: 'email' }] })
})
afterAll(() => door[Symbol.asyncDispose]())

const PATH = '/api/v2/forms/contact/responses'
const post = (body: string | Buffer, headers: Record<string, string> = {}) =>
  door.call('POST', PATH, { body, headers: { 'content-type': 'application/json', ...headers } })
const head = (lines: readonly string[]) =>
  [`POST ${PATH} HTTP/1.1`, 'Host: x', 'Content-Type: application/json', ...lines, '', ''].join('\r\n')

test('bodies that are too large, too deep, too wide or not text are refused, and nothing is stored', async () => {
  const before = await door.store.countResponses('default')
  const cases: [string | Buffer, number, string][] = [
    [`{"data":{"a":"${'x'.repeat(BODY_MAX)}"}}`, 413, 'body_too_large'],
    ['['.repeat(19_000), 400, 'too_deep'],
    [`{"data":${'{"a":'.repeat(100)}1${'}'.repeat(100)}}`, 400, 'too_deep'],
    [`[${'1,'.repeat(9_000)}1]`, 400, 'too_many_keys'],
    [Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 400, 'invalid_json'],
    ['', 400, 'invalid_json'],
    ['{"data":', 400, 'invalid_json'],
    ['[]', 422, 'invalid_response'],
    ['"data"', 422, 'invalid_response'],
    ['null', 422, 'invalid_response'],
    ['{}', 422, 'invalid_response'],
    ['{"data":[]}', 422, 'invalid_response'],
    ['{"data":{},"stauts":"partial"}', 422, 'invalid_response'],
    ['{"data":{},"status":"done"}', 422, 'invalid_response'],
    ['{"data":{},"started_at":"yesterday"}', 422, 'invalid_response'],
    ['{"data":{},"meta":[]}', 422, 'invalid_response'],
    ['{"data":{},"client_id":""}', 422, 'invalid_response'],
    ['{"data":{},"form_id":"other"}', 422, 'invalid_response'],
  ]
  for (const [body, status, code] of cases) {
    const answer = await post(body)
    expect([answer.status, answer.body['code']], String(body).slice(0, 60)).toEqual([status, code])
    expect(answer.headers['content-type']).toBe('application/problem+json')
    expect(answer.body['instance']).toBe(answer.headers['x-request-id'])
    expect(answer.text).not.toMatch(/at \w+ \(|node_modules|\.ts/)
  }
  expect(await door.store.countResponses('default')).toBe(before)
  expect(door.errors).toEqual([])
})

test('an announced length over the limit is refused before a byte of the body came', async () => {
  const text = await raw(door.port, head([`Content-Length: ${BODY_MAX + 1}`]))
  expect(text).toMatch(/^HTTP\/1\.1 413 /)
  expect(text).toMatch(/connection: close/i)
})

test('a chunked body over the limit is refused while it is still coming', async () => {
  const chunk = `1000\r\n${'x'.repeat(0x1000)}\r\n`
  const text = await raw(door.port, head(['Transfer-Encoding: chunked']) + chunk.repeat(6))
  expect(text).toMatch(/^HTTP\/1\.1 413 /)
})

test('lengths that lie: too long times out, too short leaves no second request behind', async () => {
  const long = await raw(door.port, `${head(['Content-Length: 500'])}{"data":{}}`, { idleMs: 6_000 })
  expect(long).toMatch(/^HTTP\/1\.1 408 /)
  const before = await door.store.countResponses('default')
  const short = await raw(door.port, `${head(['Content-Length: 2'])}{}{"data":{}} GET / HTTP/1.1\r\n\r\n`)
  expect(short).toMatch(/^HTTP\/1\.1 4\d\d /)
  expect(short).not.toMatch(/ 201 /)
  const both = await raw(
    door.port,
    `${head(['Content-Length: 11', 'Transfer-Encoding: chunked'])}b\r\n{"data":{}}\r\n0\r\n\r\n`,
  )
  expect(both).toMatch(/^HTTP\/1\.1 400 /)
  expect(await door.store.countResponses('default')).toBe(before)
})

test('headers that are too large get 431, and what is not HTTP gets 400, both as problems', async () => {
  const large = await raw(door.port, `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`)
  expect(large).toMatch(/^HTTP\/1\.1 431 /)
  expect(large).toContain('urn:manifold:problem:header_too_large')
  const nonsense = await raw(door.port, 'EHLO example.com\r\n\r\n')
  expect(nonsense).toMatch(/^HTTP\/1\.1 400 /)
  expect(nonsense).toContain('application/problem+json')
})

test("odd request lines are the sender's mistake, never the hub's", async () => {
  const lines = [
    'GET /a\\b HTTP/1.1\r\nHost: x',
    'GET / HTTP/1.1\r\nHost: a b',
    'GET / HTTP/1.1\r\nHost: [',
    'GET / HTTP/1.1',
    'GET http://[/ HTTP/1.1\r\nHost: x',
    'GET * HTTP/1.1\r\nHost: x',
    'GET /%zz HTTP/1.1\r\nHost: x',
    'GET /api/v2/forms/%ff/responses HTTP/1.1\r\nHost: x',
    'TRACE / HTTP/1.1\r\nHost: x',
    'CONNECT x:1 HTTP/1.1\r\nHost: x',
    'GET /f/%E0%A4%A HTTP/1.1\r\nHost: x',
    'GET //f/x HTTP/1.1\r\nHost: x',
    'POST /f/%00 HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data\r\nContent-Length: 0',
  ]
  for (const line of lines) {
    const text = await raw(door.port, `${line}\r\nConnection: close\r\n\r\n`)
    if (line.startsWith('CONNECT')) expect(text).toBe('')
    else expect(text, line).toMatch(/^HTTP\/1\.1 4\d\d /)
  }
  expect(door.errors).toEqual([])
})

test('bodies in other types, encodings and charsets are not guessed at', async () => {
  for (const headers of [
    { 'content-type': 'text/plain' },
    { 'content-type': 'application/x-www-form-urlencoded' },
    { 'content-type': 'application/json; charset=latin1' },
    { 'content-encoding': 'gzip' },
    { 'content-encoding': 'br, gzip' },
  ]) {
    const answer = await post('{"data":{}}', headers)
    expect([answer.status, answer.body['code']], JSON.stringify(headers)).toEqual([415, 'unsupported_media_type'])
  }
  expect((await door.call('POST', PATH, { body: '{"data":{}}' })).status).toBe(415)
  expect(
    (await post('{"data":{}}', { 'content-encoding': 'identity', 'content-type': 'application/json;charset=UTF-8' }))
      .status,
  ).toBe(201)
  expect((await post('{"data":{}}', { 'content-type': 'application/vnd.api+json' })).status).toBe(201)
})

test('names that mean something to JavaScript are stored as they came', async () => {
  const answer = await post(
    '{"data":{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"email":"a@b.de"},"meta":{"__proto__":{"polluted":true}}}',
  )
  expect(answer.status).toBe(201)
  const stored = await door.call('GET', `/api/v2/responses/${String(answer.body['id'])}`)
  expect(stored.text).toContain('"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}')
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
})

test('of duplicate keys the last one is stored', async () => {
  const answer = await post('{"data":{"email":"a@b.de","email":"z@b.de"}}')
  const stored = await door.call('GET', `/api/v2/responses/${String(answer.body['id'])}`)
  expect(stored.body['data']).toEqual({ email: 'z@b.de' })
})

test('a client that hangs up in the middle of a body leaves nothing behind', async () => {
  const before = await door.store.countResponses('default')
  await new Promise<void>((resolve) => {
    const socket = connect(door.port, '127.0.0.1', () => {
      socket.write(`${head(['Content-Length: 100'])}{"data":{}`)
      setTimeout(() => socket.destroy(), 50)
    })
    socket.on('close', () => resolve())
  })
  expect((await post('{"data":{}}')).status).toBe(201)
  expect(await door.store.countResponses('default')).toBe(before + 1)
  expect(door.errors).toEqual([])
})

test('slow-loris connections are cut, those slow with headers first, while honest clients are served', async () => {
  const ended: string[] = []
  const slow = Array.from({ length: 20 }, async (_, i) => {
    const kind = i % 2 === 0 ? 'headers' : 'body'
    const bytes = kind === 'headers' ? 'POST / HTTP/1.1\r\nHost: x\r\nX-Slow:' : `${head(['Content-Length: 100'])}{`
    const text = await raw(door.port, bytes, { idleMs: 10_000 })
    ended.push(kind)
    return text
  })
  expect((await post('{"data":{}}')).status).toBe(201)
  for (const text of await Promise.all(slow)) expect(text).toMatch(/^HTTP\/1\.1 408 /)
  expect(ended).toEqual([...Array.from({ length: 10 }, () => 'headers'), ...Array.from({ length: 10 }, () => 'body')])
})

test('connections beyond the limit are dropped, and room is made again', async () => {
  const idle = Array.from({ length: 60 }, () => connect(door.port, '127.0.0.1'))
  await Promise.all(idle.map((socket) => new Promise((resolve) => socket.once('connect', resolve))))
  await expect(post('{"data":{}}')).rejects.toThrow()
  for (const socket of idle) socket.destroy()
  await expect
    .poll(() =>
      post('{"data":{}}').then(
        ({ status }) => status,
        () => 0,
      ),
    )
    .toBe(201)
})
