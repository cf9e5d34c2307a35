/** HMACs and JWTs (RFC 7519) made with secrets the plugin never sees. */
import { createHmac, createPrivateKey, createSecretKey, sign as signBytes, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import type { Json } from '../contract/index.ts'
import { HubError } from '../errors.ts'

export type KeyFormat = 'utf8' | 'base64' | 'whsec'
export type JwtAlg = 'RS256' | 'ES256' | 'HS256'

const KEY_FORMATS: ReadonlySet<unknown> = new Set<KeyFormat>(['utf8', 'base64', 'whsec'])
const JWT_ALGS: ReadonlySet<unknown> = new Set<JwtAlg>(['RS256', 'ES256', 'HS256'])
const RSA_BITS_MIN = 2048

export const isKeyFormat = (value: unknown): value is KeyFormat => KEY_FORMATS.has(value)
export const isJwtAlg = (value: unknown): value is JwtAlg => JWT_ALGS.has(value)

/** The keys of one installation, made once from the text of its secrets. */
export interface KeyRing {
  /** How often something of it was handed out: whoever compares knows whether a request carries a secret. */
  uses(): number
  /** There is no secret that a request could carry. */
  readonly isEmpty: boolean
  /** The text of a secret, or of an access token; throws `secret_missing`. */
  text(name: string): string
  hmacKey(name: string, format: KeyFormat): KeyObject
  jwtKey(name: string, alg: JwtAlg): KeyObject
}

/** Opens the ring over `Installation.secrets`. `tokenOf` knows the names that stand for access tokens, which sign nothing. */
export function createKeyRing(
  secrets: ReadonlyMap<string, string>,
  tokenOf: (name: string) => string | undefined,
): KeyRing {
  const made = new Map<string, KeyObject>()
  const once = (id: string, make: () => KeyObject): KeyObject => {
    const known = made.get(id)
    if (known !== undefined) return known
    const key = make()
    made.set(id, key)
    return key
  }
  const text = (name: string): string => {
    const value = secrets.get(name)
    if (value === undefined || value === '') throw new HubError('secret_missing', `The secret "${name}" has no value.`)
    return value
  }
  let uses = 0
  const used = <T>(made: T): T => {
    uses += 1
    return made
  }
  return {
    uses: () => uses,
    isEmpty: secrets.size === 0,
    text: (name) => used(tokenOf(name) ?? text(name)),
    hmacKey: (name, format) =>
      used(once(`${format} ${name}`, () => createSecretKey(keyBytes(name, text(name), format)))),
    jwtKey: (name, alg) => used(once(`${alg} ${name}`, () => jwtKey(name, text(name), alg))),
  }
}

export interface HmacRequest {
  readonly alg: 'sha256' | 'sha512'
  readonly key: KeyObject
  readonly data: readonly (string | Buffer)[]
  readonly encoding: 'hex' | 'base64'
}

/** HMAC (RFC 2104) over the pieces one after the other. */
export function hmac(request: HmacRequest): string {
  const mac = createHmac(request.alg, request.key)
  for (const piece of request.data) mac.update(piece)
  return mac.digest(request.encoding)
}

export interface JwtRequest {
  readonly alg: JwtAlg
  readonly key: KeyObject
  readonly claims: { readonly [name: string]: Json }
  readonly header: { readonly [name: string]: Json }
}

const signAside = promisify(signBytes)

/** A compact JWS. RSA runs on the thread pool: it takes a millisecond. */
export async function signJwt(request: JwtRequest): Promise<string> {
  const { alg, key } = request
  const header = { typ: 'JWT', ...request.header, alg }
  const signed = `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(request.claims))}`
  if (alg === 'HS256') return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`
  // JWS wants the two ECDSA numbers side by side (RFC 7518 section 3.4), not in DER.
  const signer = alg === 'ES256' ? { key, dsaEncoding: 'ieee-p1363' as const } : key
  const signature = await signAside('sha256', Buffer.from(signed), signer)
  return `${signed}.${signature.toString('base64url')}`
}

/** RSASSA-PKCS1-v1_5 with SHA-256 over bytes, in base64: what `crypto.subtle.sign` of a sealed key answers. */
export async function signRsa(key: KeyObject, data: Buffer): Promise<string> {
  const signature = await signAside('sha256', data, key)
  return signature.toString('base64')
}

const base64url = (text: string): string => Buffer.from(text).toString('base64url')

function keyBytes(name: string, text: string, format: KeyFormat): Buffer {
  if (format === 'utf8') return Buffer.from(text)
  const base64 = format === 'whsec' && text.startsWith('whsec_') ? text.slice('whsec_'.length) : text
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64) || base64.length % 4 === 1) {
    const wanted = format === 'whsec' ? '"whsec_" followed by base64 (Standard Webhooks)' : 'base64'
    throw new HubError('config_invalid', `The secret "${name}" cannot be a signing key: it has to be ${wanted}.`)
  }
  return Buffer.from(base64, 'base64')
}

function jwtKey(name: string, text: string, alg: JwtAlg): KeyObject {
  if (alg === 'HS256') return createSecretKey(Buffer.from(text))
  const key = privateKey(name, text)
  const details = key.asymmetricKeyDetails
  if (alg === 'RS256' && key.asymmetricKeyType === 'rsa' && (details?.modulusLength ?? 0) >= RSA_BITS_MIN) return key
  if (alg === 'ES256' && key.asymmetricKeyType === 'ec' && details?.namedCurve === 'prime256v1') return key
  const wanted = alg === 'RS256' ? `an RSA key of ${RSA_BITS_MIN} bits or more` : 'a P-256 key'
  throw new HubError('config_invalid', `The secret "${name}" cannot sign ${alg}: it has to be ${wanted}.`)
}

function privateKey(name: string, text: string): KeyObject {
  try {
    return createPrivateKey(text)
  } catch {
    // OpenSSL's own message may quote the input.
    throw new HubError('config_invalid', `The secret "${name}" is not a private key in PEM (PKCS#8).`)
  }
}
