/**
 * The hub around one installation, for tests: the rooms of `main.ts`, wired the same way over a database in a temporary
 * folder and a real sandbox. Only three things are a test's: time stands still, the outside is scripted, and lanes are
 * worked when they are told to.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { createRunCapabilities } from '../capabilities/run-capabilities.ts'
import { rfc3339 } from '../clock.ts'
import { createBreakers } from '../delivery/breaker.ts'
import { createDeliveryEngine } from '../delivery/engine.ts'
import type { DeliveryEngine } from '../delivery/engine.ts'
import type { RefuseSettings } from '../delivery/ports.ts'
import { createMemoryQuota } from '../delivery/memory-quota.ts'
import { createScheduler } from '../delivery/schedules.ts'
import { HubError } from '../errors.ts'
import { openFormCache } from '../ingest/form-cache.ts'
import { openFormViews } from '../ingest/form-views.ts'
import { LIMITS } from '../limits.ts'
import type { InstallationState, LogEvent } from '../model.ts'
import type { Logger, Meter } from '../observe/observe.ts'
import { createForwarding } from '../pump/forwarding.ts'
import { createPump } from '../pump/pump.ts'
import { createRecentEvents } from '../pump/recent-events.ts'
import type { LaneKind } from '../queue/queue.ts'
import { refusalReason } from '../registry/credential.ts'
import { openHooks } from '../registry/hooks.ts'
import type { Installation } from '../registry/installation.ts'
import { surfaceMismatch } from '../registry/surface.ts'
import { transformUnitOf, unitOf } from '../registry/units.ts'
import { createSandbox } from '../sandbox/pool.ts'
import { openSqliteStore } from '../storage/sqlite/open.ts'
import type { Store } from '../storage/store.ts'
import { openTransforms } from '../transform/chain.ts'
import { onlyMember } from '../transform/members.ts'
import { atTime } from './frozen-time.ts'
import type { ManualClock } from './manual-clock.ts'
import { temporaryFolder } from './open-folder.ts'
import { createRecorder } from './recorder.ts'
import { createScriptedEmail } from './scripted-email.ts'
import { createScriptedHttp } from './scripted-http.ts'
import { createStepQueue } from './step-queue.ts'
import type { StepQueue } from './step-queue.ts'
import { watchStore } from './watched-store.ts'

const QUIET_LOOK_MS = 2
/** Looks in a row that saw nothing going on: what is between two steps of an attempt shows in none of them. */
const QUIET_LOOKS = 3
/** A plugin that keeps giving itself work at once would keep a test for ever. */
const ROUNDS_MAX = 10_000
const HALF = 0.5

const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silent }
const nothing = (): void => {}
const unmetered: Meter = {
  responseAccepted: nothing,
  responseRejected: nothing,
  eventTracked: nothing,
  transformed: nothing,
  eventsHandled: nothing,
  attempt: nothing,
  handlerFailed: nothing,
  sandboxRestart: nothing,
  pluginMetric: nothing,
  endToEnd: nothing,
  breaker: nothing,
  configReload: nothing,
  responseCame: nothing,
  deliveryMade: nothing,
  deliveryFailed: nothing,
}

/** Manifest and code do not name the same things. */
export class NamesDiffer extends HubError {
  constructor(message: string) {
    super('plugin_load', message)
  }
}

export type TestRooms = Awaited<ReturnType<typeof openRooms>>

/** Loads the plugin and opens the rooms; `closers` close them. */
export async function openRooms(installation: Installation, clock: ManualClock, closers: AsyncDisposableStack) {
  const limits = LIMITS
  const { http, script, replyFailed } = createScriptedHttp()
  const { mail, script: email } = createScriptedEmail()
  const { units, isolates } = await loadPlugin(installation, clock, closers)
  const dir = await temporaryFolder(closers)
  const { store, keys } = watchStore(
    await openSqliteStore({ dir, limits, logger: silent, onFatal: nothing, nowMs: clock.nowMs }),
  )
  closers.defer(() => store.close())
  const views = openFormViews(store)
  const forms = openFormCache({ store, clock, stringCharsMax: limits.stringCharsMax })
  const recent = createRecentEvents(limits)
  const breakers = createBreakers(limits)
  const hooks = openHooks({ store, clock, limits, logger: silent, published: (events) => shared.published(events) })
  closers.defer(() => hooks.close())
  const capabilities = createRunCapabilities({
    store,
    hooks,
    http,
    mail,
    clock,
    limits,
    breakers: { check: (key, host) => breakers.check(key, host, clock.nowMs()) },
    formOf: (workspace, id) => views.newest(workspace, id),
  })
  const recorder = createRecorder({ sandbox: isolates, capabilities, installation, units, clock })
  const queue = createStepQueue(clock.nowMs)
  const log: LogEvent[] = []
  const shared = {
    store,
    sandbox: recorder.sandbox,
    capabilities: recorder.capabilities,
    queue,
    breakers,
    memoryQuota: createMemoryQuota(store, limits),
    forms,
    formOf: views.of,
    eventInMemory: recent.byId,
    published: (events: readonly LogEvent[]): void => {
      log.push(...events)
      views.hear(events)
      forms.hear(events)
      recent.add(events)
      lanes.engine.heard(events)
      lanes.pump.heard(events)
    },
    // New deliveries are on disk, where `settle` finds them: an action runs when the test says so.
    push: nothing,
    runs: { record: nothing },
    health: { note: nothing },
    logger: silent,
    meter: unmetered,
    clock,
    limits,
    random: () => HALF,
  }
  const transforms = openTransforms({
    ...shared,
    sandbox: { runBatch: (key, runs) => recorder.sandbox.runBatch(transformKey(key), runs) },
    members: onlyMember(installation, () => lanes.state()),
  })
  const lanes = openLanes({ ...shared, recent }, installation)
  closers.defer(() => stopped(lanes.engine, clock))
  let isOver = false
  closers.defer(() => void (isOver = true))
  const cursor = await cursorOf(store, installation, clock)
  lanes.place('ready', cursor)
  const isBusy = (): boolean => recorder.isBusy() || keys.isBusy()
  return {
    ...shared,
    ...lanes,
    transforms,
    installation,
    script,
    email,
    replyFailed,
    recorder,
    hooks,
    log,
    keyOf: keys.of,
    ...hands({ ...shared, ...lanes, installation, isBusy, isOver: () => isOver }),
  }
}

/** Whatever still runs is given up: nobody moves the clock that it would be waited for by. */
async function stopped(engine: Pick<DeliveryEngine, 'stop'>, clock: ManualClock): Promise<void> {
  const moving = setInterval(() => clock.moveTo(clock.nowMs()), QUIET_LOOK_MS)
  await engine.stop(0)
  clearInterval(moving)
}

const transformKey = (key: string): string => `${key} transform`

/** Twice where it has a transform, as in the hub: under the limits of one, and with modules of its own. */
async function loadPlugin(installation: Installation, clock: ManualClock, closers: AsyncDisposableStack) {
  const isolates = createSandbox({ logger: silent, limits: LIMITS, onRestart: nothing })
  closers.defer(() => isolates.close())
  const transform = { ...transformUnitOf(installation, LIMITS), key: transformKey(installation.key) }
  const units = [unitOf(installation), ...(installation.transform === null ? [] : [transform])]
  for (const unit of units) {
    const surface = await isolates.load({ ...unit, bundle: atTime(unit.bundle, clock.nowMs()) })
    const mismatch = surfaceMismatch(installation.plugin.manifest, surface)
    if (mismatch !== null) throw new NamesDiffer(mismatch)
  }
  return { units, isolates }
}

async function cursorOf(store: Store, { workspace, id, plugin }: Installation, clock: ManualClock): Promise<number> {
  const at = rfc3339(clock.nowMs())
  const rows = await store.syncInstallations([{ workspace, id, plugin: plugin.manifest.id, cursor: 0, at }])
  return rows[0]?.cursor ?? 0
}

type LaneDeps = Omit<Parameters<typeof createPump>[0], 'refused'> &
  Omit<Parameters<typeof createDeliveryEngine>[0], 'disable' | 'refused' | 'alone'> & { readonly store: Store }

/** What moves events and deliveries, with the one installation in it. */
function openLanes(deps: LaneDeps, installation: Installation) {
  let state: InstallationState = 'ready'
  let reason: string | null = null
  const place = (next: InstallationState, cursor = 0): void => {
    state = next
    if (next === 'ready') reason = null
    const list = [{ installation, state, cursor }]
    engine.setInstallations(list)
    pump.setInstallations(list)
    scheduler.setInstallations(list)
  }
  const disable = (why: string): void => {
    reason = why
    place('disabled')
  }
  const refused: RefuseSettings = (_of, refusal) => disable(refusalReason(refusal))
  const engine = createDeliveryEngine({
    ...deps,
    alone: true,
    refused,
    disable: (_of, { message }) => disable(message),
  })
  const pump = createPump({ ...deps, refused })
  const scheduler = createScheduler(deps)
  const { forwarding, stored } = createForwarding({
    pump,
    engine: { ahead: nothing, aheadOver: nothing, push: nothing },
    published: deps.published,
  })
  return { engine, pump, scheduler, place, forwarding, stored, state: () => state, reason: () => reason }
}

interface Machinery extends ReturnType<typeof openLanes> {
  readonly store: Store
  readonly queue: StepQueue
  readonly clock: ManualClock
  readonly installation: Installation
  readonly isBusy: () => boolean
  readonly isOver: () => boolean
}

/** What a test moves by hand. */
function hands({ store, queue, clock, installation, engine, pump, scheduler, ...is }: Machinery) {
  const { workspace, id, key } = installation
  const quiet = async (): Promise<void> => {
    for (let calm = 0; calm < QUIET_LOOKS; calm++) {
      await engine.drained(key)
      await sleep(QUIET_LOOK_MS)
      if (is.isOver()) throw new Error('The plugin was closed while it worked; await what the test starts.')
      if (is.isBusy() || engine.pressure().some(({ running }) => running > 0)) calm = -1
    }
  }
  const workers = { pump: pump.work, schedule: scheduler.work, deliver: (lane: string) => engine.work(lane) }
  /** Works what is due now, until nothing is. */
  const work = async (kinds: readonly LaneKind[]): Promise<void> => {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const lanes = kinds.flatMap((kind) => queue.take(kind, clock.nowMs()))
      if (lanes.length === 0) return
      for (const lane of lanes) {
        const nextMs = await workers[lane.kind](key)
        if (nextMs !== null) queue.wake(lane, nextMs)
        if (lane.kind === 'deliver') await quiet()
      }
    }
    throw new Error(`The plugin gave itself work ${ROUNDS_MAX} times at one moment.`)
  }
  return {
    work,
    /** The whole log once more, as after a crash that kept nothing of what was committed but the deliveries. */
    rereadLog: async () => {
      await store.rewindCursor(workspace, id, 0)
      pump.rewind(key, 0)
      await work(['pump'])
    },
    /** Looks at storage again: deliveries that were written meanwhile are due. */
    wakeDeliveries: () => queue.wake({ kind: 'deliver', workspace, installation: id }),
  }
}
