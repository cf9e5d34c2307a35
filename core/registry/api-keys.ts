/** API keys: made of 256 random bits with a prefix and a checksum, kept only as a hash, found, cached, shown once. */
import { hash, randomBytes, scryptSync, timingSafeEqual } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { rfc3339 } from '../clock.ts'
import type { Clock } from '../clock.ts'
import { HubError } from '../errors.ts'
import { newId } from '../ids.ts'
import { DEFAULT_WORKSPACE } from '../model.ts'
import type { Scope, WorkspaceId } from '../model.ts'
import type { Logger } from '../observe/observe.ts'
import type { ApiKeyRow } from '../storage/key-store.ts'
import type { Store } from '../storage/store.ts'

/** Who is asking. */
export interface Principal {
  readonly keyId: string
  readonly name: string
  readonly workspace: WorkspaceId
  readonly scopes: ReadonlySet<string>
  /** Of somebody who looks at the dashboard; absent or null: of a program. */
  readonly sessionId?: string | null
  /** Unix ms at which that ends, of a token; a key's end is known by its row. */
  readonly endsAtMs?: number
}

/** True when the principal may do what needs this scope. */
export const allows = (principal: Principal, scope: Scope): boolean =>
  principal.scopes.has(scope) || principal.scopes.has('admin')

/** Keys, what browsers show of a session, and what opens one. */
const PREFIXES = { key: 'mfk_', session: 'mfs_', link: 'mfl_' } as const
const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const SECRET_CHARS = 43
const CHECKSUM_CHARS = 6
const SHAPE = /^mf[ks]_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$/
const SHOWN_CHARS = 10

/** A new key: `mfk_<43 base62>_<6 base62 of CRC-32>`. Random is a parameter so that tests can pin it. */
export function generateKey(random: Buffer = randomBytes(32), kind: ApiKeyRow['kind'] = 'key'): string {
  const head = PREFIXES[kind] + base62(BigInt(`0x${random.toString('hex')}`), SECRET_CHARS)
  return `${head}_${checksum(head)}`
}

/** True when the text could be a key or session of ours: a typo or a cut key is told from a revoked one without asking the database. */
export function isKeyShaped(text: string): boolean {
  return SHAPE.test(text) && text.slice(-CHECKSUM_CHARS) === checksum(text.slice(0, -CHECKSUM_CHARS - 1))
}

/** SHA-256, hex: what is stored. */
export const hashKey = (text: string): string => hash('sha256', text, 'hex')

const checksum = (head: string): string => base62(BigInt(crc32(head)), CHECKSUM_CHARS)

function base62(value: bigint, chars: number): string {
  let text = ''
  for (let rest = value; text.length < chars; rest /= 62n) text = (BASE62[Number(rest % 62n)] as string) + text
  return text
}

export interface NewKey {
  readonly workspace: WorkspaceId
  readonly name: string
  readonly scopes: readonly Scope[]
  readonly expiresAt: string | null
}

/** The keys of the hub. */
export interface ApiKeys {
  /** Id of the admin key that this hub is given; null: none. */
  readonly adminKeyId: string | null
  /** Null for a key that is malformed, unknown, expired or revoked: the caller must not say which. */
  authenticate(text: string): Promise<Principal | null>
  /** The same when the answer is in memory, else undefined: the hot path asks this first. */
  peek(text: string): Principal | null | undefined
  /** `key` is in this answer and nowhere else. */
  create(input: NewKey): Promise<{ readonly key: string; readonly row: ApiKeyRow }>
  /** The first of a hub; null when another process that started at the same time has made it. */
  createFirst(input: NewKey): Promise<string | null>
  list(workspace: WorkspaceId): Promise<readonly ApiKeyRow[]>
  /** In force at once here, and in other processes as soon as they `forget`; within `CACHE_MS` at the latest. False when there is none, or it is revoked already. */
  revoke(workspace: WorkspaceId, id: string): Promise<boolean>
  /** Reads keys anew: another process made or revoked some. */
  forget(): void
  /** Writes out when keys were last used. */
  flush(): Promise<void>
  close(): Promise<void>
}

export interface ApiKeysDeps {
  readonly store: Pick<Store, 'createKey' | 'keyByHash' | 'listKeys' | 'revokeKey' | 'touchKeys'>
  readonly clock: Clock
  readonly logger: Logger
  /** A key that ends with this process: any text, all scopes of the default workspace. Null: none. */
  readonly processKey: string | null
  /** `MANIFOLD_ADMIN_KEY`: the same for as long as hubs are given it. */
  readonly adminKey: string | null
}

const CACHE_MS = 30_000
const CACHED_KEYS_MAX = 1_000
const TOUCH_EVERY_MS = 10_000
/** Always the same, so that it can be made once. */
const FIRST_KEY_ID = 'key_00000000-0000-7000-8000-000000000000'

interface Cached {
  readonly row: ApiKeyRow
  readonly principal: Principal
  readonly expiresAtMs: number
  readonly untilMs: number
}

/** Opens the keys; `close` ends the timer that writes last uses. */
export function openApiKeys(deps: ApiKeysDeps): ApiKeys {
  const { store, clock } = deps
  const { processKey, adminKey } = deps
  const adminKeyId = adminKey === null ? null : adminIdOf(adminKey)
  const operators = [
    ...(processKey === null ? [] : [{ hash: hashKey(processKey), principal: operatorOf(OPERATOR_ID) }]),
    ...(adminKey === null || adminKeyId === null
      ? []
      : [{ hash: hashKey(adminKey), principal: operatorOf(adminKeyId) }]),
  ]
  const cache = new Map<string, Cached>()
  const used = new Map<string, number>()
  // A key that is revoked while its row is being read must not come back through the cache.
  const revoked = new Set<string>()

  const use = (cached: Cached): Principal | null => {
    const nowMs = clock.nowMs()
    if (cached.expiresAtMs <= nowMs) return null
    used.set(cached.row.id, nowMs)
    return cached.principal
  }
  const fromMemory = (text: string, digest: string): Principal | null | undefined => {
    for (const operator of operators) if (sameHash(operator.hash, digest)) return operator.principal
    const cached = cache.get(digest)
    if (cached !== undefined && cached.untilMs > clock.monotonicMs()) return use(cached)
    if (cached !== undefined) cache.delete(digest)
    return isKeyShaped(text) ? undefined : null
  }
  const flush = async (): Promise<void> => {
    if (used.size === 0) return
    const batch = [...used].map(([id, atMs]) => ({ id, at: rfc3339(atMs) }))
    used.clear()
    await store.touchKeys(batch)
  }
  const create = async (id: string, input: NewKey): Promise<{ readonly key: string; readonly row: ApiKeyRow }> => {
    const key = generateKey()
    const row = { id, ...input, ...shownAndHash(key), createdAt: rfc3339(clock.nowMs()) }
    await store.createKey(row)
    return { key, row: { ...row, lastUsedAt: null, revokedAt: null, kind: 'key' as const, openedBy: null } }
  }
  const timer = setInterval(() => {
    flush().catch((error: unknown) =>
      deps.logger.warn({ err: error }, 'When API keys were last used could not be written'),
    )
  }, TOUCH_EVERY_MS)
  timer.unref()

  return {
    adminKeyId,
    peek: (text) => fromMemory(text, hashKey(text)),
    authenticate: async (text) => {
      const digest = hashKey(text)
      const known = fromMemory(text, digest)
      if (known !== undefined) return known
      const row = await store.keyByHash(digest)
      if (row === undefined || !sameHash(row.hash, digest) || row.revokedAt !== null || revoked.has(row.id)) return null
      if (row.openedBy !== null && (revoked.has(row.openedBy) || isReplaced(row.openedBy, adminKeyId))) return null
      const cached = toCached(row, clock.monotonicMs() + CACHE_MS)
      cache.set(digest, cached)
      if (cache.size > CACHED_KEYS_MAX) cache.delete(cache.keys().next().value as string)
      return use(cached)
    },
    create: (input) => create(newId('key'), input),
    createFirst: async (input) => {
      try {
        return (await create(FIRST_KEY_ID, input)).key
      } catch (error) {
        if (error instanceof HubError && error.code === 'conflict') return null
        throw error
      }
    },
    list: (workspace) => store.listKeys(workspace),
    revoke: async (workspace, id) => {
      const done = await store.revokeKey(workspace, id, rfc3339(clock.nowMs()))
      if (!done) return false
      revoked.add(id)
      for (const [digest, { row }] of cache) if (row.id === id || row.openedBy === id) cache.delete(digest)
      return true
    },
    forget: () => cache.clear(),
    flush,
    close: async () => {
      clearInterval(timer)
      await flush()
    },
  }
}

/** What is stored of a key. */
export const shownAndHash = (key: string): Pick<ApiKeyRow, 'prefix' | 'hash'> => ({
  prefix: key.slice(0, SHOWN_CHARS),
  hash: hashKey(key),
})

/** Whoever opens everything while this process lives. */
export const OPERATOR_ID = 'operator'
/** Begins the ids of admin keys that a hub is given. */
const ADMIN_ID = `${OPERATOR_ID}:`
const ADMIN_ID_BYTES = 4

/**
 * The same for the same key, in every process. People choose such keys, and ids are shown to others, so a guess at the key costs
 * whoever holds it against the id more than a hash.
 */
const adminIdOf = (adminKey: string): string =>
  ADMIN_ID + scryptSync(adminKey, 'MANIFOLD_ADMIN_KEY', ADMIN_ID_BYTES).toString('hex')

/** True for what came with an operator's key, of a process or given. */
export const isOperator = (keyId: string): boolean => keyId === OPERATOR_ID || keyId.startsWith(ADMIN_ID)

/** True for the id of an admin key that hubs were given before. */
const isReplaced = (keyId: string, adminKeyId: string | null): boolean =>
  keyId.startsWith(ADMIN_ID) && keyId !== adminKeyId

const operatorOf = (keyId: string): Principal => ({
  keyId,
  name: 'operator',
  workspace: DEFAULT_WORKSPACE,
  scopes: new Set(['admin']),
})

function toCached(row: ApiKeyRow, untilMs: number): Cached {
  // Whoever has a session is, to everybody else, the key it was opened with.
  const principal = {
    keyId: row.openedBy ?? row.id,
    name: row.name,
    workspace: row.workspace,
    scopes: new Set(row.scopes),
    sessionId: row.kind === 'session' ? row.id : null,
  }
  return { row, principal, expiresAtMs: row.expiresAt === null ? Infinity : Date.parse(row.expiresAt), untilMs }
}

/** Both sides are hashes, so even their comparison tells nothing about a key; constant time all the same. */
const sameHash = (one: string, other: string): boolean =>
  one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other))
