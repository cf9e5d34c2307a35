/** The gate before every handler: reads the key, checks the route's access, and counts strangers. Default deny. */
import type { IncomingMessage } from 'node:http'
import type { Clock } from '../clock.ts'
import { HubError } from '../errors.ts'
import type { Limits } from '../limits.ts'
import { allows } from '../registry/api-keys.ts'
import type { Scope } from '../model.ts'
import type { Principal } from '../registry/api-keys.ts'
import type { Credentials } from '../registry/tokens.ts'
import { bucketOf } from './address.ts'
import type { AddressBook } from './address.ts'
import { openRateLimit } from './rate-limit.ts'
import type { RateLimit } from './rate-limit.ts'
import type { Access } from './route.ts'

/** Resolves with who is asking, or rejects with `unauthorized`, `forbidden` or `rate_limited`. No promise when memory knows. */
export type Gate = (incoming: IncomingMessage, access: Access) => Principal | null | Promise<Principal | null>

export interface GateDeps {
  readonly credentials: Credentials
  readonly addresses: AddressBook
  readonly clock: Clock
  readonly limits: Pick<Limits, 'publicRatePerSecond' | 'publicRateBurst' | 'bearerCharsMax'>
  /** Of the rate and burst of `limits`; default: one that counts in this process alone. */
  readonly rateLimit?: RateLimit | undefined
}

const BEARER = /^Bearer +(\S+)$/i

/** The key or token that was shown; undefined where the header is another or missing. */
export const bearerOf = ({ headers }: IncomingMessage): string | undefined =>
  BEARER.exec(headers.authorization ?? '')?.[1]

export function openGate(deps: GateDeps): Gate {
  const { publicRatePerSecond, publicRateBurst } = deps.limits
  const rate = deps.rateLimit ?? openRateLimit({ ratePerSecond: publicRatePerSecond, burst: publicRateBurst })
  const count = (incoming: IncomingMessage, message: string): null | Promise<null> => {
    const pass = (waitMs: number): null => {
      if (waitMs === 0) return null
      throw new HubError('rate_limited', message, { retryAfterMs: waitMs })
    }
    const waitMs = rate(bucketOf(deps.addresses.clientOf(incoming)), deps.clock.monotonicMs())
    return typeof waitMs === 'number' ? pass(waitMs) : waitMs.then(pass)
  }
  const countStranger = (incoming: IncomingMessage): null | Promise<null> =>
    count(incoming, `This address may send ${publicRatePerSecond} responses a second. Wait, or use an API key.`)
  // Only what failed counts: a valid key must work from an address that others share.
  const refuseKey = (incoming: IncomingMessage, message: string): Promise<never> => {
    const told = `This address may try ${publicRatePerSecond} wrong API keys a second. Wait, and check the key.`
    const refuse = (): never => {
      throw new HubError('unauthorized', message)
    }
    const counted = count(incoming, told)
    return counted === null ? refuse() : counted.then(refuse)
  }
  const admit = (
    incoming: IncomingMessage,
    principal: Principal | null,
    access: Access,
  ): Principal | null | Promise<null> => {
    if (principal === null && access === 'stranger') return countStranger(incoming)
    if (principal === null)
      return refuseKey(incoming, 'This API key or token is not valid here: unknown, expired or revoked.')
    const scope = scopeOf(access)
    if (scope !== null && !allows(principal, scope))
      throw new HubError('forbidden', `This needs a key with the scope "${scope}".`)
    return principal
  }
  return (incoming, access) => {
    const header = incoming.headers.authorization
    if (access === 'open') return null
    if (header === undefined) {
      if (access === 'submit' || access === 'stranger') return countStranger(incoming)
      if (access === 'local' && deps.addresses.isLocal(incoming)) return null
      throw new HubError(
        'unauthorized',
        'Send an API key: "Authorization: Bearer mfk_...". Keys are made with `manifold keys create`.',
      )
    }
    const key = bearerOf(incoming)
    if (key === undefined || key.length > deps.limits.bearerCharsMax) {
      // Of a plugin's route the header may be the plugin's business.
      if (access === 'stranger') return countStranger(incoming)
      return refuseKey(incoming, 'The Authorization header must be "Bearer <api key or token>".')
    }
    const known = deps.credentials.peek(key)
    if (known !== undefined) return admit(incoming, known, access)
    return deps.credentials.authenticate(key).then((principal) => admit(incoming, principal, access))
  }
}

function scopeOf(access: Access): Scope | null {
  if (access === 'submit') return 'responses:write'
  if (access === 'local') return 'admin'
  return access === 'any-key' || access === 'open' || access === 'stranger' ? null : access
}
