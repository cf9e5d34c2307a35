/** Hooks as the API, and plugins that carry them out, use them: who wants what, how sending went, and an end that is told. */
import { rfc3339 } from '../clock.ts'
import type { Clock } from '../clock.ts'
import { newId } from '../ids.ts'
import type { Hook, LogEvent, WorkspaceId } from '../model.ts'
import type { Logger } from '../observe/observe.ts'
import type { HookNote, Store } from '../storage/store.ts'

export interface HooksDeps {
  readonly store: Pick<Store, 'getHook' | 'hooksFor' | 'removeHook' | 'noteHooks' | 'getEvent'>
  readonly clock: Pick<Clock, 'nowMs'>
  readonly logger: Logger
  readonly published: (events: readonly LogEvent[]) => void
}

export interface HookBook {
  /** In force now; undefined for one that was removed or has expired, or whose key has. */
  get(workspace: WorkspaceId, id: string): Promise<Hook | undefined>
  /** Those in force that want this event of this form; see `Store.hooksFor`. */
  list(query: Omit<Parameters<Store['hooksFor']>[0], 'nowMs'>): ReturnType<Store['hooksFor']>
  /** How sending went; null: well. Written within two seconds. */
  note(workspace: WorkspaceId, id: string, reason: string | null): void
  /** Ends it for good, with a `hook.removed` event and a line in the log; false when it was gone already. */
  remove(workspace: WorkspaceId, id: string, reason: string): Promise<boolean>
  /** Writes what was noted. */
  flush(): Promise<void>
  close(): Promise<void>
}

const FLUSH_EVERY_MS = 2_000
const REASON_CHARS_MAX = 500

/** Opens it; `close` ends the timer that writes notes. */
export function openHooks({ store, clock, logger, published }: HooksDeps): HookBook {
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
  return {
    get: (workspace, id) => store.getHook(workspace, id, clock.nowMs()),
    list: (query) => store.hooksFor({ ...query, nowMs: clock.nowMs() }),
    note: (workspace, id, reason) => {
      const note = { workspace, id, at: rfc3339(clock.nowMs()), reason: reason?.slice(0, REASON_CHARS_MAX) ?? null }
      noted.set(`${workspace}/${id}/${reason === null ? 'well' : 'failed'}`, note)
    },
    remove: async (workspace, id, reason) => {
      const hook = await store.getHook(workspace, id)
      if (hook === undefined) return false
      const nowMs = clock.nowMs()
      const event = {
        id: newId('event', nowMs),
        type: 'hook.removed',
        at: rfc3339(nowMs),
        formId: null,
        responseId: null,
        hops: 0,
        data: JSON.stringify({ ...toldOf(hook), reason }),
      }
      if (!(await store.removeHook(workspace, id, event))) return false
      logger.info({ ...toldOf(hook), reason }, 'hook removed')
      const logged = await store.getEvent(workspace, event.id)
      if (logged !== undefined) published([logged])
      return true
    },
    flush,
    close: async () => {
      clearInterval(timer)
      await flush()
    },
  }
}

/** True when nothing is sent to it any more. */
export const isExpired = ({ expiresAtMs }: Pick<Hook, 'expiresAtMs'>, nowMs: number): boolean =>
  expiresAtMs !== null && expiresAtMs <= nowMs

const toldOf = ({ id, source, zapId, event, formId }: Hook) => ({
  hook_id: id,
  source,
  zap_id: zapId,
  event,
  form_id: formId,
})
