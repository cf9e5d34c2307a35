/** How each sender proves who it is. The host computes and compares; nothing here sees a secret. */
import type { VerifyRequest } from 'manifold/plugin'

type Proof = Omit<VerifyRequest, 'key'>

export type Style = 'hex' | 'sha256=hex' | 'base64' | 'sha256=base64' | 't,v1' | 'standard' | 'bearer' | 'path'

export interface StyleSettings {
  readonly signature: Style
  readonly header: string
  readonly toleranceS: number
}

/** Where the script for Google Forms puts its signature. */
const GOOGLE_HEADER = 'x-manifold-signature'

const FIXED: { readonly [from: string]: Proof } = {
  typeform: { scheme: 'hmac', from: { header: 'typeform-signature' }, prefix: 'sha256=', encoding: 'base64' },
  tally: { scheme: 'hmac', from: { header: 'tally-signature' }, encoding: 'base64' },
  jotform: { scheme: 'token', from: { param: 'token' } },
  formbricks: { scheme: 'standard' },
  'google-forms': { scheme: 'timestamp', from: { header: GOOGLE_HEADER } },
}

/** `settings` are those of `json`. */
export function proofOf(from: string, settings: StyleSettings | undefined): Proof {
  const fixed = Object.hasOwn(FIXED, from) ? FIXED[from] : undefined
  if (fixed !== undefined) return fixed
  if (settings === undefined) throw new TypeError('The settings have no "json".')
  const { signature, toleranceS } = settings
  const place = { from: { header: settings.header } }
  switch (signature) {
    case 'hex':
      return { scheme: 'hmac', ...place }
    case 'sha256=hex':
      return { scheme: 'hmac', ...place, prefix: 'sha256=' }
    case 'base64':
      return { scheme: 'hmac', ...place, encoding: 'base64' }
    case 'sha256=base64':
      return { scheme: 'hmac', ...place, prefix: 'sha256=', encoding: 'base64' }
    case 't,v1':
      return { scheme: 'timestamp', ...place, toleranceS }
    case 'standard':
      return { scheme: 'standard', toleranceS }
    case 'bearer':
      return { scheme: 'token', from: { header: 'authorization' }, prefix: 'Bearer ' }
    case 'path':
      return { scheme: 'token', from: { param: 'token' } }
    default: {
      const unknown: never = signature
      throw new TypeError(`Unknown style ${String(unknown)}.`)
    }
  }
}
