/** A receiver of webhooks that records what comes and misbehaves as told: statuses, delays, drips, resets, silence. */
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from './wait.ts'
import type { UntilOptions } from './wait.ts'

export interface Received {
  /** From 0, in order of arrival. */
  readonly n: number
  readonly atMs: number
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** The `webhook-id` header: the delivery's stable id; empty when there is none. */
  readonly id: string
  /** The body as JSON; throws when it is none. */
  json<T = Record<string, unknown>>(): T
}

/** How one request is answered. All parts are optional: `{}` is an empty 200. */
export interface Reply {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
  /** Before the status line. */
  readonly delayMs?: number
  /** The body goes out in pieces of `bytes`, one each `everyMs`; with `endless` for ever. */
  readonly drip?: { readonly bytes: number; readonly everyMs: number; readonly endless?: boolean }
  /** Close with a TCP reset instead of an answer. */
  readonly reset?: boolean
  /** Never answer; the connection stays open until the receiver closes. */
  readonly hang?: boolean
  /** Raw bytes instead of HTTP, then the connection ends. */
  readonly raw?: string
}

type Respond = (request: Received) => Reply | Promise<Reply>

export interface Receiver extends AsyncDisposable {
  readonly url: string
  readonly port: number
  readonly requests: readonly Received[]
  /** Most requests that were open at one time. */
  readonly concurrencyMax: number
  /** Connections accepted so far. */
  readonly connections: number
  /** From now on answers by this; an array is used up one by one, the last one stays. */
  respond(how: Reply | readonly Reply[] | Respond): void
  /** Waits until `count` requests came. */
  received(count: number, options?: UntilOptions): Promise<readonly Received[]>
  forget(): void
}

/** `await using receiver = await startReceiver()`; answers 200 until told otherwise. */
export async function startReceiver(how: Reply | readonly Reply[] | Respond = {}, port = 0): Promise<Receiver> {
  const requests: Received[] = []
  const sockets = new Set<Socket>()
  let respond = toRespond(how)
  let open = 0
  let openMax = 0
  let connections = 0
  let arrivals = 0
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    open += 1
    openMax = Math.max(openMax, open)
    response.once('close', () => (open -= 1))
    record(request, arrivals++)
      .then(async (received) => {
        requests.push(received)
        await answer(await respond(received), response)
      })
      // The sender may give up at any point: that is its right and the test's business, not an error here.
      .catch(() => response.destroy())
  })
  server.on('connection', (socket) => {
    connections += 1
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  const bound = (server.address() as AddressInfo).port
  return {
    url: `http://127.0.0.1:${bound}`,
    port: bound,
    requests,
    get concurrencyMax() {
      return openMax
    },
    get connections() {
      return connections
    },
    respond: (next) => {
      respond = toRespond(next)
    },
    received: (count, options) =>
      until(`${count} requests at the receiver`, () => requests, { ...options, accept: (all) => all.length >= count }),
    forget: () => {
      requests.length = 0
    },
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

function toRespond(how: Reply | readonly Reply[] | Respond): Respond {
  if (typeof how === 'function') return how
  const script: Reply[] = Array.isArray(how) ? [...(how as readonly Reply[])] : [how as Reply]
  return () => (script.length > 1 ? (script.shift() as Reply) : (script[0] ?? {}))
}

async function record(request: IncomingMessage, n: number): Promise<Received> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const body = Buffer.concat(chunks).toString('utf8')
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : (value ?? ''),
    ]),
  )
  return {
    n,
    atMs: Date.now(),
    method: request.method ?? '',
    path: request.url ?? '',
    headers,
    body,
    id: headers['webhook-id'] ?? '',
    json: <T>() => JSON.parse(body) as T,
  }
}

async function answer(reply: Reply, response: ServerResponse): Promise<void> {
  if (reply.delayMs !== undefined) await sleep(reply.delayMs)
  if (reply.hang === true) return
  if (reply.reset === true) return void response.socket?.resetAndDestroy()
  if (reply.raw !== undefined) return void response.socket?.end(reply.raw)
  response.writeHead(reply.status ?? 200, reply.headers)
  if (reply.drip === undefined) return void response.end(reply.body)
  const bytes = Buffer.from(reply.body ?? 'x'.repeat(reply.drip.bytes))
  do {
    for (let at = 0; at < bytes.length; at += reply.drip.bytes) {
      if (response.destroyed) return
      response.write(bytes.subarray(at, at + reply.drip.bytes))
      await sleep(reply.drip.everyMs)
    }
  } while (reply.drip.endless === true)
  response.end()
}
