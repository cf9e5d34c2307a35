/** The http capability: what is granted, what is bounded, and everything a hostile guest tries. */
import { afterAll, describe, expect, test } from 'vitest'
import { USER_AGENT } from '../../core/capabilities/http-request.ts'
import { LIMITS } from '../../core/limits.ts'
import { openRunBench } from './run-bench.ts'

const bench = await openRunBench()
afterAll(bench.close)
const { receiver, open, post, sent, refused } = bench

describe('http: what is granted', () => {
  test('a granted host and method; the answer; the user agent; no decompression asked', async () => {
    receiver.respond({ status: 201, headers: { 'x-list': 'a' }, body: '{"ok":1}' })
    const { answer, got, run } = await sent(post({ json: { a: 1 } }))
    expect(answer).toMatchObject({ status: 201, headers: { 'x-list': 'a' }, body: '{"ok":1}', truncated: false })
    expect(got?.body).toBe('{"a":1}')
    expect(got?.headers).toMatchObject({
      'content-type': 'application/json',
      'user-agent': USER_AGENT,
      'accept-encoding': 'identity',
    })
    expect(run.lastHost()).toBe(`127.0.0.1:${receiver.port}`)
    receiver.respond({})
  })

  test('hosts are compared as parsed URLs, ports included', async () => {
    const cases: [string[], string, boolean][] = [
      [['127.0.0.1:{port}'], 'http://127.0.0.1:{port}/', true],
      [['127.0.0.1:{port}'], 'http://2130706433:{port}/', true],
      [['127.0.0.1'], 'http://127.0.0.1:{port}/', false],
      [[], 'http://127.0.0.1:{port}/', false],
      [['127.0.0.1:1'], 'http://127.0.0.1:{port}/', false],
      [['*.0.0.1:{port}'], 'http://127.0.0.1:{port}/', false],
      [['localhost:{port}'], 'http://127.0.0.1:{port}/', false],
      [['*'], 'http://127.0.0.1:{port}/', false],
      [['127.0.0.1:{port}/path'], 'http://127.0.0.1:{port}/path', false],
      [['127.0.0.1:{port}@evil.example'], 'http://127.0.0.1:{port}/', false],
    ]
    for (const [hosts, url, granted] of cases) {
      const real = (text: string) => text.replaceAll('{port}', String(receiver.port))
      const run = open({ hosts: hosts.map(real) })
      const code = await run.call('http', { url: real(url) }).then(
        () => 'granted',
        (error: { code: string }) => error.code,
      )
      expect([hosts, url, code]).toEqual([hosts, url, granted ? 'granted' : 'capability_denied'])
      expect(run.exchanges).toHaveLength(granted ? 1 : 0)
    }
  })

  test('methods that are not granted', async () => {
    expect((await refused(post({ method: 'DELETE' }))).code).toBe('capability_denied')
    expect((await refused(post({ method: 'CONNECT' }))).code).toBe('capability_denied')
    expect((await refused(post({ method: 'GET / HTTP/1.1\r\nx: y' }))).code).toBe('capability_input')
    expect((await sent({ ...post(), method: 'post' })).got?.method).toBe('POST')
  })

  test('an answer proves a credential only where one went along, by whatever way, and was taken', async () => {
    const secrets = { token: 'canary-token-0123456789' }
    const ref = { $secret: 'token' }
    const proven = async (request: Record<string, unknown>, own: Record<string, string> = secrets, status = 200) => {
      receiver.respond({ status })
      return (await sent(post(request), { secrets: own })).run.hasProven()
    }
    const sealed = { headers: { authorization: ['Bearer ', ref] } }
    const hmac = { headers: { 'x-signature': { $hmac: { key: ref, data: [{ $body: true }] } } }, body: 'text' }
    expect(await proven({ json: { a: 1 } })).toBe(false)
    for (const request of [sealed, hmac, { form: { token: ref } }, { url: [`${receiver.url}/?t=`, ref] }])
      expect([request, await proven(request)]).toEqual([request, true])
    for (const status of [401, 403, 500, 503])
      expect([status, await proven(sealed, secrets, status)]).toEqual([status, false])
    expect(await proven(sealed, secrets, 409)).toBe(true)
    // There is none that could be refused but the address itself.
    expect(await proven({ json: { a: 1 } }, {})).toBe(true)
    receiver.respond({})
    // Signed by the run itself, and sent as text.
    const run = open({ secrets })
    await run.call('hmac', { key: ref, data: 'text' })
    await run.call('http', post({ headers: { 'x-signature': 'abc' } }))
    expect(run.hasProven()).toBe(true)
  })

  test('a grant does not open private addresses: the guard has its own word', async () => {
    const { code, run } = await refused({ url: 'http://169.254.169.254/latest' }, { hosts: ['169.254.169.254'] })
    expect(code).toBe('http_refused_address')
    expect(run.exchanges[0]).toMatchObject({ error: 'refused_by_guard', status: null, responseBody: null })
  })

  test('an open breaker holds the request back and says until when', async () => {
    const asked: string[] = []
    const breakers = { check: (key: string, host: string) => (asked.push(`${key} ${host}`), 4_200) }
    const run = open({ breakers })
    await expect(run.call('http', post())).rejects.toMatchObject({ code: 'breaker_open', retryAfterMs: 4_200 })
    expect(asked).toEqual([`default/probe 127.0.0.1:${receiver.port}`])
    expect(run.exchanges).toEqual([])
    expect(run.lastHost()).toBe(`127.0.0.1:${receiver.port}`)
  })

  test('counts and times of a run are bounded', async () => {
    const calls = open({ httpCallsMax: 2 })
    await calls.call('http', post())
    await calls.call('http', post())
    await expect(calls.call('http', post())).rejects.toMatchObject({ code: 'capability_limit' })
    await expect(calls.call('tallies', {})).resolves.toEqual({})
    const ops = open({ hostOpsMax: 1 })
    await ops.call('tallies', {})
    await expect(ops.call('tallies', {})).rejects.toMatchObject({ code: 'capability_limit' })
    receiver.respond({ hang: true })
    const late = open({ deadlineMs: Date.now() + 100 })
    await expect(late.call('http', post({ timeoutMs: 10_000 }))).rejects.toMatchObject({ code: 'http_timeout' })
    expect(late.exchanges[0]?.error).toBe('timeout')
    await expect(open().call('http', post({ timeoutMs: 50 }))).rejects.toMatchObject({ code: 'http_timeout' })
    receiver.respond({})
  })
})

describe('http: what cannot be smuggled', () => {
  test.each([
    'Host',
    'content-length',
    'Transfer-Encoding',
    'connection',
    'Keep-Alive',
    'upgrade',
    'TE',
    'trailer',
    'Proxy-Authorization',
    'proxy-connection',
    'expect',
    'Accept-Encoding',
  ])('the header %s belongs to the hub', async (name) => {
    expect(await refused(post({ headers: { [name]: 'x' } }))).toMatchObject({ code: 'capability_input' })
  })

  test('line ends, control characters and foreign letters in names and values', async () => {
    const secrets = { s: 'a\r\nx-injected: 1' }
    const bad = [
      { 'x-a': 'b\r\nx-injected: 1' },
      { 'x-a': 'b\nx' },
      { 'x-a': 'b\0' },
      { 'x-a': 'b\u010d\u010a' },
      { 'x-a': '\u560a\u560d' },
      { 'x-a\r\nx-injected: 1\r\nx': 'b' },
      { 'x a': 'b' },
      { '': 'b' },
      { 'x-a:': 'b' },
      { 'x-a': 'b', 'X-A': 'c' },
      { 'x-a': { $secret: 's' } },
      { 'x-a': ['ok', { $secret: 's' }] },
      { 'x-a': 7 },
      { 'x-a': { $secrets: 's' } },
      { 'x-a': { $hmac: { key: 's', data: [] } } },
      { 'x-a': { $hmac: { key: { $secret: 's' }, data: [7] } } },
      { 'x-a': { $hmac: { key: { $secret: 's' }, data: [], alg: 'md5' } } },
      { 'x-a': { $hmac: { key: { $secret: 's' }, data: [], encoding: 'latin1' } } },
      { 'x-a': { $hmac: { key: { $secret: 's' }, data: [], keyFormat: 'hex' } } },
    ]
    for (const headers of bad) {
      const { code, message } = await refused(post({ headers }), { secrets })
      expect([headers, code]).toEqual([headers, 'capability_input'])
      expect(message).toMatch(/^http: the header|^http: a header name/)
      expect(message).not.toContain('injected')
    }
  })

  test('shapes a guest may send instead of a request', async () => {
    for (const args of ['x', 7, [], [1, 2], null, { url: 7 }, { url: null }, { url: [] }, { url: { $secret: 7 } }]) {
      const run = open()
      const code = await run.call('http', args).catch((error: { code: string }) => error.code)
      expect([args, code]).toEqual([args, expect.stringMatching(/^(capability_input|http_refused_url)$/)])
    }
    for (const rest of [
      { body: 7 },
      { body: {} },
      { body: 'x', json: 1 },
      { timeoutMs: -1 },
      { timeoutMs: 'x' },
      { headers: [] },
      { headers: 'x' },
    ]) {
      expect([rest, (await refused(post(rest))).code]).toEqual([rest, 'capability_input'])
    }
    const many = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`x-${i}`, 'y']))
    expect((await refused(post({ headers: many }))).code).toBe('capability_limit')
    expect((await refused(post({ headers: { 'x-a': 'y'.repeat(LIMITS.headerBytesMax) } }))).code).toBe(
      'capability_limit',
    )
    expect((await refused(post({ body: 'y'.repeat(LIMITS.pluginHttpRequestBytesMax + 1) }))).code).toBe(
      'capability_limit',
    )
  })

  test('a path cannot become a second request', async () => {
    const { got } = await sent(post({ url: `${receiver.url}/a b\r\nHost: evil\r\n\r\nGET /x?q=\u00e9#frag` }))
    expect(got?.path).toBe('/a%20bHost:%20evilGET%20/x?q=%C3%A9')
    expect(receiver.requests).toHaveLength(1)
  })

  test('names of no capability, the object’s own included', async () => {
    for (const name of ['', 'enqueue', 'kv.set', 'constructor', '__proto__', 'toString', 'http ', 'HTTP']) {
      await expect(open().call(name, {})).rejects.toMatchObject({ code: 'capability_denied' })
    }
  })
})
