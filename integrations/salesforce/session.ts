/** Requests to the org: with an access token that the hub holds, and once more with another when Salesforce refuses it. */
import type {
  AccessToken,
  ContextOf,
  HttpResponse,
  Json,
  SealedJwt,
  SecretRef,
  Sealable,
  TokenRequest,
} from 'manifold/plugin'
import { apiErrors, isPolicy, usageOf, wordsOf } from './outcomes.ts'
import type { Config, Plugin } from './types.d.ts'

/** Of an action or of a check, which counts nothing. */
export type Ctx = Pick<ContextOf<Plugin>, 'config' | 'http' | 'token' | 'log'> &
  Partial<Pick<ContextOf<Plugin>, 'metric'>>

/** Salesforce does not accept what the admin gave; the message says why. */
export class Refused extends Error {
  override readonly name = 'Refused'
}

const TOKEN_PATH = '/services/oauth2/token'
/** Salesforce takes no assertion that lives longer than three minutes. */
const JWT_LIFETIME_S = 150
/** Its answers have no expires_in; the shortest session that an org can set for longer than minutes is an hour. */
const SESSION_S = 3_600
const UNAUTHORIZED = 401

export interface Call {
  readonly method: 'GET' | 'PATCH'
  /** After `/services/data`, with its slash. */
  readonly path: string
  readonly headers?: { readonly [name: string]: string }
  readonly json?: Json
}

/** Throws Refused, or what `ctx.token` and `ctx.http` throw. */
export async function callOrg(ctx: Ctx, call: Call): Promise<HttpResponse> {
  const request = tokenRequest(ctx.config)
  const token = await tokenFor(ctx, request)
  const first = await send(ctx, call, token)
  if (first.status !== UNAUTHORIZED) return first
  const errors = apiErrors(first.body)
  if (errors.some(isPolicy)) throw new Refused(wordsOf(first, errors))
  const again = await send(ctx, call, await tokenFor(ctx, { ...request, instead: token }))
  if (again.status === UNAUTHORIZED)
    throw new Refused(`${wordsOf(again, apiErrors(again.body))} ${LOGINS[ctx.config.auth.flow](ctx.config.auth)}`)
  return again
}

/** Says whose login it is and what to do, where Salesforce only says that it is none. */
async function tokenFor(ctx: Ctx, request: TokenRequest): Promise<AccessToken> {
  try {
    return await ctx.token(request)
  } catch (error) {
    const { code, message } = error as { code?: unknown; message: string }
    if (code !== 'credential_refused') throw error
    throw new Refused(`${message} ${LOGINS[ctx.config.auth.flow](ctx.config.auth)}`)
  }
}

type Auth = Config['auth']

/** The consumer key is no secret; its beginning is enough to find the app. */
const appOf = ({ clientId }: Auth): string => `the app ${clientId.length > 12 ? `${clientId.slice(0, 12)}…` : clientId}`

/** By flow: who logs in, and what has to be right at Salesforce. */
const LOGINS: { readonly [Flow in Auth['flow']]: (auth: Auth) => string } = {
  jwt: (auth) =>
    `It logs in as ${auth.username ?? ''} through ${appOf(auth)}: let the app admit that user (Policies, admin approved users, and a permission set), and compare its certificate with privateKey, and audience (${auth.audience}) with the org.`,
  client_credentials: (auth) =>
    `It logs in as the run-as user of ${appOf(auth)}: look in its policies whether there is one, that user is active, and the flow enabled; compare clientSecret with the consumer secret.`,
  refresh_token: (auth) =>
    `It logs in as whoever approved ${appOf(auth)}: that approval was revoked or has expired, so approve the app again and put the new refresh token into auth.refreshToken.`,
}

export const originOf = ({ instanceUrl }: Pick<Config, 'instanceUrl'>): string => new URL(instanceUrl).origin

async function send(ctx: Ctx, { method, path, headers, json }: Call, token: AccessToken): Promise<HttpResponse> {
  const origin = originOf(ctx.config)
  const instance = token.fields['instance_url']
  if (typeof instance === 'string' && URL.parse(instance)?.origin !== origin)
    throw new Refused(`Salesforce says that this login belongs to ${instance}; set instanceUrl to it.`)
  const authorization: Sealable = ['Bearer ', token]
  const answer = await ctx.http({
    method,
    url: `${origin}/services/data${path}`,
    headers: { accept: 'application/json', ...headers, authorization },
    ...(json === undefined ? {} : { json }),
  })
  watchUsage(ctx, answer)
  return answer
}

/** The schema has seen to it that what each flow needs is there. */
export function tokenRequest({ instanceUrl, auth }: Pick<Config, 'instanceUrl' | 'auth'>): TokenRequest {
  const url = new URL(TOKEN_PATH, instanceUrl).href
  return { url, form: formOf(auth), expiresInS: SESSION_S }
}

function formOf(auth: Config['auth']): TokenRequest['form'] {
  const { clientId, clientSecret, refreshToken, privateKey, username = '', audience } = auth
  switch (auth.flow) {
    case 'jwt': {
      const claims = { iss: clientId, sub: username, aud: audience }
      const jwt = { key: privateKey as SecretRef, alg: 'RS256', claims, lifetimeS: JWT_LIFETIME_S } as const
      const assertion: SealedJwt = { $jwt: jwt }
      return { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion }
    }
    case 'client_credentials':
      return { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret as SecretRef }
    case 'refresh_token':
      return {
        grant_type: 'refresh_token',
        client_id: clientId,
        refresh_token: refreshToken as SecretRef,
        ...(clientSecret === undefined ? {} : { client_secret: clientSecret }),
      }
    default: {
      const unknown: never = auth.flow
      throw new Error(`Unknown flow ${String(unknown)}.`)
    }
  }
}

const WARNED_FROM = 0.8
const WARN_EVERY_MS = 3_600_000
let warnedAtMs = -Infinity

/** Says so while there is room still. */
function watchUsage({ log, metric }: Ctx, answer: HttpResponse): void {
  const usage = usageOf(answer)
  if (usage === null || usage.used < WARNED_FROM * usage.allowed) return
  metric?.('salesforce_api_usage_high')
  if (Date.now() - warnedAtMs < WARN_EVERY_MS) return
  warnedAtMs = Date.now()
  log.warn(`Salesforce: ${usage.used} of ${usage.allowed} API calls of these 24 hours are used up.`, usage)
}
