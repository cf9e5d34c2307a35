/** Hooks as the API, and plugins that carry them out, use them: who wants what, how sending went, and an end that is told. */
import { rfc3339 } from '../clock.ts'
import type { Clock } from '../clock.ts'
import { HubError } from '../errors.ts'
import { newId } from '../ids.ts'
import type { Limits } from '../limits.ts'
import type { Hook, LogEvent, WorkspaceId } from '../model.ts'
import type { Logger } from '../observe/observe.ts'
import type { HookNote, NewHook, RemoveIf, Store } from '../storage/store.ts'
import { endedByReceiver, settle, tellStopped } from './hook-stops.ts'

export interface HooksDeps {
  readonly store: Pick<
    Store,
    | 'saveHook'
    | 'getHook'
    | 'hooksFor'
    | 'endedHooks'
    | 'removeHook'
    | 'noteHooks'
    | 'getEvent'
    | 'strayOperators'
    | 'settleOperators'
    | 'untoldHooks'
    | 'tellStopped'
  >
  readonly clock: Pick<Clock, 'nowMs'>
  readonly limits: Pick<Limits, 'endedHooksKeepMs'>
  readonly logger: Logger
  readonly published: (events: readonly LogEvent[]) => void
}

export interface HookBook {
  /** As `Store.saveHook`; where there are too many, those go that nothing is sent to any more. */
  save(hook: NewHook): ReturnType<Store['saveHook']>
  /** In force now; undefined for one that was removed or has expired, or whose key has. */
  get(workspace: WorkspaceId, id: string): Promise<Hook | undefined>
  /** Those in force that want this event of this form; see `Store.hooksFor`. */
  list(query: Omit<Parameters<Store['hooksFor']>[0], 'nowMs'>): ReturnType<Store['hooksFor']>
  /** How sending went; null: well. Written within two seconds. */
  note(workspace: WorkspaceId, id: string, reason: string | null): void
  /** As it is, ended or not; undefined for one that was removed. */
  find(workspace: WorkspaceId, id: string): Promise<Hook | undefined>
  /**
   * Ends it for good, with a `hook.removed` event and a line in the log, and an alert where its receiver wanted it; false when it
   * is gone, or not as it has to be.
   */
  remove(workspace: WorkspaceId, id: string, why: RemoveIf & RemovedBecause): Promise<boolean>
  /**
   * Tells of those that have ended and that nobody was told of, by an alert for each workspace; answers of how many. What has a time
   * of its own is found by whoever tidies; whoever ends a key asks at once.
   */
  tellStopped(): Promise<number>
  /** Removes those that nothing has been sent to for `endedHooksKeepMs`; answers how many. */
  purge(): Promise<number>
  /**
   * Ends hooks of every admin key that hubs were given before this one, with an alert; null: they are given none. Before anything
   * is sent, and by no worker: nobody calls that, so it may know of no key.
   */
  settle(adminKeyId: string | null): Promise<void>
  /** Writes what was noted. */
  flush(): Promise<void>
  close(): Promise<void>
}

interface RemovedBecause {
  readonly reason: string
  readonly isByReceiver?: boolean
}

const FLUSH_EVERY_MS = 2_000
const REASON_CHARS_MAX = 500

/** So many that have ended go at once. */
const REMOVED_AT_ONCE = 100

/** Opens it; `close` ends the timer that writes notes. */
export function openHooks(deps: HooksDeps): HookBook {
  const { store, clock, limits, logger } = deps
  let noted = new Map<string, HookNote>()
  const flush = async (): Promise<void> => {
    if (noted.size === 0) return
    const notes = [...noted.values()]
    noted = new Map()
    await store.noteHooks(notes)
  }
  const timer = setInterval(() => {
    flush().catch((error: unknown) => logger.warn({ err: error }, 'how hooks went could not be written'))
  }, FLUSH_EVERY_MS)
  timer.unref()
  const removeEnded = async (workspace: WorkspaceId | null, endedByMs: number): Promise<number> => {
    const ended = await store.endedHooks({ workspace, endedByMs, limit: REMOVED_AT_ONCE })
    let count = 0
    for (const hook of ended)
      if (await remove(deps, hook, { reason: 'it had expired, or its key had ended', endedByMs })) count += 1
    return count
  }
  return {
    save: async (hook) => {
      try {
        return await store.saveHook(hook)
      } catch (error) {
        const isFull = error instanceof HubError && error.code === 'conflict'
        if (!isFull) throw error
        await tellStopped(deps)
        if ((await removeEnded(hook.workspace, clock.nowMs())) === 0) throw error
        return await store.saveHook(hook)
      }
    },
    get: (workspace, id) => store.getHook(workspace, id, clock.nowMs()),
    find: (workspace, id) => store.getHook(workspace, id),
    list: (query) => store.hooksFor({ ...query, nowMs: clock.nowMs() }),
    note: (workspace, id, reason) => {
      const note = { workspace, id, at: rfc3339(clock.nowMs()), reason: reason?.slice(0, REASON_CHARS_MAX) ?? null }
      noted.set(`${workspace}/${id}/${reason === null ? 'well' : 'failed'}`, note)
    },
    remove: async (workspace, id, why) => {
      const hook = await store.getHook(workspace, id)
      return hook === undefined ? false : await remove(deps, hook, why)
    },
    tellStopped: () => tellStopped(deps),
    purge: async () => {
      const endedByMs = clock.nowMs() - limits.endedHooksKeepMs
      let count = 0
      for (let removed = REMOVED_AT_ONCE; removed === REMOVED_AT_ONCE; count += removed)
        removed = await removeEnded(null, endedByMs)
      return count
    },
    settle: (adminKeyId) => settle(deps, adminKeyId),
    flush,
    close: async () => {
      clearInterval(timer)
      await flush()
    },
  }
}

async function remove(
  { store, clock, logger, published }: HooksDeps,
  hook: Hook,
  { reason: why, isByReceiver = false, ...condition }: Parameters<HookBook['remove']>[2],
): Promise<boolean> {
  const { workspace, id } = hook
  const nowMs = clock.nowMs()
  const reason = why.slice(0, REASON_CHARS_MAX)
  const told = { ...toldOf(hook), reason }
  const event = {
    id: newId('event', nowMs),
    type: 'hook.removed',
    at: rfc3339(nowMs),
    formId: null,
    responseId: null,
    hops: 0,
    data: JSON.stringify(told),
  }
  const alert = isByReceiver ? endedByReceiver(hook, { reason, nowMs }) : undefined
  const tell = alert === undefined ? {} : { alert }
  if (!(await store.removeHook({ workspace, id, event, ...tell, if: condition }))) return false
  logger.info(told, 'hook removed')
  for (const each of alert === undefined ? [event] : [event, alert]) {
    const logged = await store.getEvent(workspace, each.id)
    if (logged !== undefined) published([logged])
  }
  return true
}

const toldOf = ({ id, source, zapId, event, formId }: Hook) => ({
  hook_id: id,
  source,
  zap_id: zapId,
  event,
  form_id: formId,
})
