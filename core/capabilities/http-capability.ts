/** The `http` capability of one run: grant, secrets, breaker, request, and the record of it all. */
import type { Json } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import type { Exchange } from '../model.ts'
import { recordExchange, type ExchangeEnd, type SeenResponse } from './exchange-record.ts'
import type { HttpAllowance } from './grants.ts'
import { errorClassOf } from './http-errors.ts'
import { parseHttpUrl, type GuardedHttp } from './guarded-http.ts'
import { bodyOf, headersOf, methodOf, type RequestBody } from './http-request.ts'
import { MASKED } from '../model.ts'
import type { Mask } from './mask.ts'
import type { GuardedResponse } from './response-reader.ts'
import { secretName, unseal, type UnsealInput } from './sealed.ts'
import type { KeyRing } from './signing.ts'

export interface HttpCapabilityDeps {
  readonly http: GuardedHttp
  readonly monotonicMs: () => number
  readonly keys: KeyRing
  readonly mask: Mask
  readonly allowed: HttpAllowance
  /** Milliseconds until the next probe when the breaker of this host is open. */
  readonly breakerOpenMs: (host: string) => number | null
  readonly recordedBytesMax: number
  readonly headerBytesMax: number
}

/** What a run leaves behind: every exchange and with whom, the host asked last, how many requests were begun, and how many may have changed something. */
export interface HttpTrace {
  readonly exchanges: Exchange[]
  /** Of each exchange, in the same order. What an exchange shows of its URL may be masked. */
  readonly hosts: string[]
  lastHost: string | null
  /** Those under way have no exchange yet. */
  begun: number
  /** Of those: e-mails, and requests that may change something at the receiver; less those that never had one. */
  writes: number
  /** The run signed something itself: whatever it sends from then on may carry that. */
  signs: boolean
  /** A receiver took what carried a secret of the installation, or the settings have none to carry. */
  isProven: boolean
}

export interface HttpCall {
  readonly request: { readonly [key: string]: Json }
  /** The most this request may take; the hub's own limit holds as well. */
  readonly timeoutMs: number
  readonly trace: HttpTrace
  /** Of a receiver that shares its host with others and is no concern of theirs: it has a breaker of its own. */
  readonly circuit?: string
  /** Of what the URL says only the origin may be shown and written down. */
  readonly isHiddenUrl?: boolean
  /** See `GuardedRequest`. */
  readonly isToHook?: boolean
  /** Whatever its method is, it changes nothing that a repeat could double: a token is asked for. */
  readonly isHarmless?: boolean
  /** It carries a secret, whether its address and headers do or not: its body does. */
  readonly isSealed?: boolean
}

/** Answers that say nothing of a credential (the receiver failed) are none of these, nor are those that refuse one. */
const isTaken = (status: number): boolean => status < 500 && status !== 401 && status !== 403 && status !== 407

/** They only read (RFC 9110 section 9.2.1). */
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

/** Ends of an exchange that never had a receiver; every other may have had one. */
export const NEVER_LEFT: ReadonlySet<string | null> = new Set(['dns', 'connect', 'refused_by_guard'])

/** True when a request may have reached its receiver, answered or not. */
export const mayHaveLeft = ({ exchanges, begun }: HttpTrace): boolean =>
  begun > exchanges.filter(({ error }) => NEVER_LEFT.has(error)).length

/** Sends one request for a plugin and answers `{status, headers, body, truncated}`. Throws HubError. */
export function callHttp(deps: HttpCapabilityDeps, call: HttpCall): Promise<Json> {
  const usesBefore = deps.keys.uses()
  const body = bodyOf(call.request, deps.keys)
  const isSealed = deps.keys.uses() > usesBefore
  return exchange(deps, { ...call, body, isSealed, see: (response) => maskedResponse(response, deps.mask) })
}

/** One request whose body is made already. */
export interface ExchangeCall extends HttpCall {
  readonly body: RequestBody
  /** What of the answer may be shown and written down. Called once, as soon as it is there. */
  readonly see: (response: GuardedResponse, host: string) => SeenResponse
}

/** Grant, breaker, request, record. Throws HubError. */
export async function exchange(deps: HttpCapabilityDeps, call: ExchangeCall): Promise<SeenResponse> {
  const { request, trace, body } = call
  const usesBefore = deps.keys.uses()
  const method = methodOf(request['method'])
  const input: UnsealInput = { keys: deps.keys, body: body.bytes }
  const target = targetOf(request['url'], input)
  const denied = deps.allowed(method, target.url)
  if (denied !== null)
    throw target.sealed ? new HubError(denied.code, 'The manifest does not grant this method and host.') : denied
  const host = call.circuit === undefined ? target.url.host : `${target.url.host}#${call.circuit}`
  trace.lastHost = host
  const openMs = deps.breakerOpenMs(host)
  if (openMs !== null) {
    const message = `${target.url.host} failed repeatedly; the next attempt is in ${Math.ceil(openMs / 1000)} s.`
    throw new HubError('breaker_open', message, { retryAfterMs: openMs })
  }
  const headers = headersOf(request['headers'], { input, contentType: body.contentType, bytesMax: deps.headerBytesMax })
  const provesKeys = call.isSealed === true || trace.signs || deps.keys.isEmpty || deps.keys.uses() > usesBefore
  const shown = call.isHiddenUrl === true ? `${target.url.origin}/${MASKED}` : target.shown
  const sent = { method, url: shown, headers: headers.shown, body: body.text }
  const startMs = deps.monotonicMs()
  const record = (end: ExchangeEnd): void => {
    const durationMs = deps.monotonicMs() - startMs
    trace.hosts.push(host)
    trace.exchanges.push(recordExchange({ sent, end, durationMs, mask: deps.mask, bytesMax: deps.recordedBytesMax }))
  }
  const writes = call.isHarmless === true || SAFE_METHODS.has(method) ? 0 : 1
  trace.begun += 1
  trace.writes += writes
  try {
    const response = await deps.http.request({
      method,
      url: target.url,
      headers: headers.flat,
      body: body.bytes,
      timeoutMs: call.timeoutMs,
      isToHook: call.isToHook,
    })
    const seen = call.see(response, target.url.host)
    record({ kind: 'answered', response, seen })
    if (provesKeys && isTaken(response.status)) trace.isProven = true
    return seen
  } catch (error) {
    const failure = maskedError(error, deps.mask)
    record({ kind: 'failed', code: failure.code })
    if (NEVER_LEFT.has(errorClassOf(failure.code))) trace.writes -= writes
    throw failure
  }
}

interface Target {
  readonly url: URL
  readonly shown: string
  readonly sealed: boolean
}

/** One without secrets; under load most requests go where the one before went. */
let lastTarget: Target | null = null

/** Pieces of a URL are joined as they are: an admin's secret may be the whole address of a webhook. */
function targetOf(value: Json | undefined, input: UnsealInput): Target {
  const { real, shown } = unseal(value, 'url', input)
  if (real === shown && real === lastTarget?.shown) return lastTarget
  const url = parseHttpUrl(real)
  if (url instanceof HubError) throw url
  if (real === shown) return (lastTarget = { url, shown, sealed: false })
  const startsSecret = secretName(Array.isArray(value) ? value[0] : value) !== undefined
  // A name that is looked up is told to the world, and a refusal or a failure would tell the plugin what was looked up.
  if (!startsSecret && URL.parse(shown)?.origin !== url.origin)
    throw new HubError('capability_denied', 'A secret cannot be part of the host; one that is the whole address can.')
  return { url, shown: startsSecret ? `${url.origin}/${MASKED}` : shown, sealed: true }
}

/** A receiver may echo what it was sent; the plugin must not learn its secret that way. */
function maskedResponse(response: GuardedResponse, mask: Mask): SeenResponse {
  const { headers } = response
  for (const name in headers) headers[name] = mask(headers[name] as string)
  return {
    status: response.status,
    headers,
    body: mask(response.body, response.truncated),
    truncated: response.truncated,
  }
}

function maskedError(error: unknown, mask: Mask): HubError {
  if (!(error instanceof HubError))
    return new HubError('internal', 'The request failed inside the hub.', { cause: error })
  const message = mask(error.message)
  return message === error.message ? error : new HubError(error.code, message)
}
