/** What the rooms may ask of storage about API keys, and the sessions that are opened with them; a part of `Store`. */
import type { WorkspaceId } from '../model.ts'

export interface ApiKeyRow {
  readonly id: string
  readonly workspace: WorkspaceId
  readonly name: string
  /** The first characters, to recognise it by. */
  readonly prefix: string
  /** SHA-256 of the whole key, hex. Keys have 256 random bits, so nothing slower is needed. */
  readonly hash: string
  readonly scopes: readonly string[]
  readonly createdAt: string
  readonly expiresAt: string | null
  readonly lastUsedAt: string | null
  readonly revokedAt: string | null
  /** A link opens a session, once; a session is what a browser shows. */
  readonly kind: 'key' | 'link' | 'session'
  /** Id of the key with which a link or session was opened, and with which it ends. */
  readonly openedBy: string | null
}

export type NewApiKey = Omit<ApiKeyRow, 'lastUsedAt' | 'revokedAt' | 'kind' | 'openedBy'>
export type NewSession = NewApiKey & Pick<ApiKeyRow, 'kind' | 'openedBy'>

export interface KeyStore {
  createKey(key: NewApiKey): Promise<void>
  /**
   * Stores a session or link that ends no later than the key it is opened with, whose id is `key` (null: one that is in no
   * table). Undefined: that key is not in force. Drops those that expired before `at`.
   */
  openSession(input: { session: NewSession; key: string | null; at: string }): Promise<ApiKeyRow | undefined>
  /** Stores the session that the link with this hash stands for, once. Undefined: it was used, or is not in force. */
  followLink(input: { session: NewSession; link: string; at: string }): Promise<ApiKeyRow | undefined>
  keyByHash(hash: string): Promise<ApiKeyRow | undefined>
  /** Keys alone; oldest first; null: of every workspace. */
  listKeys(workspace: WorkspaceId | null): Promise<readonly ApiKeyRow[]>
  /** With what was opened with it. False: it is not in force. */
  revokeKey(workspace: WorkspaceId | null, id: string, at: string): Promise<boolean>
  touchKeys(used: readonly { id: string; at: string }[]): Promise<void>
}
