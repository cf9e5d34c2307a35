/** Listens: turns the app into a server with every bound of a connection set, and closes it without cutting answers off. */
import { getRequestListener, RequestError } from '@hono/node-server'
import type { Hono } from 'hono'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { HubError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { newId } from '../ids.ts'
import type { Limits } from '../limits.ts'
import type { Live } from '../live/live.ts'
import type { Logger } from '../observe/observe.ts'
import type { HttpEnv } from './app.ts'
import { answerable, problemResponse } from './problem.ts'
import { refuseSocket } from './refuse-socket.ts'
import type { Upgrade } from './sockets.ts'

export interface ServeOptions {
  readonly app: Hono<HttpEnv>
  readonly live: Pick<Live, 'seats'>
  readonly upgrade: Upgrade
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  readonly limits: Pick<
    Limits,
    'headerBytesMax' | 'headersTimeoutMs' | 'requestTimeoutMs' | 'keepAliveTimeoutMs' | 'connectionsMax'
  >
  readonly logger: Logger
}

/** A listening server. */
export interface Serving {
  /** `http://127.0.0.1:8420`; a wildcard host is shown as loopback. */
  readonly url: string
  /** The same with the host as it was given: `http://0.0.0.0:8420`. */
  readonly boundUrl: string
  readonly port: number
  /** Takes no new connections, lets running requests end for at most `graceMs`, then cuts what is left. */
  close(graceMs: number): Promise<void>
}

/** How often Node looks for connections that are too slow; their timeouts are exact to this. */
const SLOW_CHECK_MS = 1_000
/** Connections the kernel holds while this process is busy: 1,000 clients may come at once. */
const ACCEPT_BACKLOG = 4_096
const IDLE_SWEEP_MS = 50

/** Resolves when it listens; rejects with the reason when it cannot. */
export function serveHttp(options: ServeOptions): Promise<Serving> {
  const { limits, app, logger } = options
  const listener = getRequestListener(app.fetch, {
    errorHandler: (error) => {
      if (error instanceof RequestError) {
        return problemResponse(
          new HubError('bad_request', 'The URL or the Host header is not valid.'),
          newId('request'),
        )
      }
      logger.error({ err: error }, 'A request failed outside its handler')
      return problemResponse(answerable(error), newId('request'))
    },
  })
  const server = createServer(
    {
      maxHeaderSize: limits.headerBytesMax,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      connectionsCheckingInterval: SLOW_CHECK_MS,
      noDelay: true,
      // Whoever offers another protocol is answered in this one.
      shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket',
    },
    (incoming, outgoing) => void listener(incoming, outgoing),
  )
  server.maxConnections = limits.connectionsMax
  server.on('clientError', answerBrokenRequest)
  server.on('upgrade', options.upgrade)
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port: options.port, host: options.host, backlog: ACCEPT_BACKLOG }, () => {
      server.off('error', reject)
      server.on('error', (error) => logger.error({ err: error }, 'The HTTP server reported an error'))
      const { port } = server.address() as AddressInfo
      resolve({
        url: `http://${shownHost(options.host)}:${port}`,
        boundUrl: `http://${urlHost(options.host || '0.0.0.0')}:${port}`,
        port,
        close: (graceMs) => {
          // They would never end by themselves.
          options.live.seats.close()
          return closeServer(server, graceMs)
        },
      })
    })
  })
}

function shownHost(host: string): string {
  if (host === '0.0.0.0' || host === '::' || host === '') return '127.0.0.1'
  return urlHost(host)
}

const urlHost = (host: string): string => (host.includes(':') ? `[${host}]` : host)

function closeServer(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    // Connections that finish their request meanwhile become idle and are closed by the sweep.
    const sweep = setInterval(() => server.closeIdleConnections(), IDLE_SWEEP_MS)
    const cut = setTimeout(() => server.closeAllConnections(), graceMs)
    server.close(() => {
      clearInterval(sweep)
      clearTimeout(cut)
      resolve()
    })
    server.closeIdleConnections()
  })
}

const CLIENT_ERRORS: Readonly<Record<string, readonly [code: ErrorCode, detail: string]>> = {
  HPE_HEADER_OVERFLOW: ['header_too_large', 'The request headers are larger than this server reads.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['request_timeout', 'The request did not arrive in time.'],
}

/** What never became a request: too slow, too large, or not HTTP. Says so in the API's own words and hangs up. */
function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const [code, detail] = CLIENT_ERRORS[error.code ?? ''] ?? ['bad_request', 'This is not a well-formed HTTP request.']
  refuseSocket(socket, new HubError(code, detail))
}
