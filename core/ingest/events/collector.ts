/**
 * The use case of behaviour events: rows in, entries of the log out. Each row stands alone; all that are good share one
 * commit. What a sender asks not to be stored is counted and forgotten.
 */
import { rfc3339 } from '../../clock.ts'
import type { Clock } from '../../clock.ts'
import { HubError } from '../../errors.ts'
import type { FieldProblem } from '../../errors.ts'
import { newId } from '../../ids.ts'
import type { Limits } from '../../limits.ts'
import type { LogEvent, WorkspaceId } from '../../model.ts'
import type { Logger, Meter } from '../../observe/observe.ts'
import type { Store, TrackedEvent, TrackResult } from '../../storage/store.ts'
import { storedClientId } from '../client-id.ts'
import type { FormCache } from '../form-cache.ts'
import { parseJson } from '../json-scan.ts'
import { readEvent } from './event-shape.ts'
import type { EventInput } from './event-shape.ts'
import { DOORS, FAMILIES, TRACK_PREFIX } from './families.ts'
import type { EventDoor } from './families.ts'
import { normalise } from './normalise.ts'
import type { EventOrigin } from './normalise.ts'

/** One event as it came. `line` counts from 1: lines of NDJSON, places of an array. */
export interface EventRow {
  readonly line: number
  readonly bytes: Buffer
}

export interface EventsIn {
  readonly workspace: WorkspaceId
  readonly door: EventDoor
  readonly origin: EventOrigin
  readonly rows: readonly EventRow[]
}

/** What became of one event; the same for a repeat as for the first. */
export interface EventReceipt {
  readonly kind: 'stored' | 'duplicate'
  readonly id: string
  /** Without `track.`. */
  readonly type: string
  readonly receivedAt: string
}

export type EventRowReceipt =
  | { readonly line: number; readonly receipt: EventReceipt }
  /** Its sender does not want it stored. */
  | { readonly line: number; readonly denied: true }
  | { readonly line: number; readonly error: HubError }

export interface Collector {
  /** In order. Rejects with what concerns all: `overloaded`, `storage_…`. */
  collect(input: EventsIn): Promise<readonly EventRowReceipt[]>
}

export interface CollectorDeps {
  readonly store: Pick<Store, 'track'>
  readonly forms: Pick<FormCache, 'peek' | 'get'>
  readonly clock: Clock
  readonly limits: Limits
  readonly meter: Pick<Meter, 'eventTracked'>
  readonly logger: Logger
  /** Waits when the hub is behind with delivering; rejects with `overloaded` when waiting would not help. */
  readonly admission: () => Promise<void> | void
  /** Hears of what was committed. */
  readonly published: (events: readonly LogEvent[]) => void
}

export function openCollector(deps: CollectorDeps): Collector {
  return {
    collect: async (input) => {
      const nowMs = deps.clock.nowMs()
      const results: EventRowReceipt[] = []
      const good: { readonly line: number; readonly event: TrackedEvent }[] = []
      for (const row of input.rows) {
        try {
          const event = await toTracked(deps, input, { row, nowMs })
          if (event === null) results.push({ line: row.line, denied: true })
          else good.push({ line: row.line, event })
        } catch (error) {
          if (!(error instanceof HubError)) throw error
          results.push({ line: row.line, error })
        }
      }
      count(deps, results)
      const stored = await store(deps, good)
      return [...results, ...stored].toSorted((one, other) => one.line - other.line)
    },
  }
}

async function store(
  deps: CollectorDeps,
  good: readonly { readonly line: number; readonly event: TrackedEvent }[],
): Promise<readonly EventRowReceipt[]> {
  if (good.length === 0) return []
  await deps.admission()
  const tracked = await deps.store.track(good.map(({ event }) => event))
  const events = tracked.flatMap((result) => (result.kind === 'stored' ? [result.event] : []))
  deps.meter.eventTracked('stored', events.length)
  deps.meter.eventTracked('duplicate', tracked.length - events.length)
  // What is committed stays committed, whatever a listener does.
  try {
    if (events.length > 0) deps.published(events)
  } catch (error) {
    deps.logger.error({ err: error }, 'A listener for behaviour events failed')
  }
  return tracked.map((result, i) => ({ line: good[i]?.line ?? 0, receipt: receiptOf(result) }))
}

function receiptOf(result: TrackResult): EventReceipt {
  const { id, type, at } = result.kind === 'stored' ? result.event : result
  return { kind: result.kind, id, type: type.slice(TRACK_PREFIX.length), receivedAt: at }
}

function count({ meter }: CollectorDeps, results: readonly EventRowReceipt[]): void {
  const denied = results.filter((result) => 'denied' in result).length
  meter.eventTracked('denied', denied)
  meter.eventTracked('refused', results.length - denied)
}

/** Null: its sender does not want it stored. */
async function toTracked(
  deps: CollectorDeps,
  { workspace, door, origin }: EventsIn,
  { row, nowMs }: { readonly row: EventRow; readonly nowMs: number },
): Promise<TrackedEvent | null> {
  const { limits } = deps
  if (row.bytes.length > limits.eventBytesMax)
    throw new HubError('body_too_large', `An event may have at most ${limits.eventBytesMax} bytes.`)
  const read = readEvent(parseJson(row.bytes, limits), limits)
  if (!read.ok) throw invalidEvent(read.problems)
  const { event } = read
  if (event.consent === 'denied') return null
  const family = familyOf(event, door)
  const problems = [...family.problems, ...(await standingProblems(deps, event, { workspace, origin }))]
  if (problems.length > 0) throw invalidEvent(problems)
  const { event_id: clientId, form_id: formId } = event
  return {
    id: newId('event', nowMs),
    workspace,
    type: `${TRACK_PREFIX}${family.name}`,
    at: rfc3339(nowMs),
    formId: formId ?? null,
    clientId: clientId === undefined ? null : storedClientId(clientId, origin.keyed),
    ...normalise(event, { family: family.name, origin, nowMs, limits }),
  }
}

function familyOf(event: EventInput, door: EventDoor): { readonly name: string; readonly problems: FieldProblem[] } {
  const own = DOORS[door]
  const name = event.type ?? own ?? 'custom'
  const problems: FieldProblem[] = []
  if (own !== null && name !== own)
    problems.push({ pointer: '/type', detail: `must be "${own}" here; send other families to /api/v2/events/track` })
  else if (!(FAMILIES as readonly string[]).includes(name))
    problems.push({ pointer: '/type', detail: `is no family of events here; there are ${FAMILIES.join(', ')}` })
  if (name === 'custom' && event.name === undefined)
    problems.push({ pointer: '/name', detail: 'is required: what happened, such as "invoice downloaded"' })
  if (name === 'page_view' && event.page?.url === undefined && event.page?.path === undefined)
    problems.push({ pointer: '/page', detail: 'must have a "url" or a "path"' })
  return { name, problems }
}

/** What a form, and a sender without a key, may not. */
async function standingProblems(
  { forms }: CollectorDeps,
  event: EventInput,
  { workspace, origin }: { readonly workspace: WorkspaceId; readonly origin: EventOrigin },
): Promise<readonly FieldProblem[]> {
  const { form_id: formId, context = {} } = event
  const problems: FieldProblem[] = []
  const form =
    typeof formId === 'string' ? (forms.peek(workspace, formId) ?? (await forms.get(workspace, formId))) : undefined
  if (typeof formId === 'string' && form === undefined)
    problems.push({ pointer: '/form_id', detail: 'is no form here' })
  if (origin.keyed) return problems
  if (form?.form.access !== 'public')
    problems.push({
      pointer: '/form_id',
      detail:
        'must name a public form: other events are taken only with an API key that has the scope "responses:write"',
    })
  for (const key of ['user_agent', 'country'] as const)
    if (context[key] !== undefined)
      problems.push({ pointer: `/context/${key}`, detail: 'is taken only from senders with an API key' })
  return problems
}

const PROBLEMS_TOLD_MAX = 3

/** The detail alone must help too: some senders show nothing else. */
function invalidEvent(problems: readonly FieldProblem[]): HubError {
  const told = problems
    .slice(0, PROBLEMS_TOLD_MAX)
    .map(({ pointer, detail }) => `${pointer === '' ? 'The event' : pointer} ${detail}`)
  const more = problems.length > told.length ? `; and ${problems.length - told.length} more` : ''
  return new HubError('invalid_event', `${told.join('; ')}${more}.`, { problems })
}
