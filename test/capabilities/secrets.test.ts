/** Secrets: placed on the way out, kept out of every record and answer; HMACs and JWTs made with them. */
import { createHmac, generateKeyPairSync, verify } from 'node:crypto'
import { importSPKI, jwtVerify } from 'jose'
import { afterAll, describe, expect, test } from 'vitest'
import { openRunBench } from './run-bench.ts'

const PLAIN_SECRET = 'S3cr3t/with+odd "chars" & ünïcode?'
const WHSEC = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 })
const EC = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pem = (key: typeof RSA.privateKey) => key.export({ type: 'pkcs8', format: 'pem' }).toString()

const bench = await openRunBench()
afterAll(bench.close)
const { receiver, open, post, sent, refused } = bench

describe('sealed values', () => {
  const secrets = { token: PLAIN_SECRET.replace('ü', 'u').replace('ï', 'i'), hook: '', whsec: WHSEC }

  test('are placed into headers and urls on the way out, and nowhere else', async () => {
    const url = [`${receiver.url}/t/`, { $secret: 'path' }, '?k=', { $secret: 'path' }]
    const { got, exchange } = await sent(
      {
        method: 'POST',
        url,
        headers: { authorization: ['Bearer ', { $secret: 'token' }], 'x-raw': { $secret: 'token' } },
      },
      { secrets: { ...secrets, path: 'abcd-efgh' } },
    )
    expect(got?.path).toBe('/t/abcd-efgh?k=abcd-efgh')
    expect(got?.headers).toMatchObject({ authorization: `Bearer ${secrets.token}`, 'x-raw': secrets.token })
    expect(exchange?.url).toBe(`${receiver.url}/t/[secret]?k=[secret]`)
    expect(exchange?.requestHeaders).toMatchObject({ authorization: 'Bearer [secret]', 'x-raw': '[secret]' })
  })

  test('are joined in base64 for a login, which no record and no echo gives away', async () => {
    const login = { $base64: ['ada@example.com:', { $secret: 'token' }] }
    const wanted = Buffer.from(`ada@example.com:${secrets.token}`).toString('base64')
    receiver.respond({ body: `you sent ${wanted}` })
    const { got, exchange, answer } = await sent(
      { method: 'POST', url: `${receiver.url}/`, headers: { authorization: ['Basic ', login], 'x-login': login } },
      { secrets },
    )
    receiver.respond({})
    expect(got?.headers).toMatchObject({ authorization: `Basic ${wanted}`, 'x-login': wanted })
    expect(exchange?.requestHeaders).toMatchObject({ authorization: 'Basic [secret]', 'x-login': '[secret]' })
    const told = JSON.stringify([exchange, answer])
    for (const spelling of [secrets.token, wanted, wanted.slice(-20)]) expect(told).not.toContain(spelling)
    for (const wrong of [
      { $base64: 'text' },
      { $base64: [{ $hmac: {} }] },
      { $base64: [[]] },
      { $base64: [{ $secret: 'none' }] },
    ])
      expect((await refused({ url: `${receiver.url}/`, headers: { a: wrong } }, { secrets })).code).toMatch(
        /capability_input|secret_missing/,
      )
  })

  test('a url that is secret as a whole shows its host only', async () => {
    const { got, exchange } = await sent(
      { url: { $secret: 'hook' } },
      { secrets: { hook: `${receiver.url}/services/T000/B000/xyz` } },
    )
    expect(got?.path).toBe('/services/T000/B000/xyz')
    expect(exchange?.url).toBe(`${receiver.url}/[secret]`)
  })

  test('are not expanded for a host the manifest does not name, and not told in the refusal', async () => {
    const { code, message } = await refused(
      { url: ['http://', { $secret: 'token' }, '.127.0.0.1.nip.example/'], headers: { a: { $secret: 'missing' } } },
      { secrets: { token: 'topsecretvalue' } },
    )
    expect(code).toBe('capability_denied')
    expect(message).not.toContain('topsecretvalue')
  })

  test('an hmac covers the exact bytes sent', async () => {
    const hmac = (rest: object) => ({ $hmac: { key: { $secret: 'token' }, alg: 'sha256', encoding: 'hex', ...rest } })
    const body = '{"é":"\u2028 😀 \ud800"}'
    const { got } = await sent(
      post({
        body,
        headers: {
          a: hmac({ data: [{ $body: true }] }),
          b: ['v=', hmac({ data: ['x.', { $body: true }], alg: 'sha512', encoding: 'base64' })],
          c: hmac({ data: ['id.', { $body: true }], key: { $secret: 'whsec' }, keyFormat: 'whsec' }),
        },
      }),
      { secrets },
    )
    const bytes = Buffer.from(body)
    expect(got?.body).toBe(bytes.toString())
    expect(got?.headers).toMatchObject({
      a: createHmac('sha256', secrets.token).update(bytes).digest('hex'),
      b: `v=${createHmac('sha512', secrets.token).update('x.').update(bytes).digest('base64')}`,
      c: createHmac('sha256', Buffer.from(WHSEC.slice(6), 'base64'))
        .update('id.')
        .update(bytes)
        .digest('hex'),
    })
  })

  test('a secret without a value is named, not guessed', async () => {
    for (const name of ['absent', 'hook', '__proto__', 'constructor']) {
      const { code, message } = await refused(post({ headers: { a: { $secret: name } } }), { secrets })
      expect([name, code]).toEqual([name, 'secret_missing'])
      expect(message).toContain(`"${name}"`)
    }
  })

  test('a receiver that echoes a secret, in any spelling, teaches nobody', async () => {
    const secret = PLAIN_SECRET
    const bytes = Buffer.from(secret)
    const spellings = [
      secret,
      JSON.stringify(secret),
      encodeURIComponent(secret),
      encodeURIComponent(secret).replaceAll('%20', '+'),
      encodeURIComponent(secret).toLowerCase().replace('s3cr3t', 'S3cr3t'),
      bytes.toString('base64'),
      bytes.toString('base64url'),
      bytes.toString('hex'),
      Buffer.from(`user:${secret}`).toString('base64'),
      Buffer.from(`us:${secret}`).toString('base64'),
      Buffer.from(`u:${secret}!`).toString('base64'),
    ]
    receiver.respond({ body: spellings.join('\n'), headers: { 'x-echo': encodeURIComponent(secret) } })
    const { answer, exchange, run } = await sent(post(), { secrets: { s: secret } })
    receiver.respond({})
    const told = [answer.body, answer.headers['x-echo'], exchange?.responseBody, run.mask(`log: ${secret}`)].join('\n')
    expect(told).not.toMatch(/S3cr3t/i)
    for (const line of answer.body.split('\n')) expect(line).toContain('[secret]')
    expect(told).not.toContain(bytes.toString('base64').slice(4, 20))
    expect(exchange?.responseHeaders['x-echo']).toBe('[secret]')
  })
})

describe('what is recorded', () => {
  test('no credential that was written as plain text, but everything one looks for', async () => {
    const plain = {
      authorization: 'Bearer plain-credential',
      cookie: 'plain-credential',
      'x-api-key': 'plain-credential',
      'X-Auth-Token': 'plain-credential',
      'client-secret': 'plain-credential',
    }
    const harmless = {
      'idempotency-key': 'dlv_1',
      'webhook-id': 'dlv_1',
      'webhook-signature': 'v1,abc',
      'x-webhook-signature': 'sha256=abc',
      'content-type': 'application/json',
    }
    receiver.respond({ headers: { 'set-cookie': 'session=plain-credential' } })
    const url = `${receiver.url}/in?api_key=plain-credential&tag=news&sig=plain-credential&design=flat`
    const { got, exchange } = await sent({ method: 'POST', url, headers: { ...plain, ...harmless }, body: '{}' })
    receiver.respond({})
    expect(got?.headers).toMatchObject({ 'x-api-key': 'plain-credential', cookie: 'plain-credential' })
    expect(JSON.stringify(exchange)).not.toContain('plain-credential')
    expect(exchange?.requestHeaders).toMatchObject({ ...harmless, authorization: 'Bearer [secret]' })
    expect(exchange?.url).toBe(`${receiver.url}/in?api_key=[secret]&tag=news&sig=[secret]&design=flat`)
  })

  test('bodies are cut to the limit between characters, and say so', async () => {
    receiver.respond({ body: '€'.repeat(100) })
    const { exchange, answer } = await sent(post({ body: 'é'.repeat(40) }), { limits: { attemptBodyBytesMax: 100 } })
    receiver.respond({})
    expect(answer.body).toBe('€'.repeat(100))
    expect(exchange).toMatchObject({
      responseBody: '€'.repeat(33),
      requestBody: 'é'.repeat(40),
      truncated: true,
      status: 200,
      error: null,
    })
    expect(exchange?.durationMs).toBeGreaterThan(0)
  })

  test('every exchange of a run in order, failures with their class', async () => {
    const run = open()
    await run.call('http', post())
    receiver.respond({ reset: true })
    await expect(run.call('http', post({ body: 'x' }))).rejects.toMatchObject({ code: 'http_reset' })
    receiver.respond({ raw: 'no http\r\n\r\n' })
    await expect(run.call('http', post())).rejects.toMatchObject({ code: 'http_protocol' })
    receiver.respond({})
    expect(run.exchanges.map(({ status, error, requestBody }) => [status, error, requestBody])).toEqual([
      [200, null, null],
      [null, 'reset', 'x'],
      [null, 'protocol', null],
    ])
  })

  test('a body in a content-encoding is described, not shown', async () => {
    receiver.respond({ headers: { 'content-encoding': 'br' }, body: Buffer.from([1, 2, 3]) })
    const { exchange, answer } = await sent(post())
    receiver.respond({})
    expect(answer.body).toBe('')
    expect(exchange?.responseBody).toBe('[3 bytes of content-encoding br, not decoded]')
  })
})

describe('hmac and sign', () => {
  const secrets = { text: 'key', whsec: WHSEC, rsa: pem(RSA.privateKey), ec: pem(EC.privateKey), junk: 'no key' }
  const key = (name: string) => ({ $secret: name })

  test('hmac', async () => {
    const { call } = open({ secrets })
    expect(await call('hmac', { key: key('text'), data: 'd' })).toBe(
      createHmac('sha256', 'key').update('d').digest('hex'),
    )
    expect(
      await call('hmac', { key: key('whsec'), data: 'd', alg: 'sha512', encoding: 'base64', keyFormat: 'whsec' }),
    ).toBe(
      createHmac('sha512', Buffer.from(WHSEC.slice(6), 'base64'))
        .update('d')
        .digest('base64'),
    )
    await expect(call('hmac', { key: 'key', data: 'd' })).rejects.toMatchObject({ code: 'capability_input' })
    await expect(call('hmac', { key: key('text') })).rejects.toMatchObject({ code: 'capability_input' })
    await expect(call('hmac', { key: key('junk'), data: 'd', keyFormat: 'base64' })).rejects.toMatchObject({
      code: 'config_invalid',
    })
  })

  test('of bytes, for crypto.subtle', async () => {
    const { call } = open({ secrets })
    const data = Buffer.from([0, 255, 10])
    const base64 = data.toString('base64')
    expect(await call('hmac', { key: key('text'), data: base64, dataEncoding: 'base64' })).toBe(
      createHmac('sha256', 'key').update(data).digest('hex'),
    )
    const signature = (await call('sign', { alg: 'RS256', key: key('rsa'), data: base64 })) as string
    expect(verify('sha256', data, RSA.publicKey, Buffer.from(signature, 'base64'))).toBe(true)
    for (const [name, args] of [
      ['hmac', { key: key('text'), data: base64, dataEncoding: 'latin1' }],
      ['sign', { alg: 'ES256', key: key('ec'), data: base64 }],
      ['sign', { alg: 'HS256', key: key('text'), data: base64 }],
    ] as const) {
      await expect(call(name, args)).rejects.toMatchObject({ code: 'capability_input' })
    }
    await expect(call('sign', { alg: 'RS256', key: key('junk'), data: base64 })).rejects.toMatchObject({
      code: 'config_invalid',
    })
  })

  test('JWTs that jose accepts', async () => {
    const { call } = open({ secrets })
    const claims = { iss: 'me', aud: 'you', exp: Math.floor(Date.now() / 1000) + 60, odd: 'ü😀' }
    const spki = (pair: typeof RSA) => pair.publicKey.export({ type: 'spki', format: 'pem' }).toString()
    const cases = [
      ['RS256', 'rsa', await importSPKI(spki(RSA), 'RS256')],
      ['ES256', 'ec', await importSPKI(spki(EC), 'ES256')],
      ['HS256', 'text', Buffer.from('key')],
    ] as const
    for (const [alg, name, verifier] of cases) {
      const token = (await call('sign', { alg, key: key(name), claims, header: { kid: 'k1', alg: 'none' } })) as string
      const { payload, protectedHeader } = await jwtVerify(token, verifier, {
        algorithms: [alg],
        issuer: 'me',
        audience: 'you',
      })
      expect(payload).toEqual(claims)
      expect(protectedHeader).toEqual({ typ: 'JWT', kid: 'k1', alg })
    }
  })

  test('keys that do not fit are told without being quoted', async () => {
    const weak = pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey)
    const { call } = open({ secrets: { ...secrets, weak } })
    for (const [alg, name] of [
      ['RS256', 'ec'],
      ['ES256', 'rsa'],
      ['RS256', 'junk'],
      ['RS256', 'weak'],
    ] as const) {
      const error = (await call('sign', { alg, key: key(name), claims: {} }).catch((thrown: unknown) => thrown)) as {
        code: string
        message: string
      }
      expect([alg, name, error.code]).toEqual([alg, name, 'config_invalid'])
      expect(error.message).not.toContain('no key')
    }
    await expect(call('sign', { alg: 'none', key: key('text'), claims: {} })).rejects.toMatchObject({
      code: 'capability_input',
    })
    await expect(call('sign', { alg: 'HS256', key: key('text'), claims: [] })).rejects.toMatchObject({
      code: 'capability_input',
    })
  })
})
