/**
 * The use case of behaviour events: rows in, entries of the log out. Each row stands alone; all that are good share one
 * commit. What a sender asks not to be stored is counted and forgotten.
 */
import { rfc3339 } from '../../clock.ts'
import type { Clock } from '../../clock.ts'
import type { Json } from '../../contract/index.ts'
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
import { openAddressHash } from './address-hash.ts'
import type { AddressHash } from './address-hash.ts'
import { expireEvents } from './expire.ts'
import { DOORS, FAMILIES, TRACK_PREFIX } from './families.ts'
import type { Consent, EventDoor, EventSettings, Family } from './families.ts'
import { checkFamily, effectsOf } from './family-check.ts'
import { dataOf, metaOf, ofStranger } from './normalise.ts'
import { asideOf, openEventQuarantine } from './quarantine.ts'
import type { Aside, EventQuarantine, Look } from './quarantine.ts'
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
  /** By name, those of the hub first. */
  families(): Readonly<Record<string, Family>>
  /** What holds for strangers' events about this form that say nothing of it. */
  consentFor(form: string): Consent
  /** What counts from the next request on. */
  configure(settings: EventSettings): void
  /** Forgets what is older than it is to be kept, counts it, and moves counts along the ladder. Answers how many it forgot. */
  expire(): Promise<number>
  /** What known senders sent and their families did not take. */
  readonly quarantine: EventQuarantine
  /** In order. Rejects with what concerns all: `overloaded`, `storage_…`. */
  collect(input: EventsIn): Promise<readonly EventRowReceipt[]>
}

export interface CollectorDeps {
  readonly store: Pick<
    Store,
    'track' | 'daySalt' | 'expireTracked' | 'foldLadder' | 'putAsideEvents' | 'listAsideEvents' | 'dropAsideEvents'
  >
  /** What counts first. */
  readonly events: EventSettings
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

/** What a row is looked at with. */
interface World {
  readonly deps: CollectorDeps
  readonly settings: EventSettings
  readonly addressHash: AddressHash
}

export function openCollector(deps: CollectorDeps): Collector {
  const addressHash = openAddressHash(deps)
  let settings = deps.events
  const look: Look = (input, row, nowMs) => lookAt({ deps, settings, addressHash }, input, { row, nowMs })
  return {
    consentFor: (form) => standingConsent(form, settings),
    families: () => ({ ...FAMILIES, ...settings.families }),
    configure: (next) => {
      settings = next
    },
    expire: () => expireEvents({ ...deps, ...settings, nowMs: deps.clock.nowMs() }),
    quarantine: openEventQuarantine(deps, look),
    collect: async (input) => {
      const nowMs = deps.clock.nowMs()
      const results: EventRowReceipt[] = []
      const good: { readonly line: number; readonly event: TrackedEvent }[] = []
      const refused: (Aside & { readonly line: number })[] = []
      for (const row of input.rows) {
        try {
          const seen = await look(input, row, nowMs)
          if (seen === null) results.push({ line: row.line, denied: true })
          else if ('aside' in seen) refused.push({ line: row.line, ...seen })
          else good.push({ line: row.line, event: seen })
        } catch (error) {
          if (!(error instanceof HubError)) throw error
          results.push({ line: row.line, error })
        }
      }
      const kept = await keep(deps, input.workspace, refused)
      results.push(...refused.map(({ line, problems }, n) => ({ line, error: invalidEvent(problems, kept[n]) })))
      tellKept(deps, input.workspace, { refused, kept })
      count(deps, results, kept.filter((id) => id !== null).length)
      const stored = await store(deps, good)
      return [...results, ...stored].toSorted((one, other) => one.line - other.line)
    },
  }
}

/** Ids of those that are in quarantine; whoever sends is told of what is wrong in any case. */
async function keep(
  deps: CollectorDeps,
  workspace: WorkspaceId,
  refused: readonly Aside[],
): Promise<readonly (string | null)[]> {
  const asides = refused.map(({ aside }) => aside)
  return deps.store.putAsideEvents(workspace, asides, deps.limits.eventQuarantineMax)
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

/** A sender that is refused may show it to nobody. */
function tellKept(
  { logger }: CollectorDeps,
  workspace: WorkspaceId,
  { refused, kept }: { readonly refused: readonly Aside[]; readonly kept: readonly (string | null)[] },
): void {
  if (refused.length === 0) return
  const { aside } = refused[0] as Aside
  const room = kept.includes(null) ? ', and there is no room for all of them' : ''
  const told = { workspace, events: refused.length, first: { type: aside.type, reason: aside.code } }
  logger.warn(told, `behaviour events that their family does not take were put in quarantine${room}`)
}

function count({ meter }: CollectorDeps, results: readonly EventRowReceipt[], quarantined: number): void {
  const denied = results.filter((result) => 'denied' in result).length
  meter.eventTracked('denied', denied)
  meter.eventTracked('refused', results.length - denied - quarantined)
  meter.eventTracked('quarantined', quarantined)
}

/** Null: its sender does not want it stored. What its family does not take of a known sender is put aside; the rest is refused. */
async function lookAt(
  { deps, settings, addressHash }: World,
  { workspace, door, origin }: EventsIn,
  { row, nowMs }: { readonly row: EventRow; readonly nowMs: number },
): Promise<TrackedEvent | Aside | null> {
  const { limits } = deps
  if (row.bytes.length > limits.eventBytesMax)
    throw new HubError('body_too_large', `An event may have at most ${limits.eventBytesMax} bytes.`)
  const body = parseJson(row.bytes, limits)
  if (isDenied(body)) return null
  const read = readEvent(body, limits)
  if (!read.ok) throw invalidEvent(read.problems)
  const consent = consentOf(read.event, { keyed: origin.keyed, settings })
  if (consent === 'denied') return null
  const event = { ...(origin.keyed ? read.event : ofStranger(read.event)), consent }
  const named = familyNamed(event, { door, settings })
  const refuse = (problems: readonly FieldProblem[]): Aside => {
    // Strangers could fill it with anything.
    if (!origin.keyed) throw invalidEvent(problems)
    return { problems, aside: asideOf({ ...event, type: event.type ?? DOORS[door] ?? 'custom' }, { problems, nowMs }) }
  }
  if ('problem' in named) return refuse([named.problem])
  const { name, family } = named
  const { properties, problems: wrong } = checkFamily(family, event, limits)
  const problems = [...wrong, ...(await standingProblems(deps, event, { workspace, origin, settings }))]
  if (problems.length > 0) return refuse(problems)
  const { event_id: clientId, form_id: formId, context = {} } = event
  const checked = {
    event,
    family: { name, version: family.version },
    properties,
    effects: effectsOf(family, properties),
  }
  // Of a server with a key the connection says nothing about whom it speaks for.
  const ip = origin.keyed ? (context.ip ?? null) : origin.ip
  return {
    id: newId('event', nowMs),
    workspace,
    type: `${TRACK_PREFIX}${name}`,
    at: rfc3339(nowMs),
    formId: formId ?? null,
    clientId: clientId === undefined ? null : storedClientId(clientId, origin.keyed),
    data: dataOf(checked, { keyed: origin.keyed, nowMs, limits }),
    meta: metaOf(consent, {
      userAgent: origin.keyed ? (context.user_agent ?? null) : origin.userAgent,
      country: origin.keyed ? (context.country ?? null) : countryOf(origin, settings),
      ipHash: ip === null || consent === 'minimal' ? null : await addressHash(workspace, ip),
    }),
  }
}

/** Looked at before anything else of it is. */
const isDenied = (body: Json): boolean =>
  typeof body === 'object' && body !== null && 'consent' in body && body['consent'] === 'denied'

/** What it says itself; else it was asked by whoever has a key, and of strangers the file says. */
function consentOf(
  { consent, form_id: form }: EventInput,
  { keyed, settings }: { readonly keyed: boolean; readonly settings: EventSettings },
): Consent {
  if (consent !== undefined) return consent
  if (keyed) return 'granted'
  return standingConsent(form, settings)
}

function standingConsent(form: unknown, { formConsent, consent }: EventSettings): Consent {
  const ofForm = typeof form === 'string' && Object.hasOwn(formConsent, form) ? formConsent[form] : undefined
  return ofForm ?? consent
}

const COUNTRY = /^[A-Za-z]{2}$/
/** What those who know countries say of addresses of which they do not. */
const NO_COUNTRY = 'XX'

function countryOf({ headers }: EventOrigin, { countryHeader }: EventSettings): string | null {
  const country = countryHeader === null ? undefined : headers[countryHeader]
  if (typeof country !== 'string' || !COUNTRY.test(country)) return null
  return country.toUpperCase() === NO_COUNTRY ? null : country.toUpperCase()
}

type Named = { readonly name: string; readonly family: Family } | { readonly problem: FieldProblem }

function familyNamed(
  event: EventInput,
  { door, settings }: { readonly door: EventDoor; readonly settings: EventSettings },
): Named {
  const own = DOORS[door]
  const name = event.type ?? own ?? 'custom'
  if (own !== null && name !== own)
    return {
      problem: { pointer: '/type', detail: `must be "${own}" here; send other families to /api/v2/events/track` },
    }
  const families: Readonly<Record<string, Family>> = { ...settings.families, ...FAMILIES }
  const family = Object.hasOwn(families, name) ? families[name] : undefined
  if (family !== undefined) return { name, family }
  const known = Object.keys(families).join(', ')
  return { problem: { pointer: '/type', detail: `is no family of events here; there are ${known}` } }
}

interface Standing {
  readonly workspace: WorkspaceId
  readonly origin: EventOrigin
  readonly settings: EventSettings
}

/** What a form, and a sender without a key, may not. */
async function standingProblems(
  { forms }: CollectorDeps,
  event: EventInput,
  { workspace, origin, settings }: Standing,
): Promise<readonly FieldProblem[]> {
  const { form_id: formId, context = {} } = event
  const problems: FieldProblem[] = []
  const form =
    typeof formId === 'string' ? (forms.peek(workspace, formId) ?? (await forms.get(workspace, formId))) : undefined
  if (typeof formId === 'string' && form === undefined)
    problems.push({ pointer: '/form_id', detail: 'is no form here' })
  if (origin.keyed) return problems
  const isOpen = typeof formId === 'string' ? form?.form.access === 'public' : settings.access === 'public'
  if (!isOpen)
    problems.push({
      pointer: '/form_id',
      detail:
        'must name a public form: other events are taken only with an API key that has the scope "responses:write"',
    })
  for (const key of ['user_agent', 'ip', 'country'] as const)
    if (context[key] !== undefined)
      problems.push({ pointer: `/context/${key}`, detail: 'is taken only from senders with an API key' })
  return problems
}

const PROBLEMS_TOLD_MAX = 3

/** The detail alone must help too: some senders show nothing else. */
function invalidEvent(problems: readonly FieldProblem[], keptAs: string | null = null): HubError {
  const told = problems
    .slice(0, PROBLEMS_TOLD_MAX)
    .map(({ pointer, detail }) => `${pointer === '' ? 'The event' : pointer} ${detail}`)
  const more = problems.length > told.length ? `; and ${problems.length - told.length} more` : ''
  const kept = keptAs === null ? '' : ` It is kept in quarantine as ${keptAs}.`
  return new HubError('invalid_event', `${told.join('; ')}${more}.${kept}`, { problems })
}
