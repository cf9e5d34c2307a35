/**
 * Signatures of an attempt, as headers whose values the host fills in over the exact bytes it sends. Every attempt is
 * signed afresh; the id never changes.
 *
 *   sha256=hex  X-Webhook-Signature: sha256=<hex of HMAC-SHA256(secret, body)>           (GitHub's shape; the default)
 *   hex         X-Webhook-Signature: <hex of HMAC-SHA256(secret, body)>
 *   t,v1        X-Webhook-Signature: t=<unix seconds>,v1=<hex of HMAC(secret, "t.body")> (Stripe's shape)
 *   standard    webhook-id, webhook-timestamp, webhook-signature: v1,<base64>            (standardwebhooks.com)
 *
 * While secrets rotate, `t,v1` and `standard` carry one signature for each live secret, newest first, and receivers take
 * any of them. The two plain schemes have room for one value only: it is made with the newest live secret, so give the
 * receiver the new secret before the hub.
 */
import type { Sealable, SealedHmac, SecretRef } from 'manifold/plugin'

export type Scheme = 'sha256=hex' | 'hex' | 't,v1' | 'standard'

/** A secret and when it stops being used (RFC 3339). */
export interface RotatingSecret {
  readonly secret: SecretRef
  readonly until?: string
}

export interface SigningConfig {
  readonly secret?: SecretRef
  readonly secrets?: readonly RotatingSecret[]
  readonly signatures?: readonly Scheme[]
  readonly signatureHeader?: string
}

export const DEFAULT_SIGNATURE_HEADER = 'X-Webhook-Signature'
const DEFAULT_SCHEMES: readonly Scheme[] = ['sha256=hex']

/** Newest first: `secret`, then `secrets` in their order, without those whose time is over. */
export function liveSecrets(config: SigningConfig, nowMs: number): readonly SecretRef[] {
  const rotating = (config.secrets ?? []).filter(({ until }) => until === undefined || Date.parse(until) > nowMs)
  const all = rotating.map(({ secret }) => secret)
  return config.secret === undefined ? all : [config.secret, ...all]
}

/** True when the configuration asks for signatures at all. */
export const isSigned = (config: SigningConfig): boolean =>
  config.secret !== undefined || (config.secrets !== undefined && config.secrets.length > 0)

export interface Signing {
  readonly id: string
  readonly nowMs: number
  /** At least one. */
  readonly secrets: readonly SecretRef[]
}

/** The headers to add; `{ $body: true }` stands for the bytes the host is about to send. */
export function signatureHeaders(config: SigningConfig, signing: Signing): { [name: string]: Sealable } {
  const headers: { [name: string]: Sealable } = {}
  const name = config.signatureHeader ?? DEFAULT_SIGNATURE_HEADER
  const newest = signing.secrets[0] as SecretRef
  const seconds = Math.floor(signing.nowMs / 1000)
  for (const scheme of config.signatures ?? DEFAULT_SCHEMES) {
    if (scheme === 'standard') {
      headers['webhook-timestamp'] = String(seconds)
      headers['webhook-signature'] = signing.secrets.flatMap((key, i) => [
        i === 0 ? 'v1,' : ' v1,',
        sealed(key, { data: [`${signing.id}.${seconds}.`, BODY], encoding: 'base64', keyFormat: 'whsec' }),
      ])
    } else if (scheme === 't,v1') {
      const parts = signing.secrets.flatMap((key) => [
        ',v1=',
        sealed(key, { data: [`${seconds}.`, BODY], encoding: 'hex' }),
      ])
      headers[name] = [`t=${seconds}`, ...parts]
    } else {
      headers[name] = [scheme === 'hex' ? '' : 'sha256=', sealed(newest, { data: [BODY], encoding: 'hex' })]
    }
  }
  return headers
}

const BODY = { $body: true } as const

type Hmac = SealedHmac['$hmac']

const sealed = (key: SecretRef, rest: Pick<Hmac, 'data' | 'encoding' | 'keyFormat'>): SealedHmac => ({
  $hmac: { key, alg: 'sha256', ...rest },
})
