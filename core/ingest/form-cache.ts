/**
 * Compiled forms in memory (L1, five minutes at most) in front of the stored ones that processes share (L2, an hour).
 * Changes are seen at once in both.
 */
import type { SharedCache, CacheCounts } from '../cache/cache.ts'
import { openLru } from '../cache/lru.ts'
import { noSharedCache } from '../cache/none/cache.ts'
import type { Clock } from '../clock.ts'
import type { Form, LogEvent, WorkspaceId } from '../model.ts'
import type { Store } from '../storage/store.ts'
import { HUB_VERSION } from '../version.ts'
import { compileForm } from './validate.ts'
import type { CompiledForm } from './validate.ts'

/** As much of an event as says which form changed. */
export type FormNews = Pick<LogEvent, 'type' | 'workspace' | 'formId'>

/** Look-ups of forms on the hot path. */
export interface FormCache {
  /** The form when it is in memory; no promise, no wait. */
  peek(workspace: WorkspaceId, id: string): CompiledForm | undefined
  get(workspace: WorkspaceId, id: string): Promise<CompiledForm | undefined>
  /** Forgets one form, here and for all processes; a load that is under way does not bring the old one back. */
  invalidate(workspace: WorkspaceId, id: string): void
  /** Forgets the forms that these events say have changed. Subscribe it to the bus. */
  hear(events: readonly FormNews[]): void
  /** Forgets everything here: what changed meanwhile was not heard. */
  clear(): void
  /** Of the memory; the shared cache counts for itself. */
  counts(): CacheCounts
}

const AGE_MS_MAX = 300_000
const SHARED_AGE_MS = 3_600_000
const FORMS_MAX = 1_000
/** What took longer to read may have changed so long ago that the shared cache has forgotten that it changed. */
const READ_MS_MAX = 2_000

/** `store` is asked for what is in neither cache; simultaneous questions for one form share the answer. */
export function openFormCache(deps: {
  store: Pick<Store, 'getForm'>
  clock: Clock
  stringCharsMax: number
  /** Default: none. */
  shared?: SharedCache | undefined
}): FormCache {
  const { store, clock, shared = noSharedCache } = deps
  const compiledForms = openLru<CompiledForm>({ clock, entriesMax: FORMS_MAX, ttlMs: AGE_MS_MAX })
  const loading = new Map<string, Promise<CompiledForm | undefined>>()
  const fromShared = (text: string | undefined): CompiledForm | undefined => {
    try {
      return text === undefined ? undefined : compileForm(JSON.parse(text) as Form, deps.stringCharsMax)
    } catch {
      // Whatever stands there, the store knows better.
      return undefined
    }
  }
  const fromStore = async (workspace: WorkspaceId, id: string) => {
    const beganMs = clock.monotonicMs()
    const form = await store.getForm(workspace, id)
    const quick = clock.monotonicMs() - beganMs < READ_MS_MAX
    return form === undefined ? undefined : { form, quick, compiled: compileForm(form, deps.stringCharsMax) }
  }
  const load = (workspace: WorkspaceId, id: string): Promise<CompiledForm | undefined> => {
    const key = keyOf(workspace, id)
    const running = loading.get(key)
    if (running !== undefined) return running
    // A change that came meanwhile has taken it away: what was read may be the old form.
    const isNewest = (): boolean => loading.get(key) === started
    const read = async (text: string | undefined): Promise<CompiledForm | undefined> => {
      const known = fromShared(text)
      if (known !== undefined) {
        if (isNewest()) compiledForms.set(key, known)
        return known
      }
      const found = await fromStore(workspace, id)
      if (found === undefined) return undefined
      if (isNewest()) {
        compiledForms.set(key, found.compiled)
        if (found.quick) void shared.put(sharedKey(key), JSON.stringify(found.form), SHARED_AGE_MS)
      }
      return found.compiled
    }
    const text = shared.get(sharedKey(key))
    const started: Promise<CompiledForm | undefined> = (text instanceof Promise ? text.then(read) : read(text)).finally(
      () => {
        if (isNewest()) loading.delete(key)
      },
    )
    loading.set(key, started)
    return started
  }
  const invalidate: FormCache['invalidate'] = (workspace, id) => {
    const key = keyOf(workspace, id)
    compiledForms.delete(key)
    loading.delete(key)
    void shared.drop(sharedKey(key))
  }
  return {
    peek: (workspace, id) => compiledForms.peek(keyOf(workspace, id)),
    get: async (workspace, id) => compiledForms.get(keyOf(workspace, id)) ?? load(workspace, id),
    invalidate,
    hear: (events) => {
      for (const event of events) {
        if (event.type.startsWith('form.') && event.formId !== null) invalidate(event.workspace, event.formId)
      }
    },
    clear: () => {
      compiledForms.clear()
      loading.clear()
      shared.distrust()
    },
    counts: () => compiledForms.counts(),
  }
}

const keyOf = (workspace: WorkspaceId, id: string): string => `${workspace}\u0000${id}`

/** Another version of the hub may write forms in another way; each reads what its own kind wrote. */
const sharedKey = (key: string): string => `${HUB_VERSION}\u0000${key}`
