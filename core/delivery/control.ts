/** The operator's hand on the machinery: pause, resume, test-send, fire, backfill, replay. */
import type { Clock } from '../clock.ts'
import { HubError } from '../errors.ts'
import type { Limits } from '../limits.ts'
import type { WorkspaceId } from '../model.ts'
import type { Pump } from '../pump/pump.ts'
import type { Installation } from '../registry/installation.ts'
import type { Roster } from '../registry/roster.ts'
import { isRunning } from '../registry/states.ts'
import type { ReplayQuery, Store } from '../storage/store.ts'
import type { Scheduler } from './schedules.ts'
import type { DeliveryEngine } from './engine.ts'
import { replayDeliveries } from './replay.ts'
import type { Replayed } from './replay.ts'
import { lastEvents, replayEvents } from './replay-events.ts'

export interface ControlDeps {
  readonly store: Pick<
    Store,
    | 'replay'
    | 'countReplay'
    | 'getEvent'
    | 'eventOfResponse'
    | 'readEvents'
    | 'headSeq'
    | 'seqBefore'
    | 'rewindCursor'
    | 'syncInstallations'
  >
  readonly engine: Pick<DeliveryEngine, 'push'>
  readonly pump: Pick<Pump, 'rewind' | 'runOnce' | 'wants' | 'whyNot'>
  readonly roster: Pick<Roster, 'find' | 'move'>
  readonly scheduler: Pick<Scheduler, 'fire' | 'find'>
  /** Of one that runs, wherever it does: hosts that are left alone are tried now. */
  readonly probe: (input: { readonly workspace: WorkspaceId; readonly installation: string }) => Promise<unknown>
  readonly clock: Clock
  readonly limits: Pick<Limits, 'replayRowsPerStepMax' | 'replayStepsPerRequestMax' | 'replayEventsMax'>
}

export interface Control {
  pause(workspace: WorkspaceId, installation: string, reason: string): Promise<void>
  /** Also enables what was disabled, and tries hosts that are left alone: the operator says it may try again. */
  resume(workspace: WorkspaceId, installation: string): Promise<void>
  /**
   * Sends a real event once more down the live path, under a new delivery id; answers what it made, or which part of `when`
   * keeps it out (`whyNot`). `dryRun`: only which event that would be.
   */
  testSend(input: {
    readonly workspace: WorkspaceId
    readonly installation: string
    readonly eventId?: string | undefined
    /** Instead: the event with the answers of this response. */
    readonly responseId?: string | undefined
    readonly form?: string | undefined
    readonly dryRun?: boolean | undefined
  }): Promise<{
    readonly eventId: string
    readonly deliveries: readonly string[]
    readonly whyNot: string | null
  }>
  /**
   * Fires a schedule of its plugin now, once, by hand; answers the delivery that runs it. `dryRun`: only refuses what could
   * not be fired, and answers null.
   */
  fire(input: {
    readonly workspace: WorkspaceId
    readonly installation: string
    readonly schedule: string
    readonly dryRun?: boolean | undefined
  }): Promise<string | null>
  /**
   * Nothing is skipped: where the installation stands before that time, it goes on from where it stands. `events`: how many
   * entries of the log lie ahead of it then. `dryRun`: only tells.
   */
  backfill(input: {
    readonly workspace: WorkspaceId
    readonly installation: string
    readonly from: string
    readonly dryRun?: boolean | undefined
  }): Promise<{ readonly cursor: number; readonly events: number }>
  /** All that are named, or some of those that match, oldest first; of those no more than `rowsMax`. */
  replay(query: ReplayQuery, rowsMax?: number): Promise<Replayed>
  /** How many that would be now. */
  countReplay(query: ReplayQuery): Promise<number>
  /** Handlers see their last events again, as they are now; see `replay-events.ts`. */
  replayEvents(input: {
    readonly workspace: WorkspaceId
    readonly installation: string
    readonly last: number
    readonly form?: string | undefined
  }): ReturnType<typeof replayEvents>
}

export function createControl(deps: ControlDeps): Control {
  const memberOf = (workspace: WorkspaceId, id: string) => {
    const member = deps.roster.find(`${workspace}/${id}`)
    if (member === undefined)
      throw new HubError('not_found', `There is no installation "${id.slice(0, 100)}" that can run.`)
    return member
  }
  const runningOf = (workspace: WorkspaceId, id: string): Installation => {
    const { installation, state } = memberOf(workspace, id)
    if (isRunning(state)) return installation
    throw new HubError('conflict', `The installation "${id}" is ${state}; resume it first.`)
  }
  return {
    pause: async (workspace, id, reason) => {
      memberOf(workspace, id)
      await deps.roster.move(`${workspace}/${id}`, 'pause', reason)
    },
    resume: async (workspace, id) => {
      const { state } = memberOf(workspace, id)
      if (!isRunning(state))
        await deps.roster.move(`${workspace}/${id}`, state === 'disabled' ? 'enable' : 'resume', null)
      await deps.probe({ workspace, installation: id })
    },
    testSend: async ({ workspace, installation: id, eventId, responseId, form, dryRun = false }) => {
      const installation = runningOf(workspace, id)
      const event =
        eventId !== undefined
          ? await deps.store.getEvent(workspace, eventId)
          : responseId !== undefined
            ? await deps.store.eventOfResponse(workspace, responseId)
            : (await lastEvents(deps, installation, { count: 1, form }))[0]
      if (event === undefined || event.data === null) throw new HubError('not_found', noSuch({ eventId, responseId }))
      const whyNot = await deps.pump.whyNot(installation.key, event)
      const made = dryRun || whyNot !== null ? [] : await deps.pump.runOnce(installation.key, event, { isTest: true })
      return { eventId: event.id, deliveries: made.map(({ id: deliveryId }) => deliveryId), whyNot }
    },
    fire: async ({ workspace, installation, schedule, dryRun = false }) => {
      const { key } = runningOf(workspace, installation)
      deps.scheduler.find(key, schedule)
      return dryRun ? null : (await deps.scheduler.fire(key, schedule)).id
    },
    backfill: async ({ workspace, installation: id, from, dryRun = false }) => {
      const { installation } = memberOf(workspace, id)
      const { store, pump } = deps
      const wanted = from === 'beginning' ? 0 : await store.seqBefore(workspace, from)
      const cursor = dryRun
        ? Math.min(wanted, await cursorOf(store, installation))
        : await store.rewindCursor(workspace, id, wanted)
      const head = await store.headSeq()
      if (!dryRun) pump.rewind(installation.key, cursor)
      return { cursor, events: Math.max(0, head - cursor) }
    },
    countReplay: (query) => deps.store.countReplay(query),
    replay: (query, rowsMax) =>
      replayDeliveries({ ...deps, push: (made) => deps.engine.push(made) }, { ...query, rowsMax }),
    replayEvents: async ({ workspace, installation, last, form }) =>
      replayEvents(
        { ...deps, mayRun: () => isRunning(memberOf(workspace, installation).state) },
        runningOf(workspace, installation),
        { last, form },
      ),
  }
}

/** As it is stored. */
async function cursorOf(
  store: Pick<Store, 'syncInstallations'>,
  { workspace, id }: Pick<Installation, 'workspace' | 'id'>,
): Promise<number> {
  const rows = await store.syncInstallations([])
  return rows.find((row) => row.workspace === workspace && row.id === id)?.cursor ?? 0
}

const noSuch = ({
  eventId,
  responseId,
}: {
  readonly eventId?: string | undefined
  readonly responseId?: string | undefined
}): string => {
  if (eventId !== undefined) return `There is no event "${eventId.slice(0, 100)}" with its data.`
  return responseId === undefined ? NO_SAMPLE : `There is no response "${responseId.slice(0, 100)}".`
}

const NO_SAMPLE =
  'There is no event yet that this installation would handle; submit a response first, or name an event (event_id, --event of the command).'
