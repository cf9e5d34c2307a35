/** Runs the handler for a batch of events and gathers what they asked for. Nothing is written here. */
import { rfc3339 } from '../clock.ts'
import type { Json } from '../contract/index.ts'
import { backoffMs } from '../delivery/backoff.ts'
import { enqueueOnly, NO_EFFECTS, toEffects } from '../delivery/effects.ts'
import type { EffectSource } from '../delivery/effects.ts'
import { rulingOf } from '../delivery/outcome.ts'
import { isPending } from '../delivery/ports.ts'
import { asHubError, HubError } from '../errors.ts'
import { newId } from '../ids.ts'
import type { Delivery, FailedFirst, LogEvent, NewDelivery, NewEvent } from '../model.ts'
import type { Installation } from '../registry/installation.ts'
import { eventJson } from '../routing/event-json.ts'
import { handlerType, lastAlone } from '../routing/match.ts'
import { maskedLines, wasCutOff } from '../runs/record.ts'
import type { GuestEffects, Run, RunResult } from '../sandbox/sandbox.ts'
import type { Effects } from '../storage/store.ts'
import { noteWrites, overlayKv, readAny } from './kv-overlay.ts'
import type { KvReads } from './kv-overlay.ts'
import type { PumpDeps } from './pump.ts'
import { handlerRunEnd } from './run-end.ts'
import type { HandlerEnd, HandlerRun } from './run-end.ts'

/** What the effects of a handler inherit from its event. */
export const sourceOf = (event: LogEvent): EffectSource => ({
  eventSeq: event.seq,
  eventId: event.id,
  formId: event.formId,
  responseId: event.responseId,
  hops: event.hops,
  keyBase: event.id,
  keySuffix: '',
})

/** How many runs go in one crossing when the plugin keeps memory: down to one when they read what others wrote. */
export interface KvPace {
  runsMax: number
}

export interface HandleInput {
  readonly deps: PumpDeps
  readonly installation: Installation
  readonly events: readonly LogEvent[]
  readonly pace: KvPace
}

export interface HandledEvents {
  /** How many, from the first on; fewer than given when the sandbox was interrupted. */
  readonly count: number
  readonly effects: Effects
  /** A handler among them did all that its plugin is for. */
  readonly ranWell: boolean
  /** And a receiver took what the installation proves itself with. */
  readonly hasProven: boolean
  /** Tells meters and the history; to be called when it is on disk, with the deliveries that this made. */
  readonly committed: (made: readonly Delivery[]) => void
}

/** Status codes from here on are no success. */
const ERROR_MIN = 400

/** An event for which the manifest itself says what to enqueue: nothing runs. */
interface Forwarded {
  readonly event: LogEvent
  readonly action: string
}

/** A later one of its type goes to the handler. */
interface PassedOver {
  readonly passedOver: true
}

interface Prepared extends HandlerRun {
  readonly reads: KvReads | null
}

interface Gathered {
  readonly deliveries: NewDelivery[]
  readonly kv: Effects['kv'][number][]
  readonly events: NewEvent[]
  readonly tallies: Effects['tallies'][number][]
  readonly notes: ((made: readonly Delivery[]) => void)[]
  ranWell: boolean
  hasProven: boolean
}

/** Never rejects for what a plugin did: a failed run becomes a delivery that repeats it. */
export async function handleBatch(input: HandleInput): Promise<HandledEvents> {
  const { installation, events, pace } = input
  const keepsMemory = installation.plugin.manifest.permissions.kv
  const gathered: Gathered = {
    deliveries: [],
    kv: [],
    events: [],
    tallies: [],
    notes: [],
    ranWell: false,
    hasProven: false,
  }
  const decided = new Map<string, Json | undefined>()
  let count = 0
  while (count < events.length) {
    const size = keepsMemory ? pace.runsMax : events.length
    const slice = events.slice(count, count + size)
    const ended = await crossOnce(input, { events: slice, decided, gathered })
    count += ended.count
    if (ended.why === 'interrupted') break
    if (!keepsMemory) continue
    pace.runsMax = ended.why === 'conflict' ? 1 : Math.min(pace.runsMax * 2, input.deps.limits.pumpBatchEventsMax)
  }
  const { notes, ranWell, hasProven, ...effects } = gathered
  return {
    count,
    effects,
    ranWell,
    hasProven,
    committed: (made) => {
      for (const note of notes) note(made)
    },
  }
}

interface Crossing {
  readonly events: readonly LogEvent[]
  readonly decided: Map<string, Json | undefined>
  readonly gathered: Gathered
}

/** `conflict`: the next one read what one of these wrote and has to run again with that in sight. */
async function crossOnce(
  input: HandleInput,
  crossing: Crossing,
): Promise<{ readonly count: number; readonly why: 'done' | 'interrupted' | 'conflict' }> {
  const { deps, installation } = input
  const steps: (Forwarded | PassedOver | Prepared)[] = []
  const runs: Run[] = []
  const wanted = lastAlone(installation.plugin.manifest.on, crossing.events)
  for (const event of crossing.events) {
    if (!wanted(event)) {
      steps.push({ passedOver: true })
      continue
    }
    const action = forwardTo(installation, event)
    if (action !== undefined) {
      steps.push({ event, action })
      continue
    }
    const making = prepare(input, event, { decided: crossing.decided, position: runs.length })
    const made = isPending(making) ? await making : making
    steps.push(made)
    runs.push(made.run)
  }
  const results = runs.length === 0 ? [] : await deps.sandbox.runBatch(installation.key, runs)
  const counting = deps.memoryQuota.ready(
    installation,
    results.map(({ effects }) => effects),
  )
  if (counting !== undefined) await counting
  const written = new Map<string, Json | undefined>()
  let ran = 0
  for (const [index, each] of steps.entries()) {
    if ('passedOver' in each) continue
    if ('action' in each) {
      crossing.gathered.deliveries.push(
        ...effectsOf(deps, installation, { event: each.event, asked: enqueueOnly(each.action) }).deliveries,
      )
      continue
    }
    const result = results[ran++]
    if (result === undefined || result.error?.code === 'plugin_interrupted') {
      if (result !== undefined && wasCutOff(result)) tellCutOff(input, each, result)
      return { count: index, why: 'interrupted' }
    }
    if (each.reads !== null && written.size > 0 && readAny(each.reads, written))
      return { count: index, why: 'conflict' }
    // What was refused here took no effect, so later runs must not build on it.
    if (!settle(input, each, { result, gathered: crossing.gathered })) continue
    noteWrites(written, result.effects.kv)
    noteWrites(crossing.decided, result.effects.kv)
  }
  return { count: steps.length, why: 'done' }
}

/** The action the manifest enqueues for this event without asking a handler. */
export function forwardTo({ plugin }: Installation, event: LogEvent): string | undefined {
  const type = handlerType(plugin.manifest.on, event.type)
  return type === undefined ? undefined : plugin.manifest.on[type]?.enqueue
}

/** What a handler, or the manifest in its place, asked for at this event. Throws as `toEffects` does. */
export const effectsOf = (
  { clock, limits }: Pick<PumpDeps, 'clock' | 'limits'>,
  installation: Installation,
  { event, asked }: { readonly event: LogEvent; readonly asked: GuestEffects },
): Effects => toEffects(asked, { installation, source: sourceOf(event), nowMs: clock.nowMs(), limits })

function prepare(
  { deps, installation }: HandleInput,
  event: LogEvent,
  place: { readonly decided: ReadonlyMap<string, Json | undefined>; readonly position: number },
): Prepared | Promise<Prepared> {
  const startedAtMs = deps.clock.nowMs()
  const { manifest } = installation.plugin
  const type = handlerType(manifest.on, event.type) ?? event.type
  const build = (view: Awaited<ReturnType<typeof deps.formOf>>): Prepared => {
    // Runs of a batch follow each other, so each may start as late as all before it take.
    const deadlineMs = startedAtMs + installation.limits.eventWallMs * (place.position + 1)
    const opened = deps.capabilities.open(installation, { deadlineMs })
    const watched = manifest.permissions.kv ? overlayKv(opened.handler, place.decided) : null
    const text = eventJson({ event, view, parts: manifest.on[type]?.data ?? [], pii: installation.pii })
    const run: Run = {
      id: newId('run', startedAtMs),
      attempt: 1,
      input: { kind: 'event', type, eventJson: text },
      capabilities: watched?.handler ?? opened.handler,
      eventId: event.id,
      seq: event.seq,
    }
    return { event, type, run, opened, reads: watched?.reads ?? null, startedAtMs }
  }
  const view = deps.formOf(event)
  return isPending(view) ? view.then(build) : build(view)
}

/** True when the run's effects were taken. */
function settle(
  input: HandleInput,
  each: Prepared,
  ended: { readonly result: RunResult; readonly gathered: Gathered },
): boolean {
  const { deps, installation } = input
  const { result, gathered } = ended
  let effects = NO_EFFECTS
  let { error } = result
  if (error === null) {
    try {
      deps.memoryQuota.admit(installation, result.effects)
      effects = effectsOf(deps, installation, { event: each.event, asked: result.effects })
    } catch (refused) {
      error = asHubError(refused)
    }
  }
  if (error === null) {
    gathered.deliveries.push(...effects.deliveries)
    gathered.kv.push(...effects.kv)
    gathered.events.push(...effects.events)
    gathered.tallies.push(...effects.tallies)
    if (isAllThereIs(installation, each)) gathered.ranWell = true
    if (each.opened.hasProven()) gathered.hasProven = true
  } else {
    gathered.deliveries.push(failedHandler(input, each, { result, error }))
  }
  const end = { result, effects, error }
  gathered.notes.push((made) => tell(input, each, { ...end, deliveryId: deliveryOf(each, made, error) }))
  return error === null
}

/**
 * Where something is to follow from a handler, that tells how the installation is. Where nothing can, its handlers do; those
 * that may ask somebody outside only when they did.
 */
function isAllThereIs({ plugin }: Installation, { opened }: Prepared): boolean {
  const { actions, schedules, permissions } = plugin.manifest
  if (Object.keys(actions).length + Object.keys(schedules).length > 0) return false
  return permissions.http === undefined || opened.exchanges.some(({ status }) => status !== null && status < ERROR_MIN)
}

/** The delivery that a failed run became: a new one, or the one that it was before. */
const deliveryOf = ({ event }: Prepared, made: readonly Delivery[], error: HubError | null): string | null =>
  error === null ? null : (made.find(({ kind, eventId }) => kind === 'handler' && eventId === event.id)?.id ?? null)

interface Failure {
  readonly result: RunResult
  readonly error: HubError
}

/** The run that failed, as a delivery that was attempted once: retried, buried and replayed like any other. */
function failedHandler({ deps, installation }: HandleInput, each: Prepared, { result, error }: Failure): NewDelivery {
  const { event, opened, startedAtMs } = each
  const nowMs = deps.clock.nowMs()
  const verdict = rulingOf(error)
  const afterMs = verdict.kind === 'retry' || verdict.kind === 'held' ? verdict.afterMs : undefined
  const delayMs =
    verdict.kind === 'dead'
      ? null
      : verdict.kind === 'refused'
        ? 0
        : backoffMs({ retry: installation.retry, step: 1, afterMs, limits: deps.limits, random: deps.random })
  const message = opened.mask(error.message)
  const dead = delayMs === null
  const failed: FailedFirst = {
    state: dead ? 'dead' : 'retrying',
    reason: dead ? (verdict.kind === 'dead' || verdict.kind === 'retry' ? verdict.reason : 'internal_error') : null,
    errorCode: error.code,
    error: message,
    scheduleStep: verdict.kind === 'refused' ? 0 : 1,
    attempt: {
      at: rfc3339(startedAtMs),
      durationMs: Math.round(result.durationMs),
      outcome: verdict.kind === 'dead' || verdict.kind === 'refused' ? verdict.outcome : 'retry',
      errorCode: error.code,
      error: message,
      exchanges: opened.exchanges,
      logs: maskedLines(result.logs, opened.mask),
    },
  }
  return {
    id: newId('delivery', nowMs),
    kind: 'handler',
    name: event.type,
    key: `handler:${event.id}`,
    eventSeq: event.seq,
    eventId: event.id,
    formId: event.formId,
    responseId: event.responseId,
    orderKey: null,
    input: '{}',
    dueAtMs: nowMs + (delayMs ?? 0),
    failed,
  }
}

function tell({ deps, installation }: HandleInput, each: Prepared, end: HandlerEnd): void {
  const { meter, runs } = deps
  const verdict = end.error === null ? null : rulingOf(end.error)
  if (verdict?.kind === 'refused') {
    const { code } = verdict
    const message = each.opened.mask(verdict.error)
    deps.refused(installation, { code, message, deliveryId: end.deliveryId, responseId: each.event.responseId })
  }
  if (end.error !== null) meter.handlerFailed(installation.id, end.error.code)
  else for (const { name, by } of end.result.effects.metric) meter.pluginMetric(installation.id, name, by)
  runs.record(handlerRunEnd(installation, each, end))
}

/** It is made again, as a run of its own; what is known of this one is told all the same. */
const tellCutOff = ({ deps, installation }: HandleInput, each: Prepared, result: RunResult): void =>
  deps.runs.record(
    handlerRunEnd(installation, each, { result, effects: NO_EFFECTS, error: result.error, deliveryId: null }),
  )

/** One run outside the cursor's way. */
export interface OneRun {
  readonly asked: GuestEffects
  readonly runId: string
  /** Tells the history what came of it: what was committed, or why nothing was. */
  readonly ended: (effects: Effects, error: HubError | null) => void
}

/** What the handler of one event asks for, outside the cursor's way. Rejects with the run's own error. */
export async function runOne(deps: PumpDeps, installation: Installation, event: LogEvent): Promise<OneRun> {
  if (event.data === null)
    throw new HubError('event_erased', `The response of event ${event.id} was deleted, and its content with it.`)
  if (handlerType(installation.plugin.manifest.on, event.type) === undefined) {
    throw new HubError(
      'invalid_query',
      `The plugin "${installation.plugin.manifest.id}" does not subscribe to "${event.type}".`,
    )
  }
  const action = forwardTo(installation, event)
  // Nothing runs, so there is nothing to tell.
  if (action !== undefined)
    return { asked: enqueueOnly(action), runId: newId('run', deps.clock.nowMs()), ended: () => {} }
  const input = { deps, installation, events: [event], pace: { runsMax: 1 } }
  const each = await prepare(input, event, { decided: new Map(), position: 0 })
  const result = await deps.sandbox.runEach(installation.key, each.run)
  const ended = (effects: Effects, error: HubError | null): void =>
    deps.runs.record(handlerRunEnd(installation, each, { result, effects, error, deliveryId: null }))
  if (result.error !== null) {
    ended(NO_EFFECTS, result.error)
    throw result.error
  }
  return { asked: result.effects, runId: each.run.id, ended }
}
