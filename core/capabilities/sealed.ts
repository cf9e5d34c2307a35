/** Fills secrets, and what is made of them, into what a plugin wrote around them. `shown` is the same text with the secrets left out. */
import type { Json } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import { MASKED } from '../model.ts'
import { hmac, isKeyFormat, type KeyRing } from './signing.ts'

export interface Unsealed {
  readonly real: string
  readonly shown: string
}

export interface UnsealInput {
  readonly keys: KeyRing
  /** The exact bytes of the request's body, for `{ $body: true }`; null where there is no body to sign. */
  readonly body: Buffer | null
}

const PIECES_MAX = 100

/** `value` comes from the guest: a string, a reference, an HMAC, Base64, or a list of those. Throws `capability_input`. */
export function unseal(value: Json | undefined, where: string, input: UnsealInput): Unsealed {
  if (typeof value === 'string') return { real: value, shown: value }
  if (!isList(value)) return unsealPiece(value, where, input)
  if (value.length > PIECES_MAX) throw wrong(where, `has more than ${PIECES_MAX} pieces`)
  let real = ''
  let shown = ''
  for (const item of value) {
    const piece = unsealPiece(item, where, input)
    real += piece.real
    shown += piece.shown
  }
  return { real, shown }
}

/** The name of a SecretRef, or undefined for anything else. */
export function secretName(value: Json | undefined): string | undefined {
  if (!isObject(value)) return undefined
  return typeof value['$secret'] === 'string' ? value['$secret'] : undefined
}

function unsealPiece(value: Json | undefined, where: string, input: UnsealInput): Unsealed {
  if (typeof value === 'string') return { real: value, shown: value }
  const name = secretName(value)
  if (name !== undefined) return { real: input.keys.text(name), shown: MASKED }
  const joined = isObject(value) ? value['$base64'] : undefined
  if (joined !== undefined) return sealedBase64(joined, where, input)
  const sealed = isObject(value) ? value['$hmac'] : undefined
  if (!isObject(sealed)) throw wrong(where, 'has to be a string, a secret, an hmac, base64, or a list of those')
  const digest = sealedHmac(sealed, where, input)
  return { real: digest, shown: digest }
}

function sealedBase64(pieces: Json, where: string, { keys }: UnsealInput): Unsealed {
  if (!isList(pieces) || pieces.length > PIECES_MAX) throw wrong(where, 'has a $base64 that is no list of pieces')
  const texts = pieces.map((piece) => {
    if (typeof piece === 'string') return piece
    const name = secretName(piece)
    if (name === undefined) throw wrong(where, 'has a $base64 with a piece that is neither text nor a secret')
    return keys.text(name)
  })
  const real = Buffer.from(texts.join('')).toString('base64')
  return { real, shown: pieces.every((piece) => typeof piece === 'string') ? real : MASKED }
}

function sealedHmac(sealed: JsonObject, where: string, input: UnsealInput): string {
  const { alg = 'sha256', encoding = 'hex', keyFormat = 'utf8', data } = sealed
  const name = secretName(sealed['key'])
  if (name === undefined) throw wrong(where, 'has an $hmac whose key is no secret')
  if (alg !== 'sha256' && alg !== 'sha512') throw wrong(where, 'has an $hmac with an alg other than sha256 and sha512')
  if (encoding !== 'hex' && encoding !== 'base64')
    throw wrong(where, 'has an $hmac with an encoding other than hex and base64')
  if (!isKeyFormat(keyFormat)) throw wrong(where, 'has an $hmac with an unknown keyFormat')
  if (!isList(data) || data.length > PIECES_MAX) throw wrong(where, 'has an $hmac whose data is no list of pieces')
  const pieces = data.map((piece) => {
    if (typeof piece === 'string') return piece
    if (isObject(piece) && piece['$body'] === true) return input.body ?? ''
    throw wrong(where, 'has an $hmac with a piece that is neither text nor { $body: true }')
  })
  return hmac({ alg, encoding, key: input.keys.hmacKey(name, keyFormat), data: pieces })
}

type JsonObject = { readonly [key: string]: Json }

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isList = (value: Json | undefined): value is readonly Json[] => Array.isArray(value)

const wrong = (where: string, what: string): HubError => new HubError('capability_input', `${where} ${what}.`)
