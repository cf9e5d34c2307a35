/** Requests to a plugin's own routes: what it gets, how it tells who sent it, and how answers in it become a response. */
import type { SecretRef } from './http.ts'
import type { Json } from './json.ts'

/** Secrets of the installation are hidden wherever they stand in path, query, params and headers; `ctx.verify` sees them. */
export interface RouteRequest {
  readonly method: string
  /** As sent, percent-encoded. */
  readonly path: string
  /** What `{name}` segments of the route stand for, decoded. */
  readonly params: { readonly [name: string]: string }
  readonly query: { readonly [name: string]: string }
  readonly headers: { readonly [name: string]: string }
  /** As the manifest's `routes.<route>.body` says: `text` (default) read as UTF-8, `base64` the exact bytes, `form` empty. */
  readonly body: string
  /** With `"body": "form"`: the inputs of a urlencoded or multipart body in order; a file is `{name, type, size}`. */
  readonly form: readonly (readonly [name: string, value: Json])[]
  /** Of an area of the API: all that the key of whoever asks allows. At the open door of all plugins nobody has any. */
  readonly scopes: readonly string[]
}

export interface RouteResponse {
  readonly status?: number
  readonly headers?: { readonly [name: string]: string }
  readonly body?: string
  readonly json?: Json
}

/**
 * How a sender proves that it knows a secret of the installation. Computed by the host over the exact bytes of the body and
 * compared in constant time.
 *   token      the value is the secret itself, after `prefix`
 *   hmac       the value is `prefix` and the HMAC of the body (RFC 2104)
 *   timestamp  the value is `t=<unix seconds>,v1=<hex>[,v1=…]` over `<t>.<body>`
 *   standard   `webhook-id`, `webhook-timestamp` and `webhook-signature` (or `svix-…`), as Standard Webhooks has it
 */
export interface VerifyRequest {
  readonly key: SecretRef
  readonly scheme: 'token' | 'hmac' | 'timestamp' | 'standard'
  /** Where the value stands; not of `standard`, whose headers have names. */
  readonly from?: { readonly header: string } | { readonly query: string } | { readonly param: string }
  /** Before the value, such as `sha256=` or `Bearer `. */
  readonly prefix?: string
  /** Of `hmac`. Default: sha256, hex. */
  readonly alg?: 'sha256' | 'sha512'
  readonly encoding?: 'hex' | 'base64'
  /** How the secret's text becomes key bytes. Default: `whsec` for `standard`, else `utf8`. */
  readonly keyFormat?: 'utf8' | 'base64' | 'whsec'
  /** How far the time may be off, both ways, where the scheme has one. Default 300. */
  readonly toleranceS?: number
}

export interface Verified {
  readonly ok: boolean
  /** `missing`: there is no such value, or none in this form; `wrong`: another secret or body; `old`: right, but out of time. */
  readonly reason: 'missing' | 'wrong' | 'old' | null
}

/** Answers that are to become a response, as if they had come through the inlet of the hub. */
export interface SubmitRequest {
  readonly form: string
  readonly data: { readonly [key: string]: Json }
  /**
   * The sender's id of the response, the same on every repeat: stored once a form, for ever. A `completed` one completes
   * the `partial` one of the same id; what comes after that changes nothing.
   */
  readonly id: string
  /** Default `completed`. */
  readonly status?: 'partial' | 'completed'
  readonly meta?: { readonly [key: string]: Json }
  /** Answers to no field: as the form says (default), or refused whatever it says. */
  readonly unknown?: 'refuse'
  /** RFC 3339. A `submittedAt` to come, or none, is the time of receipt. */
  readonly startedAt?: string
  readonly submittedAt?: string
}

/**
 * What became of it, on disk when this is answered. `refused`: the form or a transform does not take it; it waits in
 * quarantine with `message` and `problems`, and is taken when it comes again after the form or the answers were mended.
 */
export interface Submitted {
  readonly result: 'stored' | 'completed' | 'duplicate' | 'refused'
  /** Null where a transform refused it. */
  readonly responseId: string | null
  readonly message: string | null
  /** Places in the answers, as JSON pointers. */
  readonly problems: readonly { readonly pointer: string; readonly detail: string }[]
}

/** A field to be there. What is left out is as in manifold.yaml. */
export interface FieldWish {
  readonly key: string
  readonly label?: string
  readonly type: string
  readonly pii?: boolean
  readonly options?: readonly string[]
  readonly max?: number
}

/** A stored response, as plugins may read it. */
export interface ResponseInfo {
  readonly id: string
  readonly formId: string
  readonly status: 'partial' | 'completed'
  readonly data: { readonly [key: string]: Json }
  readonly submittedAt: string | null
}

/** A form as `ctx.forms` shows it. */
export interface FormInfo {
  readonly id: string
  readonly name: string
  readonly version: number
  /** `file`: it stands in manifold.yaml, and no plugin changes it. */
  readonly managedBy: 'api' | 'file'
  readonly unknownFields: 'keep' | 'refuse'
  readonly fields: readonly FieldInfo[]
}

/** One question of a form, as plugins see it. */
export interface FieldInfo {
  readonly key: string
  readonly label: string
  readonly type: string
  readonly required: boolean
  readonly pii: boolean
  readonly options?: readonly { readonly value: string; readonly label: string }[]
}

/** Forms of the workspace; of routes only. */
export interface Forms {
  get(id: string): Promise<FormInfo | undefined>
  /**
   * Makes the form, or adds the fields and options that are missing; what is there stays as it is. A new form takes
   * responses of strangers only through plugins (`access: key`). Throws `managed_by_file` for a form of manifold.yaml that lacks some.
   */
  ensure(form: { readonly id: string; readonly name: string; readonly fields: readonly FieldWish[] }): Promise<FormInfo>
}
