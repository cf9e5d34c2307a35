/**
 * The one way out: HTTP requests to public addresses and those the admin allows, with a bound on every size and time.
 * Redirects are answers like any other, bodies are not decompressed, the environment's proxies are not used.
 */
import { Agent } from 'undici'
import { HubError } from '../errors.ts'
import type { Limits } from '../limits.ts'
import { addressPolicy } from './addresses.ts'
import { checkHost, guardConnector, systemResolve, type Resolve } from './guard-connector.ts'
import { asHttpError } from './http-errors.ts'
import { ResponseReader, type GuardedResponse } from './response-reader.ts'

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
  /** It carries a whole response twice, as values and in words, and so may be larger. */
  readonly isToHook?: boolean | undefined
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
    | 'pluginHookRequestBytesMax'
    | 'pluginHttpResponseBytesMax'
  >
  readonly resolve?: Resolve
}

/** Opens the guarded client; nothing is connected before the first request. */
export function createGuardedHttp(options: GuardedHttpOptions): GuardedHttp {
  const { limits } = options
  const resolve = options.resolve ?? systemResolve()
  let allowed = options.allow.join(' ')
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
      const large = largeBody(request, limits)
      if (large !== null) return Promise.reject(large)
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
      if (allow.join(' ') === allowed) return
      policy = addressPolicy(allow)
      allowed = allow.join(' ')
      const old = agent
      agent = openAgent()
      void old.close()
    },
    close: () => agent.destroy(null),
  }
}

/** Why a body is not sent (`capability_limit`), or null. */
export function largeBody(
  { body, isToHook = false }: Pick<GuardedRequest, 'body' | 'isToHook'>,
  limits: Pick<Limits, 'pluginHttpRequestBytesMax' | 'pluginHookRequestBytesMax'>,
): HubError | null {
  const bytesMax = isToHook ? limits.pluginHookRequestBytesMax : limits.pluginHttpRequestBytesMax
  if (body === null || body.length <= bytesMax) return null
  return new HubError('capability_limit', `The request body has ${body.length} bytes; the limit is ${bytesMax}.`)
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
