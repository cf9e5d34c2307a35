/** What the Zapier app says when a hub refuses, or there is none: in words for people, and as an error that does to the Zap what it should. */
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { SELF_SIGNED } from '../support/self-signed.ts'
import { startReceiver } from '../support/receiver.ts'
import type { Receiver } from '../support/receiver.ts'
import { APP, INSTALL_MS, loadApp } from './installed.ts'
import type { LoadedApp, Run } from './installed.ts'

let app: LoadedApp['app']
let core: LoadedApp['core']
let run: Run
let receiver: Receiver
beforeAll(async () => {
  ;({ app, core, run } = await loadApp())
  receiver = await startReceiver()
}, INSTALL_MS)
afterAll(() => receiver?.[Symbol.asyncDispose]())

/** What connecting to this address comes to. */
const tried = (base_url: string): Promise<{ name: string; message: string }> =>
  run(app.authentication.test, { authData: { base_url, api_key: 'k' }, inputData: {} }).then(
    () => ({ name: 'nothing', message: '' }),
    (error: Error) => error,
  )
const said = async (base_url: string): Promise<string> =>
  (JSON.parse((await tried(base_url)).message) as { message: string }).message

test('an address is taken with a scheme, without one, with one too many, and without the page it was pasted from', async () => {
  const { hubUrl } = (await import(`${APP}src/hub.ts`)) as { hubUrl(z: unknown, bundle: object): string }
  const at = (base_url: string) => hubUrl({}, { authData: { base_url } })
  expect(at('forms.example.com')).toBe('https://forms.example.com')
  expect(at(' forms.example.com:8443/hub/ ')).toBe('https://forms.example.com:8443/hub')
  expect(at('https://https://forms.example.com')).toBe('https://forms.example.com')
  expect(at('HTTPS://forms.example.com/')).toBe('https://forms.example.com')
  for (const page of [
    '/docs',
    '/docs/',
    '/dashboard/forms/contact?x=1',
    '/sign-in#a',
    '/deliveries/dlv_1',
    '/api/v2/me',
  ])
    expect(at(`forms.example.com/hub${page}`)).toBe('https://forms.example.com/hub')
  expect(at('forms.example.com/documents')).toBe('https://forms.example.com/documents')
})

test('refusals of the hub stop, pause or delay a Zap as they should, and say what to do', async () => {
  const answer = (status: number, detail: string, headers = {}) => {
    receiver.respond({ status, headers, body: JSON.stringify({ detail, code: 'some_code', errors: [] }) })
    return tried(receiver.url)
  }
  const names = {
    401: 'ExpiredAuthError',
    403: 'AppError',
    409: 'HaltedError',
    422: 'AppError',
    503: 'AppError',
  }
  for (const [status, name] of Object.entries(names))
    expect((await answer(Number(status), 'Why.')).name, status).toBe(name)
  expect((await answer(401, 'Bearer invalid.')).message).toMatch(
    /^The hub does not accept the API key [^]*again with it\.$/,
  )
  expect((await answer(409, 'There are 1000 hooks.')).message).toBe('There are 1000 hooks.')
  expect((await answer(403, 'This needs a key with the scope "forms:read".')).message).toContain('it lacks forms:read.')
  expect((await answer(503, 'storage_busy')).message).toMatch(/out of order at the moment \(503\)/)
  const unset = (await answer(409, 'Nobody would send to this hook: add "- { id: zapier }".')).message.split('\n')
  expect(unset).toEqual([
    expect.stringMatching(/^The hub is not set up for Zapier yet\. Ask whoever runs it/),
    'Nobody would send to this hook: add "- { id: zapier }".',
  ])
  const large = await answer(413, 'The body is larger than 1048576 bytes.')
  expect((JSON.parse(large.message) as { message: string }).message).toBe(
    'What this step sends is more than the hub takes at once: it takes 1 MB at most. Shorten the longest of them.',
  )
  const late = await answer(429, 'Too many.', { 'retry-after': '17' })
  expect([late.name, late.message]).toEqual(['ThrottledError', expect.stringMatching(/in 17 seconds.*"delay":17/)])
})

test('what stands in front of a hub and refuses is not taken for the hub', async () => {
  const gone = (status: number) => {
    receiver.respond({ status, headers: { 'content-type': 'text/html', 'retry-after': '9' }, body: '<h1>No</h1>' })
    return run(app.triggers['new_response']!.operation.performUnsubscribe, {
      authData: { base_url: receiver.url, api_key: 'k' },
      inputData: {},
      subscribeData: { id: 'hok_1', target_url: 'https://hooks.example/1' },
    })
  }
  for (const status of [401, 403, 407]) {
    await expect(gone(status)).rejects.toMatchObject({ name: 'AppError' })
    expect(await said(receiver.url)).toMatch(
      new RegExp(`^Something in front of the hub at 127\\.0\\.0\\.1:\\d+ .* refused .*it says ${status}`),
    )
  }
  expect(await tried(receiver.url)).toMatchObject({ name: 'AppError' })
  await expect(gone(429)).rejects.toMatchObject({
    name: 'ThrottledError',
    message: expect.stringMatching(/in front of the hub .* in 9 seconds/) as string,
  })
  receiver.respond({ status: 403, body: JSON.stringify({ detail: 'Another key.', code: 'forbidden' }) })
  expect(
    await run(app.triggers['new_response']!.operation.performUnsubscribe, {
      authData: { base_url: receiver.url, api_key: 'k' },
      inputData: {},
      subscribeData: { id: 'hok_1', target_url: 'https://hooks.example/1' },
    }),
  ).toEqual({ id: 'hok_1' })
})

test('what is no hub, or cannot be reached, is told by what is wrong with it', async () => {
  receiver.respond({ status: 200, headers: { 'content-type': 'text/html' }, body: '<h1>A shop</h1>' })
  expect(await said(`${receiver.url}/shop`)).toMatch(
    /127\.0\.0\.1:\d+\/shop is not a Manifold hub .*Try http.*without "\/shop"/,
  )
  receiver.respond({ status: 404, body: '{"detail":"Nothing is served at /x."}' })
  expect(await said(receiver.url)).toMatch(/is not a Manifold hub \(it says 404\)/)
  receiver.respond({ status: 404, body: 'Not found' })
  expect(await said(receiver.url)).toMatch(
    /is not a Manifold hub \(it says 404\)\. Check the address of the connection\.$/,
  )
  receiver.respond({ status: 302, headers: { location: '/again' } })
  expect(await said(receiver.url)).toMatch(/sends on and on/)
  expect(await said(receiver.url.replace('http:', 'https:'))).toMatch(/does not speak https/)
  expect(await said('127.0.0.1:1')).toMatch(/^Nothing answers at 127\.0\.0\.1:1\. .*only hubs on the internet/)
  expect(await said('no-such-hub.invalid')).toMatch(/^There is no computer of the name no-such-hub\.invalid\./)
  const server = createServer(SELF_SIGNED).listen(0, '127.0.0.1')
  await new Promise((listening) => server.once('listening', listening))
  expect(await said(`127.0.0.1:${(server.address() as AddressInfo).port}`)).toMatch(
    /^The certificate of 127\.0\.0\.1:\d+/,
  )
  server.close()
})

test('a file is fetched from where it lies, without the key, and kept where Zapier keeps files; what cannot be fetched is told', async () => {
  receiver.respond(({ path, ...request }) => {
    if (path === '/files/cv.pdf') return { body: 'the file' }
    if (path === '/kept') return { status: 204 }
    if (path !== '/rpc') return { status: 404 }
    const result = { url: `${receiver.url}/kept`, fields: { key: 'kept/cv.pdf' } }
    const headers = { 'content-type': 'application/json' }
    return { headers, body: JSON.stringify({ id: request.json<{ id: string }>().id, result }) }
  })
  // Nothing is told to Zapier from here.
  vi.stubEnv('LOGGING_ENDPOINT', `${receiver.url}/log`)
  const hydrated = (path: string) =>
    core.createAppHandler(app)({
      command: 'execute',
      method: 'hydrators.file',
      rpc_base: `${receiver.url}/rpc`,
      token: 't',
      bundle: {
        inputData: { url: `${receiver.url}${path}` },
        authData: { base_url: 'https://forms.example.com', api_key: 'the-key' },
      },
    })
  expect((await hydrated('/files/cv.pdf')).results).toBe(`${receiver.url}/kept/cv.pdf`)
  expect(receiver.requests.find(({ path }) => path === '/kept')?.body.toString()).toContain('the file')
  const fetched = receiver.requests.filter(({ path }) => path === '/files/cv.pdf')
  expect(fetched.map(({ headers }) => headers['authorization'])).toEqual([undefined])
  await expect(hydrated('/files/gone.pdf')).rejects.toThrow(/cannot be fetched: 127\.0\.0\.1:\d+ says 404/)
  vi.unstubAllEnvs()
  receiver.respond({})
})
