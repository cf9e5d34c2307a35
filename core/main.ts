/**
 * The composition root: the only file that names concrete backends. Rooms are opened in the order data moves and closed
 * in the reverse of it, so that whatever was accepted is either finished or still written down.
 */
import { randomBytes } from 'node:crypto'
import { openAccountedSandboxes } from './accounting/open.ts'
import { ofKeys } from './accounting/usage.ts'
import { settleIn } from './announce.ts'
import type { Authoring } from './authoring.ts'
import type { Backend, LogLine } from './backend.ts'
import { openBackend, openLogLine } from './backends.ts'
import { createGuardedHttp } from './capabilities/guarded-http.ts'
import { createMailServer } from './capabilities/mail-server.ts'
import { createRunCapabilities } from './capabilities/run-capabilities.ts'
import { systemClock } from './clock.ts'
import type { Clock } from './clock.ts'
import type { Settings } from './config/config.ts'
import { ConfigRefused } from './config/refused.ts'
import { createAdmission } from './delivery/admission.ts'
import { createBreakers } from './delivery/breaker.ts'
import { createControl } from './delivery/control.ts'
import { createDeliveryEngine } from './delivery/engine.ts'
import { createMemoryQuota } from './delivery/memory-quota.ts'
import { createScheduler } from './delivery/schedules.ts'
import { openAnywhere } from './fleet/anywhere.ts'
import type { BoundCalls } from './fleet/anywhere.ts'
import { fleetDuties, lanesBehind } from './fleet/duties.ts'
import { makeFolder } from './folder.ts'
import { partsOf, showGauges } from './gauges.ts'
import { openHttp } from './http/app.ts'
import { serveHttp } from './http/serve.ts'
import { openFormCache } from './ingest/form-cache.ts'
import { openFormViews } from './ingest/form-views.ts'
import { openInlet } from './ingest/inlet.ts'
import { openBus } from './live/bus.ts'
import type { Bus } from './live/bus.ts'
import { openLive } from './live/live.ts'
import type { Limits } from './limits.ts'
import { DEFAULT_WORKSPACE } from './model.ts'
import type { Delivery, LogEvent } from './model.ts'
import type { Health } from './observe/health.ts'
import type { Logger, Meter } from './observe/observe.ts'
import { openObserve } from './observe/open.ts'
import type { Observe } from './observe/open.ts'
import { withTraffic } from './observe/traffic.ts'
import { openSharing } from './redis.ts'
import type { Sharing } from './redis.ts'
import { openNative } from './native/open.ts'
import { openProbes } from './probes.ts'
import { createForwarding } from './pump/forwarding.ts'
import { createPump } from './pump/pump.ts'
import { createRecentEvents } from './pump/recent-events.ts'
import { createEmbeddedQueue } from './queue/embedded/queue.ts'
import { openAlerts } from './registry/alerts.ts'
import { openApprovals } from './registry/approval.ts'
import { hookCarriers } from './registry/hook-carrier.ts'
import { openHooks } from './registry/hooks.ts'
import { openApiKeys } from './registry/api-keys.ts'
import { areasOf } from './registry/areas.ts'
import { openTokens } from './registry/tokens.ts'
import type { Assembly } from './registry/assemble.ts'
import { openChecks } from './registry/checks.ts'
import { openReloader } from './registry/reload.ts'
import type { Reloader } from './registry/reload.ts'
import { Roster } from './registry/roster.ts'
import { openRouteCall } from './registry/route-call.ts'
import { openStops } from './registry/stops.ts'
import { openRegistryView } from './registry/views.ts'
import { createRunHistory } from './runs/history.ts'
import { openRunReader, openWatch } from './runs/reader.ts'
import { openProofs } from './sandbox/proof.ts'
import type { Proofs } from './sandbox/proof.ts'
import { openSource } from './source.ts'
import type { Store } from './storage/store.ts'
import { openTransforms } from './transform/chain.ts'
import { Members } from './transform/members.ts'
import type { HubOptions, RunningHub } from './running-hub.ts'
import { HUB_VERSION } from './version.ts'

export type { HubOptions, RunningHub } from './running-hub.ts'
export { ConfigRefused } from './config/refused.ts'
export { SandboxUnsafe } from './sandbox/proof.ts'

const FATAL_STOP_MS = 500

/** What every room is given. */
interface Ground {
  readonly dataDir: string
  readonly clock: Clock
  readonly limits: Limits
  readonly logger: Logger
  readonly meter: Meter
  readonly store: Store
  readonly bus: Bus
  readonly backend: Backend
  readonly log: LogLine
  readonly sharing: Sharing
  readonly proofs: Proofs
  readonly published: (events: readonly LogEvent[]) => void
  /** Run in the reverse of the order they were added, at stop and when a start fails half-way. */
  readonly closers: AsyncDisposableStack
}

/** Resolves when it serves. A start that fails closes whatever was open by then. */
export async function startHub(options: HubOptions): Promise<RunningHub> {
  await using closers = new AsyncDisposableStack()
  const hub = await start(options, closers)
  const open = closers.move()
  let stopping: Promise<void> | null = null
  return { ...hub, stop: () => (stopping ??= open.disposeAsync()) }
}

async function start(
  { settings, env, configText, authoring }: HubOptions,
  closers: AsyncDisposableStack,
): Promise<Omit<RunningHub, 'stop'>> {
  const { dataDir } = settings
  const clock = systemClock
  makeFolder(dataDir)
  const sink = authoring?.logSink
  const observe = openObserve({ level: settings.logLevel, ...(sink === undefined ? {} : { sink }) })
  closers.defer(() => observe.close())
  const { logger } = observe
  const source = openSource({ settings, env, configText, authoring })
  // Beside everything that is opened next; no plugin is loaded before it is known.
  const proofs = openProofs(settings)
  const first = await source.load(null, clock.nowMs())
  if ('problems' in first) throw new ConfigRefused(first.problems)
  const { limits } = first.config
  const { promise: failed, resolve: fail } = Promise.withResolvers<Error>()
  const backend = await openBackend({ settings, limits, clock, logger, onFatal: fail, closers })
  const { store, fleet } = backend
  const sharing = await openSharing({ settings, limits, clock, logger, closers })
  const bus = openBus((error) => logger.error({ err: error }, 'a listener of the live bus failed'))
  const log = openLogLine({ backend, bus, pump: () => rooms.pump, live: () => door.live })
  const ground: Ground = {
    dataDir,
    clock,
    limits,
    logger,
    meter: withTraffic({ ...observe, store, clock, closers }),
    store,
    bus,
    backend,
    log,
    sharing,
    proofs,
    published: (events) => {
      log.published(events)
      sharing.publish(events)
    },
    closers,
  }
  const rooms = openRooms(ground, first, authoring)
  const { roster, pump, engine, queue } = rooms
  const alerts = openAlerts({ ...ground, fleet })
  const reloader = openReloader({
    ...ground,
    ...source,
    dataDir,
    authoring,
    alerts,
    initial: first,
    load: (previous) => source.load(previous, clock.nowMs()),
    apply: rooms.apply,
    // Not before: a configuration that was not put to work opens no network.
    applied: (assembly: Assembly) => {
      putToWork(rooms, door, assembly)
      authoring?.applied(assembly)
    },
  })
  showGauges({ ...ground, ...rooms, fleet, observe })
  const health = openProbes({ ...ground, roster, reloader })
  const door = openDoor(ground, { settings, first, rooms, reloader, health, observe })

  if (settings.role !== 'worker') await rooms.hooks.settle(door.keys.adminKeyId)
  await rooms.apply(first)
  await queue.start((lane) => {
    const key = `${lane.workspace}/${lane.installation}`
    if (lane.kind === 'pump') return pump.work(key)
    return lane.kind === 'deliver' ? engine.work(key) : rooms.scheduler.work(key)
  })
  const serving = await serveHttp({ ...door, host: settings.host, port: settings.port, limits, logger })
  closers.defer(() => serving.close(limits.drainGraceMs))
  await ground.log.start()
  const duties = fleetDuties({ ...ground, ...rooms, fleet, alerts, keys: door.keys })
  await fleet.start(duties, { url: serving.boundUrl, key: door.doorKey })
  await reloader.watch()
  alerts.applied(first)
  authoring?.applied(first)
  closers.defer(() => [reloader, alerts].forEach((each) => each.close()))
  settleIn({ ...rooms, ...door, fleet, settings, health, url: serving.url, key: door.operatorKey })
  void failed.then(() => {
    health.drain('the database failed')
    return serving.close(FATAL_STOP_MS)
  })
  return {
    url: serving.url,
    newAdminKey: await door.firstAdminKey(),
    operatorKey: door.operatorKey,
    reload: () => reloader.poke(),
    failed,
  }
}

/** From the log to the outside, in the order data moves. */
function openRooms(ground: Ground, first: Assembly, authoring: Authoring | undefined) {
  const { clock, limits, logger, store, bus, closers } = ground
  const { stringCharsMax } = limits
  const forms = openFormCache({ store, clock, stringCharsMax, shared: ground.sharing.forms })
  const formViews = openFormViews(store)
  const recent = createRecentEvents(limits)
  const breakers = createBreakers(limits)
  const http = createGuardedHttp({ allow: first.config.network.allow, limits })
  closers.defer(() => http.close())
  const mail = createMailServer({ settings: first.config.email, allow: first.config.network.allow, limits })
  closers.defer(() => mail.close())
  const native = openNative({ ...ground, recent, find: (key) => roster.find(key)?.installation, formViews })
  const accounted = openAccountedSandboxes({ ...ground, native, roster: () => roster })
  const { sandbox, transformSandbox, openRoutes, usage, parcels } = accounted
  closers.defer(() => accounted.close())
  const local = createEmbeddedQueue({ clock, logger, lanes: () => [], drainGraceMs: limits.drainGraceMs })
  const queue = ground.backend.queue(local, { logGrew: async () => ground.log.reach(await store.headSeq()) })
  closers.defer(() => queue.stop())
  const hooks = openHooks(ground)
  closers.defer(() => hooks.close())
  const capabilities = createRunCapabilities({
    store,
    hooks,
    http,
    mail,
    clock,
    limits,
    breakers: { check: (key, host) => breakers.check(key, host, clock.nowMs()) },
    formOf: (workspace, id) => formViews.newest(workspace, id),
  })
  const runs = createRunHistory({ ...ground, watch: authoring && openWatch(store, formViews, () => roster) })
  closers.defer(() => runs.written())
  const running = {
    ...ground,
    sandbox,
    runs,
    recent,
    capabilities,
    memoryQuota: createMemoryQuota(store, limits),
    queue,
    formOf: (event: LogEvent) => formViews.of(event),
    eventInMemory: recent.byId,
    random: Math.random,
    ...openStops({ roster: () => roster, clock, logger }),
  }
  const engine = createDeliveryEngine({ ...running, breakers, alone: ground.backend.fleet.alone })
  closers.defer(async () => {
    const { released } = await engine.stop(limits.drainGraceMs)
    logger.info({ released }, 'deliveries stopped')
  })
  const push = (deliveries: readonly Delivery[]): void => engine.push(deliveries)
  const pump = createPump({ ...running, recent, push })
  closers.defer(() => pump.stop())
  const scheduler = createScheduler({ store, queue, push, logger, clock })
  const checks = openChecks({ ...running, roster: () => roster })
  closers.defer(() => checks.close())
  const roster = new Roster({
    ...ground,
    fleet: ground.backend.fleet,
    sandbox,
    changed: (placed) => {
      engine.setInstallations(placed)
      pump.setInstallations(placed)
      scheduler.setInstallations(placed)
      accounted.setInstallations(placed)
    },
    swapped: authoring?.swapped,
    loaded: checks.loaded,
  })
  const members = new Members({ ...ground, sandbox: transformSandbox, stateOf: (key) => roster.find(key) })
  const apply = async (assembly: Assembly): Promise<void> => {
    await ground.proofs.forUnits(assembly.installations)
    await roster.apply(assembly)
    await members.apply(assembly)
  }
  const transforms = openTransforms({ ...running, sandbox: transformSandbox, members })
  closers.defer(() => transforms.close())
  // A unit that is still coming up would be told off for the sandbox going down.
  closers.defer(async () => void (await Promise.all([roster.close(), members.close()])))
  bus.subscribe((events) => {
    forms.hear(events)
    formViews.hear(events)
    recent.add(events)
    engine.heard(events)
    pump.heard(events)
  })
  const lanes = { engine, push, pump, scheduler, roster, checks, transforms, openRoutes, usage, parcels }
  return { ...running, ...lanes, forms, formViews, hooks, breakers, http, mail, transformSandbox, apply }
}

type Rooms = ReturnType<typeof openRooms>

/** What else of a new configuration counts once its installations do. */
function putToWork(rooms: Rooms, door: ReturnType<typeof openDoor>, { config }: Assembly): void {
  rooms.http.setAllow(config.network.allow)
  rooms.mail.configure(config.email, config.network.allow)
  door.credentials.setIssuers(config.auth.jwt)
  door.collector.configure(config.events)
}

interface DoorParts {
  readonly settings: Settings
  readonly first: Assembly
  readonly rooms: Rooms
  readonly reloader: Reloader
  readonly health: Health
  readonly observe: Observe
}

/** Keys, ingest and the HTTP app. */
function openDoor(ground: Ground, { settings, first, rooms, reloader, health, observe }: DoorParts) {
  const { clock, limits, store, published, closers } = ground
  const { engine, pump, roster } = rooms
  const operatorKey = randomBytes(32).toString('base64url')
  const doorKey = randomBytes(32).toString('base64url')
  const keys = openApiKeys({ ...ground, processKey: operatorKey, adminKey: settings.adminKey })
  closers.defer(() => keys.close())
  const credentials = openTokens({ ...ground, keys, http: rooms.http })
  credentials.setIssuers(first.config.auth.jwt)
  const live = openLive({ ...ground, recent: rooms.recent, credentials })
  ground.bus.subscribe((events) => live.feed.grown(events.at(-1)?.seq ?? 0))
  /** Only once everything else has come up: it can be shown a single time. */
  const firstAdminKey = async (): Promise<string | null> => {
    if (settings.adminKey !== null || (await store.listKeys(null)).length > 0) return null
    return await keys.createFirst({ workspace: DEFAULT_WORKSPACE, name: 'admin', scopes: ['admin'], expiresAt: null })
  }
  const admission = createAdmission({
    clock,
    limits,
    lanes: () => [...lanesBehind(rooms), ...ground.backend.fleet.pace()],
  })
  const control = createControl({ ...ground, ...rooms, probe: (input) => anywhere.probe(input) })
  const { forwarding, stored } = createForwarding({ pump, engine, published })
  const { transforms, forms } = rooms
  const { events } = first.config
  const inlet = openInlet({
    ...ground,
    events,
    forms,
    admission: admission.wait,
    transforms,
    forwarding,
    onAccepted: stored,
  })
  const here: BoundCalls = {
    ...control,
    pluginRoute: openRouteCall({ ...rooms, health: transforms.health, inlet: inlet.ofPlugins }),
    usage: async ({ keys }) => ofKeys(rooms.usage(), keys),
    check: rooms.checks.check,
    probe: ({ workspace, installation }) => engine.probe(`${workspace}/${installation}`),
    takeParcels: rooms.parcels.take,
  }
  const known = (key: string): boolean => roster.find(key) !== undefined
  const anywhere = openAnywhere({ fleet: ground.backend.fleet, known, here })
  rooms.parcels.handTo(anywhere.takeParcels)
  closers.defer(() => rooms.parcels.handOver())
  const http = openHttp({
    ...ground,
    version: HUB_VERSION,
    keys,
    credentials,
    live,
    forms,
    formViews: rooms.formViews,
    hooks: rooms.hooks,
    hookCarriers: hookCarriers(first.plugins, roster),
    checkUrl: rooms.http.checkUrl,
    ...inlet,
    registry: openRegistryView({ ...rooms, ...ground.backend, cursorOf: pump.cursorOf, usageOf: anywhere.usage }),
    processes: () => ground.backend.fleet.members(),
    parts: partsOf({ ...ground, ...rooms }),
    approve: openApprovals({
      dataDir: settings.dataDir,
      assembly: () => roster.assembly(),
      processes: () => ground.backend.fleet.members(),
      reload: () => reloader.look(),
      clock,
    }),
    engine: { ...control, ...anywhere },
    health,
    metrics: { type: observe.metricsType, text: () => observe.metricsText() },
    runs: openRunReader(rooms),
    config: reloader,
    onEvents: published,
    trustedProxies: settings.trustedProxies,
    pluginRoute: anywhere.pluginRoute,
    pluginAreas: areasOf(first.plugins, roster),
    door: { fleet: ground.backend.fleet, key: doorKey, here },
    rateLimit: ground.sharing.rateLimit,
  })
  const { collector } = inlet
  return { ...http, keys, credentials, live, collector, operatorKey, doorKey, firstAdminKey }
}
