/** The door to plugins' own routes: what they see, and what may leave. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RouteResponse } from '../../core/contract/index.ts'
import { HubError } from '../../core/errors.ts'
import type { ArrivedRequest } from '../../core/registry/route-wire.ts'
import { openDoor } from './door.ts'
import type { Door } from './door.ts'

let door: Door
const seen: { installation: string; request: ArrivedRequest }[] = []
let next: () => RouteResponse = () => ({})
beforeAll(async () => {
  door = await openDoor({
    limits: { pluginRouteBodyBytesMax: 100, publicRatePerSecond: 1, publicRateBurst: 30 },
    deps: {
      pluginRoute: (input) => {
        seen.push(input)
        return Promise.resolve().then(next)
      },
    },
  })
})
afterAll(() => door[Symbol.asyncDispose]())

test('a plugin sees method, path, query, headers and body, but no cookie', async () => {
  next = () => ({ status: 201, json: { ok: true }, headers: { 'cache-control': 'max-age=5' } })
  const answer = await door.call('POST', '/i/crm/interact/a%20b?x=1', {
    key: null,
    body: '{"n":1}',
    headers: { 'content-type': 'application/json', cookie: 'session=1' },
  })
  expect([answer.status, answer.body, answer.headers['cache-control']]).toEqual([201, { ok: true }, 'max-age=5'])
  expect(seen.at(-1)).toMatchObject({
    installation: 'crm',
    request: {
      method: 'POST',
      path: '/interact/a%20b',
      query: { x: '1' },
      bytes: Buffer.from('{"n":1}').toString('base64'),
    },
  })
  expect(seen.at(-1)?.request.headers).toMatchObject({ 'content-type': 'application/json' })
  expect(seen.at(-1)?.request.headers).not.toHaveProperty('cookie')
  await door.call('GET', '/i/crm/', { key: null })
  expect(seen.at(-1)?.request.path).toBe('/')
})

test("what a plugin answers can neither set cookies nor run in the hub's name", async () => {
  next = () => ({
    body: '<script>alert(1)</script>',
    headers: {
      'content-type': 'text/html',
      'set-cookie': 'a=b',
      'content-security-policy': '',
      'access-control-allow-origin': '*',
      location: '/x\r\nset-cookie: a=b',
    },
  })
  const answer = await door.call('GET', '/i/crm/page', { key: null })
  expect(answer.headers['content-security-policy']).toBe("default-src 'none'; sandbox")
  expect(answer.headers).not.toHaveProperty('set-cookie')
  expect(answer.headers).not.toHaveProperty('access-control-allow-origin')
  expect(answer.headers).not.toHaveProperty('location')
})

test("an impossible status is the plugin's mistake, and the hub's errors keep their own", async () => {
  for (const status of [0, 99, 101, 600, 200.5, Number.NaN]) {
    next = () => ({ status })
    expect((await door.call('GET', '/i/crm/x', { key: null })).body['code'], String(status)).toBe(
      'plugin_invalid_result',
    )
  }
  next = () => {
    throw new HubError('not_found', 'There is no such route.')
  }
  expect((await door.call('GET', '/i/nix/x', { key: null })).status).toBe(404)
  const logged = door.errors.length
  next = () => {
    throw new HubError('unavailable', 'The installation "crm" does not run at the moment.')
  }
  expect((await door.call('GET', '/i/crm/x', { key: null })).status).toBe(503)
  // Refusing is not failing: nobody has to look into it.
  expect(door.errors).toHaveLength(logged)
  next = () => {
    throw new HubError('unavailable', 'The worker does not answer.', { cause: new Error('ECONNRESET') })
  }
  expect((await door.call('GET', '/i/crm/x', { key: null })).status).toBe(503)
  expect(door.errors).toHaveLength(logged + 1)
  next = () => ({ status: 204, body: 'ignored' })
  expect((await door.call('DELETE', '/i/crm/x', { key: null })).status).toBe(204)
})

test('bodies have the limit of plugin routes', async () => {
  const calls = seen.length
  expect((await door.call('POST', '/i/crm/x', { key: null, body: 'x'.repeat(101) })).status).toBe(413)
  expect(seen).toHaveLength(calls)
})

test("a header that cannot be sent is the plugin's mistake", async () => {
  for (const value of ['max-age=日', 'a\u0001b']) {
    next = () => ({ headers: { 'cache-control': value } })
    const answer = await door.call('GET', '/i/crm/x', { key: null })
    expect([answer.status, answer.body['code']]).toEqual([502, 'plugin_invalid_result'])
  }
  next = () => ({ headers: { 'cache-control': 'é\t' } })
  expect((await door.call('GET', '/i/crm/x', { key: null })).status).toBe(200)
})

test('PATCH is passed on with its body', async () => {
  next = () => ({ json: 1 })
  expect((await door.call('PATCH', '/i/crm/x', { key: null, body: 'a' })).status).toBe(200)
  expect(seen.at(-1)?.request).toMatchObject({ method: 'PATCH', bytes: 'YQ==' })
})

test('strangers are counted, valid keys are not; the plugin sees every header but a key of the hub', async () => {
  next = () => ({})
  const made = await door.key(['forms:read'])
  for (const key of [undefined, made]) {
    for (let n = 0; n < 40; n++) {
      expect((await door.call('GET', '/i/crm/x', key === undefined ? {} : { key })).status).toBe(200)
    }
    expect(seen.at(-1)?.request.headers).not.toHaveProperty('authorization')
  }
  expect((await door.call('GET', '/i/crm/x', { key: 'of-the-caller' })).status).toBe(200)
  expect(seen.at(-1)?.request.headers).toMatchObject({ authorization: 'Bearer of-the-caller' })
  for (const key of ['mfk_revoked', 'mfs_ended', 'mfl_used']) {
    await door.call('GET', '/i/crm/x', { key })
    expect(seen.at(-1)?.request.headers).not.toHaveProperty('authorization')
  }
  const statuses: number[] = []
  for (let n = 0; n < 40; n++) statuses.push((await door.call('GET', '/i/crm/x', { key: 'of-the-caller' })).status)
  expect(statuses).toContain(429)
})

test('shareRatePerSecond and shareRateBurst bound how often one link is opened, whoever opens it', async () => {
  const area = {
    area: 'numbers',
    scope: 'analytics:read',
    isShared: true,
    described: [],
    installationIn: () => ({ id: 'n' }),
  }
  await using tight = await openDoor({
    limits: { shareRatePerSecond: 1, shareRateBurst: 3 },
    deps: { pluginRoute: async () => ({ json: { total: 1 } }), pluginAreas: [area as never] },
  })
  const open = (link: string) => tight.call('GET', `/share/default.${link}`, { key: null })
  const answers = []
  for (let n = 0; n < 5; n += 1) answers.push(await open('one'))
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429, 429])
  expect(answers[3]?.body).toMatchObject({ detail: 'A link may be opened 1 times a second. Wait a moment.' })
  expect((await open('other')).status).toBe(200)
})
