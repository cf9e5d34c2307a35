/** What a run may ask of the hub: grants, sealed values, what is recorded, reads, and everything a hostile guest tries. */
import { createHmac, generateKeyPairSync } from 'node:crypto'
import { importSPKI, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createGuardedHttp, type GuardedHttp } from '../../core/capabilities/guarded-http.ts'
import { USER_AGENT } from '../../core/capabilities/http-request.ts'
import { createRunCapabilities, type CapabilityDeps } from '../../core/capabilities/run-capabilities.ts'
import { systemClock } from '../../core/clock.ts'
import type { Json } from '../../core/contract/index.ts'
import { newId } from '../../core/ids.ts'
import { LIMITS, type Limits } from '../../core/limits.ts'
import type { Installation } from '../../core/registry/installation.ts'
import { manifestSchema } from '../../core/registry/manifest.ts'
import { openSqliteStore } from '../../core/storage/sqlite/open.ts'
import type { Store } from '../../core/storage/store.ts'
import type { Form } from '../../core/model.ts'
import { startReceiver, type Receiver } from '../support/receiver.ts'
import { tempDir, type TempDir } from '../support/temp.ts'

const PLAIN_SECRET = 'S3cr3t/with+odd "chars" & ünïcode?'
const WHSEC = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 })
const EC = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pem = (key: typeof RSA.privateKey) => key.export({ type: 'pkcs8', format: 'pem' }).toString()

let receiver: Receiver
let http: GuardedHttp
let dir: TempDir
let store: Store

const quiet = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet }

beforeAll(async () => {
  receiver = await startReceiver()
  http = createGuardedHttp({ allow: ['127.0.0.1'], limits: LIMITS })
  dir = await tempDir('capabilities')
  store = await openSqliteStore({
    dir: dir.path,
    limits: LIMITS,
    logger: quiet,
    onFatal: (error) => {
      throw error
    },
  })
})

afterAll(async () => {
  await http.close()
  await store.close()
  await receiver[Symbol.asyncDispose]()
  await dir[Symbol.asyncDispose]()
})

interface Setup {
  readonly hosts?: readonly string[]
  readonly methods?: readonly string[]
  readonly secrets?: Readonly<Record<string, string>>
  readonly permissions?: { kv?: boolean; responses?: boolean }
  readonly pii?: Installation['pii']
  readonly workspace?: string
  readonly limits?: Partial<Limits>
  readonly hostOpsMax?: number
  readonly httpCallsMax?: number
  readonly breakers?: CapabilityDeps['breakers']
  readonly deadlineMs?: number
  readonly formOf?: CapabilityDeps['formOf']
}

function installation(setup: Setup): Installation {
  const manifest = manifestSchema.parse({
    id: 'probe',
    name: 'Probe',
    version: '1.0.0',
    hub: '^1.0',
    main: 'index.ts',
    permissions: setup.permissions ?? {},
  })
  const workspace = setup.workspace ?? 'default'
  return {
    workspace,
    id: 'probe',
    key: `${workspace}/probe`,
    plugin: {
      manifest,
      dir: '/',
      origin: 'community',
      bundle: { pluginId: 'probe', version: '1.0.0', code: '', sourceMap: '', hash: '' },
    },
    config: {},
    secrets: new Map(Object.entries(setup.secrets ?? {})),
    when: { forms: null, events: null, filter: null },
    retry: { delaysMs: [] },
    concurrency: 1,
    ratePerSecond: null,
    order: 'none',
    ambiguous: 'retry',
    paused: false,
    from: null,
    pii: setup.pii ?? false,
    http: { hosts: setup.hosts ?? [`127.0.0.1:${receiver.port}`], methods: setup.methods ?? ['GET', 'POST'] },
    limits: {
      heapMb: 32,
      sliceMs: 500,
      cpuMs: 500,
      eventWallMs: 1,
      actionWallMs: 1,
      routeWallMs: 1,
      scheduleWallMs: 1,
      hostOpsMax: setup.hostOpsMax ?? 50,
      httpCallsMax: setup.httpCallsMax ?? 20,
      logLinesMax: 1,
    },
    group: 'community',
    hash: '',
  }
}

function open(setup: Setup = {}) {
  const deps: CapabilityDeps = {
    store,
    http,
    clock: systemClock,
    limits: { ...LIMITS, ...setup.limits },
    formOf: setup.formOf ?? (() => undefined),
    ...(setup.breakers === undefined ? {} : { breakers: setup.breakers }),
  }
  const run = createRunCapabilities(deps).open(installation(setup), { deadlineMs: setup.deadlineMs })
  return { ...run, call: (name: string, args: unknown) => run.handler(name, args as Json) }
}

const post = (rest: Record<string, unknown> = {}) => ({ method: 'POST', url: `${receiver.url}/`, ...rest })

async function sent(request: Record<string, unknown>, setup: Setup = {}) {
  receiver.forget()
  const run = open(setup)
  const answer = (await run.call('http', request)) as {
    status: number
    headers: Record<string, string>
    body: string
    truncated: boolean
  }
  return { run, answer, got: receiver.requests[0], exchange: run.exchanges[0] }
}

const refused = async (request: Record<string, unknown>, setup: Setup = {}) => {
  receiver.forget()
  const run = open(setup)
  const error = await run.call('http', request).then(
    () => ({ code: 'answered', message: '' }),
    (thrown: unknown) => thrown as { code: string; message: string },
  )
  expect(receiver.requests).toEqual([])
  return { code: error.code, message: error.message, run }
}

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

describe('reads', () => {
  const form = (id: string): Form => ({
    id,
    workspace: 'default',
    version: 1,
    managedBy: 'api',
    createdAt: '',
    updatedAt: '',
    name: id,
    fields: [
      { key: 'email', label: 'E-mail', type: 'email', required: false, pii: true, options: [] },
      { key: 'note', label: 'Note', type: 'text', required: false, pii: false, options: [] },
    ],
    access: 'public',
    unknownFields: 'keep',
    redirectUrl: null,
    honeypotField: 'website',
  })
  const view = { form: form('f'), piiKeys: ['email', 'phone'] }
  const data = { email: 'ada@example.com', phone: '1', note: 'hi' }
  const ids = { default: '', other: '' }

  beforeAll(async () => {
    for (const workspace of ['default', 'other'] as const) {
      await store.saveForm({
        workspace,
        id: 'f',
        definition: form('f'),
        managedBy: 'api',
        at: new Date().toISOString(),
        eventId: newId('event'),
        mode: 'create',
      })
      ids[workspace] = newId('response')
      await store.accept([
        {
          workspace,
          responseId: ids[workspace],
          formId: 'f',
          formVersion: 1,
          status: 'completed',
          data: JSON.stringify(data),
          meta: '{}',
          clientId: null,
          startedAt: null,
          at: new Date().toISOString(),
          eventId: newId('event'),
          idempotency: null,
        },
      ])
    }
  })

  const reader = (rest: Setup = {}) => open({ permissions: { responses: true }, formOf: () => view, ...rest })

  test('responses without what is private, unless granted', async () => {
    const get = async (setup: Setup) =>
      ((await reader(setup).call('responses.get', { id: ids.default })) as { data: unknown }).data
    expect(await get({})).toEqual({ note: 'hi' })
    expect(await get({ pii: ['phone'] })).toEqual({ phone: '1', note: 'hi' })
    expect(await get({ pii: true })).toEqual(data)
    expect(await get({ formOf: () => undefined })).toEqual({})
    const list = (await reader().call('responses.list', { form: 'f', limit: 1 })) as {
      items: { id: string; data: unknown }[]
    }
    expect(list.items.map(({ id, data: seen }) => [id, seen])).toEqual([[ids.default, { note: 'hi' }]])
  })

  test('nothing of another workspace', async () => {
    expect(await reader().call('responses.get', { id: ids.other })).toBeUndefined()
    expect(await reader({ workspace: 'other' }).call('responses.get', { id: ids.default })).toBeUndefined()
    const list = (await reader().call('responses.list', {})) as { items: { id: string }[] }
    expect(list.items.map(({ id }) => id)).toEqual([ids.default])
  })

  test('kv and tallies of this installation', async () => {
    const at = new Date().toISOString()
    await store.syncInstallations([
      { workspace: 'default', id: 'probe', plugin: 'probe', cursor: 0, at },
      { workspace: 'other', id: 'probe', plugin: 'probe', cursor: 0, at },
    ])
    const effects = {
      deliveries: [],
      events: [],
      kv: [{ key: 'a/1', value: '{"x":1}', expiresAtMs: null }],
      tallies: [{ name: 'n', by: 2 }],
    }
    const handled = await store.commitHandled({
      workspace: 'default',
      installation: 'probe',
      plugin: 'probe',
      fromCursor: 0,
      toCursor: 1,
      effects,
    })
    expect(handled.kind).toBe('committed')
    const mine = open({ permissions: { kv: true } })
    expect(await mine.call('kv.get', { key: 'a/1' })).toEqual({ x: 1 })
    expect(await mine.call('kv.get', { key: 'a/2' })).toBeUndefined()
    expect(await mine.call('kv.list', { prefix: 'a/' })).toEqual({ keys: ['a/1'], next: null })
    expect(await mine.call('tallies', { prefix: '' })).toEqual({ n: 2 })
    const foreign = open({ permissions: { kv: true }, workspace: 'other' })
    expect(await foreign.call('kv.get', { key: 'a/1' })).toBeUndefined()
    expect(await foreign.call('tallies', {})).toEqual({})
  })

  test('nothing without the permission, nothing with odd arguments', async () => {
    for (const [name, args] of [
      ['kv.get', { key: 'a' }],
      ['kv.list', {}],
      ['responses.get', { id: 'a' }],
      ['responses.list', {}],
    ] as const) {
      await expect(open().call(name, args)).rejects.toMatchObject({ code: 'capability_denied' })
    }
    const all = open({ permissions: { kv: true, responses: true } })
    for (const [name, args] of [
      ['kv.get', {}],
      ['kv.get', { key: 7 }],
      ['kv.get', { key: 'x'.repeat(LIMITS.pluginKvKeyCharsMax + 1) }],
      ['kv.get', [1, 2, 3]],
      ['responses.get', { id: { $gt: '' } }],
      ['responses.list', { since: 'yesterday' }],
      ['responses.list', { limit: '5' }],
      ['tallies', { prefix: [] }],
    ] as const) {
      await expect(all.call(name, args)).rejects.toMatchObject({ code: 'capability_input' })
    }
  })
})
