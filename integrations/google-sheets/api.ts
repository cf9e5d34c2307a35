/**
 * The few calls of the Sheets API v4 that the plugin makes, with the token the hub holds.
 * https://developers.google.com/workspace/sheets/api/reference/rest/v4/spreadsheets
 */
import type { AccessToken, CapabilityError, ContextOf, HttpResponse, TokenRequest } from 'manifold/plugin'
import type { Config, Plugin } from './types.d.ts'

export type Ctx = Pick<ContextOf<Plugin>, 'config' | 'http' | 'token'>

const SCOPE = 'https://www.googleapis.com/auth/spreadsheets'
const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const TOKEN_LIFETIME_S = 3_600

/** RFC 7523, as https://developers.google.com/identity/protocols/oauth2/service-account wants it. */
export function tokenRequest({ credentials }: Pick<Config, 'credentials'>): TokenRequest {
  const { client_email: email, private_key: key, token_uri: url } = credentials
  const claims = { iss: email, scope: SCOPE, aud: url }
  return {
    url,
    form: { grant_type: GRANT, assertion: { $jwt: { key, alg: 'RS256', claims, lifetimeS: TOKEN_LIFETIME_S } } },
  }
}

export interface Call {
  readonly method: 'GET' | 'POST'
  /** Below `/v4/spreadsheets/{id}`. */
  readonly path: string
  readonly query?: { readonly [name: string]: string }
  /** JSON text. */
  readonly body?: string
  /** Told as the request is about to leave: with an error before, nothing was sent. */
  readonly leaving?: () => void
}

/** One call; a token that is refused is replaced once. Throws what `ctx.http` and `ctx.token` throw. */
export async function call(ctx: Ctx, { method, path, query = {}, body, leaving }: Call): Promise<HttpResponse> {
  const asked = tokenRequest(ctx.config)
  const url = new URL(`/v4/spreadsheets/${spreadsheetId(ctx.config.spreadsheet)}${path}`, ctx.config.apiUrl)
  // Without it the API puts every value on a line of its own.
  url.search = new URLSearchParams({ ...query, prettyPrint: 'false' }).toString()
  const send = (token: AccessToken): Promise<HttpResponse> => {
    leaving?.()
    return ctx.http({
      method,
      url: url.href,
      headers: {
        authorization: ['Bearer ', token],
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body }),
    })
  }
  const token = await tokenFor(ctx, asked)
  const answer = await send(token)
  return answer.status === 401 ? send(await tokenFor(ctx, { ...asked, instead: token })) : answer
}

/** Says whose key it is and what to do, where Google only says that it takes none. */
async function tokenFor(ctx: Ctx, asked: TokenRequest): Promise<AccessToken> {
  try {
    return await ctx.token(asked)
  } catch (error) {
    const { code, message } = error as CapabilityError
    if (code !== 'credential_refused') throw error
    const { client_email: email } = ctx.config.credentials
    throw Object.assign(
      new Error(
        `${message} The key is of the service account ${email}: look in its project (IAM, Service accounts) whether the account and this key are there and enabled; else make a new key and put its file into "credentials".`,
      ),
      { code },
    )
  }
}

/** Of an id or of the address in the browser. */
export const spreadsheetId = (text: string): string => /\/d\/([\w-]+)/.exec(text)?.[1] ?? text

/** `'It''s'!A1`. */
export const rangeOf = (tab: string, cells: string): string => `'${tab.replaceAll("'", "''")}'!${cells}`

/** 0 is A, 26 is AA. */
export function columnName(index: number): string {
  let name = ''
  for (let rest = index; rest >= 0; rest = Math.floor(rest / 26) - 1)
    name = String.fromCharCode(65 + (rest % 26)) + name
  return name
}

/** The body as JSON; undefined when it is cut or none. */
export function jsonOf<T extends object>(answer: HttpResponse): T | undefined {
  if (answer.truncated) return undefined
  try {
    const value = answer.json()
    return typeof value === 'object' && value !== null ? (value as T) : undefined
  } catch {
    return undefined
  }
}
