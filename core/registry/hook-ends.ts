/** Why nothing is sent to a hook any more, in the words that the API, the dashboard and alerts have for it. */
import { rfc3339 } from '../clock.ts'
import type { Hook } from '../model.ts'

export interface HookEnd {
  readonly state: 'expired' | 'form_gone' | 'key_expired' | 'key_revoked'
  readonly reason: string
  /** When, RFC 3339. */
  readonly at: string
}

/** Of hooks that were made with an admin key that hubs are not given any more. */
export const REPLACED = "the MANIFOLD_ADMIN_KEY that it was made with is not the hub's any more"

/** By what the store says, which decides what is sent; undefined: it is in force. */
export function endOfHook(
  { key, formId, formGoneAt, expiresAtMs }: Pick<Hook, 'key' | 'formId' | 'formGoneAt' | 'expiresAtMs'>,
  nowMs: number,
): HookEnd | undefined {
  if (formGoneAt !== null) return { state: 'form_gone', reason: `its form (${formId}) was deleted`, at: formGoneAt }
  if (key !== null && key.revokedAt !== null)
    return {
      state: 'key_revoked',
      reason: key.isOperator ? REPLACED : `its key (${key.name}) was revoked at ${key.revokedAt}`,
      at: key.revokedAt,
    }
  if (key?.expiresAt && Date.parse(key.expiresAt) <= nowMs)
    return { state: 'key_expired', reason: `its key (${key.name}) expired at ${key.expiresAt}`, at: key.expiresAt }
  if (expiresAtMs !== null && expiresAtMs <= nowMs)
    return { state: 'expired', reason: `it was asked for until ${rfc3339(expiresAtMs)}`, at: rfc3339(expiresAtMs) }
  return undefined
}
