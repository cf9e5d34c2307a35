/** What an attempt of an action comes to, and the functions that say so. */
import { classifyEmail } from './email.ts'
import type { EmailAnswer } from './email.ts'
import type { HttpRequest, HttpResponse } from './http.ts'
import type { Json } from './json.ts'

/** What an attempt came to. Make one with `delivered`, `retry`, `dead`, `ambiguous`, `unauthorized`, `classify` or `send`. */
export type Outcome = FinalOutcome | SendOutcome

/** Left to the host: it makes the request and reads the answer. */
export interface SendOutcome {
  readonly outcome: 'send'
  readonly request: HttpRequest
  readonly permanent4xx?: 'retry' | 'dead'
}

/** An outcome that says what happened. */
export type FinalOutcome =
  | { readonly outcome: 'delivered'; readonly detail?: Json }
  | {
      readonly outcome: 'retry'
      readonly reason: string
      readonly afterMs?: number
      readonly code?: string
      /** Nothing was sent, or the receiver said that it did nothing: no reason for `item.delivery.repeat`. */
      readonly untouched?: boolean
    }
  | {
      readonly outcome: 'dead'
      /** As with `retry`: a replay is no repeat. */
      readonly untouched?: boolean
      readonly code: string
      readonly message: string
      /** Ask the host to disable the installation: the destination said it is gone for good. */
      readonly disable?: boolean
    }
  | { readonly outcome: 'ambiguous'; readonly reason: string }
  | {
      readonly outcome: 'unauthorized'
      readonly message: string
      /** As with `retry`. */
      readonly untouched?: boolean
    }

/** The receiver took it. */
export const delivered = (detail?: Json): FinalOutcome =>
  detail === undefined ? { outcome: 'delivered' } : { outcome: 'delivered', detail }

/**
 * Try again by the installation's schedule, but not before `afterMs` (clamped by the host). `untouched`: nothing of it was
 * sent, or the receiver said that it did nothing (a rate limit). What comes next is no repeat, and such an attempt uses
 * up nothing of the schedule: for three days after the delivery was made, in its first hundred attempts, and whenever it asks
 * for 15 minutes or more.
 */
export const retry = (
  reason: string,
  options: { afterMs?: number; code?: string; untouched?: boolean } = {},
): FinalOutcome => ({
  outcome: 'retry',
  reason,
  ...options,
})

/**
 * Never try again by itself; becomes a dead letter with this code. `untouched`: nothing of it was sent, or the receiver said
 * that it did nothing, so that a replay is no repeat.
 */
export const dead = (
  code: string,
  message: string,
  options: { disable?: boolean; untouched?: boolean } = {},
): FinalOutcome => ({
  outcome: 'dead',
  code,
  message,
  ...options,
})

/** It may or may not have happened; the installation's `ambiguous` setting decides (default: retry). */
export const ambiguous = (reason: string): FinalOutcome => ({ outcome: 'ambiguous', reason })

/**
 * The receiver does not accept the installation's credential: expired, revoked, or without the right it needs. The delivery
 * waits, uncounted, and the installation stands still until an admin has mended the credential; then it goes out. `message`
 * is for the admin: what the receiver said and what to do there. An uncaught `credential_refused` means the same.
 * `untouched` as with `dead`.
 */
export const unauthorized = (message: string, options: { untouched?: boolean } = {}): FinalOutcome => ({
  outcome: 'unauthorized',
  message,
  ...options,
})

/**
 * Leaves the last step to the host: it makes this request under the same rules as `ctx.http` and reads the answer as
 * `classify` does. For actions that do nothing with the answer but classify it; the run ends here, which makes it cheaper
 * than waiting for the answer inside. What else the run asked for (enqueue, kv, ...) counts whatever the answer is.
 */
export const send = (request: HttpRequest, options: { permanent4xx?: 'retry' | 'dead' } = {}): SendOutcome => ({
  outcome: 'send',
  request,
  ...options,
})

/**
 * The usual reading of an HTTP answer: 2xx delivered; 410 dead and disable; 408, 425, 429 and 5xx retry with
 * `Retry-After` (seconds or HTTP date, RFC 9110 section 10.2.3); every other status, redirects included, as the
 * `permanent4xx` option says: `retry` (default; Standard Webhooks advises it) or `dead`. And of a mail server's answer.
 */
export function classify(
  res: Pick<HttpResponse, 'status' | 'headers'> | EmailAnswer,
  options: { permanent4xx?: 'retry' | 'dead'; nowMs?: number } = {},
): FinalOutcome {
  if ('accepted' in res) return classifyEmail(res)
  const { status } = res
  if (status >= 200 && status < 300) return delivered()
  if (status === 410) return dead('gone', 'The receiver answered 410 Gone.', { disable: true })
  const transient = status === 408 || status === 425 || status === 429 || status >= 500
  if (!transient && options.permanent4xx === 'dead') return dead(`http_${status}`, `The receiver answered ${status}.`)
  const afterMs = retryAfterMs(res.headers['retry-after'], options.nowMs ?? Date.now())
  return retry(`The receiver answered ${status}.`, {
    code: `http_${status}`,
    ...(afterMs === undefined ? {} : { afterMs }),
  })
}

function retryAfterMs(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined
  const text = value.trim()
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000
  const atMs = Date.parse(text)
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs)
}
