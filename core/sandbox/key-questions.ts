/** The cryptography behind `crypto.subtle` for keys that are the guest's own: pure, bounded, and no secret of the hub. */
import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  type JsonWebKey,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'

/** Bytes cross as base64. A key is `{format, key}`; `key` of a jwk is the object itself. */
export type KeyQuestion =
  | { readonly op: 'key-digest'; readonly hash: string; readonly data: string }
  | { readonly op: 'key-hmac'; readonly hash: string; readonly key: string; readonly data: string }
  | ({ readonly op: 'key-rsa-read' } & RsaKey)
  | ({ readonly op: 'key-rsa-sign'; readonly hash: string; readonly data: string } & RsaKey)
  | ({
      readonly op: 'key-rsa-verify'
      readonly hash: string
      readonly data: string
      readonly signature: string
    } & RsaKey)

export interface RsaKey {
  readonly format: 'pkcs8' | 'spki' | 'jwk'
  readonly key: unknown
}

/** What `key-rsa-read` answers. */
export interface RsaFacts {
  readonly type: 'private' | 'public'
  readonly modulusLength: number
  /** Hex. */
  readonly publicExponent: string
}

const HASHES: ReadonlySet<string> = new Set(['sha1', 'sha256', 'sha384', 'sha512'])
/** A key of the guest's choosing must not keep this process, which serves its neighbours, for long. */
const RSA_BITS = { min: 1_024, max: 4_096 } as const
const EXPONENT_MAX = 2n ** 32n

export const isKeyQuestion = (asked: { readonly [name: string]: unknown }): boolean =>
  typeof asked['op'] === 'string' && asked['op'].startsWith('key-')

/** Throws for anything that does not fit; the caller answers with nothing then. */
export function answerKeyQuestion(asked: object): unknown {
  const question = asked as KeyQuestion
  switch (question.op) {
    case 'key-digest':
      return createHash(hashOf(question.hash)).update(question.data, 'base64').digest('base64')
    case 'key-hmac':
      return createHmac(hashOf(question.hash), Buffer.from(question.key, 'base64'))
        .update(question.data, 'base64')
        .digest('base64')
    case 'key-rsa-read':
      return factsOf(rsaKey(question))
    case 'key-rsa-sign':
      return sign(hashOf(question.hash), Buffer.from(question.data, 'base64'), rsaKey(question)).toString('base64')
    case 'key-rsa-verify': {
      const { hash, data, signature } = question
      return verify(hashOf(hash), Buffer.from(data, 'base64'), rsaKey(question), Buffer.from(signature, 'base64'))
    }
    default:
      throw new Error('no such question')
  }
}

function hashOf(name: string): string {
  if (!HASHES.has(name)) throw new Error('no such hash')
  return name
}

function rsaKey({ format, key }: RsaKey): KeyObject {
  const found = readKey(format, key)
  const { modulusLength = 0, publicExponent = 0n } = found.asymmetricKeyDetails ?? {}
  const isFit = modulusLength >= RSA_BITS.min && modulusLength <= RSA_BITS.max && publicExponent <= EXPONENT_MAX
  if (found.asymmetricKeyType !== 'rsa' || !isFit) throw new Error('no such key')
  return found
}

function readKey(format: RsaKey['format'], key: unknown): KeyObject {
  if (format === 'jwk') {
    const jwk = key as JsonWebKey
    const input = { key: jwk, format: 'jwk' } as const
    return jwk.d === undefined ? createPublicKey(input) : createPrivateKey(input)
  }
  const der = Buffer.from(String(key), 'base64')
  return format === 'spki'
    ? createPublicKey({ key: der, format: 'der', type: 'spki' })
    : createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
}

function factsOf(key: KeyObject): RsaFacts {
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {}
  const hex = publicExponent.toString(16)
  return {
    type: key.type === 'private' ? 'private' : 'public',
    modulusLength,
    publicExponent: hex.length % 2 === 0 ? hex : `0${hex}`,
  }
}
