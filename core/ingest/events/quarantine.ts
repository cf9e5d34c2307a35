/**
 * Behaviour events that a known sender sent and their family did not take: kept as they came, as far as they may be known, until
 * somebody sends them again with the families of then, discards them, or they are too old.
 */
import { rfc3339 } from '../../clock.ts'
import type { Clock } from '../../clock.ts'
import { HubError } from '../../errors.ts'
import type { FieldProblem } from '../../errors.ts'
import { newId } from '../../ids.ts'
import type { Limits } from '../../limits.ts'
import type { LogEvent, WorkspaceId } from '../../model.ts'
import type { AsideEvent, Page, PageQuery, Store, TrackedEvent } from '../../storage/store.ts'
import { storedClientId } from '../client-id.ts'
import type { EventRow, EventsIn } from './collector.ts'
import { keptOf } from './normalise.ts'
import type { SettledEvent } from './normalise.ts'

/** Why one is put aside, and what of it is kept. */
export interface Aside {
  readonly problems: readonly FieldProblem[]
  readonly aside: AsideEvent
}

/** Looks at one event with the families of now. Null: it is not to be stored. */
export type Look = (input: EventsIn, row: EventRow, nowMs: number) => Promise<TrackedEvent | Aside | null>

/** What became of those that were sent again. */
export interface Replayed {
  readonly matched: number
  /** Stored now; those that were there under their id before are among them. */
  readonly stored: number
  /** Not taken still. */
  readonly left: number
}

export interface EventQuarantine {
  list(workspace: WorkspaceId, page: PageQuery): Promise<Page<AsideEvent>>
  /** Of these ids, or all; `isDry`: nothing changes. */
  replay(
    workspace: WorkspaceId,
    which: { readonly ids?: readonly string[] | undefined; readonly isDry: boolean },
  ): Promise<Replayed>
  /** How many were there. */
  discard(workspace: WorkspaceId, ids: readonly string[]): Promise<number>
}

export interface QuarantineDeps {
  readonly store: Pick<Store, 'track' | 'listAsideEvents' | 'dropAsideEvents'>
  readonly clock: Pick<Clock, 'nowMs'>
  readonly limits: Pick<Limits, 'pageItemsMax'>
  readonly published: (events: readonly LogEvent[]) => void
}

/** What in the sentences of a family says which kind of mistake it was. */
const CODES: Readonly<Record<string, string>> = {
  '/type': 'unknown_family',
  '/schema_version': 'newer_version',
  '/form_id': 'form',
}

export function asideOf(
  event: SettledEvent & { readonly type: string },
  { problems, nowMs }: { readonly problems: readonly FieldProblem[]; readonly nowMs: number },
): AsideEvent {
  const id = newId('event', nowMs)
  const found = problems.map(({ pointer }) => CODES[pointer]).find((code) => code !== undefined)
  return {
    id,
    receivedAt: rfc3339(nowMs),
    formId: event.form_id ?? null,
    type: event.type,
    code: found ?? 'invalid',
    problems: JSON.stringify(problems.map(({ pointer, detail }) => ({ pointer, detail }))),
    event: JSON.stringify(keptOf(event, { id, nowMs })),
    clientId: storedClientId(event.event_id ?? id, true),
  }
}

export function openEventQuarantine(deps: QuarantineDeps, look: Look): EventQuarantine {
  const { store, clock, limits, published } = deps
  const origin = { ip: null, userAgent: null, headers: {}, keyed: true }
  const lookAgain = async (workspace: WorkspaceId, event: string): Promise<TrackedEvent | { left: true } | null> => {
    const row = { line: 1, bytes: Buffer.from(event) }
    try {
      const seen = await look({ workspace, door: 'track', origin, rows: [row] }, row, clock.nowMs())
      return seen !== null && 'aside' in seen ? { left: true } : seen
    } catch (error) {
      if (error instanceof HubError) return { left: true }
      throw error
    }
  }
  const again = async (workspace: WorkspaceId, items: readonly AsideEvent[], isDry: boolean): Promise<number> => {
    const good: { readonly id: string; readonly event: TrackedEvent | null }[] = []
    for (const { id, event } of items) {
      const seen = await lookAgain(workspace, event)
      if (seen === null || !('left' in seen)) good.push({ id, event: seen === null ? null : { ...seen, id } })
    }
    if (isDry) return good.length
    // Each has an id of its sender, so that one which is stored and still here after a kill is stored once.
    const tracked = await store.track(good.flatMap(({ event }) => (event === null ? [] : [event])))
    published(tracked.flatMap((result) => (result.kind === 'stored' ? [result.event] : [])))
    await store.dropAsideEvents(
      workspace,
      good.map(({ id }) => id),
    )
    return good.length
  }
  return {
    list: (workspace, page) => store.listAsideEvents(workspace, page),
    discard: (workspace, ids) => store.dropAsideEvents(workspace, ids),
    replay: async (workspace, { ids, isDry }) => {
      const wanted = ids === undefined ? null : new Set(ids)
      let [matched, stored] = [0, 0]
      for (let after: string | undefined; ;) {
        const page = await store.listAsideEvents(workspace, { limit: limits.pageItemsMax, after })
        const items = page.items.filter(({ id }) => wanted === null || wanted.has(id))
        matched += items.length
        stored += await again(workspace, items, isDry)
        if (page.next === null) return { matched, stored, left: matched - stored }
        after = page.next
      }
    },
  }
}
