/**
 * Sessions of the dashboard: short-lived keys that are opened with a key, or with a link that somebody who has one may hand
 * out once. They may do what that key may, and end with it.
 */
import { randomBytes } from 'node:crypto'
import { rfc3339 } from '../clock.ts'
import type { Clock } from '../clock.ts'
import { HubError } from '../errors.ts'
import { newId } from '../ids.ts'
import type { ApiKeyRow, NewSession } from '../storage/key-store.ts'
import type { Store } from '../storage/store.ts'
import { generateKey, hashKey, isOperator, shownAndHash } from './api-keys.ts'
import type { Principal } from './api-keys.ts'

/** What opens a session, or is one: `token` is in this answer and nowhere else. */
export interface Opened {
  readonly token: string
  readonly expiresAt: string
}

export interface Sessions {
  /** Of whoever shows a key; rejects with `forbidden` for others. */
  open(principal: Principal): Promise<Opened>
  /** A token for a link, for the same. */
  link(principal: Principal): Promise<Opened>
  /** By the token of a link that nobody followed yet; null: there is none. */
  follow(token: string): Promise<Opened | null>
}

const SESSION_MS = 12 * 3_600_000
const LINK_MS = 10 * 60_000
const LIFE_MS = { session: SESSION_MS, link: LINK_MS } as const

export function openSessions({
  store,
  clock,
}: {
  readonly store: Pick<Store, 'openSession' | 'followLink'>
  readonly clock: Clock
}): Sessions {
  const made = (kind: 'link' | 'session', of: Principal): { readonly token: string; readonly session: NewSession } => {
    const token = generateKey(randomBytes(32), kind)
    const { workspace, name, scopes, keyId } = of
    const nowMs = clock.nowMs()
    const times = { createdAt: rfc3339(nowMs), expiresAt: rfc3339(nowMs + LIFE_MS[kind]) }
    const row = { id: newId('session'), workspace, name, scopes: [...scopes], ...shownAndHash(token), ...times }
    return { token, session: { ...row, kind, openedBy: keyId } }
  }
  const open = async (kind: 'link' | 'session', principal: Principal): Promise<Opened> => {
    const { keyId, sessionId = null } = principal
    const isStored = keyId.startsWith('key_')
    // A session that could open another would never end; a token is somebody else's to end.
    if (sessionId !== null || !(isStored || isOperator(keyId))) throw new HubError('forbidden', KEY_NEEDED)
    const { token, session } = made(kind, principal)
    const row = await store.openSession({ session, key: isStored ? keyId : null, at: session.createdAt })
    if (row === undefined) throw new HubError('unauthorized', 'This API key is not in force any more.')
    return { token, expiresAt: expiryOf(row) }
  }
  return {
    open: (principal) => open('session', principal),
    link: (principal) => open('link', principal),
    follow: async (token) => {
      const { token: shown, session } = made('session', NOBODY)
      const row = await store.followLink({ session, link: hashKey(token), at: session.createdAt })
      return row === undefined ? null : { token: shown, expiresAt: expiryOf(row) }
    },
  }
}

const KEY_NEEDED = 'A session is opened with an API key, not with a token or another session.'

/** Until storage says whose link it was. */
const NOBODY: Principal = { keyId: '', name: '', workspace: '', scopes: new Set() }

const expiryOf = ({ expiresAt }: ApiKeyRow): string => expiresAt ?? ''
