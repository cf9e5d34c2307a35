/** The `token` capability: checks what the guest asks for, makes the form with its secrets and JWTs, asks the endpoint. */
import { createHash } from 'node:crypto'
import type { Json } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import type { Args } from './arguments.ts'
import { exchange, type HttpCapabilityDeps, type HttpTrace } from './http-capability.ts'
import { formBody, formFields, type RequestBody } from './http-request.ts'
import { MASKED } from '../model.ts'
import { createMask, type Mask } from './mask.ts'
import { secretName, unseal, type Unsealed } from './sealed.ts'
import { isJwtAlg, signJwt, type KeyRing } from './signing.ts'
import { readTokenAnswer, type TokenAnswer } from './token-answer.ts'
import type { Obtained, TokenRing } from './token-ring.ts'

export interface TokenDeps {
  readonly http: HttpCapabilityDeps
  readonly tokens: TokenRing
  readonly nowMs: () => number
  readonly timeoutMs: number
  /** Called when a request is about to go out. */
  readonly countHttp: () => void
  readonly trace: HttpTrace
}

const EXPIRES_IN_S = 3_600
const DAY_S = 86_400

/** Answers `{$secret, fields}`. Throws HubError. */
export async function serveTokenCall(args: Args, deps: TokenDeps): Promise<Json> {
  const { url, headers = null } = args.all
  const form = args.object('form')
  const expiresInS = args.optionalNumber('expiresInS') ?? EXPIRES_IN_S
  const id = createHash('sha256')
    .update(JSON.stringify([url ?? null, form, headers, expiresInS]))
    .digest('base64url')
  const instead = insteadOf(args, id)
  const obtain = (): Promise<Obtained> => ask(deps, { url: url ?? null, headers, form, expiresInS })
  const { name, fields } = await deps.tokens.get({ id, instead, goesOut: deps.countHttp, obtain })
  return { $secret: name, fields }
}

function insteadOf(args: Args, id: string): string | undefined {
  const given = args.all['instead']
  if (given === undefined || given === null) return undefined
  const name = secretName(given)
  if (name === undefined || !name.startsWith(`token.${id}.`))
    throw args.wrong('instead has to be a token that was obtained with the same request')
  return name
}

interface Asked {
  readonly url: Json
  readonly headers: Json
  readonly form: { readonly [field: string]: Json }
  readonly expiresInS: number
}

async function ask(deps: TokenDeps, { url, headers, form, expiresInS }: Asked): Promise<Obtained> {
  const { http, trace, timeoutMs } = deps
  const { body, assertions } = await formOf(form, { keys: http.keys, nowMs: deps.nowMs() })
  const assertionsMask = createMask(assertions)
  const mask: Mask = (text, isCut) => http.mask(assertionsMask(text, isCut), isCut)
  let answer: TokenAnswer | undefined
  await exchange(
    { ...http, mask },
    {
      request: { method: 'POST', url, headers: withAccept(headers) },
      body,
      isHarmless: true,
      isSealed: true,
      timeoutMs,
      trace,
      see: (response, host) => {
        answer = readTokenAnswer(response, { host, mask, expiresInS, tokenCharsMax: http.headerBytesMax })
        return answer.seen
      },
    },
  )
  if (answer?.obtained) return answer.obtained
  throw answer?.error ?? new HubError('internal', 'The token endpoint was asked, and nothing was read.')
}

/** Some endpoints answer in form encoding unless they are asked for JSON. */
function withAccept(headers: Json): Json {
  if (headers === null) return { accept: 'application/json' }
  // What is no object is told when the headers are made.
  if (!isObject(headers)) return headers
  const isGiven = Object.keys(headers).some((name) => name.toLowerCase() === 'accept')
  return isGiven ? headers : { accept: 'application/json', ...headers }
}

interface Making {
  readonly keys: KeyRing
  readonly nowMs: number
}

async function formOf(
  form: { readonly [field: string]: Json },
  making: Making,
): Promise<{ readonly body: RequestBody; readonly assertions: readonly string[] }> {
  const fields: (readonly [string, Unsealed])[] = []
  const assertions: string[] = []
  for (const [name, value] of formFields('token', form)) {
    const jwt = jwtOf(value)
    if (jwt === undefined) {
      fields.push([name, unseal(value, `token: the field "${name}"`, { keys: making.keys, body: null })])
      continue
    }
    const assertion = await signed(jwt, name, making)
    assertions.push(assertion)
    fields.push([name, { real: assertion, shown: MASKED }])
  }
  return { body: formBody(fields), assertions }
}

function jwtOf(value: Json): Json | undefined {
  return isObject(value) ? value['$jwt'] : undefined
}

/** Times are the hub's, whatever the guest claims. */
function signed(jwt: Json, field: string, { keys, nowMs }: Making): Promise<string> {
  const wrong = (what: string): HubError =>
    new HubError('capability_input', `token: the field "${field}" has a $jwt ${what}.`)
  if (!isObject(jwt)) throw wrong('that is no object')
  const { alg, claims, header = {}, lifetimeS } = jwt
  const key = secretName(jwt['key'])
  if (key === undefined) throw wrong('whose key is no secret')
  if (!isJwtAlg(alg)) throw wrong('with an alg other than RS256, ES256 and HS256')
  if (!isObject(claims)) throw wrong('without claims')
  if (!isObject(header)) throw wrong('whose header is no object')
  if (typeof lifetimeS !== 'number' || !(lifetimeS >= 1 && lifetimeS <= DAY_S))
    throw wrong(`whose lifetimeS is not between 1 and ${DAY_S}`)
  const iat = Math.floor(nowMs / 1000)
  const times = { iat, exp: iat + Math.floor(lifetimeS) }
  return signJwt({ alg, key: keys.jwtKey(key, alg), claims: { ...claims, ...times }, header })
}

const isObject = (value: Json | undefined): value is { readonly [name: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
