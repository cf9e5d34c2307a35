/** The operator's hand on the machinery: pause, resume, test-send, backfill, replay. */
import type { Clock } from '../clock.ts'
import { HubError } from '../errors.ts'
import type { Limits } from '../limits.ts'
import type { LogEvent, WorkspaceId } from '../model.ts'
import type { Pump } from '../pump/pump.ts'
import type { Installation } from '../registry/installation.ts'
import type { Roster } from '../registry/roster.ts'
import { isRunning } from '../registry/states.ts'
import type { ReplayQuery, Store } from '../storage/store.ts'
import type { DeliveryEngine } from './engine.ts'
import { replayDeliveries } from './replay.ts'

export interface ControlDeps {
  readonly store: Pick<
    Store,
    'replay' | 'listDeliveries' | 'getEvent' | 'readEvents' | 'headSeq' | 'seqBefore' | 'setCursor'
  >
  readonly engine: Pick<DeliveryEngine, 'push'>
  readonly pump: Pick<Pump, 'rewind' | 'runOnce' | 'wants'>
  readonly roster: Pick<Roster, 'find' | 'move'>
  readonly clock: Clock
  readonly limits: Pick<Limits, 'replayRowsPerStepMax' | 'pageItemsMax'>
}

/** How far back a test-send looks for an event worth sending. */
const SAMPLE_EVENTS_MAX = 2_000

export interface Control {
  pause(workspace: WorkspaceId, installation: string, reason: string): Promise<void>
  /** Also enables what was disabled: the operator says it may try again. */
  resume(workspace: WorkspaceId, installation: string): Promise<void>
  /** Sends a real event once more down the live path, under a new delivery id; answers what it made. */
  testSend(input: {
    readonly workspace: WorkspaceId
    readonly installation: string
    readonly eventId?: string | undefined
    readonly form?: string | undefined
  }): Promise<{ readonly eventId: string; readonly deliveries: readonly string[] }>
  backfill(input: {
    readonly workspace: WorkspaceId
    readonly installation: string
    readonly from: string
  }): Promise<{ readonly cursor: number; readonly events: number }>
  replay(query: ReplayQuery): Promise<number>
}

export function createControl(deps: ControlDeps): Control {
  const memberOf = (workspace: WorkspaceId, id: string) => {
    const member = deps.roster.find(`${workspace}/${id}`)
    if (member === undefined)
      throw new HubError('not_found', `There is no installation "${id.slice(0, 100)}" that can run.`)
    return member
  }
  return {
    pause: async (workspace, id, reason) => {
      memberOf(workspace, id)
      await deps.roster.move(`${workspace}/${id}`, 'pause', reason)
    },
    resume: async (workspace, id) => {
      const { state } = memberOf(workspace, id)
      if (isRunning(state)) return
      await deps.roster.move(`${workspace}/${id}`, state === 'disabled' ? 'enable' : 'resume', null)
    },
    testSend: async ({ workspace, installation: id, eventId, form }) => {
      const { installation, state } = memberOf(workspace, id)
      if (!isRunning(state)) throw new HubError('conflict', `The installation "${id}" is ${state}; resume it first.`)
      const event =
        eventId === undefined
          ? await sampleFor(deps, installation, form)
          : await deps.store.getEvent(workspace, eventId)
      if (event === undefined) {
        throw new HubError(
          'not_found',
          eventId === undefined ? NO_SAMPLE : `There is no event "${eventId.slice(0, 100)}".`,
        )
      }
      const made = await deps.pump.runOnce(installation.key, event)
      return { eventId: event.id, deliveries: made.map(({ id: deliveryId }) => deliveryId) }
    },
    backfill: async ({ workspace, installation: id, from }) => {
      const { installation } = memberOf(workspace, id)
      const cursor = from === 'beginning' ? 0 : await deps.store.seqBefore(workspace, from)
      const head = await deps.store.headSeq()
      await deps.store.setCursor(workspace, id, cursor)
      deps.pump.rewind(installation.key, cursor)
      return { cursor, events: Math.max(0, head - cursor) }
    },
    replay: (query) => replayDeliveries({ ...deps, push: (made) => deps.engine.push(made) }, query),
  }
}

const NO_SAMPLE =
  'There is no event yet that this installation would handle; submit a response first, or name an event_id.'

/** The newest event that this installation would get, of the form when one is named. */
async function sampleFor(
  deps: ControlDeps,
  { workspace, key }: Installation,
  form: string | undefined,
): Promise<LogEvent | undefined> {
  const head = await deps.store.headSeq()
  const events = await deps.store.readEvents({
    workspace,
    afterSeq: Math.max(0, head - SAMPLE_EVENTS_MAX),
    limit: SAMPLE_EVENTS_MAX,
  })
  for (const event of events.toReversed()) {
    if (event.data === null || (form !== undefined && event.formId !== form)) continue
    if (await deps.pump.wants(key, event)) return event
  }
  return undefined
}
