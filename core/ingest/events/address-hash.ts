/**
 * Addresses as nobody can read them: hashed with a salt that all processes of the hub share for a day and that is then
 * forgotten, so that a visitor is the same one today and nobody's trace tomorrow. An address itself is never kept, and no backup or
 * move takes a salt along.
 */
import { createHmac, randomBytes } from 'node:crypto'
import type { Clock } from '../../clock.ts'
import type { WorkspaceId } from '../../model.ts'
import type { Store } from '../../storage/store.ts'

const DAY_MS = 86_400_000
/** Clocks of a fleet's processes differ. */
const AFTER_DAY_MS = 3_600_000
const SALT_BYTES = 32
const HASH_CHARS = 32

/** Resolves with 32 hex digits. */
export type AddressHash = (workspace: WorkspaceId, address: string) => Promise<string>

export function openAddressHash({ store, clock }: { store: Pick<Store, 'daySalt'>; clock: Clock }): AddressHash {
  let known: { readonly day: string; readonly salt: Promise<string> } | null = null
  const saltOf = (nowMs: number): Promise<string> => {
    const day = new Date(nowMs).toISOString().slice(0, 10)
    if (known?.day === day) return known.salt
    const fresh = randomBytes(SALT_BYTES).toString('hex')
    const salt = store.daySalt({ day, fresh, expiresAtMs: Date.parse(`${day}T00:00:00Z`) + DAY_MS + AFTER_DAY_MS })
    // What failed is asked for again.
    salt.catch(() => (known = null))
    known = { day, salt }
    return salt
  }
  return async (workspace, address) =>
    createHmac('sha256', await saltOf(clock.nowMs()))
      .update(`${workspace}\0${address}`)
      .digest('hex')
      .slice(0, HASH_CHARS)
}
