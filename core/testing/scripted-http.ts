/** The outside as a test writes it: replies by method and URL, and every request as the hub would have sent it. */
import { largeBody } from '../capabilities/guarded-http.ts'
import type { GuardedHttp, GuardedRequest } from '../capabilities/guarded-http.ts'
import { ResponseReader } from '../capabilities/response-reader.ts'
import type { GuardedResponse } from '../capabilities/response-reader.ts'
import type { Json } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import { LIMITS } from '../limits.ts'

/** A request that left: secrets filled in, signatures computed. */
export interface SentRequest {
  readonly method: string
  readonly url: string
  /** Lower-case names. */
  readonly headers: { readonly [name: string]: string }
  readonly body: string
  /** Parses the body; throws SyntaxError when it is not JSON. */
  json(): Json
}

/** What a receiver answers. A number stands for `{ status }`. `error`: no answer came, the request may have arrived. */
export type Reply =
  | number
  | {
      readonly status?: number
      readonly headers?: { readonly [name: string]: string }
      readonly json?: Json
      readonly body?: string
    }
  | { readonly error: 'http_dns' | 'http_connect' | 'http_tls' | 'http_timeout' | 'http_reset' }

export type ReplyFn = (request: SentRequest) => Reply | Promise<Reply>

export interface ScriptedHttp {
  /**
   * From now on requests to `METHOD URL` get this reply; of several, the one told last. `*` stands for any text. A list is
   * answered in order, its last for ever: `http.on('POST https://api.example/*', [503, 200])`.
   */
  on(request: string, reply: Reply | ReplyFn | readonly Reply[]): void
  /** In the order sent. */
  readonly requests: readonly SentRequest[]
  /** `METHOD URL` of requests that no reply was told for; the plugin saw `http_connect`. */
  readonly unanswered: readonly string[]
  /** Forgets what was sent; the replies stay. */
  forget(): void
}

/** The guarded client of a test, and the test's hand on it. */
export interface Outside {
  readonly http: GuardedHttp
  readonly script: ScriptedHttp
  /** Throws what a reply of the test has thrown since it was asked last: the plugin saw a request that failed. */
  replyFailed(): void
}

/** Sizes are those of the hub; which addresses are private is not looked at. */
export function createScriptedHttp(): Outside {
  const rules: { readonly pattern: RegExp; readonly next: ReplyFn }[] = []
  const requests: SentRequest[] = []
  const unanswered: string[] = []
  let thrown: { readonly error: unknown } | null = null
  const answer = async (request: GuardedRequest): Promise<GuardedResponse> => {
    const large = largeBody(request, LIMITS)
    if (large !== null) throw large
    const sent = sentOf(request)
    requests.push(sent)
    const line = `${sent.method} ${sent.url}`
    const rule = rules.findLast(({ pattern }) => pattern.test(line))
    if (rule !== undefined) return await replied(rule.next, sent)
    unanswered.push(line)
    throw new HubError('http_connect', `No reply was told for ${line}: plugin.http.on('${line}', 200).`)
  }
  const replied = async (next: ReplyFn, sent: SentRequest): Promise<GuardedResponse> => {
    try {
      return await responseOf(await next(sent))
    } catch (error) {
      if (!(error instanceof HubError)) thrown ??= { error }
      throw error
    }
  }
  return {
    http: { request: answer, checkUrl: async () => null, setAllow: () => {}, close: async () => {} },
    script: {
      on: (line, reply) =>
        rules.push({ pattern: patternOf(line), next: typeof reply === 'function' ? reply : turns(reply) }),
      requests,
      unanswered,
      forget: () => {
        requests.length = 0
        unanswered.length = 0
      },
    },
    replyFailed: () => {
      const last = thrown
      thrown = null
      if (last !== null) throw last.error
    },
  }
}

function patternOf(line: string): RegExp {
  const [, method, url] = /^([A-Z]+|\*) (\S+)$/.exec(line) ?? []
  if (method === undefined || url === undefined)
    throw new TypeError(`"${line}" is no request; write for example "POST https://api.example/items" or "* *".`)
  // As requests show it: with its slash behind the host.
  const shown = url.includes('*') ? url : (URL.parse(url)?.href ?? url)
  const text = `${method} ${shown}`.replaceAll(/[\\^$.|?+()[\]{}]/g, '\\$&').replaceAll('*', '.*')
  return new RegExp(`^${text}$`, 's')
}

function turns(replies: Reply | readonly Reply[]): ReplyFn {
  const list = Array.isArray(replies) ? (replies as readonly Reply[]) : [replies as Reply]
  if (list.length === 0) throw new TypeError('A list of replies has at least one; the last is given for ever.')
  let turn = 0
  return () => list[Math.min(turn++, list.length - 1)] as Reply
}

function sentOf({ method, url, headers, body }: GuardedRequest): SentRequest {
  const named: { [name: string]: string } = {}
  for (let index = 0; index + 1 < headers.length; index += 2)
    named[(headers[index] as string).toLowerCase()] = headers[index + 1] as string
  const text = body?.toString() ?? ''
  return { method, url: String(url), headers: named, body: text, json: () => JSON.parse(text) as Json }
}

/** Read by the hub's own reader: cut where it cuts, empty where it does not decode. */
function responseOf(reply: Reply): Promise<GuardedResponse> {
  if (typeof reply === 'number') return responseOf({ status: reply })
  if ('error' in reply) throw new HubError(reply.error, 'The test says that no answer came.')
  const { status = 200, headers = {}, json } = reply
  if (!Number.isInteger(status) || status < 200 || status > 599)
    throw new TypeError(`A receiver answers a status from 200 to 599, not ${status}.`)
  const type = json === undefined ? {} : { 'content-type': 'application/json' }
  const lower = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  return new Promise((resolve, reject) => {
    const bytesMax = LIMITS.pluginHttpResponseBytesMax
    const reader = new ResponseReader({ bytesMax, host: 'test', timeoutMs: LIMITS.httpTimeoutMs, resolve, reject })
    reader.onResponseStart(nobody, status, { ...type, ...lower })
    reader.onResponseData(nobody, Buffer.from(reply.body ?? (json === undefined ? '' : JSON.stringify(json))))
    reader.onResponseEnd()
  })
}

/** There is no connection to be ended. */
const nobody = { aborted: false, paused: false, reason: null, abort: () => {}, pause: () => {}, resume: () => {} }
