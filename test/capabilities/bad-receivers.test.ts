/** Receivers that refuse, hang, drip, flood, lie or speak something else (F-12, F-13, F-14 where the socket is). */
import { createServer as createHttp, type RequestListener } from 'node:http'
import { createServer as createHttps } from 'node:https'
import { createServer as createTcp, type AddressInfo, type Server, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, expect, test } from 'vitest'
import { createGuardedHttp, type GuardedHttp, type GuardedRequest } from '../../core/capabilities/guarded-http.ts'
import { SELF_SIGNED } from '../support/self-signed.ts'
import { LIMITS, type Limits } from '../../core/limits.ts'

const closers: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

async function listen(server: Server): Promise<string> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

const httpServer = (listener: RequestListener): Promise<string> => listen(createHttp(listener))
const tcpServer = (answer: (socket: Socket) => void): Promise<string> =>
  listen(createTcp((socket) => socket.once('data', () => answer(socket))))

function client(limits: Partial<Limits> = {}): GuardedHttp {
  const http = createGuardedHttp({ allow: ['127.0.0.0/8', '::1'], limits: { ...LIMITS, ...limits } })
  closers.push(() => http.close())
  return http
}

const post = (url: string, rest: Partial<GuardedRequest> = {}): GuardedRequest => ({
  method: 'POST',
  url,
  headers: [],
  body: Buffer.from('{}'),
  ...rest,
})

const fails = (promise: Promise<unknown>, code: string) => expect(promise).rejects.toMatchObject({ code })

test('nobody listens: http_connect', async () => {
  const url = await httpServer(() => {})
  await closers.pop()?.()
  await fails(client().request(post(url)), 'http_connect')
})

test('a name that does not resolve: http_dns, at save time as well', async () => {
  const http = client()
  await fails(http.request(post('http://no-such-name.invalid/')), 'http_dns')
  expect(await http.checkUrl('http://no-such-name.invalid/')).toMatchObject({ code: 'http_dns' })
})

test('reset before, during and after the headers: http_reset', async () => {
  const before = await tcpServer((socket) => socket.resetAndDestroy())
  const during = await tcpServer((socket) =>
    socket.write('HTTP/1.1 200 OK\r\nx-a: 1\r\n', () => socket.resetAndDestroy()),
  )
  const after = await tcpServer((socket) =>
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc', () => socket.resetAndDestroy()),
  )
  const ended = await tcpServer((socket) => socket.end())
  const http = client()
  for (const url of [before, during, after, ended]) await fails(http.request(post(url)), 'http_reset')
})

test('silence, headers that never end, a body that drips: http_timeout at the deadline, socket closed', async () => {
  let closed = 0
  const count = (socket: Socket) => socket.on('close', () => (closed += 1))
  const drip = (socket: Socket, first: string) => {
    count(socket)
    socket.write(first)
    const timer = setInterval(() => socket.write('x'), 20)
    socket.on('close', () => clearInterval(timer))
  }
  const silent = await tcpServer((socket) => void count(socket))
  const headers = await tcpServer((socket) => drip(socket, 'HTTP/1.1 200 OK\r\nx-drip: '))
  const body = await tcpServer((socket) => drip(socket, 'HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n'))
  const hundreds = await tcpServer((socket) => {
    count(socket)
    const timer = setInterval(() => socket.write('HTTP/1.1 102 Processing\r\n\r\n'), 20)
    socket.on('close', () => clearInterval(timer))
  })
  const http = client({ httpTimeoutMs: 200 })
  // A plugin may ask for less than the hub's limit, never for more.
  for (const url of [silent, headers, body, hundreds])
    await fails(http.request(post(url, { timeoutMs: 60_000 })), 'http_timeout')
  await expect.poll(() => closed).toBe(4)
  await fails(client().request(post(silent, { timeoutMs: 100 })), 'http_timeout')
})

test('a handshake that never ends: http_timeout after the connect limit, not the whole one', async () => {
  const url = await tcpServer(() => {})
  const attempt = client({ httpConnectTimeoutMs: 200 }).request(post(url.replace('http:', 'https:')))
  await expect(attempt).rejects.toMatchObject({
    code: 'http_timeout',
    message: expect.stringContaining('did not accept the connection in time'),
  })
})

test('a request that waits for a free connection counts its waiting', async () => {
  const url = await tcpServer(() => {})
  const http = client({ httpSocketsPerHostMax: 1, httpTimeoutMs: 200 })
  const all = await Promise.allSettled([http.request(post(url)), http.request(post(url)), http.request(post(url))])
  expect(all.map((one) => (one.status === 'rejected' ? one.reason.code : 'answered'))).toEqual(
    Array(3).fill('http_timeout'),
  )
})

test('an endless body is read to the cap and no further', async () => {
  let sent = 0
  let closed = false
  const url = await httpServer((request, response) => {
    request.resume()
    const piece = Buffer.alloc(65_536, 'x')
    const more = () => {
      while (!response.destroyed && response.write(piece)) sent += piece.length
    }
    response.on('drain', more).on('close', () => (closed = true))
    more()
  })
  const answer = await client().request(post(url))
  expect(answer).toMatchObject({ status: 200, truncated: true, bodyBytes: LIMITS.pluginHttpResponseBytesMax })
  expect(answer.body.length).toBe(LIMITS.pluginHttpResponseBytesMax)
  await expect.poll(() => closed).toBe(true)
  // What was under way in kernel buffers may be more than the cap, but not by far.
  expect(sent).toBeLessThan(32 * LIMITS.pluginHttpResponseBytesMax)
})

test('a body of exactly the cap is whole', async () => {
  const max = 1_000
  const url = await httpServer((request, response) => response.end('y'.repeat(request.url === '/more' ? max + 1 : max)))
  const http = client({ pluginHttpResponseBytesMax: max })
  expect(await http.request(post(url))).toMatchObject({ truncated: false, bodyBytes: max })
  expect(await http.request(post(`${url}more`))).toMatchObject({ truncated: true, bodyBytes: max })
})

test('a gzip bomb stays packed, whatever the receiver was asked', async () => {
  const bomb = gzipSync(Buffer.alloc(50 * 1_048_576))
  let asked: unknown
  const url = await httpServer((request, response) => {
    asked = request.headers['accept-encoding']
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb)
  })
  const answer = await client().request(post(url, { headers: ['accept-encoding', 'identity'] }))
  expect(asked).toBe('identity')
  expect(answer).toMatchObject({ encoding: 'gzip', body: '', bodyBytes: bomb.length, truncated: false })
})

test('headers over the cap, many or one: http_protocol', async () => {
  const one = await tcpServer((socket) => socket.write(`HTTP/1.1 200 OK\r\nx-giant: ${'z'.repeat(1_048_576)}\r\n\r\n`))
  const many = await tcpServer((socket) => {
    const more = () => {
      while (!socket.destroyed && socket.write(`x-${Math.random()}: ${'z'.repeat(100)}\r\n`));
    }
    socket.write('HTTP/1.1 200 OK\r\n')
    socket.on('drain', more)
    more()
  })
  const trailers = await tcpServer((socket) =>
    socket.write(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx-giant: ${'z'.repeat(1_048_576)}\r\n\r\n`),
  )
  const http = client()
  for (const url of [one, many, trailers]) await fails(http.request(post(url)), 'http_protocol')
})

test('something other than HTTP: http_protocol', async () => {
  const http = client()
  const answers = [
    '220 mail.example ESMTP\r\n',
    'SSH-2.0-OpenSSH_9.2\r\n',
    '\0\x01\x02\xff',
    'HTTP/1.1 two hundred OK\r\n\r\n',
    'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!',
    'HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
    'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
    'HTTP/1.1 100 Continue\r\n\r\n',
  ]
  for (const answer of answers) {
    const url = await tcpServer((socket) => socket.write(Buffer.from(answer, 'latin1')))
    await fails(http.request(post(url)), 'http_protocol')
  }
})

test('TLS that is none, and a certificate nobody vouches for: http_tls', async () => {
  const plain = await httpServer((_request, response) => response.end())
  const unknown = await listen(createHttps(SELF_SIGNED, (_request, response) => response.end()))
  const http = client()
  for (const url of [plain, unknown]) await fails(http.request(post(url.replace('http:', 'https:'))), 'http_tls')
})

test('a request body over the cap is not sent', async () => {
  let requests = 0
  const url = await httpServer((_request, response) => {
    requests += 1
    response.end()
  })
  const http = client({ pluginHttpRequestBytesMax: 1_000, pluginHookRequestBytesMax: 2_000 })
  await fails(http.request(post(url, { body: Buffer.alloc(1_001) })), 'capability_limit')
  expect((await http.request(post(url, { body: Buffer.alloc(1_000) }))).status).toBe(200)
  await fails(http.request(post(url, { body: Buffer.alloc(2_001), isToHook: true })), 'capability_limit')
  expect((await http.request(post(url, { body: Buffer.alloc(2_000), isToHook: true }))).status).toBe(200)
  expect(requests).toBe(2)
})

test('connections are kept, counted and shared fairly', async () => {
  const ports = new Set<number | undefined>()
  let open = 0
  let openMax = 0
  const url = await httpServer((request, response) => {
    ports.add(request.socket.remotePort)
    open += 1
    openMax = Math.max(openMax, open)
    setTimeout(() => {
      open -= 1
      response.end('ok')
    }, 5)
  })
  const http = client({ httpSocketsPerHostMax: 4 })
  await Promise.all(Array.from({ length: 40 }, () => http.request(post(url))))
  expect(openMax).toBe(4)
  expect(ports.size).toBe(4)
})

test('after close requests fail as unavailable, those in flight too', async () => {
  const url = await tcpServer(() => {})
  const http = client()
  const flying = http.request(post(url))
  flying.catch(() => {})
  await new Promise((resolve) => setTimeout(resolve, 20))
  await http.close()
  await fails(flying, 'unavailable')
  await fails(http.request(post(url)), 'unavailable')
})
