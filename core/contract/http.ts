/** Requests of a plugin, and the secrets it can place into them but never read. */
import type { HookRef } from './hooks.ts'
import type { Json } from './json.ts'

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

/** Base64 of the joined pieces, such as `user:password` for Basic authentication. */
export interface SealedBase64 {
  readonly $base64: readonly (string | SecretRef)[]
}

/** What a plugin can place but never read. */
export type Sealed = SecretRef | SealedHmac | SealedBase64

/** A string, or pieces joined by the host at send time. */
export type Sealable = string | Sealed | readonly (string | Sealed)[]

/** A signed JWT (RFC 7519) in a form of `ctx.token`, made by the host, which sets `iat`, and `exp` to `iat` + `lifetimeS`. */
export interface SealedJwt {
  readonly $jwt: {
    /** PEM PKCS#8 for RS256 and ES256, or text for HS256. */
    readonly key: SecretRef
    readonly alg: 'RS256' | 'ES256' | 'HS256'
    readonly claims: { readonly [name: string]: Json }
    readonly header?: { readonly [name: string]: Json }
    /** Seconds, one day at most. */
    readonly lifetimeS: number
  }
}

/** What `ctx.token` asks an OAuth 2.0 token endpoint (RFC 6749 section 3.2) for. */
export interface TokenRequest {
  /** POST to its host has to be granted as for any other request. */
  readonly url: Sealable
  /** Sent as `application/x-www-form-urlencoded`. */
  readonly form: { readonly [field: string]: Sealable | SealedJwt }
  readonly headers?: { readonly [name: string]: Sealable }
  /** How long the token is good for where the answer has no `expires_in`. Default 3600. */
  readonly expiresInS?: number
  /** This one was refused (401): obtain another, unless that has happened meanwhile. */
  readonly instead?: AccessToken
}

/** A token that the host holds: to be placed like a secret, in the run that asked for it. */
export interface AccessToken extends SecretRef {
  /** The rest of the answer (`instance_url`, `scope`, …); without anything that is a token or a secret by its name. */
  readonly fields: { readonly [name: string]: Json }
}

export interface HttpRequest {
  readonly method?: string
  readonly url: Sealable | HookRef
  readonly headers?: { readonly [name: string]: Sealable }
  /** Sent as given. */
  readonly body?: string
  /** Serialised by the SDK, with `content-type: application/json` unless a header says otherwise. */
  readonly json?: Json
  /** Encoded by the host as `application/x-www-form-urlencoded`, secrets filled in. One of `body`, `json` and `form`. */
  readonly form?: { readonly [field: string]: Sealable }
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
