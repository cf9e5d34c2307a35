/** The guard against requests to where they must not go, through real sockets: a canary counts who reached it. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buildConnector } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addressPolicy } from '../../core/capabilities/addresses.ts'
import { guardConnector, type Resolve } from '../../core/capabilities/guard-connector.ts'
import { createGuardedHttp, type GuardedHttp } from '../../core/capabilities/guarded-http.ts'
import { HubError } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import { HARMLESS, HOSTILE, type HostileCase } from './ssrf-corpus.ts'

let reached: string[] = []
let canaries: Server[] = []
let ports = { port: 0, port6: 0 }

beforeAll(async () => {
  const listen = (host: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const server = createServer((request, response) => {
        reached.push(request.url ?? '')
        response.end('canary')
      })
      server.on('error', reject)
      server.listen(0, host, () => {
        canaries.push(server)
        resolve((server.address() as AddressInfo).port)
      })
    })
  ports = { port: await listen('127.0.0.1'), port6: await listen('::1') }
})

afterAll(() => {
  for (const canary of canaries) {
    canary.closeAllConnections()
    canary.close()
  }
  canaries = []
})

/** Answers by host; a name asked more often than it has lists gets its last one. */
function resolver(hostile: Pick<HostileCase, 'answers'>): { resolve: Resolve; asked: string[] } {
  const lists = (
    Array.isArray(hostile.answers?.[0]) ? hostile.answers : [hostile.answers ?? []]
  ) as readonly (readonly string[])[]
  const asked: string[] = []
  const resolve: Resolve = (hostname) => {
    const answers = lists[Math.min(asked.length, lists.length - 1)] ?? []
    asked.push(hostname)
    if (answers.length === 0) return Promise.reject(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }))
    return Promise.resolve(answers.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }) as const))
  }
  return { resolve, asked }
}

const withPorts = (url: string): string =>
  url.replaceAll('{port}', String(ports.port)).replaceAll('{port6}', String(ports.port6))

const get = (http: GuardedHttp, url: string) =>
  http.request({ method: 'GET', url, headers: [], body: null, timeoutMs: 3_000 })

const codeOf = (error: unknown): string => (error instanceof HubError ? error.code : `not a HubError: ${String(error)}`)

test('the corpus is large, and every hostile URL is refused before a byte reaches the canary', async () => {
  expect(HOSTILE.length).toBeGreaterThanOrEqual(150)
  expect(new Set(HOSTILE.map(({ url, answers }) => `${url} ${String(answers)}`)).size).toBe(HOSTILE.length)
  reached = []
  const wrong: string[] = []
  for (const hostile of HOSTILE) {
    const { resolve } = resolver(hostile)
    const http = createGuardedHttp({ allow: [], limits: LIMITS, resolve })
    const url = withPorts(hostile.url)
    // A save-time check that passed (rebinding) must not help.
    const rebinds = Array.isArray(hostile.answers?.[0])
    const saved = await http.checkUrl(url)
    if (rebinds ? saved !== null : saved?.code !== hostile.code) wrong.push(`${url} at save: ${String(saved)}`)
    const code = await get(http, url).then((answer) => `answered ${answer.status}`, codeOf)
    if (code !== hostile.code) wrong.push(`${hostile.group}: ${url} ended as ${code}, expected ${hostile.code}`)
    await http.close()
  }
  expect(wrong).toEqual([])
  expect(reached).toEqual([])
})

test('positive control: with loopback allowed the same URLs do reach the canary', async () => {
  const would = HOSTILE.filter(({ canary }) => canary === true)
  expect(would.length).toBeGreaterThanOrEqual(50)
  const wrong: string[] = []
  for (const hostile of would) {
    reached = []
    const { resolve } = resolver(hostile)
    const http = createGuardedHttp({ allow: ['127.0.0.1/32', '::1'], limits: LIMITS, resolve })
    const body = await get(http, withPorts(hostile.url)).then((answer) => answer.body, codeOf)
    if (body !== 'canary' || reached.length !== 1) wrong.push(`${hostile.url}: ${body}`)
    await http.close()
  }
  expect(wrong).toEqual([])
})

test('ordinary receivers pass the check', async () => {
  for (const { url, answers } of HARMLESS) {
    const { resolve } = resolver(answers === undefined ? {} : { answers })
    const http = createGuardedHttp({ allow: [], limits: LIMITS, resolve })
    expect([url, await http.checkUrl(url)]).toEqual([url, null])
    await http.close()
  }
})

test('a name is resolved once for a connection, and the checked answer is the one connected to', async () => {
  const { resolve, asked } = resolver({ answers: [['127.0.0.1'], ['127.0.0.2']] })
  const http = createGuardedHttp({ allow: ['127.0.0.1/32'], limits: LIMITS, resolve })
  reached = []
  expect((await get(http, `http://flip.example:${ports.port}/pinned`)).body).toBe('canary')
  expect(asked).toEqual(['flip.example'])
  expect(reached).toEqual(['/pinned'])
  await http.close()
})

test('redirects are answers: the place they point to is never contacted', async () => {
  const places = [
    `http://127.0.0.1:${ports.port}/`,
    `http://[::1]:${ports.port6}/`,
    '//127.0.0.1/',
    'file:///etc/passwd',
  ]
  const redirecting = createServer((request, response) => {
    const n = Number(request.url?.slice(1))
    response.writeHead(300 + n, { location: places[n % places.length] ?? '' }).end('moved')
  })
  await new Promise<void>((resolve) => redirecting.listen(0, '127.0.0.3', resolve))
  const { port } = redirecting.address() as AddressInfo
  const http = createGuardedHttp({ allow: ['127.0.0.3/32'], limits: LIMITS })
  reached = []
  for (const n of [0, 1, 2, 3, 7, 8]) {
    expect((await get(http, `http://127.0.0.3:${port}/${n}`)).status).toBe(300 + n)
  }
  expect(reached).toEqual([])
  await http.close()
  redirecting.closeAllConnections()
  redirecting.close()
})

test('the last check: a socket that ended up elsewhere is destroyed before anything is sent', async () => {
  const guarded = guardConnector({
    policy: addressPolicy([]),
    resolve: () => Promise.resolve([{ address: '93.184.216.34', family: 4 }]),
    connectTimeoutMs: 1_000,
    // Stands for whatever may one day ignore the lookup.
    base: () => {
      const plain = buildConnector({})
      return (target, callback) => plain({ ...target, hostname: '127.0.0.1' }, callback)
    },
  })
  reached = []
  const result = await new Promise<[Error | null, unknown]>((resolve) => {
    const target = { hostname: 'fine.example', protocol: 'http:', port: String(ports.port) }
    guarded(target, (...args) => resolve([args[0], args[1]]))
  })
  expect(codeOf(result[0])).toBe('http_refused_address')
  expect(result[1]).toBeNull()
  expect(reached).toEqual([])
})

test('a replaced allow-list holds at once, kept-alive connections included', async () => {
  const http = createGuardedHttp({ allow: ['127.0.0.0/8'], limits: LIMITS })
  const url = `http://127.0.0.1:${ports.port}/`
  expect((await get(http, url)).status).toBe(200)
  http.setAllow([])
  await expect(get(http, url)).rejects.toMatchObject({ code: 'http_refused_address' })
  http.setAllow(['127.0.0.1'])
  expect((await get(http, url)).status).toBe(200)
  expect(() => http.setAllow(['localhost'])).toThrow('"localhost" is not a CIDR')
  expect((await get(http, url)).status).toBe(200)
  await http.close()
})

test('the proxies of the environment are not used', async () => {
  const proxied: string[] = []
  const proxy = createServer((request, response) => {
    proxied.push(request.url ?? '')
    response.end('proxy')
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const { port } = proxy.address() as AddressInfo
  const names = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'NODE_USE_ENV_PROXY'] as const
  const before = names.map((name) => process.env[name])
  for (const name of names) process.env[name] = name === 'NODE_USE_ENV_PROXY' ? '1' : `http://127.0.0.1:${port}`
  const http = createGuardedHttp({ allow: ['127.0.0.1'], limits: LIMITS })
  expect((await get(http, `http://127.0.0.1:${ports.port}/`)).body).toBe('canary')
  expect(proxied).toEqual([])
  await http.close()
  names.forEach((name, i) => {
    if (before[i] === undefined) delete process.env[name]
    else process.env[name] = before[i]
  })
  proxy.closeAllConnections()
  proxy.close()
})
