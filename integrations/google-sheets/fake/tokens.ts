/** Google's token endpoint for service accounts (RFC 7523): https://developers.google.com/identity/protocols/oauth2/service-account */
import { createPublicKey, randomBytes, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const SKEW_S = 300
const LIFETIME_S_MAX = 3_600

export interface TokenReply {
  readonly status: number
  readonly body: object
}

/** Accounts with their keys, and the tokens that were given out. */
export class FakeTokens {
  /** By e-mail address. */
  readonly #keys = new Map<string, KeyObject>()
  readonly #tokens = new Map<string, { readonly email: string; readonly untilMs: number }>()
  /** How long tokens live from now on. */
  lifetimeS = 3_599
  given = 0

  addAccount(email: string, publicKeyPem: string): void {
    this.#keys.set(email, createPublicKey(publicKeyPem))
  }

  /** The key was deleted in the console: `invalid_grant` from now on, and its tokens end. */
  revoke(email: string): void {
    this.#keys.delete(email)
    this.expireAll()
  }

  expireAll(): void {
    this.#tokens.clear()
  }

  /** Every token there is: a test looks for them where they must not be. */
  all(): readonly string[] {
    return [...this.#tokens.keys()]
  }

  /** Whose token it is; null when it is none, or over. */
  accountOf(token: string): string | null {
    const found = this.#tokens.get(token)
    return found === undefined || found.untilMs <= Date.now() ? null : found.email
  }

  /** `audiences`: what the endpoint calls itself. */
  answer(form: URLSearchParams, audiences: readonly string[]): TokenReply {
    if (form.get('grant_type') !== GRANT)
      return refused('unsupported_grant_type', `Invalid grant_type: ${form.get('grant_type')}`)
    const [header = '', claims = '', signature = '', ...more] = (form.get('assertion') ?? '').split('.')
    const said = jsonOf(claims)
    if (more.length > 0 || said === null || jsonOf(header)?.['alg'] !== 'RS256')
      return refused('invalid_grant', 'Bad JWT format.')
    const email = String(said['iss'])
    const key = this.#keys.get(email)
    if (key === undefined) return refused('invalid_grant', 'Invalid grant: account not found')
    const signed = Buffer.from(`${header}.${claims}`)
    if (!verify('sha256', signed, key, Buffer.from(signature, 'base64url')))
      return refused('invalid_grant', 'Invalid JWT Signature.')
    const [iat, exp, nowS] = [Number(said['iat']), Number(said['exp']), Date.now() / 1000]
    if (!(iat <= nowS + SKEW_S && exp > nowS - SKEW_S && exp - iat <= LIFETIME_S_MAX)) {
      const frame = 'Token must be a short-lived token (60 minutes) and in a reasonable timeframe.'
      return refused('invalid_grant', `Invalid JWT: ${frame} Check your iat and exp values in the JWT claim.`)
    }
    if (!audiences.includes(String(said['aud']))) return refused('invalid_grant', 'Invalid JWT: Failed audience check.')
    if (!/spreadsheets/.test(String(said['scope'])))
      return refused('invalid_scope', 'Invalid OAuth scope or ID token audience provided.')
    const token = `ya29.c.${randomBytes(24).toString('base64url')}`
    this.#tokens.set(token, { email, untilMs: Date.now() + this.lifetimeS * 1000 })
    this.given += 1
    return { status: 200, body: { access_token: token, expires_in: this.lifetimeS, token_type: 'Bearer' } }
  }
}

const refused = (error: string, description: string): TokenReply => ({
  status: 400,
  body: { error, error_description: description },
})

function jsonOf(base64: string): { readonly [name: string]: unknown } | null {
  try {
    return JSON.parse(Buffer.from(base64, 'base64url').toString()) as { readonly [name: string]: unknown }
  } catch {
    return null
  }
}
