/** What an installation of a native plugin asks of the hub outside its runs: the log, read as its handlers see it. */
import { HubError } from '../errors.ts'
import type { Json } from '../contract/index.ts'
import type { LogEvent } from '../model.ts'
import type { Installation } from '../registry/installation.ts'
import { eventJson } from '../routing/event-json.ts'
import type { FormView } from '../routing/event-json.ts'
import { isPending } from '../delivery/ports.ts'
import type { FilterLimits } from '../routing/filter.ts'
import { compileWhen, handlerType } from '../routing/match.ts'
import type { CompiledWhen } from '../routing/match.ts'
import type { Store } from '../storage/store.ts'
import type { NativeService } from './host.ts'
import type { LogRead } from './protocol.ts'

export interface ServiceDeps {
  readonly store: Pick<Store, 'readEvents' | 'headSeq'>
  readonly find: (key: string) => Installation | undefined
  readonly limits: FilterLimits
  readonly formOf: (event: LogEvent) => FormView | undefined | Promise<FormView | undefined>
}

/** Entries a call looks at, at most. */
const READ_EVENTS_MAX = 5_000

export function openNativeServices({ store, find, formOf, limits }: ServiceDeps): NativeService {
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
    const afterSeq = Number(after)
    const { workspace, plugin, pii } = installation
    const { on } = plugin.manifest
    const when = whenOf(installation)
    const most = Math.min(Number(limit), READ_EVENTS_MAX)
    // Asked first: whatever lies before it was seen, if fewer came than were wanted.
    const head = await store.headSeq()
    const found = await store.readEvents({ workspace, afterSeq, limit: most })
    const texts: string[] = []
    const seqs: number[] = []
    for (const event of found) {
      if (!when.wants(event)) continue
      const view = formOf(event)
      const known = isPending(view) ? await view : view
      if (when.matches?.(event, known) === false) continue
      const type = handlerType(on, event.type) ?? event.type
      texts.push(eventJson({ event, view: known, parts: on[type]?.data ?? [], pii }))
      seqs.push(event.seq)
    }
    const last = found.at(-1)?.seq ?? afterSeq
    return { texts, seqs, next: found.length < most ? Math.max(last, head) : last }
  }
  return async (key, name, args) => {
    const installation = find(key)
    if (installation === undefined) throw new HubError('unavailable', `The installation ${key} is gone`)
    if (name === 'log.read') return readLog(installation, args)
    if (name === 'log.head') return store.headSeq()
    throw new HubError('capability_denied', `There is no service "${name}"`)
  }
}
