/**
 * The pump: reads the log from each installation's own cursor, has handlers run in batches, and commits what they asked
 * for together with the cursor. What fails becomes a delivery of its own, so nothing ever waits behind it.
 */
import type { Clock } from '../clock.ts'
import type { FormOf, OpenCapabilities, PlacedInstallation, Published, RefuseSettings } from '../delivery/ports.ts'
import { isRunnable } from '../delivery/ports.ts'
import type { MemoryQuota } from '../delivery/memory-quota.ts'
import { HubError } from '../errors.ts'
import type { Limits } from '../limits.ts'
import type { Delivery, LogEvent } from '../model.ts'
import type { Logger, Meter } from '../observe/observe.ts'
import type { Queue } from '../queue/queue.ts'
import type { RunRecorder } from '../runs/history.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'
import type { Forward, Store } from '../storage/store.ts'
import { PumpLane } from './pump-lane.ts'
import type { RecentEvents } from './recent-events.ts'

export interface PumpDeps {
  readonly store: Pick<Store, 'readEvents' | 'commitHandled' | 'headSeq'>
  readonly sandbox: Pick<Sandbox, 'runBatch' | 'runEach'>
  readonly capabilities: OpenCapabilities
  readonly queue: Pick<Queue, 'wake' | 'drop'>
  readonly recent: Pick<RecentEvents, 'after' | 'reach'>
  readonly memoryQuota: MemoryQuota
  readonly formOf: FormOf
  /** New deliveries, on disk already. */
  readonly push: (deliveries: readonly Delivery[]) => void
  readonly published: Published
  readonly runs: RunRecorder
  readonly refused: RefuseSettings
  readonly logger: Logger
  readonly meter: Meter
  readonly clock: Clock
  readonly limits: Limits
  readonly random: () => number
}

export interface Pump {
  /** The whole list: new ones start at their cursor, changed ones go on from where they are, missing ones end. */
  setInstallations(list: readonly PlacedInstallation[]): void
  /** Events were committed: whoever reads that workspace wakes. Tell `RecentEvents` first. */
  heard(events: readonly LogEvent[]): void
  /** The log reaches so far, and others wrote the rest of it: every lane looks. */
  reach(head: number): void
  /** Queue worker of `pump` lanes. */
  work(key: string): Promise<number | null>
  /** What installations that need no handler want of a response that is about to be stored; `event.seq` is 0. */
  forwards(event: LogEvent): readonly Forward[]
  /** It is stored, and so are these: their installations have no need to look at the event again. */
  forwarded(event: LogEvent, deliveries: readonly Delivery[]): void
  /** Reads on from another place: the stored cursor was moved. Where it does not run nothing is to be done. */
  rewind(key: string, cursor: number): void
  /** What is stored of a cursor: reads on from there where it differs from what the lane has stored itself. */
  adopt(key: string, cursor: number): void
  /** Where it reads; undefined for one that has no lane. */
  cursorOf(key: string): number | undefined
  /** Installation and how many events of the log lie before it. */
  lag(): readonly (readonly [installation: string, events: number])[]
  /** How many events of the log lie before one installation's cursor. */
  behind(key: string): number
  /** True while it reads what the log had before it began or was rewound: that it is behind is not ingest's doing. */
  catchingUp(key: string): boolean
  /** Has the handler of one event run now, whatever happened with it before; rejects with the run's own error. */
  runOnce(key: string, event: LogEvent, how?: { readonly isTest: boolean }): Promise<readonly Delivery[]>
  /** Would the installation get this event? */
  wants(key: string, event: LogEvent): Promise<boolean>
  /** Which part of its `when` keeps the event out, for people; null: none does. */
  whyNot(key: string, event: LogEvent): Promise<string | null>
  stop(): Promise<void>
}

/** Lanes start when `setInstallations` names them. */
export function createPump(deps: PumpDeps): Pump {
  const lanes = new Map<string, PumpLane>()
  const working = new Set<Promise<unknown>>()
  let head = 0
  /** Until the head is known, what lies before a lane cannot be told from what came since. */
  let headKnown = false
  let stopped = false

  const learnHead = (): void => {
    deps.store.headSeq().then(
      (seq) => {
        head = Math.max(head, seq)
        headKnown = true
        for (const lane of lanes.values()) lane.learnHead(head)
      },
      (error: unknown) => deps.logger.warn({ err: error }, 'the head of the log could not be read'),
    )
  }
  const laneOf = (key: string): PumpLane => {
    const lane = lanes.get(key)
    if (lane !== undefined) return lane
    throw new HubError('not_found', `There is no installation "${key.split('/').at(-1) ?? key}".`)
  }

  return {
    setInstallations: (list) => {
      const wanted = new Set(list.map(({ installation }) => installation.key))
      for (const [key, lane] of lanes) {
        if (wanted.has(key)) continue
        lanes.delete(key)
        dismiss(deps, lane)
      }
      for (const { installation, state, cursor } of list) {
        const known = lanes.get(installation.key)
        if (known === undefined) lanes.set(installation.key, new PumpLane(deps, installation, { state, cursor }))
        else known.reconfigure(installation, state)
        if (isRunnable(state)) deps.queue.wake(laneOf(installation.key).queueLane)
      }
      learnHead()
    },
    heard: (events) => {
      const last = events.at(-1)
      if (last === undefined || stopped) return
      head = Math.max(head, last.seq)
      for (const lane of lanes.values()) {
        if (isRunnable(lane.state) && events.some(({ workspace }) => workspace === lane.installation.workspace))
          deps.queue.wake(lane.queueLane)
      }
    },
    reach: (seq) => {
      if (stopped || seq <= head) return
      head = seq
      deps.recent.reach(seq)
      for (const lane of lanes.values()) if (isRunnable(lane.state)) deps.queue.wake(lane.queueLane)
    },
    work: async (key) => {
      const lane = lanes.get(key)
      if (lane === undefined || stopped) return null
      const work = lane.drain(() => stopped)
      working.add(work)
      try {
        return await work
      } finally {
        working.delete(work)
      }
    },
    forwards: (event) => wantedBy(lanes.values(), event, deps.logger),
    forwarded: ({ seq, workspace }, deliveries) => {
      for (const { installation } of deliveries) {
        lanes.get(`${workspace}/${installation}`)?.forwarded(seq)
        deps.meter.eventsHandled(installation, 1)
      }
    },
    ...placing(deps, lanes, () => (headKnown ? head : null)),
    cursorOf: (key) => lanes.get(key)?.position(),
    lag: () => [...lanes.values()].map((lane) => [lane.installation.id, Math.max(0, head - lane.position())]),
    behind: (key) => Math.max(0, head - (lanes.get(key)?.position() ?? head)),
    catchingUp: (key) => lanes.get(key)?.catchingUp() ?? false,
    runOnce: (key, event, { isTest } = { isTest: false }) => laneOf(key).runOnce(event, isTest),
    wants: async (key, event) => laneOf(key).wants(event),
    whyNot: async (key, event) => laneOf(key).whyNot(event),
    stop: async () => {
      stopped = true
      await settle(deps, working, lanes.values())
    },
  }
}

/** Moving a lane's place in the log; where it does not run nothing is to be done. `headOf`: null while it is not known. */
function placing(
  { queue }: PumpDeps,
  lanes: ReadonlyMap<string, PumpLane>,
  headOf: () => number | null,
): Pick<Pump, 'rewind' | 'adopt'> {
  return {
    rewind: (key, cursor) => {
      const lane = lanes.get(key)
      if (lane === undefined) return
      lane.rewind(cursor)
      lane.catchUp(headOf())
      queue.wake(lane.queueLane)
    },
    adopt: (key, cursor) => {
      const lane = lanes.get(key)
      if (lane === undefined) return
      lane.adopt(cursor)
      queue.wake(lane.queueLane)
    },
  }
}

/** Its events wait in the log from where it stands. */
function dismiss({ queue, logger }: PumpDeps, lane: PumpLane): void {
  const { installation } = lane
  lane.reconfigure(installation, 'disabled')
  lane.saveSkipped().catch((error: unknown) => {
    const fields = { err: error, installation: installation.key }
    logger.warn(fields, 'how far an installation had read could not be written')
  })
  queue.drop(lane.queueLane)
}

/** A batch that takes longer than the grace is repeated at the next start: nothing of it is committed. */
async function settle(deps: PumpDeps, working: Iterable<Promise<unknown>>, lanes: Iterable<PumpLane>): Promise<void> {
  const grace = new Promise<void>((resolve) => void deps.clock.after(deps.limits.drainGraceMs, resolve))
  await Promise.race([Promise.allSettled(working), grace])
  await Promise.allSettled([...lanes].map((lane) => lane.saveSkipped()))
}

/** One that cannot tell leaves it to its handler's way; the response is stored whatever happens here. */
function wantedBy(lanes: Iterable<PumpLane>, event: LogEvent, logger: Logger): readonly Forward[] {
  const wanted: Forward[] = []
  for (const lane of lanes) {
    if (lane.installation.workspace !== event.workspace) continue
    try {
      const forward = lane.forward(event)
      if (forward !== null) wanted.push(forward)
    } catch (error) {
      logger.error({ err: error, installation: lane.installation.key }, 'an event could not be forwarded at once')
    }
  }
  return wanted
}
