/** Access tokens: obtained once from a real endpoint, kept, renewed, replaced; placed like a secret, and told to nobody. */
import { importSPKI, jwtVerify } from 'jose'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { LIMITS } from '../../core/limits.ts'
import { CLIENT_SECRET, granting, ID_TOKEN, jwt, openTokenBench, REFRESH, SPKI, tokenOf } from './token-bench.ts'
import type { Given } from './token-bench.ts'

const bench = await openTokenBench()
afterAll(bench.close)
beforeEach(bench.reset)
const { receiver, installed, request, asked, answer } = bench

describe('obtaining', () => {
  test('the form is encoded by the hub, with a JWT whose times are the hub’s, whatever the guest claims', async () => {
    const hub = installed()
    const claims = { iss: 'client', sub: 'ada', aud: 'https://login', iat: 1, exp: 9_999_999_999 }
    const form = {
      grant_type: 'jwt & bearer',
      assertion: jwt({ claims, header: { kid: 'k1', alg: 'none' } }),
      client_secret: { $secret: 'client' },
      login: ['user:', { $secret: 'client' }],
    }
    const token = await hub.token(request({ form }))
    expect(token.fields).toEqual({
      token_type: 'Bearer',
      instance_url: 'https://na1.example',
      nested: [{ note: 'again [secret]' }],
    })
    const [sent] = asked()
    expect(receiver.requests[0]).toMatchObject({
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
    })
    expect([sent?.get('grant_type'), sent?.get('client_secret'), sent?.get('login')]).toEqual([
      'jwt & bearer',
      CLIENT_SECRET,
      `user:${CLIENT_SECRET}`,
    ])
    const { payload, protectedHeader } = await jwtVerify(
      sent?.get('assertion') ?? '',
      await importSPKI(SPKI, 'RS256'),
      {
        currentDate: new Date(hub.nowMs()),
      },
    )
    const iat = hub.nowMs() / 1000
    expect(payload).toEqual({ iss: 'client', sub: 'ada', aud: 'https://login', iat, exp: iat + 180 })
    expect(protectedHeader).toEqual({ typ: 'JWT', kid: 'k1', alg: 'RS256' })
    expect(await hub.placed(token)).toBe(`Bearer ${tokenOf(1)}`)
  })

  test('many runs that ask at once are one request', async () => {
    const hub = installed()
    let release = (): void => {}
    const held = new Promise<void>((resolve) => (release = resolve))
    answer(async (n) => {
      await held
      return granting(n)
    })
    const all = Array.from({ length: 50 }, () => hub.token())
    await receiver.received(1)
    release()
    const names = new Set((await Promise.all(all)).map(({ $secret }) => $secret))
    expect([asked().length, names.size]).toEqual([1, 1])
    await hub.token()
    expect(asked().length).toBe(1)
  })

  test('another request is another token; another installation asks for itself', async () => {
    const hub = installed()
    const one = await hub.token()
    const two = await hub.token(request({ form: { grant_type: 'client_credentials' } }))
    expect(one.$secret).not.toBe(two.$secret)
    expect([await hub.placed(one), await hub.placed(two)]).toEqual([`Bearer ${tokenOf(1)}`, `Bearer ${tokenOf(2)}`])
    await installed().token()
    expect(asked().length).toBe(3)
  })

  test.each([
    ['as the answer says', { expires_in: 3600 }, {}, 3_300],
    ['as an answer says in text', { expires_in: '7200' }, {}, 6_900],
    ['as the plugin says where the answer does not', {}, { expiresInS: 1_800 }, 1_500],
    ['an hour where nobody says', {}, {}, 3_300],
    ['of a short life in its last fifth', { expires_in: 60 }, {}, 48],
  ])('is renewed before it ends: %s', async (_name, said, more, renewedS) => {
    const hub = installed()
    answer((n) => granting(n, said))
    const first = await hub.token(request(more))
    hub.pass((renewedS - 1) * 1000)
    expect((await hub.token(request(more))).$secret).toBe(first.$secret)
    hub.pass(1_000)
    const second = await hub.token(request(more))
    expect([asked().length, second.$secret === first.$secret]).toEqual([2, false])
    // A run that began before has the newer one placed.
    expect(await hub.placed(first)).toBe(`Bearer ${tokenOf(2)}`)
  })

  test('a renewal that fails leaves the one that is still good, until it ends', async () => {
    const hub = installed()
    const first = await hub.token()
    answer(() => ({ status: 503 }))
    hub.pass(3_400_000)
    expect((await hub.token()).$secret).toBe(first.$secret)
    expect((await hub.token()).$secret).toBe(first.$secret)
    expect(asked().length).toBe(2)
    hub.pass(200_000)
    expect((await hub.refused(request())).code).toBe('token_unavailable')
  })

  test('instead of a refused one another is obtained once, and not at all where that has happened', async () => {
    const hub = installed()
    const first = await hub.token()
    const again = await Promise.all([1, 2, 3].map(() => hub.token(request({ instead: first }))))
    expect(new Set(again.map(({ $secret }) => $secret)).size).toBe(1)
    expect(asked().length).toBe(2)
    const late = await hub.token(request({ instead: { $secret: first.$secret } }))
    expect([late.$secret, asked().length]).toEqual([again[0]?.$secret, 2])
    // One that was refused is not kept when there is no other.
    answer(() => ({ status: 500 }))
    expect((await hub.refused(request({ instead: late }))).code).toBe('token_unavailable')
    expect((await hub.refused(request())).code).toBe('token_unavailable')
  })

  test('so many tokens are held; the one that was asked for longest ago is obtained again', async () => {
    const hub = installed()
    const of = (n: number) => request({ form: { n: String(n) } })
    const first = await hub.token(of(0))
    for (let n = 1; n <= LIMITS.pluginTokensMax; n++) await hub.token(of(n))
    expect(asked().length).toBe(LIMITS.pluginTokensMax + 1)
    await hub.token(of(LIMITS.pluginTokensMax))
    expect(asked().length).toBe(LIMITS.pluginTokensMax + 1)
    await expect(hub.placed(first)).rejects.toMatchObject({
      code: 'capability_input',
      message: expect.stringContaining('ask ctx.token in each run'),
    })
    await hub.token(of(0))
    expect(asked().length).toBe(LIMITS.pluginTokensMax + 2)
  })

  test('counts as an http request of the run only when it goes out', async () => {
    const hub = installed({ httpCallsMax: 1, hostOpsMax: 4 })
    const run = hub.open()
    for (let n = 0; n < 3; n++) await run.call('token', request())
    expect([run.exchanges.length, run.mayHaveLeft(), run.mayHaveWritten()]).toEqual([1, true, false])
    await expect(run.call('http', { url: receiver.url })).rejects.toMatchObject({ code: 'capability_limit' })
    await expect(run.call('token', request())).rejects.toMatchObject({ code: 'capability_limit' })
    const other = hub.open()
    await other.call('http', { url: receiver.url })
    await expect(other.call('token', request({ expiresInS: 7 }))).rejects.toMatchObject({ code: 'capability_limit' })
    expect(asked().length).toBe(1)
  })
})

describe('what the endpoint answers', () => {
  test.each([
    [
      400,
      '{"error":"invalid_grant","error_description":"user hasn\'t approved this consumer"}',
      "invalid_grant: user hasn't approved this consumer",
    ],
    [401, '{"error":"invalid_client"}', 'invalid_client'],
    [403, 'Forbidden by the firewall', 'Forbidden by the firewall'],
    [404, '', 'it answered 404.'],
    [302, '', 'it answered 302.'],
    [200, `access_token=${tokenOf(9)}&scope=`, 'is no JSON object'],
    [200, '["no"]', 'is no JSON object'],
    [200, '', 'answer of 0 bytes is no JSON object'],
    [200, '{"error":"bad_verification_code"}', 'no access_token in its answer: bad_verification_code'],
    [200, '{"access_token":""}', 'no access_token'],
    [200, '{"access_token":7}', 'no access_token'],
    [200, `{"access_token":"${'x'.repeat(LIMITS.headerBytesMax + 1)}"}`, `the limit is ${LIMITS.headerBytesMax}`],
  ])('%i %s: credential_refused with its words', async (status, body, words) => {
    const hub = installed()
    answer(() => ({ status, body }))
    const { code, message } = await hub.refused(request())
    expect([code, message]).toEqual(['credential_refused', expect.stringContaining(words)])
    expect(message).toContain(`127.0.0.1:${receiver.port}`)
    expect(message).not.toContain('canary-token')
  })

  test.each([
    [{ status: 429, body: '{"error":"slow_down"}' }, 'token_unavailable'],
    [{ status: 503 }, 'token_unavailable'],
    [{ status: 500, body: 'oops' }, 'token_unavailable'],
    [{ reset: true }, 'http_reset'],
    [{ raw: 'nonsense\r\n\r\n' }, 'http_protocol'],
  ] as const)('%j is tried again later: %s', async (reply, expected) => {
    const hub = installed()
    answer(() => reply)
    expect((await hub.refused(request())).code).toBe(expected)
    answer((n) => granting(n))
    expect(await hub.placed(await hub.token())).toBe(`Bearer ${tokenOf(2)}`)
  })

  test('no answer in time', async () => {
    const hub = installed({ limits: { httpTimeoutMs: 100 } })
    answer(() => ({ hang: true }))
    expect((await hub.refused(request())).code).toBe('http_timeout')
  })
})

describe('told to nobody', () => {
  const spellings = (value: string): string[] => [
    value,
    Buffer.from(value).toString('base64'),
    Buffer.from(value).toString('hex'),
    encodeURIComponent(value),
  ]

  test('not in the answer, the exchange, an echo, nor in what the run logs', async () => {
    const hub = installed()
    const run = hub.open()
    const form = { assertion: jwt(), client_secret: { $secret: 'client' } }
    const token = (await run.call('token', request({ form }))) as unknown as Given
    const assertion = asked()[0]?.get('assertion') ?? 'missing'
    receiver.respond(({ headers }) => ({
      body: `${headers['authorization']} ${spellings(tokenOf(1)).join(' ')}`,
      headers: { 'x-echo': headers['authorization'] ?? '' },
    }))
    const seen = await run.call('http', {
      method: 'POST',
      url: [`${receiver.url}/t/`, token],
      headers: { authorization: ['Bearer ', token], 'x-basic': ['Basic ', { $base64: ['u:', token] }] },
      form: { token, plain: 'a b' },
    })
    const got = receiver.requests.at(-1)
    expect(got?.path).toBe(`/t/${tokenOf(1)}`)
    expect(got?.body).toBe(`token=${tokenOf(1)}&plain=a+b`)
    expect(got?.headers['x-basic']).toBe(`Basic ${Buffer.from(`u:${tokenOf(1)}`).toString('base64')}`)
    const told = JSON.stringify([token, seen, run.exchanges, run.mask(`log ${tokenOf(1)}`)])
    for (const secret of [tokenOf(1), REFRESH, ID_TOKEN, CLIENT_SECRET, assertion])
      for (const spelling of spellings(secret)) expect(told).not.toContain(spelling.slice(0, -4))
    expect(run.exchanges[0]).toMatchObject({
      url: `${receiver.url}/token`,
      status: 200,
      requestBody: 'assertion=[secret]&client_secret=[secret]',
      responseBody: expect.stringContaining('"access_token":"[secret]","token_type":"Bearer"'),
    })
    expect(run.exchanges[1]).toMatchObject({ requestBody: 'token=[secret]&plain=a+b' })
  })

  test('not one that was replaced, while requests may still carry it', async () => {
    const hub = installed()
    const first = await hub.token()
    await hub.token(request({ instead: first }))
    expect(hub.open().mask(`${tokenOf(1)} ${tokenOf(2)}`)).toBe('[secret] [secret]')
  })

  test.each([
    [400, () => `you sent ${asked().at(-1)?.get('assertion')} and ${CLIENT_SECRET}`],
    [
      400,
      () =>
        JSON.stringify({ error: 'x', error_description: `bad ${asked().at(-1)?.get('assertion')} ${CLIENT_SECRET}` }),
    ],
    [200, () => `access_token=${tokenOf(1)}`],
    [400, () => JSON.stringify({ error: 'odd', access_token: tokenOf(1), authed: { refresh_token: REFRESH } })],
    [503, () => JSON.stringify({ message: tokenOf(1), access_token: tokenOf(1) })],
    [200, () => `{"access_token":"${tokenOf(1)}","pad":"${'x'.repeat(LIMITS.pluginHttpResponseBytesMax)}"}`],
  ])('not in a failure: %i', async (status, body) => {
    const hub = installed()
    const run = hub.open()
    answer(() => ({ status, body: body() }))
    const form = { assertion: jwt(), client_secret: { $secret: 'client' } }
    const error = await run.call('token', request({ form })).catch((thrown: unknown) => thrown)
    const told = `${JSON.stringify(run.exchanges)} ${String(error)}`
    for (const secret of [tokenOf(1), REFRESH, CLIENT_SECRET, asked()[0]?.get('assertion') ?? '-'])
      expect(told).not.toContain(secret)
    expect(run.exchanges.length).toBe(1)
  })
})
