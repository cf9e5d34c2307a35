/**
 * What a plugin author imports: `import { definePlugin } from 'manifold/plugin'`. Imports nothing itself.
 *
 * Glossary (one meaning each, here, in the API, the docs and the logs):
 *   event         one immutable entry of the hub's event log, e.g. `response.submitted`
 *   installation  one configured use of a plugin; has its own cursor, settings, health and log
 *   handler       a plugin's function for an event. It decides: its effects are buffered and committed
 *                 together with the installation's cursor, so inside the hub an event takes effect exactly once
 *   action        a plugin's function with an effect outside. It acts: durable, retried, replayable
 *   delivery      one requested run of an action; `item.delivery.id` is the same on every attempt
 *   attempt       one try of a delivery
 *   outcome       what an attempt came to: delivered, retry, dead or ambiguous
 *   capability    something the host does for the plugin when manifest and admin both allow it
 *   sealed        a value the plugin can place but never read; the host fills it in
 */

/** Anything JSON can say. Everything that crosses the sandbox border is JSON. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** One question of a form, as plugins see it. */
export interface FieldInfo {
  readonly key: string
  readonly label: string
  readonly type: string
  readonly required: boolean
  readonly pii: boolean
  readonly options?: readonly { readonly value: string; readonly label: string }[]
}

/**
 * An event as it reaches a plugin. `id`, `type`, `v` and `at` are always there; `data`, `form`, `response` and
 * `meta` only when the manifest's `on.<type>.data` list names them. Fields marked `pii` are left out of `data`
 * unless the installation grants them.
 */
export interface HubEvent {
  /** `evt_…`, stable over every retry and replay. */
  readonly id: string
  readonly type: string
  readonly v: 1
  /** RFC 3339 UTC. */
  readonly at: string
  /** The answers for `response.*`; the payload for every other type. */
  readonly data?: { readonly [key: string]: Json }
  readonly form?: {
    readonly id: string
    readonly name: string
    readonly version: number
    readonly fields: readonly FieldInfo[]
  }
  readonly response?: {
    readonly id: string
    readonly status: 'partial' | 'completed'
    readonly startedAt: string | null
    readonly submittedAt: string | null
  }
  /** What the sender's side said about itself: `ip`, `user_agent`, `referrer` and the submitted `meta`. */
  readonly meta?: { readonly [key: string]: Json }
}

/** A secret the plugin may place into a request but never read. */
export interface SecretRef {
  readonly $secret: string
}

/** An HMAC the host computes while sending; `{ $body: true }` stands for the exact bytes of the request body. */
export interface SealedHmac {
  readonly $hmac: {
    readonly key: SecretRef
    readonly alg: 'sha256' | 'sha512'
    readonly data: readonly (string | { readonly $body: true })[]
    readonly encoding: 'hex' | 'base64'
    /** How the secret's text becomes key bytes. `whsec` strips `whsec_` and base64-decodes (Standard Webhooks). Default `utf8`. */
    readonly keyFormat?: 'utf8' | 'base64' | 'whsec'
  }
}

/** A string, or pieces joined by the host at send time. */
export type Sealable = string | SecretRef | SealedHmac | readonly (string | SecretRef | SealedHmac)[]

export interface HttpRequest {
  readonly method?: string
  readonly url: Sealable
  readonly headers?: { readonly [name: string]: Sealable }
  /** Sent as given. */
  readonly body?: string
  /** Serialised by the SDK, with `content-type: application/json` unless a header says otherwise. */
  readonly json?: Json
  /** Whole request, body included; at most the host's limit (default 15000). */
  readonly timeoutMs?: number
}

export interface HttpResponse {
  readonly status: number
  /** Lower-case names; repeated headers joined with ", ". */
  readonly headers: { readonly [name: string]: string }
  readonly body: string
  /** True when the body was longer than the host reads (1 MB). */
  readonly truncated: boolean
  /** Parses the body; throws SyntaxError when it is not JSON. */
  json(): Json
}

/** What an attempt came to. Make one with `delivered`, `retry`, `dead`, `ambiguous`, `classify` or `send`. */
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
  | { readonly outcome: 'retry'; readonly reason: string; readonly afterMs?: number; readonly code?: string }
  | {
      readonly outcome: 'dead'
      readonly code: string
      readonly message: string
      /** Ask the host to disable the installation: the destination said it is gone for good. */
      readonly disable?: boolean
    }
  | { readonly outcome: 'ambiguous'; readonly reason: string }

/** The receiver took it. */
export const delivered = (detail?: Json): FinalOutcome =>
  detail === undefined ? { outcome: 'delivered' } : { outcome: 'delivered', detail }

/** Try again by the installation's schedule, but not before `afterMs` (clamped by the host). */
export const retry = (reason: string, options: { afterMs?: number; code?: string } = {}): FinalOutcome => ({
  outcome: 'retry',
  reason,
  ...options,
})

/** Never try again by itself; becomes a dead letter with this code. */
export const dead = (code: string, message: string, options: { disable?: boolean } = {}): FinalOutcome => ({
  outcome: 'dead',
  code,
  message,
  ...options,
})

/** It may or may not have happened; the installation's `ambiguous` setting decides (default: retry). */
export const ambiguous = (reason: string): FinalOutcome => ({ outcome: 'ambiguous', reason })

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
 * `permanent4xx` option says: `retry` (default; Standard Webhooks advises it) or `dead`.
 */
export function classify(
  res: Pick<HttpResponse, 'status' | 'headers'>,
  options: { permanent4xx?: 'retry' | 'dead'; nowMs?: number } = {},
): FinalOutcome {
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

export interface EnqueueOptions {
  /** The same key in the same installation is enqueued once, for ever. Default: `<event id>:<n>`. */
  readonly key?: string
  /** Deliveries that share it run one after the other, in order (when the installation sets `order: fifo`). */
  readonly orderBy?: string
  /** Not before this many milliseconds from now. */
  readonly delayMs?: number
}

export interface Kv {
  get(key: string): Promise<Json | undefined>
  set(key: string, value: Json, options?: { ttlMs?: number }): void
  delete(key: string): void
  /** Keys with this prefix in order, at most 1000 a call. */
  list(prefix: string, after?: string): Promise<{ keys: string[]; next: string | null }>
}

export interface ResponseInfo {
  readonly id: string
  readonly formId: string
  readonly status: 'partial' | 'completed'
  readonly data: { readonly [key: string]: Json }
  readonly submittedAt: string | null
}

type LogFn = (message: string, fields?: { readonly [key: string]: Json }) => void

/** What a handler, action, schedule or route is given beside its input. */
export interface Context<C = { readonly [key: string]: Json }> {
  /** The installation's `with`, validated by the manifest's schema. Fields with `format: secret` are SecretRefs. */
  readonly config: C
  readonly run: {
    readonly id: string
    readonly installation: string
    readonly attempt: number
    /** Unix milliseconds after which the run is ended. */
    readonly deadlineMs: number
  }
  /** Aborted shortly before the wall limit. */
  readonly signal: { readonly aborted: boolean }
  enqueue(action: string, input: Json, options?: EnqueueOptions): void
  http(request: HttpRequest): Promise<HttpResponse>
  readonly kv: Kv
  secret(name: string): SecretRef
  hmac(request: {
    key: SecretRef
    alg?: 'sha256' | 'sha512'
    data: string
    encoding?: 'hex' | 'base64'
    keyFormat?: 'utf8' | 'base64' | 'whsec'
  }): Promise<string>
  /** A signed JWT (RFC 7519). `key` holds PEM PKCS#8 for RS256/ES256, or text for HS256. */
  sign(request: {
    alg: 'RS256' | 'ES256' | 'HS256'
    key: SecretRef
    claims: { readonly [name: string]: Json }
    header?: { readonly [name: string]: Json }
  }): Promise<string>
  readonly responses: {
    get(id: string): Promise<ResponseInfo | undefined>
    list(query: { form?: string; since?: string; limit?: number; after?: string }): Promise<{
      items: ResponseInfo[]
      next: string | null
    }>
  }
  /** Appends an event of type `plugin.<your id>.<name>` to the log. */
  emit(name: string, data: { readonly [key: string]: Json }): void
  /** Adds to a named counter of this installation. */
  tally(name: string, by?: number): void
  /** Reads counters back, by prefix. */
  tallies(prefix?: string): Promise<{ readonly [name: string]: number }>
  readonly log: { readonly debug: LogFn; readonly info: LogFn; readonly warn: LogFn; readonly error: LogFn }
  /** Adds to a Prometheus counter `manifold_plugin_<name>` labelled with the installation. */
  metric(name: string, by?: number): void
}

/** One requested run of an action. */
export interface ActionItem {
  readonly input: Json
  /** The event that caused it, read through the same manifest filter; absent for schedules and routes. */
  readonly event?: HubEvent
  readonly delivery: { readonly id: string; readonly attempt: number; readonly createdAt: string }
}

export interface RouteRequest {
  readonly method: string
  readonly path: string
  readonly query: { readonly [name: string]: string }
  readonly headers: { readonly [name: string]: string }
  readonly body: string
}

export interface RouteResponse {
  readonly status?: number
  readonly headers?: { readonly [name: string]: string }
  readonly body?: string
  readonly json?: Json
}

type Awaitable<T> = T | Promise<T>

/**
 * A plugin. Handler names here and in `plugin.json` must be the same set, both ways; event types whose manifest entry
 * says `enqueue` have no handler.
 */
export interface Plugin<C = { readonly [key: string]: Json }> {
  readonly on?: { readonly [type: string]: (event: HubEvent, ctx: Context<C>) => Awaitable<void> }
  /**
   * `run` gets up to the manifest's `batch.max` items and answers one outcome each, in order; nothing means delivered. One
   * outcome alone stands for all of them: of `send` that is one request for the whole batch.
   */
  readonly actions?: {
    readonly [name: string]: {
      readonly run: (items: readonly ActionItem[], ctx: Context<C>) => Awaitable<readonly Outcome[] | Outcome | void>
    }
  }
  readonly schedules?: {
    readonly [name: string]: (tick: { at: string; missed: number }, ctx: Context<C>) => Awaitable<void>
  }
  /** Keyed `METHOD /path`; answered at `/i/<installation>/path`. */
  readonly routes?: { readonly [route: string]: (req: RouteRequest, ctx: Context<C>) => Awaitable<RouteResponse> }
}

/** Marks the default export of a plugin and types it. */
export const definePlugin = <C = { readonly [key: string]: Json }>(plugin: Plugin<C>): Plugin<C> => plugin

/** Thrown by capabilities; `code` is a row of the hub's error table. Uncaught, the code decides retry or dead. */
export interface CapabilityError extends Error {
  readonly code: string
}
