/**
 * What a plugin author imports: `import { definePlugin } from 'manifold/plugin'`. Imports nothing but its own files.
 *
 * Glossary (one meaning each, here, in the API, the docs and the logs):
 *   event         one immutable entry of the hub's event log, e.g. `response.submitted`
 *   installation  one configured use of a plugin; has its own cursor, settings, health and log
 *   handler       a plugin's function for an event. It decides: its effects are buffered and committed
 *                 together with the installation's cursor, so inside the hub an event takes effect exactly once
 *   action        a plugin's function with an effect outside. It acts: durable, retried, replayable
 *   delivery      one requested run of an action; `item.delivery.id` is the same on every attempt
 *   attempt       one try of a delivery
 *   outcome       what an attempt came to: delivered, retry, dead, ambiguous or unauthorized
 *   credential    what an installation proves itself with at its receiver: refused, it stands still until that is mended
 *   transform     a plugin's function for a response before it is stored: keeps, changes, flags or rejects it
 *   check         a plugin's function that looks at its credentials and settings, and changes nothing in the hub
 *   quarantine    where flagged and rejected responses wait until somebody releases or discards them
 *   hook          a program outside that asked to be sent events; a plugin with the permission carries them out
 *   capability    something the host does for the plugin when manifest and admin both allow it
 *   sealed        a value the plugin can place but never read; the host fills it in
 */
import type { Finding } from './check.ts'
import type { EmailAnswer, EmailMessage } from './email.ts'
import type { Hooks } from './hooks.ts'
import type { AccessToken, HttpRequest, HttpResponse, SecretRef, TokenRequest } from './http.ts'
import type { Json } from './json.ts'
import type { Kv } from './kv.ts'
import type { NativeServices } from './native.ts'
import type { Outcome } from './outcome.ts'
import type {
  FieldInfo,
  Forms,
  ResponseInfo,
  RouteRequest,
  RouteResponse,
  SubmitRequest,
  Submitted,
  Verified,
  VerifyRequest,
} from './route.ts'
import type { Verdict } from './transform.ts'

export type { Finding } from './check.ts'
export { collectDigest, countForDigest, type Digest } from './digest.ts'
export type { EmailAnswer, EmailMessage } from './email.ts'
export { flatEvent, flatResponse, flatWords, type Flat, type FlatOptions, type FlatSource } from './flat.ts'
export { HOOK_EVENTS, type HookEvent, type HookInfo, type HookRef, type Hooks } from './hooks.ts'
export type {
  AccessToken,
  HttpRequest,
  HttpResponse,
  Sealable,
  SealedBase64,
  SealedHmac,
  SealedJwt,
  SecretRef,
  TokenRequest,
} from './http.ts'
export type { Json } from './json.ts'
export type { Kv } from './kv.ts'
export type * from './native.ts'
export { estimate, mergeSketch, readSketch, setRank, type Sketch } from './sketch.ts'
export { userVisitor, visitorOf } from './visitor.ts'
export { ambiguous, classify, dead, delivered, retry, send, unauthorized } from './outcome.ts'
export type { FinalOutcome, Outcome, SendOutcome } from './outcome.ts'
export type {
  FieldInfo,
  FieldWish,
  FormInfo,
  Forms,
  ResponseInfo,
  RouteRequest,
  RouteResponse,
  SubmitRequest,
  Submitted,
  Verified,
  VerifyRequest,
} from './route.ts'
export { flag, keep, reject } from './transform.ts'
export type { Changes, Verdict } from './transform.ts'

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
  /** The answers for `response.submitted` and `response.partial`; the payload for every other type. */
  readonly data?: { readonly [key: string]: Json }
  readonly form?: {
    readonly id: string
    readonly name: string
    readonly version: number
    readonly fields: readonly FieldInfo[]
    /** IANA name of the zone that its days begin in. Absent: none was chosen. */
    readonly timezone?: string
    /** Keys that the installation may not see: `pii` now or once. Whoever keeps answers forgets theirs. Absent: none. */
    readonly hidden?: readonly string[]
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

export interface EnqueueOptions {
  /** The same key in the same installation is enqueued once, for ever. Default: `<event id>:<n>`. */
  readonly key?: string
  /** Deliveries that share it run one after the other, in order (when the installation sets `order: fifo`). */
  readonly orderBy?: string
  /** Runs of the action that share it start no faster than the manifest's `pace`; those that name none share one. */
  readonly paceBy?: string
  /** Not before this many milliseconds from now. */
  readonly delayMs?: number
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
  /** Aborted shortly before the wall limit; `fetch` takes it. */
  readonly signal: AbortSignal
  enqueue(action: string, input: Json, options?: EnqueueOptions): void
  http(request: HttpRequest): Promise<HttpResponse>
  /** Of actions without a batch only: one e-mail a delivery. */
  email(message: EmailMessage): Promise<EmailAnswer>
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
  /**
   * An OAuth 2.0 access token, which the host obtains, keeps and renews; cheap to ask for in every run. Throws
   * `credential_refused` when the endpoint does not accept what the admin gave, `token_unavailable` or `http_*` when it
   * cannot be asked now.
   */
  token(request: TokenRequest): Promise<AccessToken>
  readonly responses: {
    get(id: string): Promise<ResponseInfo | undefined>
    list(query: { form?: string; since?: string; limit?: number; after?: string }): Promise<{
      items: ResponseInfo[]
      next: string | null
    }>
  }
  /** Of routes only: did the sender of this request know the secret? */
  verify(request: VerifyRequest): Promise<Verified>
  /** Of routes only: makes a response of answers that came with this request. */
  submit(request: SubmitRequest): Promise<Submitted>
  readonly forms: Forms
  /** Who asked to be sent events; for handlers and actions. */
  readonly hooks: Hooks
  /** Appends an event of type `plugin.<your id>.<name>` to the log. */
  emit(name: string, data: { readonly [key: string]: Json }): void
  /** Adds to a named counter of this installation, 2^53 at most in one step. There may be 10,000 names. */
  tally(name: string, by?: number): void
  /** Reads counters back, by prefix: the first 1,000 in order of name, of those behind `after`. */
  tallies(prefix?: string, after?: string): Promise<{ readonly [name: string]: number }>
  readonly log: { readonly debug: LogFn; readonly info: LogFn; readonly warn: LogFn; readonly error: LogFn }
  /** Adds to a Prometheus counter `manifold_plugin_<name>` labelled with the installation. */
  metric(name: string, by?: number): void
}

/** One requested run of an action. */
export interface ActionItem {
  readonly input: Json
  /** The event that caused it, read through the same manifest filter; absent for schedules and routes. */
  readonly event?: HubEvent
  readonly delivery: {
    /** The same on every attempt and replay. */
    readonly id: string
    /** From 1; attempts that ended. One that was cut short by the end of the hub is not counted. */
    readonly attempt: number
    /**
     * True when an earlier attempt may have changed something at the receiver, counted or not: it sent an e-mail or a request
     * other than GET and HEAD, whatever the answer, or the hub died or the installation moved to another process while it may
     * have been under way. False only when nothing such was sent before.
     */
    readonly repeat: boolean
    /**
     * Of a repeat: no earlier attempt was under way after this, RFC 3339; it may lie some seconds ahead. A receiver that goes
     * on with a request when nobody waits for the answer may do so from then on for as long as it takes.
     */
    readonly sentBefore?: string
    readonly createdAt: string
    /** An operator tries the installation (a test-send): it goes where all others go, and a plugin may mark what it makes there. */
    readonly test?: true
  }
}

/** A response before it is stored, as a transform gets it: the parts and headers that the manifest names. */
export interface IncomingResponse extends Pick<HubEvent, 'data' | 'form' | 'meta'> {
  readonly status: 'partial' | 'completed'
  /** RFC 3339 UTC; when it was received. */
  readonly at: string
  /** Those of the manifest's `headers` that the request had; lower-case names. */
  readonly headers: { readonly [name: string]: string }
}

/** What a transform may use. It runs in the sender's time and before anything is stored, so it reads and leaves nothing. */
export interface TransformContext<C = { readonly [key: string]: Json }> extends Pick<
  Context<C>,
  'config' | 'run' | 'signal' | 'secret' | 'hmac' | 'responses' | 'log' | 'metric'
> {
  readonly kv: Pick<Kv, 'get' | 'list'>
}

/**
 * What a check may use. The hub lets it change nothing of its own; what a granted request does at the receiver no hub can see,
 * so the plugin must ask only what has no effect there.
 */
export interface CheckContext<C = { readonly [key: string]: Json }> extends Pick<
  Context<C>,
  'config' | 'run' | 'signal' | 'http' | 'token' | 'hmac' | 'sign' | 'secret' | 'log'
> {
  readonly kv: Pick<Kv, 'get' | 'list'>
}

type Awaitable<T> = T | Promise<T>

/**
 * A plugin. Handler names here and in `plugin.json` must be the same set, both ways; event types whose manifest entry
 * says `enqueue` have no handler.
 */
export interface Plugin<C = { readonly [key: string]: Json }> {
  readonly on?: { readonly [type: string]: (event: HubEvent, ctx: Context<C>) => Awaitable<void> }
  /** Up to `batch.max` items, one outcome each in order; nothing: delivered; one alone: of all, as of one `send` for all. */
  readonly actions?: {
    readonly [name: string]: {
      readonly run: (items: readonly ActionItem[], ctx: Context<C>) => Awaitable<readonly Outcome[] | Outcome | void>
    }
  }
  readonly schedules?: {
    readonly [name: string]: (tick: { at: string; missed: number }, ctx: Context<C>) => Awaitable<void>
  }
  /** Looks at each response before it is stored; nothing means `keep()`. */
  readonly transform?: (response: IncomingResponse, ctx: TransformContext<C>) => Awaitable<Verdict | void>
  /**
   * Looks at credentials and settings, and asks the receiver only what has no effect there; nothing means that all is well. Run
   * when settings are new, and whenever somebody asks. What it throws is a finding, too.
   */
  readonly check?: (ctx: CheckContext<C>) => Awaitable<readonly Finding[] | void>
  /** Keyed `METHOD /path`, which may have `{name}` segments; answered at `/i/<installation>/path`. */
  readonly routes?: { readonly [route: string]: (req: RouteRequest, ctx: Context<C>) => Awaitable<RouteResponse> }
}

/** A part of an event that a manifest's `data` list may name. */
type EventPart = 'data' | 'form' | 'response' | 'meta'

/** A part of a response that a manifest's `transform.data` may name. */
type TransformPart = Exclude<EventPart, 'response'>

/** An event as a handler or action gets it whose manifest entry names these parts; the others are not there. */
export type EventWith<Type extends string, Parts extends EventPart> = Pick<HubEvent, 'id' | 'v' | 'at'> & {
  readonly type: Type extends `${string}*` ? string : Type
} & { readonly [Part in Parts & ('data' | 'meta')]: NonNullable<HubEvent[Part]> } & (Type extends `response.${string}`
    ? { readonly [Part in Parts & 'response']: NonNullable<HubEvent[Part]> }
    : { readonly [Part in Parts & 'response']?: NonNullable<HubEvent[Part]> }) & {
    // Forms can be deleted while an event waits.
    readonly [Part in Parts & 'form']?: NonNullable<HubEvent[Part]>
  }

/**
 * What a manifest says, as types: the `Plugin` of the `types.d.ts` that `manifold plugin types` writes. With it
 * `definePlugin<Plugin>` knows the settings, the names, and what each event and action carries.
 */
export interface PluginTypes {
  readonly config: unknown
  /** Event type → the parts its handler gets. Types that the manifest enqueues itself have no handler. */
  readonly on: { readonly [type: string]: EventPart }
  readonly actions: { readonly [name: string]: { readonly input: unknown; readonly data: EventPart } }
  readonly schedules: string
  readonly routes: string
  /** The parts its transform gets; absent: it has none. */
  readonly transform?: { readonly data: TransformPart; readonly headers: string }
  /** Absent: it has no check. */
  readonly check?: true
}

/** `ctx` of a plugin with types: `enqueue` knows the actions. */
export type ContextOf<T extends PluginTypes> = Omit<Context<T['config']>, 'enqueue'> & {
  enqueue<Name extends keyof T['actions'] & string>(
    action: Name,
    input: T['actions'][Name]['input'],
    options?: EnqueueOptions,
  ): void
}

/** One requested run of this action of a plugin with types. */
export type ItemOf<T extends PluginTypes, Name extends keyof T['actions']> = Pick<ActionItem, 'delivery'> & {
  readonly input: T['actions'][Name]['input']
} & ([T['actions'][Name]['data']] extends [never]
    ? unknown
    : { readonly event?: EventWith<string, T['actions'][Name]['data']> })

/** A section of the plugin: complete when the manifest names anything in it, absent when not. */
type Section<Key extends string, Name, Entries> = [Name] extends [never]
  ? { readonly [K in Key]?: undefined }
  : { readonly [K in Key]: Entries }

/** A function of a plugin with types. */
type Does<Input, T extends PluginTypes, Result> = (input: Input, ctx: ContextOf<T>) => Awaitable<Result>
type Ran = readonly Outcome[] | Outcome | void

/** A response as the transform of a plugin with types gets it; the others of its headers are never there. */
type IncomingOf<T> = T extends {
  readonly data: infer Parts extends TransformPart
  readonly headers: infer Names extends string
}
  ? Pick<IncomingResponse, 'status' | 'at'> & {
      readonly [Part in Parts]: NonNullable<IncomingResponse[Part]>
    } & { readonly headers: { readonly [Name in Names]?: string } }
  : never

type TransformOf<T extends PluginTypes> = T extends { readonly transform: infer Asked }
  ? {
      readonly transform: (response: IncomingOf<Asked>, ctx: TransformContext<T['config']>) => Awaitable<Verdict | void>
    }
  : { readonly transform?: undefined }

type CheckOf<T extends PluginTypes> = T extends { readonly check: true }
  ? { readonly check: (ctx: CheckContext<T['config']>) => Awaitable<readonly Finding[] | void> }
  : { readonly check?: undefined }

type TypedPlugin<T extends PluginTypes> = TransformOf<T> &
  CheckOf<T> &
  Section<
    'on',
    keyof T['on'],
    { readonly [Type in keyof T['on'] & string]: Does<EventWith<Type, T['on'][Type]>, T, void> }
  > &
  Section<
    'actions',
    keyof T['actions'],
    { readonly [Name in keyof T['actions']]: { readonly run: Does<readonly ItemOf<T, Name>[], T, Ran> } }
  > &
  Section<
    'schedules',
    T['schedules'],
    { readonly [Name in T['schedules']]: Does<{ at: string; missed: number }, T, void> }
  > &
  Section<'routes', T['routes'], { readonly [Name in T['routes']]: Does<RouteRequest, T, RouteResponse> }>

type Definition<T> = T extends PluginTypes ? TypedPlugin<T> : Plugin<T>
type ConfigOf<T> = T extends PluginTypes ? T['config'] : T

/**
 * Marks the default export of a plugin and types it: by the `Plugin` of its `types.d.ts`, or by the type of its settings
 * alone.
 */
export const definePlugin = <T = { readonly [key: string]: Json }>(
  plugin: Definition<NoInfer<T>>,
  // The hub gives each handler what the manifest promises it.
): Plugin<ConfigOf<T>> => plugin as Plugin<ConfigOf<T>>

/** A native plugin: what `open` answers are its functions for one installation, and how to end what they share. */
export type NativePlugin<C = { readonly [key: string]: Json }> = (
  services: NativeServices<C>,
) => Awaitable<Plugin<C> & { readonly close?: () => Awaitable<void> }>

/** Marks the default export of a plugin whose manifest says `"runtime": "native"`; `open` is called once for each installation. */
export const defineNative = <T = { readonly [key: string]: Json }>(
  open: (
    services: NativeServices<ConfigOf<T>>,
  ) => Awaitable<Definition<NoInfer<T>> & { readonly close?: () => Awaitable<void> }>,
): NativePlugin<ConfigOf<T>> => open as NativePlugin<ConfigOf<T>>

/** Thrown by capabilities; `code` is a row of the hub's error table. Uncaught, the code decides retry or dead. */
export interface CapabilityError extends Error {
  readonly code: string
}
