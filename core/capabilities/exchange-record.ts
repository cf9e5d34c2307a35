/** Writes down one HTTP exchange for the attempt log: secrets and credentials masked, bodies cut. Pure. */
import type { ErrorCode } from '../errors.ts'
import type { Exchange } from '../model.ts'
import type { GuardedResponse } from './response-reader.ts'
import { maskedHeader, withoutCredentials } from './credentials.ts'
import { errorClassOf } from './http-errors.ts'
import type { Mask } from './mask.ts'

/** A request as it may be shown: names and values alternate in `headers`, secrets are left out already. */
export interface SentRequest {
  readonly method: string
  readonly url: string
  readonly headers: readonly string[]
  readonly body: string | null
}

/** The answer as the plugin sees it. */
export type SeenResponse = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly truncated: boolean
}

export type ExchangeEnd =
  | { readonly kind: 'answered'; readonly response: GuardedResponse; readonly seen: SeenResponse }
  | { readonly kind: 'failed'; readonly code: ErrorCode }

export interface ExchangeRecordInput {
  readonly sent: SentRequest
  readonly end: ExchangeEnd
  readonly durationMs: number
  readonly mask: Mask
  readonly bytesMax: number
}

/** The row. Text is masked before it is cut, so that no half of a secret survives at the edge. */
export function recordExchange({ sent, end, durationMs, mask, bytesMax }: ExchangeRecordInput): Exchange {
  const requestBody = sent.body === null ? UNCUT : cut(mask(sent.body), bytesMax)
  const common = {
    method: sent.method,
    url: withoutCredentials(mask(sent.url)),
    requestHeaders: maskedHeaders(sent.headers, mask),
    requestBody: sent.body === null ? null : requestBody.text,
    durationMs: Math.round(durationMs * 1000) / 1000,
  }
  if (end.kind === 'failed') {
    return {
      ...common,
      status: null,
      responseHeaders: {},
      responseBody: null,
      truncated: requestBody.short,
      error: errorClassOf(end.code),
    }
  }
  const responseBody = cut(bodyText(end), bytesMax)
  return {
    ...common,
    status: end.response.status,
    responseHeaders: Object.fromEntries(
      Object.entries(end.seen.headers).map(([name, value]) => [name, maskedHeader(name, value)]),
    ),
    responseBody: responseBody.text,
    truncated: end.response.truncated || responseBody.short || requestBody.short,
    error: null,
  }
}

interface Cut {
  readonly text: string
  readonly short: boolean
}

const UNCUT: Cut = { text: '', short: false }

/** UTF-8 takes at most three bytes for a UTF-16 unit, so most texts need no measuring. */
const BYTES_PER_UNIT_MAX = 3

/** The first so many bytes, without half a character at the end. */
export function cut(text: string, bytesMax: number): Cut {
  if (text.length * BYTES_PER_UNIT_MAX <= bytesMax) return { text, short: false }
  const bytes = Buffer.from(text)
  if (bytes.length <= bytesMax) return { text, short: false }
  let end = bytesMax
  // Do not end inside a character: continuation bytes look like 10xxxxxx.
  while (end > 0 && ((bytes[end] as number) & 0xc0) === 0x80) end -= 1
  return { text: bytes.toString('utf8', 0, end), short: true }
}

function bodyText({ response, seen }: Extract<ExchangeEnd, { kind: 'answered' }>): string {
  if (response.encoding === null) return seen.body
  return `[${response.bodyBytes} bytes of content-encoding ${seen.headers['content-encoding'] ?? ''}, not decoded]`
}

function maskedHeaders(flat: readonly string[], mask: Mask): Record<string, string> {
  const entries: [string, string][] = []
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string
    entries.push([name, maskedHeader(name, mask(flat[i + 1] as string))])
  }
  return Object.fromEntries(entries)
}
