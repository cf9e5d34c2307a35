/** Compiled forms in memory: the least recently used leave first, changes are seen at once, nothing lives over 5 minutes. */
import type { Clock } from '../clock.ts'
import type { LogEvent, WorkspaceId } from '../model.ts'
import type { Store } from '../storage/store.ts'
import { compileForm } from './validate.ts'
import type { CompiledForm } from './validate.ts'

/** Look-ups of forms on the hot path. */
export interface FormCache {
  /** The form when it is in memory; no promise, no wait. */
  peek(workspace: WorkspaceId, id: string): CompiledForm | undefined
  get(workspace: WorkspaceId, id: string): Promise<CompiledForm | undefined>
  /** Forgets one form; a load that is under way does not bring the old one back. */
  invalidate(workspace: WorkspaceId, id: string): void
  /** Forgets the forms that these events say have changed. Subscribe it to the bus. */
  hear(events: readonly LogEvent[]): void
}

const AGE_MS_MAX = 300_000
const FORMS_MAX = 1_000

interface Entry {
  readonly compiled: CompiledForm
  readonly untilMs: number
}

/** `store` is asked for what is not in memory; simultaneous questions for one form share the answer. */
export function openFormCache(deps: {
  store: Pick<Store, 'getForm'>
  clock: Clock
  stringCharsMax: number
}): FormCache {
  const entries = new Map<string, Entry>()
  const loading = new Map<string, Promise<CompiledForm | undefined>>()
  const peek: FormCache['peek'] = (workspace, id) => {
    const key = keyOf(workspace, id)
    const entry = entries.get(key)
    if (entry === undefined) return undefined
    if (entry.untilMs <= deps.clock.monotonicMs()) {
      entries.delete(key)
      return undefined
    }
    remember(entries, key, entry)
    return entry.compiled
  }
  const load = (workspace: WorkspaceId, id: string): Promise<CompiledForm | undefined> => {
    const key = keyOf(workspace, id)
    const running = loading.get(key)
    if (running !== undefined) return running
    const started: Promise<CompiledForm | undefined> = deps.store
      .getForm(workspace, id)
      .then((form) => {
        if (form === undefined) return undefined
        const compiled = compileForm(form, deps.stringCharsMax)
        if (loading.get(key) === started)
          remember(entries, key, { compiled, untilMs: deps.clock.monotonicMs() + AGE_MS_MAX })
        return compiled
      })
      .finally(() => {
        if (loading.get(key) === started) loading.delete(key)
      })
    loading.set(key, started)
    return started
  }
  const invalidate: FormCache['invalidate'] = (workspace, id) => {
    entries.delete(keyOf(workspace, id))
    loading.delete(keyOf(workspace, id))
  }
  return {
    peek,
    get: async (workspace, id) => peek(workspace, id) ?? load(workspace, id),
    invalidate,
    hear: (events) => {
      for (const event of events) {
        if (event.type.startsWith('form.') && event.formId !== null) invalidate(event.workspace, event.formId)
      }
    },
  }
}

const keyOf = (workspace: WorkspaceId, id: string): string => `${workspace}\u0000${id}`

function remember(entries: Map<string, Entry>, key: string, entry: Entry): void {
  entries.delete(key)
  entries.set(key, entry)
  if (entries.size <= FORMS_MAX) return
  const oldest = entries.keys().next()
  if (!oldest.done) entries.delete(oldest.value)
}
