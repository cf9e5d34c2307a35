/** Reads what a token endpoint answered (RFC 6749 section 5): the token, the rest, or why there is none. Pure. */
import type { Json } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import type { SeenResponse } from './exchange-record.ts'
import { MASKED } from '../model.ts'
import { createMask, type Mask } from './mask.ts'
import type { GuardedResponse } from './response-reader.ts'
import type { Obtained } from './token-ring.ts'

export interface TokenAnswer {
  /** Null where there is none in it. */
  readonly obtained: Obtained | null
  readonly error: HubError | null
  /** As it may be written down. */
  readonly seen: SeenResponse
}

export interface TokenAnswerOptions {
  readonly host: string
  /** Of everything that went out. */
  readonly mask: Mask
  readonly expiresInS: number
  /** A longer one cannot be placed into a header. */
  readonly tokenCharsMax: number
}

/** Names under which endpoints hand out what nobody but the hub may read; not `token_type`. */
const SECRET_NAME = /token$|secret|passw|assertion/i
const NESTING_MAX = 16
const WORDS_CHARS_MAX = 500
const TRANSIENT: ReadonlySet<number> = new Set([408, 425, 429])

/** Never throws. */
export function readTokenAnswer(response: GuardedResponse, options: TokenAnswerOptions): TokenAnswer {
  const { status } = response
  const body = response.truncated ? undefined : jsonObject(response.body)
  const value = body?.['access_token']
  const isToken = typeof value === 'string' && value !== ''
  const tokenMask = createMask(isToken ? [value] : [])
  const mask: Mask = (text, isCut) => options.mask(tokenMask(text, isCut), isCut)
  const seen = seenAnswer(response, body, mask)
  const failed = (error: HubError): TokenAnswer => ({ obtained: null, error, seen })
  const words = wordsOf(body, seen.body)
  if (TRANSIENT.has(status) || status >= 500)
    return failed(new HubError('token_unavailable', `${options.host} answered ${status}${words}.`))
  const refused = (what: string): TokenAnswer =>
    failed(new HubError('credential_refused', `${options.host} gave no access token: ${what}.`))
  if (status < 200 || status > 299) return refused(`it answered ${status}${words}`)
  if (body === undefined) return refused(`its answer of ${response.bodyBytes} bytes is no JSON object`)
  if (!isToken) return refused(`there is no access_token in its answer${words}`)
  if (value.length > options.tokenCharsMax)
    return refused(`the one in its answer has ${value.length} characters; the limit is ${options.tokenCharsMax}`)
  const fields = withoutSecrets(body, { mask, leaveOut: true, depth: 0 }) as Obtained['fields']
  return {
    obtained: { value, fields, lifetimeMs: lifetimeS(body['expires_in'], options.expiresInS) * 1000 },
    error: null,
    seen,
  }
}

function jsonObject(text: string): { readonly [name: string]: Json } | undefined {
  try {
    const value = JSON.parse(text) as Json
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as { readonly [name: string]: Json })
      : undefined
  } catch {
    return undefined
  }
}

/** Of an answer that went well and cannot be read nothing is shown: nobody knows where the token is in it. */
function seenAnswer(
  response: GuardedResponse,
  body: { readonly [name: string]: Json } | undefined,
  mask: Mask,
): SeenResponse {
  const { status, truncated, bodyBytes } = response
  const isOk = status >= 200 && status <= 299
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(response.headers)) headers[name] = mask(value)
  const text =
    body !== undefined
      ? JSON.stringify(withoutSecrets(body, { mask, leaveOut: false, depth: 0 }))
      : isOk && bodyBytes > 0
        ? `[${bodyBytes} bytes that are no JSON object, not shown]`
        : mask(response.body, truncated)
  return { status, headers, body: text, truncated }
}

interface Cleaning {
  readonly mask: Mask
  /** What is secret by its name is not there at all; else its value is replaced. */
  readonly leaveOut: boolean
  readonly depth: number
}

function withoutSecrets(value: Json, cleaning: Cleaning): Json {
  if (typeof value === 'string') return cleaning.mask(value)
  if (typeof value !== 'object' || value === null) return value
  if (cleaning.depth >= NESTING_MAX) return null
  const inner = { ...cleaning, depth: cleaning.depth + 1 }
  if (Array.isArray(value)) return value.map((item: Json) => withoutSecrets(item, inner))
  const entries = Object.entries(value).flatMap(([name, item]): (readonly [string, Json])[] => {
    if (!SECRET_NAME.test(name)) return [[cleaning.mask(name), withoutSecrets(item, inner)]]
    return cleaning.leaveOut ? [] : [[name, MASKED]]
  })
  return Object.fromEntries(entries)
}

/** The vendor's own words, as far as there are any: `error` and `error_description` of RFC 6749 section 5.2, or the text. */
function wordsOf(body: { readonly [name: string]: Json } | undefined, shown: string): string {
  if (body === undefined) return shown === '' || shown.startsWith('[') ? '' : `: ${clip(shown)}`
  const safe = JSON.parse(shown) as { readonly [name: string]: Json }
  const parts = ['error', 'error_description', 'message'].flatMap((name) =>
    typeof safe[name] === 'string' && safe[name] !== '' ? [safe[name]] : [],
  )
  return parts.length === 0 ? '' : `: ${clip(parts.join(': '))}`
}

const clip = (text: string): string => {
  const line = text.replace(/\s+/g, ' ').trim().replace(/\.$/, '')
  return line.length > WORDS_CHARS_MAX ? `${line.slice(0, WORDS_CHARS_MAX)}…` : line
}

/** Some endpoints write the number as text. */
function lifetimeS(value: Json | undefined, otherwiseS: number): number {
  const seconds = typeof value === 'string' ? Number(value) : value
  return typeof seconds === 'number' && seconds > 0 && Number.isFinite(seconds) ? seconds : otherwiseS
}
