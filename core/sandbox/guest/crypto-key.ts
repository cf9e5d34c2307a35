/** CryptoKey: what the guest may know of a key, and where its material is. */
import type { RsaKey } from '../key-questions.ts'
import { domException } from './dom-exception.ts'
import { addClass, freeze } from './natives.ts'

export interface KeyAlgorithm {
  readonly name: 'HMAC' | 'RSASSA-PKCS1-v1_5'
  readonly hash: { readonly name: string }
  readonly length?: number
  readonly modulusLength?: number
  readonly publicExponent?: Uint8Array
}

/** `sealed`: the hub has the key, under the name of a secret. */
export type KeyMaterial =
  | { readonly kind: 'sealed'; readonly secret: string; readonly keyFormat: string }
  | { readonly kind: 'hmac'; readonly bytes: Uint8Array }
  | ({ readonly kind: 'rsa' } & RsaKey)

export interface KeyParts {
  readonly type: 'secret' | 'private' | 'public'
  readonly extractable: boolean
  readonly algorithm: KeyAlgorithm
  readonly usages: readonly string[]
  readonly material: KeyMaterial
}

const PRIVATE = Symbol('made by the sandbox')

/** Its parts, material included. Throws for what is no CryptoKey. */
export let partsOf: (key: unknown) => KeyParts

export class CryptoKey {
  readonly #parts: KeyParts

  constructor(token?: unknown, parts?: KeyParts) {
    if (token !== PRIVATE || parts === undefined) throw new TypeError('Illegal constructor')
    this.#parts = parts
  }

  get type(): string {
    return this.#parts.type
  }

  get extractable(): boolean {
    return this.#parts.extractable
  }

  get algorithm(): KeyAlgorithm {
    return this.#parts.algorithm
  }

  get usages(): readonly string[] {
    return this.#parts.usages
  }

  static {
    partsOf = (key) => {
      if (typeof key !== 'object' || key === null || !(#parts in key)) throw new TypeError('Expected a CryptoKey')
      return key.#parts
    }
  }
}

export const makeKey = (parts: KeyParts): CryptoKey =>
  new CryptoKey(PRIVATE, { ...parts, algorithm: freeze(parts.algorithm), usages: freeze([...parts.usages]) })

/** The key for one use of it, or the standard's error. */
export function keyFor(key: unknown, usage: 'sign' | 'verify', name: string): KeyParts {
  const parts = partsOf(key)
  if (parts.algorithm.name !== name) throw domException('The key is for another algorithm', 'InvalidAccessError')
  if (!parts.usages.includes(usage)) throw domException(`The key may not ${usage}`, 'InvalidAccessError')
  return parts
}

export const addCryptoKey = (): void => addClass('CryptoKey', CryptoKey)
