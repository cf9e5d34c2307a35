/**
 * crypto.subtle as far as integrations need it: digests, HMAC and RSASSA-PKCS1-v1_5. A key is the plugin's own bytes, and
 * then the host hashes for it, or a secret that the hub keeps (`importKey('raw', ctx.secret('name'), …)`), and then the
 * hub signs through the calls behind `ctx.hmac` and `ctx.sign`.
 */
import type { KeyQuestion } from '../key-questions.ts'
import { fromBase64Url, toBase64 } from './base64.ts'
import { type CryptoKey, keyFor, type KeyMaterial, type KeyParts, partsOf } from './crypto-key.ts'
import { domException } from './dom-exception.ts'
import { exportKey, importKey } from './key-import.ts'
import { hashName, type KeyName, nameOf } from './key-names.ts'
import { addClass, ask } from './natives.ts'
import { fill } from './random.ts'
import { bytesOf } from './text.ts'

/** What a run gives to cryptography: the hub's keys, and a count for work that costs milliseconds. */
export interface KeyService {
  call(name: 'hmac' | 'sign', args: object): Promise<unknown>
  countOp(): void
}

const HMAC_BLOCK_BYTES: { readonly [hash: string]: number } = {
  'SHA-1': 64,
  'SHA-256': 64,
  'SHA-384': 128,
  'SHA-512': 128,
}
const ABSENT = ['encrypt', 'decrypt', 'deriveBits', 'deriveKey', 'wrapKey', 'unwrapKey']

let serviceNow: () => KeyService

class SubtleCrypto {
  async digest(algorithm: unknown, data: unknown): Promise<ArrayBuffer> {
    return bytesAnswer({ op: 'key-digest', hash: short(hashName(algorithm)), data: toBase64(bytesOf(data)) })
  }

  async importKey(
    ...[format, data, algorithm, extractable, usages]: [unknown, unknown, unknown, unknown, unknown]
  ): Promise<CryptoKey> {
    return importKey({ format, data, algorithm, extractable: Boolean(extractable), usages })
  }

  async exportKey(format: unknown, key: unknown): Promise<unknown> {
    return exportKey(format, partsOf(key))
  }

  async generateKey(algorithm: unknown, extractable: unknown, usages: unknown): Promise<CryptoKey> {
    if (nameOf(algorithm) !== 'HMAC')
      throw domException('The sandbox generates HMAC keys only; other keys are secrets', 'NotSupportedError')
    const { hash, length } = algorithm as { hash?: unknown; length?: number }
    const bits = length ?? (HMAC_BLOCK_BYTES[hashName(hash)] as number) * 8
    if (!(bits > 0 && bits <= 8_192 && bits % 8 === 0)) throw domException('Unfit key length', 'OperationError')
    const data = new Uint8Array(bits / 8)
    fill(data)
    return importKey({ format: 'raw', data, algorithm, extractable: Boolean(extractable), usages })
  }

  async sign(algorithm: unknown, key: unknown, data: unknown): Promise<ArrayBuffer> {
    const name = nameOf(algorithm)
    return signature(keyFor(key, 'sign', name), name, bytesOf(data).slice())
  }

  async verify(...[algorithm, key, mac, data]: [unknown, unknown, unknown, unknown]): Promise<boolean> {
    const name = nameOf(algorithm)
    const parts = keyFor(key, 'verify', name)
    const given = bytesOf(mac).slice()
    const bytes = bytesOf(data).slice()
    if (name === 'HMAC') return isSame(new Uint8Array(await signature(parts, name, bytes)), given)
    const { format, key: material } = parts.material as Extract<KeyMaterial, { kind: 'rsa' }>
    serviceNow().countOp()
    const hash = short(parts.algorithm.hash.name)
    const signed = toBase64(given)
    return (
      answerTo({ op: 'key-rsa-verify', format, key: material, hash, data: toBase64(bytes), signature: signed }) === true
    )
  }

  static {
    for (const name of ABSENT)
      Object.defineProperty(SubtleCrypto.prototype, name, {
        value: async () => {
          throw domException(`crypto.subtle.${name} does not exist in the sandbox`, 'NotSupportedError')
        },
        writable: true,
        configurable: true,
      })
  }
}

async function signature({ material, algorithm }: KeyParts, name: KeyName, bytes: Uint8Array): Promise<ArrayBuffer> {
  const data = toBase64(bytes)
  const hash = short(algorithm.hash.name)
  if (material.kind === 'hmac') return bytesAnswer({ op: 'key-hmac', hash, key: toBase64(material.bytes), data })
  const service = serviceNow()
  if (material.kind === 'rsa') {
    service.countOp()
    return bytesAnswer({ op: 'key-rsa-sign', format: material.format, key: material.key, hash, data })
  }
  const key = { $secret: material.secret }
  const answer =
    name === 'HMAC'
      ? await service.call('hmac', {
          key,
          alg: hash,
          data,
          dataEncoding: 'base64',
          encoding: 'base64',
          keyFormat: material.keyFormat,
        })
      : await service.call('sign', { key, alg: 'RS256', data })
  return bufferOf(answer)
}

/** In a time that does not depend on where they differ. */
function isSame(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length
  for (let at = 0; at < a.length; at++) difference |= (a[at] as number) ^ (b[at] ?? 0)
  return difference === 0
}

/** `SHA-256` → `sha256`, as the hub calls it. */
const short = (hash: string): string => hash.replace('-', '').toLowerCase()

const bytesAnswer = (question: KeyQuestion): ArrayBuffer => bufferOf(answerTo(question))

function answerTo(question: KeyQuestion): unknown {
  const answer = ask(question)
  if (answer === undefined)
    throw domException(
      'The host did not do it: about 1 MB of data a call, RSA keys of 1024 to 4096 bits',
      'OperationError',
    )
  return answer
}

function bufferOf(text: unknown): ArrayBuffer {
  const bytes = typeof text === 'string' ? fromBase64Url(text) : undefined
  if (bytes === undefined) throw domException('The hub gave no signature', 'OperationError')
  return bytes.buffer as ArrayBuffer
}

export const addSubtle = (): void => addClass('SubtleCrypto', SubtleCrypto)

/** `service` throws when no run is going on. Answers what `crypto.subtle` is. */
export function makeSubtle(service: () => KeyService): object {
  serviceNow = service
  return new SubtleCrypto()
}
