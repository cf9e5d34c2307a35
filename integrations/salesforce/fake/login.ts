/** The double's token endpoint: JWT bearer, client credentials, refresh token, and the password flow that jsforce logs in with. */
import { createPublicKey, verify } from 'node:crypto'

export interface FakeApp {
  readonly clientId: string
  readonly clientSecret: string
  readonly refreshToken: string
  readonly username: string
  readonly password: string
  readonly audience: string
  /** PEM (SPKI) of the certificate that the app knows; null: none was uploaded. */
  readonly publicKey: string | null
}

const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const LIFETIME_S_MAX = 180
/** How far the clocks may differ. */
const SKEW_S = 30

/** Null: granted. Else the body of a 400, as Salesforce words it. */
export function refusalOf(
  app: FakeApp,
  form: URLSearchParams,
  nowMs: number,
): { error: string; error_description: string } | null {
  const refused = (error: string, error_description: string) => ({ error, error_description })
  const grant = form.get('grant_type')
  if (grant === JWT_BEARER) return jwtRefusal(app, form.get('assertion') ?? '', nowMs)
  if (form.get('client_id') !== app.clientId) return refused('invalid_client_id', 'client identifier invalid')
  if (grant === 'refresh_token')
    return form.get('refresh_token') === app.refreshToken
      ? null
      : refused('invalid_grant', 'expired access/refresh token')
  if (form.get('client_secret') !== app.clientSecret) return refused('invalid_client', 'invalid client credentials')
  if (grant === 'client_credentials') return null
  if (grant === 'password')
    return form.get('username') === app.username && form.get('password') === app.password
      ? null
      : refused('invalid_grant', 'authentication failure')
  return refused('unsupported_grant_type', 'grant type not supported')
}

function jwtRefusal(app: FakeApp, assertion: string, nowMs: number) {
  const refused = (description: string) => ({ error: 'invalid_grant', error_description: description })
  const [header = '', payload = '', signature = ''] = assertion.split('.')
  if (app.publicKey === null) return refused("user hasn't approved this consumer")
  const bytes = Buffer.from(`${header}.${payload}`)
  if (!verify('sha256', bytes, createPublicKey(app.publicKey), Buffer.from(signature, 'base64url')))
    return refused('invalid assertion')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>
  if (claims['iss'] !== app.clientId) return refused('client identifier invalid')
  if (claims['aud'] !== app.audience) return refused('audience is invalid')
  if (claims['sub'] !== app.username) return refused("user hasn't approved this consumer")
  const leftS = Number(claims['exp']) - nowMs / 1000
  if (!(leftS > -SKEW_S && leftS <= LIFETIME_S_MAX + SKEW_S)) return refused('token expired')
  return null
}
