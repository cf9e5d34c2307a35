/**
 * The one way out: HTTP requests to public addresses and those the admin allows, with a bound on every size and time.
 * Redirects are answers like any other, bodies are not decompressed, the environment's proxies are not used.
 */
import { Agent, type Dispatcher } from 'undici'
import { HubError } from '../errors.ts'
import type { Limits } from '../limits.ts'
import { addressPolicy } from './addresses.ts'
import { checkHost, guardConnector, systemResolve, type Resolve } from './guard-connector.ts'
import { asHttpError } from './http-errors.ts'

/** A connection is retired after this time even when busy, so that a host that moved in DNS is followed. */
const CONNECTION_LIFE_MS = 300_000

export interface GuardedRequest {
  readonly method: string
  readonly url: string | URL
  /** Name, value, name, value … Checked by the caller against injection; undici checks once more. */
  readonly headers: string[]
  readonly body: Buffer | null
  /** For all of it: queueing, connecting, sending, reading. Clamped to `httpTimeoutMs`. */
  readonly timeoutMs?: number | undefined
}

export interface GuardedResponse {
  readonly status: number
  readonly headers: Record<string, string>
  /** Decoded as UTF-8; empty when `encoding` is set. */
  readonly body: string
  readonly bodyBytes: number
  /** True when there was more than `pluginHttpResponseBytesMax`; the rest was not read. */
  readonly truncated: boolean
  /** The Content-Encoding of a body that came encoded although none was asked for. */
  readonly encoding: string | null
}

export interface GuardedHttp {
  /** Rejects with an `http_*` HubError, `capability_limit` for a body too large, or `unavailable` after `close`. */
  request(request: GuardedRequest): Promise<GuardedResponse>
  /** What `request` would refuse, asked beforehand: null when the URL may be used now. */
  checkUrl(url: string): Promise<HubError | null>
  /** Replaces the allow-list. Requests in flight end as they began; no later one uses an old connection. */
  setAllow(allow: readonly string[]): void
  /** Ends requests in flight and closes every connection. */
  close(): Promise<void>
}

export interface GuardedHttpOptions {
  /** CIDRs that may be reached although private. */
  readonly allow: readonly string[]
  readonly limits: Pick<
    Limits,
    | 'httpTimeoutMs'
    | 'httpConnectTimeoutMs'
    | 'httpSocketsPerHostMax'
    | 'httpResponseHeaderBytesMax'
    | 'pluginHttpRequestBytesMax'
    | 'pluginHttpResponseBytesMax'
  >
  readonly resolve?: Resolve
}

/** Opens the guarded client; nothing is connected before the first request. */
export function createGuardedHttp(options: GuardedHttpOptions): GuardedHttp {
  const { limits } = options
  const resolve = options.resolve ?? systemResolve()
  let policy = addressPolicy(options.allow)
  let agent = openAgent()

  function openAgent(): Agent {
    return new Agent({
      connect: guardConnector({ policy, resolve, connectTimeoutMs: limits.httpConnectTimeoutMs }),
      allowH2: false,
      connections: limits.httpSocketsPerHostMax,
      maxHeaderSize: limits.httpResponseHeaderBytesMax,
      clientTtl: CONNECTION_LIFE_MS,
      // One timer a request (below) covers headers, silence and drip alike.
      headersTimeout: 0,
      bodyTimeout: 0,
    })
  }

  return {
    request(request) {
      if (request.body !== null && request.body.length > limits.pluginHttpRequestBytesMax) {
        const bytes = `${request.body.length} bytes`
        const message = `The request body has ${bytes}; the limit is ${limits.pluginHttpRequestBytesMax}.`
        return Promise.reject(new HubError('capability_limit', message))
      }
      const url = parseHttpUrl(request.url)
      if (url instanceof HubError) return Promise.reject(url)
      return exchange({ agent, url, request, limits })
    },
    async checkUrl(text) {
      const url = parseHttpUrl(text)
      if (url instanceof HubError) return url
      const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80)
      try {
        return await checkHost({ policy, resolve }, url.hostname, port)
      } catch (error) {
        return asHttpError(error, url.hostname)
      }
    },
    setAllow(allow) {
      policy = addressPolicy(allow)
      const old = agent
      agent = openAgent()
      void old.close()
    },
    close: () => agent.destroy(null),
  }
}

/** A URL the hub is willing to send to, or the reason why not (`http_refused_url`). Addresses are checked at the socket. */
export function parseHttpUrl(text: string | URL): URL | HubError {
  const url = text instanceof URL ? text : URL.parse(text)
  if (url === null) return refusedUrl('it is not a valid absolute URL')
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return refusedUrl('only http and https are supported')
  if (url.username !== '' || url.password !== '') return refusedUrl('it carries a user name or password; use a header')
  if (url.hostname === '' || url.hostname === '.') return refusedUrl('it has no host')
  if (url.port === '0') return refusedUrl('port 0 does not exist')
  return url
}

const refusedUrl = (why: string): HubError => new HubError('http_refused_url', `The URL is refused: ${why}.`)

interface ExchangeInput {
  readonly agent: Agent
  readonly url: URL
  readonly request: GuardedRequest
  readonly limits: GuardedHttpOptions['limits']
}

/** One request on undici's lowest public level: a handler object, no streams, one timer. */
function exchange({ agent, url, request, limits }: ExchangeInput): Promise<GuardedResponse> {
  const timeoutMs = Math.max(1, Math.min(request.timeoutMs ?? limits.httpTimeoutMs, limits.httpTimeoutMs))
  return new Promise((resolve, reject) => {
    const handler = new ResponseReader({
      bytesMax: limits.pluginHttpResponseBytesMax,
      host: url.hostname,
      timeoutMs,
      resolve,
      reject,
    })
    agent.dispatch(
      {
        origin: url.origin,
        path: url.search === '' ? url.pathname : url.pathname + url.search,
        method: request.method,
        headers: request.headers,
        body: request.body,
      },
      handler,
    )
  })
}

interface ReaderOptions {
  readonly bytesMax: number
  readonly host: string
  readonly timeoutMs: number
  readonly resolve: (response: GuardedResponse) => void
  readonly reject: (error: HubError) => void
}

/** Collects one answer up to the byte cap, then destroys the connection; settles exactly once. */
class ResponseReader implements Dispatcher.DispatchHandler {
  readonly #options: ReaderOptions
  readonly #timer: NodeJS.Timeout
  #controller: Dispatcher.DispatchController | null = null
  #settled = false
  #status = 0
  #headers: Record<string, string> = {}
  #chunks: Buffer[] = []
  #bytes = 0

  constructor(options: ReaderOptions) {
    this.#options = options
    this.#timer = setTimeout(() => this.#timedOut(), options.timeoutMs)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    // It waited for a free connection longer than it may take altogether.
    if (this.#settled) controller.abort(stopReading)
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: object): void {
    if (status < 200) return
    this.#status = status
    this.#headers = joinHeaders(headers as Record<string, string | string[] | undefined>)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const room = this.#options.bytesMax - this.#bytes
    this.#bytes += chunk.length
    if (chunk.length <= room) {
      this.#chunks.push(chunk)
      return
    }
    this.#chunks.push(chunk.subarray(0, room))
    this.#bytes = this.#options.bytesMax
    this.#finish(true)
    controller.abort(stopReading)
  }

  onResponseEnd(): void {
    this.#finish(false)
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#fail(asHttpError(error, this.#options.host))
  }

  #timedOut(): void {
    const seconds = this.#options.timeoutMs / 1000
    const where = this.#status === 0 ? 'did not answer' : 'did not finish its answer'
    this.#fail(new HubError('http_timeout', `${this.#options.host} ${where} within ${seconds} s.`))
    this.#controller?.abort(stopReading)
  }

  #finish(truncated: boolean): void {
    if (this.#settled) return
    this.#settled = true
    clearTimeout(this.#timer)
    const encoding = contentEncoding(this.#headers)
    this.#options.resolve({
      status: this.#status,
      headers: this.#headers,
      body: encoding === null ? textOf(this.#chunks) : '',
      bodyBytes: this.#bytes,
      truncated,
      encoding,
    })
    this.#chunks = []
  }

  #fail(error: HubError): void {
    if (this.#settled) return
    this.#settled = true
    clearTimeout(this.#timer)
    this.#chunks = []
    this.#options.reject(error)
  }
}

/** Given to undici when the hub itself ends an exchange that it has already settled. */
const stopReading = new Error('The hub stopped reading this answer.')

function joinHeaders(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  for (const name in headers) {
    const value = headers[name]
    if (Array.isArray(value)) headers[name] = value.join(', ')
  }
  return headers as Record<string, string>
}

function contentEncoding(headers: Record<string, string>): string | null {
  const value = headers['content-encoding']
  return value === undefined || value === '' || value.toLowerCase() === 'identity' ? null : value
}

function textOf(chunks: readonly Buffer[]): string {
  if (chunks.length === 0) return ''
  const bytes = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)
  return bytes.toString('utf8')
}
