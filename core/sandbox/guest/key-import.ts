/** crypto.subtle.importKey and exportKey. */
import type { RsaFacts, RsaKey } from '../key-questions.ts'
import { fromBase64, fromBase64Url, toBase64 } from './base64.ts'
import { type CryptoKey, type KeyAlgorithm, type KeyMaterial, type KeyParts, makeKey } from './crypto-key.ts'
import { domException } from './dom-exception.ts'
import { hashName, nameOf } from './key-names.ts'
import { ask, asText, isArray } from './natives.ts'
import { bytesOf } from './text.ts'

export interface KeyImport {
  readonly format: unknown
  readonly data: unknown
  readonly algorithm: unknown
  readonly extractable: boolean
  readonly usages: unknown
}

/** The hub refuses shorter ones (core/capabilities/signing.ts), so this is the least a sealed RSA key has. */
const SEALED_RSA_BITS = 2048
const SEALED_HMAC_HASHES: ReadonlySet<string> = new Set(['SHA-256', 'SHA-512'])

const bad = (message: string): never => {
  throw domException(message, 'DataError')
}
const unsupported = (message: string): never => {
  throw domException(message, 'NotSupportedError')
}

export function importKey(input: KeyImport): CryptoKey {
  const name = nameOf(input.algorithm)
  const hash = { name: hashName((input.algorithm as { hash?: unknown }).hash) }
  const usages = usagesOf(input.usages)
  const secret = secretIn(input.data)
  if (secret !== null) return makeKey(sealedKey(input, { secret, usages, algorithm: { name, hash } }))
  if (name === 'HMAC') {
    const bytes = hmacBytes(input, `HS${hash.name.slice(4)}`, usages)
    checkUsages(usages, ['sign', 'verify'])
    if (bytes.length === 0) bad('Zero-length key is not supported')
    const algorithm = { name, hash, length: bitsOf(bytes, input.algorithm) }
    return makeKey({
      type: 'secret',
      extractable: input.extractable,
      algorithm,
      usages,
      material: { kind: 'hmac', bytes },
    })
  }
  const { material, facts } = rsaMaterial(input, `RS${hash.name.slice(4)}`, usages)
  checkUsages(usages, [facts.type === 'private' ? 'sign' : 'verify'], facts.type === 'public')
  const publicExponent = Uint8Array.from(facts.publicExponent.match(/../g) ?? [], (hex) => Number.parseInt(hex, 16))
  const algorithm = { name, hash, modulusLength: facts.modulusLength, publicExponent }
  return makeKey({ type: facts.type, extractable: input.extractable, algorithm, usages, material })
}

function sealedKey(
  { format, algorithm: given, extractable }: KeyImport,
  { secret, usages, algorithm }: { secret: string; usages: readonly string[]; algorithm: KeyAlgorithm },
): KeyParts {
  if (extractable) throw domException('A secret of the hub cannot be extractable', 'InvalidAccessError')
  const keyFormat = asText((given as { keyFormat?: unknown }).keyFormat ?? 'utf8')
  const material: KeyMaterial = { kind: 'sealed', secret, keyFormat }
  if (algorithm.name === 'HMAC') {
    if (format !== 'raw') unsupported('A secret becomes an HMAC key as "raw"')
    if (!SEALED_HMAC_HASHES.has(algorithm.hash.name)) unsupported('The hub makes HMACs with SHA-256 and SHA-512')
    checkUsages(usages, ['sign', 'verify'])
    return { type: 'secret', extractable, algorithm, usages, material }
  }
  if (format !== 'pkcs8') unsupported('A secret becomes an RSA key as "pkcs8"; it holds the PEM')
  if (algorithm.hash.name !== 'SHA-256') unsupported('The hub signs with RSA and SHA-256 only')
  checkUsages(usages, ['sign'])
  const rsa = { ...algorithm, modulusLength: SEALED_RSA_BITS, publicExponent: new Uint8Array([1, 0, 1]) }
  return { type: 'private', extractable, algorithm: rsa, usages, material }
}

function secretIn(data: unknown): string | null {
  const name = typeof data === 'object' && data !== null ? (data as { $secret?: unknown }).$secret : undefined
  return typeof name === 'string' ? name : null
}

function usagesOf(value: unknown): string[] {
  if (!isArray(value)) throw new TypeError('usages is a list')
  const given = new Set(value.map(asText))
  // The standard's own order, then what is no usage of these keys.
  return [...['sign', 'verify'].filter((usage) => given.delete(usage)), ...given]
}

/** What a JWK says of its own use is kept to, as far as it says anything. */
function checkJwk({ data, extractable }: KeyImport, name: string, usages: readonly string[]): void {
  const { alg, use, key_ops: operations, ext } = data as { readonly [part: string]: unknown }
  if (alg !== undefined && alg !== name) bad(`The key is not for ${name} (alg)`)
  if (use !== undefined && use !== 'sig' && usages.length > 0) bad('The key is not for signatures (use)')
  if (ext === false && extractable) bad('The key is not extractable (ext)')
  if (operations === undefined) return
  if (!isArray(operations) || usages.some((usage) => !operations.includes(usage)))
    bad('The key is not for these usages (key_ops)')
}

/** `length` may leave out bits of the last byte. */
function bitsOf(bytes: Uint8Array, algorithm: unknown): number {
  const all = bytes.length * 8
  const { length = all } = algorithm as { length?: number }
  if (!(length > all - 8 && length <= all)) bad('The length is not that of the key')
  return length
}

function checkUsages(usages: readonly string[], allowed: readonly string[], mayBeEmpty = false): void {
  const wrong = usages.find((usage) => !allowed.includes(usage))
  if (wrong !== undefined) throw domException(`Unsupported key usage "${wrong}" for this key`, 'SyntaxError')
  if (usages.length === 0 && !mayBeEmpty)
    throw domException('Usages cannot be empty when importing a secret or private key.', 'SyntaxError')
}

function hmacBytes(input: KeyImport, alg: string, usages: readonly string[]): Uint8Array {
  const { format, data } = input
  if (format === 'raw') return bytesOf(data).slice()
  if (format !== 'jwk') return unsupported(`An HMAC key comes as "raw" or "jwk", not "${String(format)}"`)
  checkJwk(input, alg, usages)
  const { kty, k } = data as { kty?: unknown; k?: unknown }
  const bytes = kty === 'oct' && typeof k === 'string' ? fromBase64Url(k) : undefined
  return bytes ?? bad('Invalid keyData')
}

function rsaMaterial(
  input: KeyImport,
  alg: string,
  usages: readonly string[],
): { material: KeyMaterial; facts: RsaFacts } {
  const { format, data } = input
  if (format !== 'pkcs8' && format !== 'spki' && format !== 'jwk')
    return unsupported(`An RSA key comes as "pkcs8", "spki" or "jwk", not "${String(format)}"`)
  if (format === 'jwk') checkJwk(input, alg, usages)
  const key: RsaKey = { format, key: format === 'jwk' ? jwkCopy(data) : toBase64(bytesOf(data)) }
  const facts = ask({ op: 'key-rsa-read', ...key }) as RsaFacts | undefined
  return { material: { kind: 'rsa', ...key }, facts: facts ?? bad('This is no RSA key of 1024 to 4096 bits') }
}

const JWK_PARTS = ['kty', 'n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi'] as const

/** A copy of what counts: later changes of the plugin's object do not reach the key. */
function jwkCopy(data: unknown): { [part: string]: string } {
  const jwk = data as { readonly [part: string]: unknown }
  const copy: { [part: string]: string } = {}
  for (const part of JWK_PARTS) if (typeof jwk[part] === 'string') copy[part] = jwk[part]
  return copy
}

export function exportKey(format: unknown, { extractable, material, algorithm, usages }: KeyParts): unknown {
  if (!extractable) throw domException('key is not extractable', 'InvalidAccessError')
  if (material.kind === 'hmac' && format === 'raw') return material.bytes.slice().buffer
  const more = { ext: true, key_ops: [...usages] }
  if (material.kind === 'hmac' && format === 'jwk') {
    const k = toBase64(material.bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
    return { kty: 'oct', k, alg: `HS${algorithm.hash.name.slice(4)}`, ...more }
  }
  if (material.kind === 'rsa' && format === material.format) {
    if (format !== 'jwk') return (fromBase64(String(material.key)) as Uint8Array).buffer
    return { ...(material.key as object), alg: `RS${algorithm.hash.name.slice(4)}`, ...more }
  }
  return unsupported('The sandbox exports a key in the format in which it was imported')
}
