/** Access tokens: to hosts that are not granted, for keys, by names that were made up, and by forms that are none. */
import { afterAll, beforeEach, expect, test } from 'vitest'
import { jwt, openTokenBench } from '../capabilities/token-bench.ts'

const bench = await openTokenBench()
afterAll(bench.close)
beforeEach(bench.reset)
const { receiver, installed, request, asked } = bench

const elsewhere = 'https://evil.example'

test('a token goes to granted hosts only, in whatever place', async () => {
  const hub = installed()
  const token = await hub.token()
  receiver.forget()
  for (const attempt of [
    { url: `${elsewhere}/`, headers: { authorization: ['Bearer ', token] } },
    { url: [`${elsewhere}/`, token] },
    { url: ['https://', token, '.evil.example/'] },
    { url: `${elsewhere}/`, method: 'POST', form: { token } },
    { url: `${elsewhere}/`, method: 'POST', form: { token }, headers: { host: `127.0.0.1:${receiver.port}` } },
  ])
    await expect(hub.open().call('http', attempt)).rejects.toMatchObject({ code: 'capability_denied' })
  expect(receiver.requests).toEqual([])
})

test('the endpoint has to be granted, for POST', async () => {
  const hub = installed()
  expect((await hub.refused(request({ url: `${elsewhere}/token` }))).code).toBe('capability_denied')
  expect((await hub.refused(request({ url: [`${elsewhere}/`, { $secret: 'client' }] }))).code).toBe('capability_denied')
  expect((await hub.refused(request({ url: 'file:///etc/passwd' }))).code).toBe('http_refused_url')
  expect((await installed({ methods: ['GET'] }).refused(request())).code).toBe('capability_denied')
  expect((await installed({ hosts: ['10.0.0.1'] }).refused(request({ url: 'http://10.0.0.1/' }))).code).toBe(
    'http_refused_address',
  )
  expect(asked()).toEqual([])
})

test('a token signs nothing, and a made up name is none', async () => {
  const hub = installed()
  const token = await hub.token()
  const asKey = await hub
    .open()
    .call('hmac', { key: token, data: 'x' })
    .catch((error: unknown) => error)
  expect(asKey).toMatchObject({ code: 'secret_missing' })
  for (const name of ['token.', 'token.x.1', 'token.__proto__.1', `token.${'a'.repeat(43)}.1`])
    await expect(hub.placed({ $secret: name, fields: {} })).rejects.toMatchObject({
      code: expect.stringMatching(/^(capability_input|secret_missing)$/),
    })
  const other = installed()
  await expect(other.placed(token)).rejects.toMatchObject({ code: 'capability_input' })
})

test.each([
  ['no argument', null],
  ['no form', { form: null }],
  ['a form that is a list', { form: [] }],
  ['a field that is a number', { form: { a: 7 } }],
  ['a jwt that is text', { form: { a: { $jwt: 'x' } } }],
  ['a jwt with a key that is text', { form: { a: jwt({ key: 'text' }) } }],
  ['a jwt with an unknown alg', { form: { a: jwt({ alg: 'none' }) } }],
  ['a jwt without claims', { form: { a: jwt({ claims: null }) } }],
  ['a jwt that lives for ever', { form: { a: jwt({ lifetimeS: 86_401 }) } }],
  ['a jwt that never lives', { form: { a: jwt({ lifetimeS: 0 }) } }],
  ['a jwt within a list', { form: { a: [jwt()] } }],
  ['headers that are text', { headers: 'x' }],
  ['a header of the hub', { headers: { Host: 'x' } }],
  ['a life of less than nothing', { expiresInS: -1 }],
  ['instead of nothing', { instead: 'token' }],
  ['instead of another one', { instead: { $secret: 'token.other.1' } }],
  ['instead of a secret', { instead: { $secret: 'client' } }],
])('%s is refused, and nothing is sent', async (_name, more) => {
  const hub = installed()
  const { code } = await hub.refused(more === null ? null : request(more))
  expect(code).toBe('capability_input')
  expect(receiver.requests).toEqual([])
})

test('two bodies are none', async () => {
  for (const more of [{ body: 'x' }, { json: 1 }])
    expect((await bench.refused(bench.post({ form: { a: 'b' }, ...more }))).code).toBe('capability_input')
  expect((await bench.refused(bench.post({ form: 'a=b' }))).code).toBe('capability_input')
  const many = Object.fromEntries(Array.from({ length: 1_001 }, (_, n) => [`f${n}`, '']))
  expect((await bench.refused(bench.post({ form: many }))).code).toBe('capability_limit')
})
