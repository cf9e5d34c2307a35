/** Hooks that stop are told of by an alert, once, also when the hub was down as it happened: what was told stands with the hook. */
import { alertEvent } from '../alert-event.ts'
import { DEFAULT_WORKSPACE } from '../model.ts'
import type { Hook, NewEvent, WorkspaceId } from '../model.ts'
import { endOfHook, REPLACED } from './hook-ends.ts'
import type { HooksDeps } from './hooks.ts'

/** One alert names no more keys, and no more reasons. */
const KEYS_NAMED_MAX = 20
const REASONS_TOLD_MAX = 3
/** As many hooks as one alert is about. */
const TOLD_AT_ONCE = 1_000

/** The alert: its reason says how many and why, since lists of alerts show that alone. */
function stopOf(of: { readonly hooks: number; readonly keyIds: readonly string[]; readonly because: string }) {
  return {
    kind: 'hooks_stopped',
    hooks: of.hooks,
    key_ids: of.keyIds.slice(0, KEYS_NAMED_MAX),
    reason: `nothing is sent to ${of.hooks === 1 ? '1 hook' : `${of.hooks} hooks`} any more ${of.because}`,
    todo: 'ask for each again with a key in force (manifold keys create): turn its Zap off and on; where the form is gone, choose another. GET /api/v2/hooks?state=stopped shows them',
  }
}

/** Tells of those that have ended since the last look; answers of how many. Another process that looks at the same time tells nothing. */
export async function tellStopped(deps: HooksDeps): Promise<number> {
  const nowMs = deps.clock.nowMs()
  let count = 0
  for (let isMore = true; isMore;) {
    const hooks = await deps.store.untoldHooks({ nowMs, limit: TOLD_AT_ONCE })
    let told = 0
    for (const workspace of new Set(hooks.map((hook) => hook.workspace)))
      told += await tellIn(
        deps,
        workspace,
        hooks.filter((hook) => hook.workspace === workspace),
      )
    count += told
    isMore = told > 0 && hooks.length === TOLD_AT_ONCE
  }
  return count
}

async function tellIn(deps: HooksDeps, workspace: WorkspaceId, hooks: readonly Hook[]): Promise<number> {
  const nowMs = deps.clock.nowMs()
  const told = stopOf({
    hooks: hooks.length,
    keyIds: [...new Set(hooks.map(({ keyId }) => keyId))],
    because: `(${becauseOf(hooks.map((hook) => `${hook.source}: ${endOfHook(hook, nowMs)?.reason ?? 'it has ended'}`))})`,
  })
  const event = alertEvent(told, nowMs)
  const ids = hooks.map(({ id }) => id)
  if (!(await deps.store.tellStopped({ workspace, ids, nowMs, event }))) return 0
  await publish(deps, workspace, { told, event })
  return hooks.length
}

function becauseOf(reasons: readonly string[]): string {
  const different = [...new Set(reasons)]
  const rest = different.length - REASONS_TOLD_MAX
  return [...different.slice(0, REASONS_TOLD_MAX), ...(rest > 0 ? [`and ${rest} more reasons`] : [])].join('; ')
}

/** See `HookBook.settle`. */
export async function settle(deps: HooksDeps, inForce: string | null): Promise<void> {
  const { store, clock } = deps
  const workspace = DEFAULT_WORKSPACE
  const stray = await store.strayOperators(workspace, inForce)
  const ended = stray.map(({ key }) => key)
  const told = stopOf({
    hooks: stray.reduce((sum, each) => sum + each.hooks, 0),
    keyIds: ended,
    because: `(made with ${ended.slice(0, KEYS_NAMED_MAX).join(', ')}): ${REPLACED}`,
  })
  const event = alertEvent(told, clock.nowMs())
  if (!(await store.settleOperators({ workspace, inForce, ended, reason: REPLACED, at: event.at, event }))) return
  await publish(deps, workspace, { told, event })
}

/** That a receiver ended its hook itself: nobody on this side did, so nobody may know. */
export function endedByReceiver(
  { source, keyId }: Hook,
  { reason, nowMs }: { readonly reason: string; readonly nowMs: number },
): NewEvent {
  const told = {
    ...stopOf({ hooks: 1, keyIds: [keyId], because: `(${source}: ${reason})` }),
    todo: 'nothing where it was turned off on purpose; else turn its Zap off and on, which asks for it again',
  }
  return alertEvent(told, nowMs)
}

async function publish(
  { store, logger, published }: HooksDeps,
  workspace: WorkspaceId,
  { told, event }: { readonly told: object; readonly event: NewEvent },
): Promise<void> {
  logger.warn(told, 'hooks stopped')
  const logged = await store.getEvent(workspace, event.id)
  if (logged !== undefined) published([logged])
}
