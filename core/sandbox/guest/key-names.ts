/** Names of algorithms and hashes as crypto.subtle takes them: any case, alone or inside an object. */
import { domException } from './dom-exception.ts'

export type KeyName = 'HMAC' | 'RSASSA-PKCS1-v1_5'

const KEY_NAMES: readonly KeyName[] = ['HMAC', 'RSASSA-PKCS1-v1_5']
const HASH_NAMES = ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512'] as const

const textOf = (algorithm: unknown): string =>
  String(typeof algorithm === 'object' && algorithm !== null ? (algorithm as { name?: unknown }).name : algorithm)

function known<Name extends string>(algorithm: unknown, names: readonly Name[]): Name {
  const text = textOf(algorithm)
  const found = names.find((name) => name.toUpperCase() === text.toUpperCase())
  if (found === undefined)
    throw domException(`"${text}" is not in the sandbox; it has ${names.join(', ')}`, 'NotSupportedError')
  return found
}

/** Throws NotSupportedError, with what there is. */
export const nameOf = (algorithm: unknown): KeyName => known(algorithm, KEY_NAMES)

/** The same for hashes. */
export const hashName = (algorithm: unknown): string => known(algorithm, HASH_NAMES)
