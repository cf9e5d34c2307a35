/** Builds the run of an attempt: what goes into the sandbox for these deliveries, with the events that caused them. */
import { rfc3339 } from '../clock.ts'
import { HubError } from '../errors.ts'
import type { Delivery, LogEvent } from '../model.ts'
import type { Installation } from '../registry/installation.ts'
import type { EventDataName } from '../registry/manifest.ts'
import { eventJson, hiddenKeys } from '../routing/event-json.ts'
import type { FormView } from '../routing/event-json.ts'
import { handlerType } from '../routing/match.ts'
import { NO_EFFECTS } from '../sandbox/report.ts'
import type { GuestEffects, RunInput } from '../sandbox/sandbox.ts'
import type { Store } from '../storage/store.ts'
import { enqueueOnly } from './effects.ts'
import { isPending } from './ports.ts'
import type { EventInMemory, FormOf } from './ports.ts'

export interface PrepareDeps {
  readonly store: Pick<Store, 'getEvent'>
  readonly formOf: FormOf
  readonly eventInMemory: EventInMemory
}

/** Deliveries of one kind and name that go in one run; more than one only when the action takes batches. */
export interface AttemptJob {
  readonly installation: Installation
  readonly deliveries: readonly Delivery[]
  readonly runId: string
  /** Ids of those that an earlier attempt may have brought to the receiver, and until when (Unix ms). */
  readonly repeats: ReadonlyMap<string, number>
  /** Nothing runs, somebody looks at what once did: what may not be seen now is left out of it. */
  readonly isLook?: boolean
}

export interface Prepared {
  /** A GuestEffects: nothing has to run, the manifest says what is asked for. */
  readonly input: RunInput | GuestEffects
  /** What caused it, as far as it was needed. */
  readonly event: LogEvent | undefined
  /** Positions of deliveries that are not in the run, and why: their event was erased, or lacks what the settings need. */
  readonly absent: ReadonlyMap<number, HubError>
}

const NONE: ReadonlyMap<number, HubError> = new Map()

/** A promise only when an event or a form has to be read. Throws or rejects with what is wrong with the delivery. */
export function prepare(deps: PrepareDeps, job: AttemptJob): Prepared | Promise<Prepared> {
  const { deliveries, installation } = job
  const [first] = deliveries
  if (first === undefined) throw new HubError('internal', 'An attempt without a delivery.')
  const { manifest } = installation.plugin
  switch (first.kind) {
    case 'action': {
      const action = Object.hasOwn(manifest.actions, first.name) ? manifest.actions[first.name] : undefined
      if (action === undefined)
        throw new HubError('config_invalid', `The plugin "${manifest.id}" has no action "${first.name}" any more.`)
      const parts = action.data
      if (parts === undefined) {
        return {
          input: {
            kind: 'action',
            name: first.name,
            itemsJson: deliveries.map((delivery) => itemJson(job, delivery, null)),
          },
          event: undefined,
          absent: NONE,
        }
      }
      return prepareItems(deps, job, parts)
    }
    case 'handler':
      return prepareHandler(deps, installation, first)
    case 'schedule': {
      if (!Object.hasOwn(manifest.schedules, first.name)) {
        throw new HubError('config_invalid', `The plugin "${manifest.id}" has no schedule "${first.name}" any more.`)
      }
      const tick = JSON.parse(first.input) as { at: string; missed: number }
      return { input: { kind: 'schedule', name: first.name, tick }, event: undefined, absent: NONE }
    }
    default: {
      const unknown: never = first.kind
      throw new HubError('internal', `Unknown kind of delivery ${String(unknown)}.`)
    }
  }
}

function itemJson({ repeats }: AttemptJob, delivery: Delivery, event: string | null): string {
  const { id, input, attempts, createdAt, isTest = false } = delivery
  const sentBeforeMs = repeats.get(id)
  const sent = sentBeforeMs === undefined ? '"repeat":false' : `"repeat":true,"sentBefore":"${rfc3339(sentBeforeMs)}"`
  const told = `{"id":"${id}","attempt":${attempts + 1},${sent},"createdAt":"${createdAt}"${isTest ? ',"test":true' : ''}}`
  return `{"input":${input},${event === null ? '' : `"event":${event},`}"delivery":${told}}`
}

/** The usual case needs no promise: the event and its form are in memory. */
function prepareItems(
  deps: PrepareDeps,
  job: AttemptJob,
  parts: readonly EventDataName[],
): Prepared | Promise<Prepared> {
  const causes = job.deliveries.map((delivery) => causeOf(deps, delivery))
  const assemble = (ready: readonly Cause[]): Prepared => {
    const itemsJson: string[] = []
    const absent = new Map<number, HubError>()
    for (const [index, delivery] of job.deliveries.entries()) {
      const cause = ready[index]
      if (cause === 'erased') absent.set(index, erasedError(delivery))
      else if (cause === null || cause === undefined) itemsJson.push(itemJson(job, delivery, null))
      else {
        const isNeeded = parts.includes('data') && job.isLook !== true
        const withheld = isNeeded ? withheldError(job.installation, cause.view) : null
        if (withheld === null)
          itemsJson.push(itemJson(job, delivery, eventJson({ ...cause, parts, pii: job.installation.pii })))
        else absent.set(index, withheld)
      }
    }
    const [why] = absent.values()
    if (itemsJson.length === 0 && why !== undefined) {
      if (job.isLook === true || absent.size === 1) throw why
      return { input: NO_EFFECTS, event: undefined, absent }
    }
    const event = ready.find((cause) => typeof cause === 'object' && cause !== null)?.event
    return { input: { kind: 'action', name: job.deliveries[0]?.name ?? '', itemsJson }, event, absent }
  }
  if (!causes.some(isPending)) return assemble(causes as readonly Cause[])
  return Promise.all(causes.map(async (cause) => await cause)).then(assemble)
}

/**
 * `field_withheld` where a field that the settings need is private: what lacks it would look like an answer left out.
 * It ends this delivery alone, since other forms may well show the field.
 */
function withheldError({ id, neededFields = [], pii }: Installation, view: FormView | undefined): HubError | null {
  if (neededFields.length === 0 || view === undefined) return null
  const missing = hiddenKeys(view, pii).find((key) => neededFields.includes(key))
  if (missing === undefined) return null
  return new HubError(
    'field_withheld',
    `The settings of "${id}" need "${missing}", which is marked pii in the form "${view.form.id}", and the installation may not see it. Grant it with pii in manifold.yaml, or name another field; then replay this.`,
  )
}

/** The response is gone, and with it what was to be sent. */
export const erasedError = (delivery: Pick<Delivery, 'eventId'> | undefined): HubError =>
  new HubError(
    'event_erased',
    `The response of event ${delivery?.eventId ?? '(unknown)'} was deleted, and its content with it.`,
  )

/** Null for a delivery without an event. */
type Cause = { readonly event: LogEvent; readonly view: FormView | undefined } | 'erased' | null

function causeOf(deps: PrepareDeps, delivery: Pick<Delivery, 'eventId' | 'workspace'>): Cause | Promise<Cause> {
  const { eventId, workspace } = delivery
  if (eventId === null) return null
  const withForm = (event: LogEvent | undefined): Cause | Promise<Cause> => {
    if (event === undefined || event.data === null) return 'erased'
    const view = deps.formOf(event)
    return isPending(view) ? view.then((found) => ({ event, view: found })) : { event, view }
  }
  const known = deps.eventInMemory(workspace, eventId)
  return known === undefined ? deps.store.getEvent(workspace, eventId).then(withForm) : withForm(known)
}

/** The run of a handler for the event of a delivery. Rejects with what is wrong with it. */
export async function prepareHandler(
  deps: PrepareDeps,
  installation: Installation,
  delivery: Pick<Delivery, 'id' | 'eventId' | 'workspace'>,
): Promise<Prepared> {
  const cause = await causeOf(deps, delivery)
  const { manifest } = installation.plugin
  if (cause === null) throw new HubError('internal', `The handler delivery ${delivery.id} has no event.`)
  if (cause === 'erased') throw erasedError(delivery)
  const type = handlerType(manifest.on, cause.event.type)
  const wanted = type === undefined ? undefined : manifest.on[type]
  if (type === undefined || wanted === undefined) {
    throw new HubError(
      'config_invalid',
      `The plugin "${manifest.id}" does not subscribe to "${cause.event.type}" any more.`,
    )
  }
  if (wanted.enqueue !== undefined) return { input: enqueueOnly(wanted.enqueue), event: cause.event, absent: NONE }
  const text = eventJson({ ...cause, parts: wanted.data, pii: installation.pii })
  return { input: { kind: 'event', type, eventJson: text }, event: cause.event, absent: NONE }
}
