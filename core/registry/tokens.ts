/**
 * Signed tokens (JWT, RFC 7519) of issuers that the file names, beside the hub's own keys. A token is allowed what its
 * `scope` claim (RFC 9068; or `scp`, or `permissions`) names, and never more than the file grants its issuer.
 */
import { createPublicKey, createSecretKey, hash } from 'node:crypto'
import { createRemoteJWKSet, customFetch, decodeJwt, errors, jwtVerify } from 'jose'
import type { FetchImplementation, JWTPayload, JWTVerifyGetKey, JWTVerifyOptions } from 'jose'
import type { GuardedHttp } from '../capabilities/guarded-http.ts'
import type { Clock } from '../clock.ts'
import type { TokenIssuer } from '../config/config.ts'
import { HubError } from '../errors.ts'
import type { Logger } from '../observe/observe.ts'
import type { ApiKeys, Principal } from './api-keys.ts'

/** Whoever can be asked who a bearer is: the keys of the hub, or keys and tokens. */
export type Credentials = Pick<ApiKeys, 'authenticate' | 'peek'>

export interface Tokens extends Credentials {
  /** Replaces whose tokens count; what was known of earlier ones is forgotten. */
  setIssuers(issuers: readonly TokenIssuer[]): void
}

export interface TokensDeps {
  readonly keys: Credentials
  readonly http: Pick<GuardedHttp, 'request'>
  readonly clock: Clock
  readonly logger: Logger
}

/** Signatures that a public key may make. `none` and HS256 with a public key as its secret are not among them. */
const PUBLIC_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']
const LEEWAY_S = 60
/** A key that its issuer took back stops counting after this time, as keys of the hub do in other processes. */
const CACHE_MS = 30_000
const CACHED_TOKENS_MAX = 1_000
const TOKEN_SHAPE = /^eyJ[\w-]*\.[\w-]+\.[\w-]+$/
/** What jose says when the keys could not be had, which is no fault of the token. */
const UNREACHABLE: ReadonlySet<string> = new Set(['ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID', 'ERR_JOSE_GENERIC'])

interface Known {
  readonly principal: Principal | null
  readonly untilMs: number
}

interface Verifier {
  readonly issuer: TokenIssuer
  readonly key: JWTVerifyGetKey
  readonly options: JWTVerifyOptions
}

/** Knows tokens and asks `keys` about everything else. */
export function openTokens(deps: TokensDeps): Tokens {
  const { keys, clock } = deps
  let verifiers: readonly Verifier[] = []
  const known = new Map<string, Known>()
  const remember = (digest: string, principal: Principal | null, expiresAtMs: number): Principal | null => {
    const nowMs = clock.nowMs()
    known.delete(digest)
    known.set(digest, { principal, untilMs: Math.min(nowMs + CACHE_MS, expiresAtMs) })
    if (known.size > CACHED_TOKENS_MAX) known.delete(known.keys().next().value as string)
    return principal
  }
  const isToken = (text: string): boolean => verifiers.length > 0 && TOKEN_SHAPE.test(text)
  return {
    peek: (text) => {
      if (!isToken(text)) return keys.peek(text)
      const cached = known.get(hash('sha256', text, 'hex'))
      return cached === undefined || cached.untilMs <= clock.nowMs() ? undefined : cached.principal
    },
    authenticate: async (text) => {
      if (!isToken(text)) return await keys.authenticate(text)
      const digest = hash('sha256', text, 'hex')
      const asked = verifiers
      const read = await verify(deps, asked, text)
      // Of a file that was replaced meanwhile nothing is remembered.
      if (asked !== verifiers) return null
      if (read === null) return remember(digest, null, Infinity)
      return remember(digest, read.principal, read.expiresAtMs)
    },
    setIssuers: (issuers) => {
      verifiers = issuers.map((issuer) => toVerifier(deps, issuer))
      known.clear()
    },
  }
}

function toVerifier({ http, clock }: TokensDeps, issuer: TokenIssuer): Verifier {
  const options = {
    issuer: issuer.issuer,
    audience: issuer.audience,
    requiredClaims: ['exp', 'sub'],
    clockTolerance: LEEWAY_S,
    algorithms: issuer.keys.kind === 'secret' ? ['HS256'] : PUBLIC_ALGORITHMS,
  }
  return {
    issuer,
    key: keyOf(issuer, http),
    get options() {
      return { ...options, currentDate: new Date(clock.nowMs()) }
    },
  }
}

function keyOf({ keys }: TokenIssuer, http: TokensDeps['http']): JWTVerifyGetKey {
  if (keys.kind === 'jwks')
    return createRemoteJWKSet(new URL(keys.url), { [customFetch]: fetchThrough(http), cacheMaxAge: 600_000 })
  const key = keys.kind === 'public' ? createPublicKey(keys.pem) : createSecretKey(keys.text, 'utf8')
  return () => key
}

/** Keys are fetched under the same rules as everything else that leaves the hub. */
const fetchThrough =
  (http: TokensDeps['http']): FetchImplementation =>
  async (url, { method, headers }) => {
    const answer = await http.request({ method, url, headers: [...headers].flat(), body: null })
    return new Response(answer.body, { status: answer.status })
  }

interface Read {
  readonly principal: Principal
  readonly expiresAtMs: number
}

/** Null for a token that is not valid here; rejects with `unavailable` when that cannot be known. */
async function verify(deps: TokensDeps, verifiers: readonly Verifier[], text: string): Promise<Read | null> {
  const claimed = issuerOf(text)
  for (const { issuer, key, options } of verifiers) {
    if (issuer.issuer !== claimed) continue
    try {
      const { payload } = await jwtVerify(text, key, options)
      const expiresAtMs = ((payload.exp ?? 0) + LEEWAY_S) * 1_000
      return { principal: { ...principalOf(issuer, payload), endsAtMs: expiresAtMs }, expiresAtMs }
    } catch (error) {
      if (isUnreachable(error)) {
        deps.logger.warn({ err: error, issuer: issuer.issuer }, 'the keys of a token issuer cannot be had')
        throw new HubError('unavailable', `The keys of ${issuer.issuer} cannot be had right now; send again later.`)
      }
      deps.logger.debug({ issuer: issuer.issuer, why: String(error) }, 'a token was refused')
    }
  }
  return null
}

const isUnreachable = (error: unknown): boolean =>
  error instanceof HubError || (error instanceof errors.JOSEError && UNREACHABLE.has(error.code))

/** As the token says; believed only once its signature was checked. */
function issuerOf(text: string): string | undefined {
  try {
    return decodeJwt(text).iss
  } catch {
    return undefined
  }
}

function principalOf({ issuer, workspace, scopes }: TokenIssuer, payload: JWTPayload): Principal {
  const claimed = new Set(['scope', 'scp', 'permissions'].flatMap((claim) => wordsOf(payload[claim])))
  const subject = String(payload.sub)
  return {
    // Two issuers may know somebody by the same name.
    keyId: `jwt:${issuer} ${subject}`,
    name: subject,
    workspace,
    scopes: new Set(scopes.filter((scope) => claimed.has(scope))),
  }
}

/** A list, or words in one text. */
function wordsOf(claim: unknown): readonly string[] {
  if (typeof claim === 'string') return claim.split(' ')
  return Array.isArray(claim) ? claim.filter((each) => typeof each === 'string') : []
}
