/** API keys, and the sessions of people that are opened with them: only their hashes are here. */
import type { WorkspaceId } from '../../model.ts'
import { all, first, run, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import type { KeyDbRow } from '../rows.ts'
import type { NewApiKey, NewSession } from '../key-store.ts'
import { when, where } from '../where.ts'
import type { Condition } from '../where.ts'

const COLUMNS =
  'id, workspace, name, prefix, hash, scopes, created_at, expires_at, last_used_at, revoked_at, kind, opened_by'

/** Stores a new key's hash. */
export const createKey = (key: NewApiKey): Procedure<void> => insert({ ...key, kind: 'key', openedBy: null })

function* insert(key: NewSession): Procedure<void> {
  yield* run(`INSERT INTO api_keys (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, ?, ?)`, [
    key.id,
    key.workspace,
    key.name,
    key.prefix,
    key.hash,
    JSON.stringify(key.scopes),
    key.createdAt,
    key.expiresAt,
    key.kind,
    key.openedBy,
  ])
}

const IN_FORCE = 'revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)'

/** Stores a session or link that ends with the key it is opened with, if that is in force; drops what has expired. */
export function* openSession(input: {
  readonly session: NewSession
  readonly key: string | null
  readonly at: string
}): Procedure<KeyDbRow | undefined> {
  const { session, key, at } = input
  yield* run("DELETE FROM api_keys WHERE kind <> 'key' AND expires_at <= ?", [at])
  if (key === null) return yield* stored(session)
  const found = yield* first<KeyDbRow>(
    `SELECT ${COLUMNS} FROM api_keys WHERE workspace = ? AND id = ? AND kind = 'key' AND ${IN_FORCE}`,
    [session.workspace, key, at],
  )
  return found === undefined ? undefined : yield* stored({ ...session, expiresAt: sooner(session, found.expires_at) })
}

/** Uses a link up for the session it stands for. */
export function* followLink(input: {
  readonly session: NewSession
  readonly link: string
  readonly at: string
}): Procedure<KeyDbRow | undefined> {
  const { session, link, at } = input
  const found = yield* first<KeyDbRow>(
    `SELECT ${COLUMNS} FROM api_keys WHERE hash = ? AND kind = 'link' AND ${IN_FORCE}`,
    [link, at],
  )
  if (found === undefined) return undefined
  const used = yield* run('UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL', [at, found.id])
  if (used === 0) return undefined
  const opener = yield* first<KeyDbRow>(
    `SELECT ${COLUMNS} FROM api_keys WHERE workspace = ? AND id = ? AND kind = 'key'`,
    [found.workspace, found.opened_by],
  )
  return yield* stored({
    ...session,
    workspace: found.workspace,
    name: found.name,
    scopes: JSON.parse(found.scopes) as string[],
    openedBy: found.opened_by,
    expiresAt: sooner(session, opener?.expires_at ?? null),
  })
}

function* stored(session: NewSession): Procedure<KeyDbRow | undefined> {
  yield* insert(session)
  return yield* keyByHash(session.hash)
}

/** Times of one format sort as text. */
const sooner = ({ expiresAt }: NewSession, other: string | null): string | null =>
  other !== null && (expiresAt === null || other < expiresAt) ? other : expiresAt

/** Looks a key up while a request waits; revoked and expired ones too, for the caller to say so. */
export function* keyByHash(hash: string): Procedure<KeyDbRow | undefined> {
  return yield* first<KeyDbRow>(`SELECT ${COLUMNS} FROM api_keys WHERE hash = ?`, [hash])
}

const ofWorkspace = (workspace: WorkspaceId | null): Condition => when('workspace = ?', workspace ?? undefined)

/** Oldest first; null lists every workspace's. Links and sessions are not among them. */
export function* listKeys(workspace: WorkspaceId | null): Procedure<readonly KeyDbRow[]> {
  const { sql, params } = where([["kind = 'key'"], ofWorkspace(workspace)])
  return yield* all<KeyDbRow>(`SELECT ${COLUMNS} FROM api_keys WHERE ${sql} ORDER BY created_at, id`, params)
}

/** False when there is none that is still valid. What was opened with it ends as well. */
export function* revokeKey(input: {
  readonly workspace: WorkspaceId | null
  readonly id: string
  readonly at: string
}): Procedure<boolean> {
  const { sql, params } = where([
    ['(id = ? OR opened_by = ?)', input.id, input.id],
    ['revoked_at IS NULL'],
    ofWorkspace(input.workspace),
  ])
  return (yield* run(`UPDATE api_keys SET revoked_at = ? WHERE ${sql}`, [input.at, ...params])) > 0
}

/** Notes the last use; an older report does not overwrite a newer one. */
export function* touchKeys(used: readonly { readonly id: string; readonly at: string }[]): Procedure<void> {
  yield* runMany(
    'UPDATE api_keys SET last_used_at = ? WHERE id = ? AND (last_used_at IS NULL OR last_used_at < ?)',
    used.map(({ id, at }): SqlValue[] => [at, id, at]),
  )
}
