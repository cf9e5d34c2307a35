/** What an installation of a native plugin asks of the hub outside its runs: the log, read as its handlers see it, and the ladder. */
import { HubError } from '../errors.ts'
import type { FormPage, Json, LadderCounts, LadderVisitors } from '../contract/index.ts'
import type { LogEvent, WorkspaceId } from '../model.ts'
import type { Installation } from '../registry/installation.ts'
import { eventJson, formJson } from '../routing/event-json.ts'
import type { FormView } from '../routing/event-json.ts'
import { isPending } from '../delivery/ports.ts'
import type { FilterLimits } from '../routing/filter.ts'
import { compileWhen, handlerType } from '../routing/match.ts'
import type { CompiledWhen } from '../routing/match.ts'
import type { ReadEvents, RecentEvents } from '../pump/recent-events.ts'
import type { Store } from '../storage/store.ts'
import type { NativeService } from './host.ts'
import { openPluginCache } from './plugin-cache.ts'
import type { PluginCacheDeps } from './plugin-cache.ts'
import type { LogRead } from './protocol.ts'

export interface ServiceDeps extends Pick<PluginCacheDeps, 'sharing' | 'clock'> {
  readonly store: Pick<Store, 'readEvents' | 'headSeq' | 'readLadder' | 'ladderHeld' | 'getForm' | 'listForms'>
  /** The newest events, so that who is at the end of the log does not ask storage. */
  readonly recent: Pick<RecentEvents, 'after'>
  readonly find: (key: string) => Installation | undefined
  readonly limits: FilterLimits & PluginCacheDeps['limits']
  readonly formViews: {
    of(event: LogEvent): FormView | undefined | Promise<FormView | undefined>
    newest(workspace: WorkspaceId, id: string): FormView | undefined | Promise<FormView | undefined>
  }
}

/** Entries a call looks at, at most; and forms that it lists. */
const READ_EVENTS_MAX = 5_000
const FORMS_MAX = 200

export function openNativeServices(deps: ServiceDeps): NativeService {
  const { store, recent, find, formViews, limits } = deps
  const cache = openPluginCache(deps)
  const compiled = new WeakMap<Installation, CompiledWhen>()
  const whenOf = (installation: Installation): CompiledWhen => {
    const known = compiled.get(installation)
    if (known !== undefined) return known
    const types = Object.keys(installation.plugin.manifest.on)
    const result = compileWhen({ when: installation.when, types }, limits)
    if (!result.ok)
      throw new HubError('internal', `The filter of "${installation.id}" was taken and cannot be compiled.`)
    compiled.set(installation, result.when)
    return result.when
  }
  const readLog = async (installation: Installation, args: Json): Promise<LogRead> => {
    const { after, limit } = args as { readonly [name: string]: Json }
    const { workspace, plugin, pii } = installation
    const { on } = plugin.manifest
    const when = whenOf(installation)
    const most = Math.min(Number(limit), READ_EVENTS_MAX)
    const { events: found, seq: next } = await entriesAfter({ store, recent }, workspace, { seq: Number(after), most })
    const read = { texts: [] as string[], seqs: [] as number[], forms: [] as string[], formAt: [] as number[], next }
    const places = new Map<FormView, number>()
    const placeOf = (view: FormView): number => {
      const known = places.get(view) ?? read.forms.push(formJson(view, pii)) - 1
      places.set(view, known)
      return known
    }
    for (const event of found) {
      if (!when.wants(event)) continue
      const view = formViews.of(event)
      const known = isPending(view) ? await view : view
      if (when.matches?.(event, known) === false) continue
      const parts = on[handlerType(on, event.type) ?? event.type]?.data ?? []
      const ownParts = parts.filter((part) => part !== 'form')
      read.texts.push(eventJson({ event, view: known, parts: ownParts, pii }))
      read.seqs.push(event.seq)
      read.formAt.push(known === undefined || ownParts.length === parts.length ? -1 : placeOf(known))
    }
    return read
  }
  return async (key, name, args) => {
    const installation = find(key)
    if (installation === undefined) throw new HubError('unavailable', `The installation ${key} is gone`)
    if (name === 'log.read') return readLog(installation, args)
    if (name === 'log.head') return store.headSeq()
    if (name === 'forms.find') return findForm(deps, installation, textOf(args, 'id'))
    if (name === 'forms.list') return listForms(store, installation, args)
    if (name === 'cache.get') return cache.get(installation, textOf(args, 'key'))
    if (name === 'cache.put') return cache.put(installation, textOf(args, 'key'), textOf(args, 'text'))
    if (name === 'cache.max') return cache.textBytesMax
    if (name === 'ladder.read') return seesAll(installation) ? readLadder(store, installation, args) : null
    if (name === 'ladder.held') return seesAll(installation) ? store.ladderHeld(installation.workspace) : null
    throw new HubError('capability_denied', `There is no service "${name}"`)
  }
}

/** At least one entry, where there is one; and the place up to which was looked. */
async function entriesAfter(
  { store, recent }: Pick<ServiceDeps, 'store' | 'recent'>,
  workspace: Installation['workspace'],
  { seq: afterSeq, most }: { readonly seq: number; readonly most: number },
): Promise<ReadEvents> {
  const inMemory = recent.after(workspace, afterSeq, most)
  // What was committed and is not told yet is in storage alone.
  if (inMemory !== undefined && inMemory.seq > afterSeq) return inMemory
  // Asked first: whatever lies before it was seen, if fewer came than were wanted.
  const head = await store.headSeq()
  const events = await store.readEvents({ workspace, afterSeq, limit: most })
  const last = events.at(-1)?.seq ?? afterSeq
  return { events, seq: events.length < most ? Math.max(last, head) : last }
}

const textOf = (args: Json, name: string): string => {
  const value = (args as { readonly [name: string]: Json })[name]
  return typeof value === 'string' ? value : ''
}

const isShown = ({ when: { forms } }: Installation, id: string): boolean => forms === null || forms.includes(id)

/** The text of it, with what the installation may not see named as hidden. */
async function findForm(
  { store, formViews }: Pick<ServiceDeps, 'store' | 'formViews'>,
  installation: Installation,
  id: string,
): Promise<string | null> {
  const { workspace, pii } = installation
  // Versions are remembered longer than their form is there.
  if (!isShown(installation, id) || (await store.getForm(workspace, id)) === undefined) return null
  const view = await formViews.newest(workspace, id)
  return view === undefined ? null : formJson(view, pii)
}

async function listForms(store: Pick<Store, 'listForms'>, installation: Installation, args: Json): Promise<FormPage> {
  const { after, limit } = args as { readonly [name: string]: Json }
  const page = await store.listForms(installation.workspace, {
    limit: Math.min(Number(limit), FORMS_MAX),
    after: typeof after === 'string' ? after : undefined,
  })
  const shown = page.items.filter(({ id }) => isShown(installation, id))
  return {
    forms: shown.map(({ id, name, timezone }) => ({ id, name, ...(timezone === undefined ? {} : { timezone }) })),
    next: page.next,
  }
}

/** Counts cannot be divided by what an installation is shown. */
const seesAll = ({ when: { forms, events, filter } }: Installation): boolean =>
  forms === null && events === null && (filter ?? null) === null

async function readLadder(
  store: Pick<Store, 'readLadder'>,
  { workspace }: Installation,
  args: Json,
): Promise<LadderCounts> {
  const { fromMs, toMs } = args as { readonly [name: string]: Json }
  const { expiredSeq, prefixes, rows, visitors } = await store.readLadder({
    workspace,
    fromMs: Number(fromMs),
    toMs: Number(toMs),
  })
  return {
    expiredSeq,
    prefixes,
    rows: rows.map(({ start_ms: startMs, end_ms: endMs, ...row }) => ({ ...row, startMs, endMs })),
    visitors: visitors.map(({ start_ms: startMs, end_ms: endMs, kind, ...row }) => ({
      ...row,
      startMs,
      endMs,
      kind: kind as LadderVisitors['kind'],
    })),
  }
}
