/** API keys: only their hashes are here. */
import type { WorkspaceId } from '../../model.ts'
import { all, first, run, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import type { KeyDbRow } from '../rows.ts'
import type { ApiKeyRow } from '../store.ts'
import { when, where } from '../where.ts'
import type { Condition } from '../where.ts'

const COLUMNS = 'id, workspace, name, prefix, hash, scopes, created_at, expires_at, last_used_at, revoked_at'

/** Stores a new key's hash. */
export function* createKey(key: Omit<ApiKeyRow, 'lastUsedAt' | 'revokedAt'>): Procedure<void> {
  yield* run(`INSERT INTO api_keys (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)`, [
    key.id,
    key.workspace,
    key.name,
    key.prefix,
    key.hash,
    JSON.stringify(key.scopes),
    key.createdAt,
    key.expiresAt,
  ])
}

/** Looks a key up while a request waits; revoked and expired ones too, for the caller to say so. */
export function* keyByHash(hash: string): Procedure<KeyDbRow | undefined> {
  return yield* first<KeyDbRow>(`SELECT ${COLUMNS} FROM api_keys WHERE hash = ?`, [hash])
}

const ofWorkspace = (workspace: WorkspaceId | null): Condition => when('workspace = ?', workspace ?? undefined)

/** Oldest first; null lists every workspace's. */
export function* listKeys(workspace: WorkspaceId | null): Procedure<readonly KeyDbRow[]> {
  const { sql, params } = where([['id IS NOT NULL'], ofWorkspace(workspace)])
  return yield* all<KeyDbRow>(`SELECT ${COLUMNS} FROM api_keys WHERE ${sql} ORDER BY created_at, id`, params)
}

/** False when there is none that is still valid. */
export function* revokeKey(input: {
  readonly workspace: WorkspaceId | null
  readonly id: string
  readonly at: string
}): Procedure<boolean> {
  const { sql, params } = where([['id = ?', input.id], ['revoked_at IS NULL'], ofWorkspace(input.workspace)])
  return (yield* run(`UPDATE api_keys SET revoked_at = ? WHERE ${sql}`, [input.at, ...params])) > 0
}

/** Notes the last use; an older report does not overwrite a newer one. */
export function* touchKeys(used: readonly { readonly id: string; readonly at: string }[]): Procedure<void> {
  yield* runMany(
    'UPDATE api_keys SET last_used_at = ? WHERE id = ? AND (last_used_at IS NULL OR last_used_at < ?)',
    used.map(({ id, at }): SqlValue[] => [at, id, at]),
  )
}
