/** Tokens of issuers the file trusts, over a real socket: what counts as a key, and everything that must not. */
import { createHmac, generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { exportJWK, SignJWT, UnsecuredJWT } from 'jose'
import type { JWTPayload } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TokenIssuer } from '../../core/config/config.ts'
import { startReceiver } from '../support/receiver.ts'
import type { Receiver } from '../support/receiver.ts'
import { openDoor } from './door.ts'
import type { Door } from './door.ts'

const ISSUER = 'https://id.example.com/'
const AUDIENCE = 'manifold'
const SECRET = 'a text that only the two of them know, long enough'
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const other = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' }) as string

interface TokenParts {
  readonly claims?: JWTPayload
  readonly key?: KeyObject | Uint8Array
  readonly header?: { readonly alg: string; readonly kid?: string }
}

const nowS = (): number => Math.floor(Date.now() / 1_000)

function token({ claims = {}, key = rsa.privateKey, header = { alg: 'RS256' } }: TokenParts = {}): Promise<string> {
  const all = { iss: ISSUER, aud: AUDIENCE, sub: 'ada', exp: nowS() + 600, scope: 'openid forms:read admin', ...claims }
  return new SignJWT(all).setProtectedHeader(header).sign(key)
}

const issuer = (keys: TokenIssuer['keys'], more: Partial<TokenIssuer> = {}): TokenIssuer => ({
  workspace: 'default',
  issuer: ISSUER,
  audience: AUDIENCE,
  keys,
  scopes: ['forms:read', 'forms:write'],
  ...more,
})

const me = async (door: Door, key: string) => {
  const { status, body } = await door.call('GET', '/api/v2/me', { key })
  return { status, ...body }
}

describe('a token signed with the one public key', () => {
  let door: Door
  beforeAll(async () => {
    door = await openDoor({ issuers: [issuer({ kind: 'public', pem })] })
  })
  afterAll(() => door[Symbol.asyncDispose]())

  test('is who it says, and may what it claims of what the file grants', async () => {
    const key = await token()
    expect(await me(door, key)).toMatchObject({
      status: 200,
      workspace: 'default',
      key: { id: `jwt:${ISSUER} ada`, name: 'ada', scopes: ['forms:read'] },
    })
    // From memory this time.
    expect((await door.call('GET', '/api/v2/forms', { key })).status).toBe(200)
    expect((await door.call('GET', '/api/v2/keys', { key })).status).toBe(403)
    expect((await door.call('GET', '/api/v2/deliveries', { key })).status).toBe(403)
  })

  test('scopes may be a list, and be called as other issuers call them', async () => {
    for (const claims of [
      { scope: ['forms:write'] },
      { scope: undefined, scp: 'forms:write' },
      { scope: undefined, permissions: ['forms:write', 3, 'responses:read'] },
    ] as JWTPayload[])
      expect(await me(door, await token({ claims }))).toMatchObject({ status: 200, key: { scopes: ['forms:write'] } })
    const none = await token({ claims: { scope: undefined } })
    expect(await me(door, none)).toMatchObject({ status: 200, key: { scopes: [] } })
    expect((await door.call('GET', '/api/v2/forms', { key: none })).status).toBe(403)
  })

  test('whatever else looks like one is refused, and says nothing of why', async () => {
    const good = await token()
    const [head = '', body = '', signature = ''] = good.split('.')
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as JWTPayload
    const base64 = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    // The public key as an HMAC secret (CVE-2015-9235 and its many children).
    const confused = `${base64({ alg: 'HS256' })}.${body}`
    const wrong: Record<string, string> = {
      'another key': await token({ key: other.privateKey }),
      'another issuer': await token({ claims: { iss: 'https://id.example.com' } }),
      'another audience': await token({ claims: { aud: 'somebody-else' } }),
      'no audience': await token({ claims: { aud: undefined } } as unknown as TokenParts),
      'no end': await token({ claims: { exp: undefined } } as unknown as TokenParts),
      'no subject': await token({ claims: { sub: undefined } } as unknown as TokenParts),
      'over for longer than clocks differ': await token({ claims: { exp: nowS() - 61 } }),
      'not yet': await token({ claims: { nbf: nowS() + 120 } }),
      'no signature': new UnsecuredJWT(claims).encode(),
      'a signature that is empty': `${head}.${body}.`,
      'the public key as a secret': `${confused}.${createHmac('sha256', pem).update(confused).digest('base64url')}`,
      'other claims under the signature': `${head}.${base64({ ...claims, scope: 'forms:write' })}.${signature}`,
      'a critical header that nobody knows': await token({
        header: { alg: 'RS256', crit: ['x'], x: 1 } as never,
      }).catch(() => `${base64({ alg: 'RS256', crit: ['x'], x: 1 })}.${body}.${signature}`),
      'no claims at all': `${head}.bnVsbA.${signature}`,
    }
    for (const [what, key] of Object.entries(wrong)) {
      const answer = await door.call('GET', '/api/v2/me', { key })
      expect([what, answer.status, answer.body['detail']]).toEqual([
        what,
        401,
        'This API key or token is not valid here: unknown, expired or revoked.',
      ])
    }
    expect((await me(door, await token({ claims: { exp: nowS() - 30 } }))).status).toBe(200)
  })

  test('keys of the hub count beside it, and without the issuer no token does', async () => {
    expect((await me(door, await door.key(['forms:read']))).status).toBe(200)
    const key = await token({ claims: { sub: 'grace' } })
    expect((await me(door, key)).status).toBe(200)
    await using without = await openDoor()
    expect((await me(without, key)).status).toBe(401)
  })
})

test('a shared text takes HS256 and nothing else; the issuer says the workspace', async () => {
  await using door = await openDoor({
    issuers: [
      issuer({ kind: 'secret', text: SECRET }, { workspace: 'acme' }),
      issuer({ kind: 'public', pem }, { issuer: 'b' }),
    ],
  })
  const key = Buffer.from(SECRET)
  expect(await me(door, await token({ key, header: { alg: 'HS256' } }))).toMatchObject({
    status: 200,
    workspace: 'acme',
  })
  expect((await me(door, await token({ key, header: { alg: 'HS512' } }))).status).toBe(401)
  expect((await me(door, await token())).status).toBe(401)
  expect(await me(door, await token({ claims: { iss: 'b' } }))).toMatchObject({ status: 200, workspace: 'default' })
})

test('an admin of one workspace does not see what others have in the file, nor what runs of them', async () => {
  const member = { id: 'a', role: 'all', version: '1.0.0', url: null, asked: true, silentMs: 0, config: 'c' }
  await using door = await openDoor({
    issuers: [issuer({ kind: 'secret', text: SECRET }, { workspace: 'acme', scopes: ['admin'] })],
    deps: {
      processes: () => [{ ...member, installations: ['acme/crm', 'default/mail'] }],
      config: {
        status: async () => ({
          file: '/etc/manifold.yaml',
          runningChecksum: 'a',
          diskChecksum: 'b',
          loadedAt: '2026-01-01T00:00:00.000Z',
          problems: [
            { path: 'installations[1].with', file: 'manifold.yaml', line: 3, column: 1, message: 'wrong', hint: null },
          ],
          needsStart: false,
          warnings: [],
        }),
        lines: async () => ({ file: null, isReadable: true, lines: [], yaml: null, piece: null }),
        checkPiece: async () => ({ problems: [], warnings: [], yaml: '' }),
      },
    },
  })
  const theirs = await token({ key: Buffer.from(SECRET), header: { alg: 'HS256' } })
  const seen = async (key?: string) => {
    const asked = key === undefined ? {} : { key }
    const processes = await door.call('GET', '/api/v2/processes', asked)
    const config = await door.call('GET', '/api/v2/config', asked)
    const { items } = processes.body as { items: { installations: string[] }[] }
    const { status: whole } = await door.call('GET', '/api/v2/system', asked)
    return [items[0]?.installations, config.body['file'], (config.body['problems'] as object[]).length, whole]
  }
  expect(await seen(theirs)).toEqual([['acme/crm'], null, 0, 403])
  expect(await seen()).toEqual([['acme/crm', 'default/mail'], '/etc/manifold.yaml', 1, 200])
})

test('hooks of a token end with it, and are those of its issuer', async () => {
  const scopes = ['hooks:write', 'forms:read'] as const
  await using door = await openDoor({
    issuers: [
      issuer({ kind: 'public', pem }, { scopes }),
      issuer({ kind: 'secret', text: SECRET }, { issuer: 'b', scopes }),
    ],
  })
  const exp = nowS() + 600
  const claims = { exp, scope: scopes.join(' ') }
  const key = await token({ claims })
  const ask = async (more: object = {}) => {
    const json = { target_url: 'http://127.0.0.1:9/hook', event: 'form.created', meta: { zap_id: 'zap' }, ...more }
    return (await door.call('POST', '/api/v2/hooks', { key, json })).body
  }
  const endMs = (exp + 60) * 1_000
  const made = await ask()
  expect(made).toMatchObject({ key_id: `jwt:${ISSUER} ada`, expires_at: new Date(endMs).toISOString() })
  const sooner = new Date(endMs - 120_000).toISOString()
  expect((await ask({ expires_at: sooner }))['expires_at']).toBe(sooner)
  expect((await ask({ expires_at: new Date(endMs + 9_000).toISOString() }))['expires_at']).toBe(made['expires_at'])
  const path = `/api/v2/hooks/${String(made['id'])}`
  const same = await token({ key: Buffer.from(SECRET), header: { alg: 'HS256' }, claims: { ...claims, iss: 'b' } })
  expect((await door.call('DELETE', path, { key: same })).status).toBe(403)
  expect((await door.call('DELETE', path, { key })).status).toBe(204)
})

describe('keys behind a URL', () => {
  const jwks = async (...keys: readonly [string, KeyObject][]) => ({
    keys: await Promise.all(keys.map(async ([kid, key]) => ({ ...(await exportJWK(key)), kid }))),
  })
  const serve = async (receiver: Receiver, ...keys: readonly [string, KeyObject][]): Promise<void> => {
    const body = JSON.stringify(await jwks(...keys))
    receiver.respond({ headers: { 'content-type': 'application/json' }, body })
  }

  test('are fetched once, for RSA and elliptic curves; a document that is gone is no fault of the token', async () => {
    await using receiver = await startReceiver({ status: 500 })
    await using door = await openDoor({ issuers: [issuer({ kind: 'jwks', url: `${receiver.url}/jwks.json` })] })
    const key = await token({ header: { alg: 'RS256', kid: 'one' } })
    const away = await door.call('GET', '/api/v2/me', { key })
    expect([away.status, away.body['detail']]).toEqual([503, expect.stringContaining(ISSUER)])

    await serve(receiver, ['one', rsa.publicKey], ['two', ec.publicKey])
    receiver.forget()
    expect((await me(door, key)).status).toBe(200)
    expect((await me(door, await token({ key: ec.privateKey, header: { alg: 'ES256', kid: 'two' } }))).status).toBe(200)
    // Strangers cannot make the hub ask again and again.
    for (const kid of ['a', 'b', 'c'])
      expect((await me(door, await token({ key: other.privateKey, header: { alg: 'RS256', kid } }))).status).toBe(401)
    expect(receiver.requests.map(({ path }) => path)).toEqual(['/jwks.json'])
  })

  test('lie where the hub may reach them, and redirects are not followed', async () => {
    await using receiver = await startReceiver({ status: 302, headers: { location: '/elsewhere' } })
    const url = `http://localhost.invalid:${receiver.port}/jwks.json`
    await using door = await openDoor({
      issuers: [issuer({ kind: 'jwks', url }), issuer({ kind: 'jwks', url: receiver.url }, { issuer: 'moved' })],
    })
    expect((await me(door, await token({ header: { alg: 'RS256', kid: 'one' } }))).status).toBe(503)
    const moved = await token({ claims: { iss: 'moved' }, header: { alg: 'RS256', kid: 'one' } })
    expect((await me(door, moved)).status).toBe(503)
    expect(receiver.requests.map(({ path }) => path)).toEqual(['/'])
  })
})
