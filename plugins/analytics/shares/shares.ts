/**
 * Links that show the numbers of a form to whoever has them. Of a token only the hash is kept; a link that has run out is gone
 * by itself. How often each was opened is counted apart.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { Context } from 'manifold/plugin'

export interface Share {
  readonly id: string
  /** Whose numbers it shows, or which saved question: one of the two. */
  readonly formId: string | null
  readonly savedId: string | null
  /** RFC 3339, UTC. */
  readonly createdAt: string
  /** Null: it never runs out. */
  readonly expiresAt: string | null
}

type Kv = Pick<Context['kv'], 'set' | 'delete' | 'list'>

const PREFIX = 'share/'
const HASH_CHARS = 64
const ID_CHARS = 16
const TOKEN_BYTES = 32
const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex')

/** What openings are counted under. */
export const VIEWS = 'share '

function read(key: string): Share {
  const hash = key.slice(PREFIX.length, PREFIX.length + HASH_CHARS)
  const [formId, createdAt, expiresAt, savedId = null] = JSON.parse(key.slice(PREFIX.length + HASH_CHARS + 1)) as [
    string | null,
    string,
    string | null,
    string?,
  ]
  return { id: `shr_${hash.slice(0, ID_CHARS)}`, formId, savedId, createdAt, expiresAt }
}

interface Life {
  readonly ttlMs: number | null
  readonly nowMs: number
}

/** The token is in this answer and nowhere else. */
export function addShare(
  kv: Kv,
  { formId, savedId, ttlMs, nowMs }: Pick<Share, 'formId' | 'savedId'> & Life,
): { readonly share: Share; readonly token: string } {
  const token = randomBytes(TOKEN_BYTES).toString('base64url')
  const createdAt = new Date(nowMs).toISOString()
  const expiresAt = ttlMs === null ? null : new Date(nowMs + ttlMs).toISOString()
  const key = `${PREFIX}${hashOf(token)}/${JSON.stringify([formId, createdAt, expiresAt, ...(savedId === null ? [] : [savedId])])}`
  kv.set(key, true, ttlMs === null ? {} : { ttlMs })
  return { share: read(key), token }
}

/** Undefined for one that is unknown, revoked or has run out. */
export async function shareOf(kv: Kv, token: string, nowMs: number): Promise<Share | undefined> {
  const { keys } = await kv.list(`${PREFIX}${hashOf(token)}/`)
  const [share] = keys.map(read)
  return share?.expiresAt !== null && share !== undefined && Date.parse(share.expiresAt) <= nowMs ? undefined : share
}

export async function sharesOf(kv: Kv): Promise<readonly Share[]> {
  const shares = (await allOf(kv)).map(({ share }) => share)
  return shares.toSorted((one, other) => one.createdAt.localeCompare(other.createdAt))
}

async function allOf(kv: Kv): Promise<readonly { readonly key: string; readonly share: Share }[]> {
  const keys: string[] = []
  for (let after: string | null = ''; after !== null;) {
    const page: Awaited<ReturnType<Kv['list']>> = await kv.list(PREFIX, after === '' ? undefined : after)
    keys.push(...page.keys)
    after = page.next
  }
  return keys.map((key) => ({ key, share: read(key) }))
}

/** Those of a form that is gone: another one may get its id. Later ones are of that. */
export async function dropShares(kv: Kv, formId: string, goneAt: string): Promise<void> {
  for (const { key, share } of await allOf(kv))
    if (share.formId === formId && Date.parse(share.createdAt) <= Date.parse(goneAt)) kv.delete(key)
}

/** False: there is none of this id. */
export async function removeShare(kv: Kv, id: string): Promise<boolean> {
  const [, hash = ''] = /^shr_([0-9a-f]{16})$/.exec(id) ?? []
  if (hash === '') return false
  const { keys } = await kv.list(`${PREFIX}${hash}`)
  for (const key of keys) kv.delete(key)
  return keys.length > 0
}
