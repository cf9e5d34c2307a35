/** F-22: huge, lying, deep, wide and broken bodies at the door. Each is the sender's fault, said so, and nothing is stored. */
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { LIMITS } from '../../core/limits.ts'
import { startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { allItems } from '../support/pages.ts'
import { watchPeaks } from '../support/processes.ts'
import { DECK, sceneConfig } from '../support/scene.ts'

const MB = 1_048_576
const PATH = `/api/v2/forms/${DECK}/responses`
const deep = (depth: number) => `{"data":{"key":${'['.repeat(depth)}${']'.repeat(depth)}}}`
const wide = (keys: number) => `{"data":{${Array.from({ length: keys }, (_, n) => `"k${n}":${n}`).join()}}}`

/** Name, body, the codes that fit. */
const BODIES: readonly (readonly [string, string | Buffer, readonly string[]])[] = [
  ['ten times the limit, by Content-Length', Buffer.alloc(10 * LIMITS.bodyBytesMax, ' '), ['body_too_large']],
  ['one byte over the limit', Buffer.alloc(LIMITS.bodyBytesMax + 1, ' '), ['body_too_large']],
  ['100,000 brackets', deep(100_000), ['too_deep']],
  ['one level too deep', deep(LIMITS.jsonDepthMax), ['too_deep']],
  [
    'a million keys',
    wide(1_000_000).slice(0, LIMITS.bodyBytesMax),
    ['too_many_keys', 'invalid_json', 'body_too_large'],
  ],
  ['too many keys', wide(LIMITS.jsonKeysMax + 1), ['too_many_keys']],
  ['a string too long', JSON.stringify({ data: { key: 'x'.repeat(LIMITS.stringCharsMax + 1) } }), ['string_too_long']],
  [
    'invalid UTF-8',
    Buffer.concat([Buffer.from('{"data":{"key":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}}')]),
    ['invalid_json'],
  ],
  [
    'an overlong UTF-8 form',
    Buffer.concat([Buffer.from('{"data":{"key":"'), Buffer.from([0xc0, 0xaf]), Buffer.from('"}}')]),
    ['invalid_json'],
  ],
  ['a truncated document', '{"data":{"key":"a"', ['invalid_json']],
  ['two documents', '{"data":{"key":"a"}}{"data":{"key":"b"}}', ['invalid_json']],
  ['nothing', '', ['invalid_json', 'bad_request']],
  ['a bare number', '7', ['bad_request', 'invalid_response', 'invalid_json']],
  ['null', 'null', ['bad_request', 'invalid_response', 'invalid_json']],
  ['an array', '[]', ['bad_request', 'invalid_response', 'invalid_json']],
  ['comments', '{"data":{"key":"a"}/* hi */}', ['invalid_json']],
  ['NaN', '{"data":{"key":NaN}}', ['invalid_json']],
  [
    'a lone surrogate escape is text or refused',
    '{"data":{"key":"\\ud800"},"unknown_member":1}',
    ['bad_request', 'invalid_json', 'invalid_response'],
  ],
]

describe('F-22 huge and odd bodies', () => {
  test('F-22 every bad body: a 4xx problem with its code, nothing stored, the hub alive and small', async () => {
    await using hub = await startHub({ config: sceneConfig({}) })
    const before = await hub.rssBytes()
    using peaks = watchPeaks(hub.pid)
    for (const [name, body, codes] of BODIES) {
      const answer = await hub.api<{ type: string; detail: string }>('POST', PATH, body).catch(() => null)
      // A refused upload may be cut while it is still being sent; then the client sees a broken connection.
      if (answer === null && codes.includes('body_too_large')) continue
      expect(answer?.status, `${name}: ${answer?.text}`).toBeGreaterThanOrEqual(400)
      expect(answer?.status, name).toBeLessThan(500)
      expect(answer?.headers['content-type'], name).toContain('application/problem+json')
      expect(codes, `${name}: ${answer?.text}`).toContain(String(answer?.body.type).replace(/^.*[/:#]/, ''))
      expect(answer?.text, name).not.toMatch(/\bat \/|node_modules|\.ts:\d/)
    }
    expect(await stored(hub)).toBe(0)
    expect((await hub.api('GET', '/healthz')).status).toBe(200)
    expect(peaks.ownBytesMax - before).toBeLessThan(96 * MB)
  })

  test('F-22 chunked without end, lying lengths, smuggled lengths: refused or cut, nothing stored', async () => {
    await using hub = await startHub({ config: sceneConfig({}) })
    const port = Number(new URL(hub.url).port)
    const head = (length: string) =>
      `POST ${PATH} HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer ${hub.adminKey}\r\ncontent-type: application/json\r\nconnection: close\r\n${length}\r\n\r\n`
    const chunk = `10000\r\n${' '.repeat(65_536)}\r\n`
    const chunked = await raw(port, [head('transfer-encoding: chunked'), ...Array.from({ length: 40 }, () => chunk)])
    expect(chunked).toMatch(/^HTTP\/1\.1 413 /)
    // Says less than it sends: the rest is no second request.
    const short = await raw(port, [head('content-length: 10'), '{"data":{"key":"a"}}'])
    expect(short).toMatch(/^HTTP\/1\.1 400 /)
    expect(short.match(/^HTTP\/1\.1 2/gm)).toBeNull()
    const both = await raw(port, [head('content-length: 5\r\ntransfer-encoding: chunked'), '0\r\n\r\n'])
    expect(both).toMatch(/^HTTP\/1\.1 400 /)
    const twice = await raw(port, [head('content-length: 20\r\ncontent-length: 21'), '{"data":{"key":"a"}}'])
    expect(twice).toMatch(/^HTTP\/1\.1 400 /)
    const negative = await raw(port, [head('content-length: -1'), '{}'])
    expect(negative).toMatch(/^HTTP\/1\.1 400 /)
    // Says more than it sends and goes away.
    await raw(port, [head('content-length: 1000'), '{"data":{"key":"a"}}'], 300)
    expect(await stored(hub)).toBe(0)
    expect((await hub.api('POST', PATH, { data: { key: 'honest' } })).status).toBe(201)
  })

  test('F-22 duplicate keys: the last one counts, as in every JSON.parse, and only that one is stored', async () => {
    await using hub = await startHub({ config: sceneConfig({}) })
    const answer = await hub.api<{ id: string }>('POST', PATH, '{"data":{"key":"first","key":"last"}}')
    expect(answer.status, answer.text).toBe(201)
    expect((await hub.api('GET', `/api/v2/responses/${answer.body.id}`)).body['data']).toEqual({ key: 'last' })
  })

  test('F-22 names such as __proto__ are data, and stay it', async () => {
    await using hub = await startHub({ config: sceneConfig({}) })
    const body = '{"data":{"key":"a","__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}}'
    const answer = await hub.api<{ id: string }>('POST', PATH, body)
    expect(answer.status, answer.text).toBe(201)
    const back = await hub.api('GET', `/api/v2/responses/${answer.body.id}`)
    expect(back.text).toContain('"__proto__":{"polluted":true}')
    const next = await hub.api('GET', '/api/v2/forms')
    expect(next.text).not.toContain('polluted')
  })
})

const stored = async (hub: Hub): Promise<number> => (await allItems(hub, PATH)).length

/** Sends pieces over a bare socket; answers what came back until the other side closed, or this long. */
async function raw(port: number, pieces: readonly string[], timeoutMs = 5_000): Promise<string> {
  return await new Promise((resolve) => {
    let text = ''
    const socket = connect(port, '127.0.0.1', () => {
      for (const piece of pieces) socket.write(piece)
    })
    socket.setTimeout(timeoutMs, () => socket.destroy())
    socket.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')))
    socket.on('error', () => undefined)
    socket.once('close', () => resolve(text))
  })
}
