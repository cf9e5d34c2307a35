/** `manifold keys create|list|revoke`: asks the running hub; works on the database itself when none runs. */
import type { ApiKeys } from '../registry/api-keys.ts'
import type { ApiKeyRow } from '../storage/key-store.ts'
import type { Store } from '../storage/store.ts'
import type { Call, Run } from './call.ts'
import { expiryOption, settingsOf } from './call.ts'
import { confirm } from './confirm.ts'
import { existing } from './existing.ts'
import { CliError } from './exit-codes.ts'
import { connect, hasHub } from './hub-client.ts'
import type { KeyRow } from './rows.ts'
import { anything, hookList, keyList, keyMade } from './rows.ts'
import { NEW } from './verb.ts'

export const create: Run = async (call) => {
  const { SCOPES, isScope } = await import('../model.ts')
  const scopes = [call.options['scope']].flat().flatMap((scope) => String(scope).split(','))
  const wrong = scopes.filter((scope) => !isScope(scope))
  if (wrong.length > 0)
    throw new CliError(
      'usage',
      `There is no scope ${wrong.map((scope) => `"${scope}"`).join(', ')}.`,
      `there are: ${SCOPES.join(', ')}`,
    )
  const input = {
    name: String(call.options['name']),
    scopes: scopes.filter(isScope),
    expiresAt: expiryOption(call, 'expires', Date.now()) ?? null,
  }
  const made = hasHub(call)
    ? await connect(call).request('POST', '/api/v2/keys', {
        as: keyMade,
        body: { name: input.name, scopes: input.scopes, expires_at: input.expiresAt },
      })
    : await withKeys(await existing(call, NEW), async (keys, workspace) => {
        const { key, row } = await keys.create({ ...input, workspace })
        return { ...toRow(row), key }
      })
  if (call.options['json']) return call.terminal.json(made)
  call.terminal.line(made.key)
  call.terminal.say(`Key ${made.id} (${made.name}) may ${made.scopes.join(', ')}. It is shown this once; keep it safe.`)
}

export const list: Run = async (call) => {
  const items = hasHub(call)
    ? (await connect(call).request('GET', '/api/v2/keys', { as: keyList })).items
    : await withKeys(await existing(call), async (keys, workspace) => (await keys.list(workspace)).map(toRow))
  if (call.options['json']) return call.terminal.json({ items, next_cursor: null })
  call.terminal.table(
    ['id', 'name', 'key', 'scopes', 'created', 'last used', 'state'],
    items.map((key) => [
      key.id,
      key.name,
      `${key.prefix}…`,
      key.scopes.join(' '),
      key.created_at,
      key.last_used_at,
      stateOf(key),
    ]),
  )
}

export const revoke: Run = async (call) => {
  const [id = ''] = call.args
  if (hasHub(call)) await revokeAt(call, id)
  else if (
    !(await withKeys(await existing(call), (keys, workspace, store) => revokeIn(call, id, { keys, workspace, store })))
  )
    throw new CliError('failed', `There is no key "${id}" in force.`, 'manifold keys list shows them')
  if (call.options['json']) return call.terminal.json({ id, revoked: true })
  call.terminal.say(`Key ${id} is revoked.`)
}

async function revokeAt(call: Call, id: string): Promise<void> {
  const hub = connect(call)
  const hooks = await hub.list('/api/v2/hooks', { key: id }, { as: hookList, limit: HOOKS_COUNTED_MAX })
  await confirmHooks(call, hooks.items.filter(({ state }) => state === 'active').length)
  await hub.request('DELETE', `/api/v2/keys/${encodeURIComponent(id)}?force=true`, { as: anything })
}

async function revokeIn(
  call: Call,
  id: string,
  { keys, workspace, store }: { readonly keys: ApiKeys; readonly workspace: string; readonly store: Store },
): Promise<boolean> {
  await confirmHooks(call, await store.countHooks(workspace, { key: id, inForceMs: Date.now() }))
  return keys.revoke(workspace, id)
}

/** As many as a workspace can have. */
const HOOKS_COUNTED_MAX = 1_000

/** Zaps and the like would stop without a word. */
async function confirmHooks(call: Call, count: number): Promise<void> {
  if (count === 0) return
  const what = count === 1 ? '1 hook uses this key and stops' : `${count} hooks use this key and stop`
  await confirm(call, `${what} until they are connected with another one (Zapier, Make, n8n).`)
}

function stateOf(key: KeyRow): string {
  if (key.revoked_at !== null) return `revoked ${key.revoked_at}`
  if (key.expires_at === null) return 'in force'
  return Date.parse(key.expires_at) <= Date.now() ? `expired ${key.expires_at}` : `until ${key.expires_at}`
}

const toRow = (row: ApiKeyRow): KeyRow => ({
  id: row.id,
  name: row.name,
  prefix: row.prefix,
  scopes: [...row.scopes],
  created_at: row.createdAt,
  expires_at: row.expiresAt,
  last_used_at: row.lastUsedAt,
  revoked_at: row.revokedAt,
})

async function withKeys<T>(
  call: Call,
  use: (keys: ApiKeys, workspace: string, store: Store) => Promise<T>,
): Promise<T> {
  const [{ openApiKeys }, { DEFAULT_WORKSPACE }, { systemClock }, { storageOf }, { quietLogger }] = await Promise.all([
    import('../registry/api-keys.ts'),
    import('../model.ts'),
    import('../clock.ts'),
    import('../backends.ts'),
    import('./quiet-logger.ts'),
  ])
  const storage = await storageOf(settingsOf(call))
  const store = await storage.open()
  try {
    const keys = openApiKeys({ store, clock: systemClock, logger: quietLogger, processKey: null, adminKey: null })
    try {
      return await use(keys, DEFAULT_WORKSPACE, store)
    } finally {
      await keys.close()
    }
  } finally {
    await store.close()
  }
}
