/** Hooks that nothing is sent to any more, or soon, as `status` and `doctor` tell of them. */
import { count } from './count.ts'
import type { HubClient } from './hub-client.ts'
import { hookList, keyList } from './rows.ts'
import type { HookRow } from './rows.ts'

/** Of those that the newest page has; each reason is said once. */
const LOOKED_AT_MAX = 200
const REASONS_SHOWN_MAX = 5

export const HOOKS_AGAIN =
  'ask for each again with a key in force (manifold keys create): turn its Zap off and on; one that nobody needs: End… on the page Hooks of the dashboard'

/** None: every hook is in force. */
export async function stoppedHooks(hub: Pick<HubClient, 'request'>): Promise<readonly HookRow[]> {
  const { items } = await hub.request('GET', `/api/v2/hooks?state=stopped&limit=${LOOKED_AT_MAX}`, { as: hookList })
  return items.filter(({ state }) => state !== 'active')
}

/** `2 hooks of zapier: its key (website) was revoked at …`, the most frequent first. */
export function stoppedLines(hooks: readonly HookRow[]): readonly string[] {
  const groups = Map.groupBy(hooks, ({ source, state, last_reason: reason }) => `${source}: ${reason ?? state}`)
  const lines = [...groups]
    .toSorted(([, one], [, other]) => other.length - one.length)
    .map(([of, all]) => `${count(all.length, 'hook')} of ${of}`)
  const rest = lines.length - REASONS_SHOWN_MAX
  return rest > 0 ? [...lines.slice(0, REASONS_SHOWN_MAX), `and ${count(rest, 'more reason')}`] : lines
}

const SOON_MS = 14 * 86_400_000

export const KEY_BEFORE_IT_ENDS =
  'make another (manifold keys create) and connect it before that: what happens while a hook stands still is not sent to it'

/** `2 hooks stop with the key website at …`, for each key in force that ends within two weeks. */
export async function stoppingLines(hub: Pick<HubClient, 'request'>, nowMs: number): Promise<readonly string[]> {
  const [{ items: hooks }, { items: keys }] = await Promise.all([
    hub.request('GET', `/api/v2/hooks?state=active&limit=${LOOKED_AT_MAX}`, { as: hookList }),
    hub.request('GET', '/api/v2/keys', { as: keyList }),
  ])
  return keys.flatMap(({ id, name, expires_at: at, revoked_at: revokedAt }) => {
    const used = hooks.filter(({ key_id: key, state }) => key === id && state === 'active').length
    if (used === 0 || at === null || revokedAt !== null || Date.parse(at) > nowMs + SOON_MS) return []
    return [`${count(used, 'hook')} ${used === 1 ? 'stops' : 'stop'} with the key ${name} at ${at}`]
  })
}
