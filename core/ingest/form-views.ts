/** Forms as events need them: in the version the event was made with, with every key that was ever private. */
import type { Form, LogEvent, WorkspaceId } from '../model.ts'
import type { FormView } from '../routing/event-json.ts'
import type { Store } from '../storage/store.ts'
import type { FormNews } from './form-cache.ts'

/** Looks up views; a promise only when the versions have to be read. */
export interface FormViews {
  of(event: LogEvent): FormView | undefined | Promise<FormView | undefined>
  newest(workspace: WorkspaceId, formId: string): FormView | undefined | Promise<FormView | undefined>
  /** Forgets what these events say has changed. */
  hear(events: readonly FormNews[]): void
  /** Forgets everything: what changed meanwhile was not heard. */
  clear(): void
}

const FORMS_MAX = 1_000

interface Known {
  readonly byVersion: ReadonlyMap<number, FormView>
  readonly newest: FormView
}

export function openFormViews(store: Pick<Store, 'listFormVersions'>): FormViews {
  const known = new Map<string, Known | null>()
  const loading = new Map<string, Promise<Known | null>>()
  const load = async (workspace: WorkspaceId, formId: string, key: string): Promise<Known | null> => {
    const versions = await store.listFormVersions(workspace, formId).catch((error: unknown) => {
      // The next one who asks tries again.
      loading.delete(key)
      throw error
    })
    const found = viewsOf(versions)
    // A change that came while reading has taken the entry of `loading` away: what was read may be older.
    if (loading.delete(key)) {
      if (known.size >= FORMS_MAX) known.delete(known.keys().next().value as string)
      known.set(key, found)
    }
    return found
  }
  const find = (workspace: WorkspaceId, formId: string, version: number | undefined) => {
    const key = `${workspace}/${formId}`
    const entry = known.get(key)
    // A version newer than what is known: the form changed and its event is still on its way here.
    if (entry !== undefined && (version === undefined || entry === null || entry.byVersion.has(version)))
      return pick(entry, version)
    const pending = loading.get(key) ?? load(workspace, formId, key)
    loading.set(key, pending)
    return pending.then(async (found) => {
      const isBehind = found !== null && version !== undefined && version > found.newest.form.version
      return pick(isBehind ? await load(workspace, formId, key) : found, version)
    })
  }
  return {
    of: (event) => (event.formId === null ? undefined : find(event.workspace, event.formId, versionOf(event))),
    newest: (workspace, formId) => find(workspace, formId, undefined),
    hear: (events) => {
      for (const event of events) {
        if (event.type !== 'form.changed' || event.formId === null) continue
        known.delete(`${event.workspace}/${event.formId}`)
        loading.delete(`${event.workspace}/${event.formId}`)
      }
    },
    clear: () => {
      known.clear()
      loading.clear()
    },
  }
}

/** With which version it was made; of a change, the one that it made. */
function versionOf({ type, data, response }: LogEvent): number | undefined {
  if (type !== 'form.changed' || data === null) return response?.formVersion
  return (JSON.parse(data) as { readonly version?: number }).version
}

const pick = (known: Known | null, version: number | undefined): FormView | undefined =>
  known === null ? undefined : ((version === undefined ? undefined : known.byVersion.get(version)) ?? known.newest)

function viewsOf(versions: readonly Form[]): Known | null {
  const newest = versions.toSorted((a, b) => b.version - a.version)[0]
  if (newest === undefined) return null
  const piiKeys = [
    ...new Set(versions.flatMap((form) => form.fields.filter((field) => field.pii).map((field) => field.key))),
  ]
  const byVersion = new Map(versions.map((form) => [form.version, { form, piiKeys }]))
  return { byVersion, newest: { form: newest, piiKeys } }
}
