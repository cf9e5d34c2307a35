/**
 * The composition root: the only file that names concrete backends. Rooms are opened in the order data moves and closed
 * in the reverse of it, so that whatever was accepted is either finished or still written down.
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createGuardedHttp } from './capabilities/guarded-http.ts'
import { createRunCapabilities } from './capabilities/run-capabilities.ts'
import { rfc3339, systemClock } from './clock.ts'
import type { Clock } from './clock.ts'
import type { ConfigProblem, Settings } from './config/config.ts'
import type { Environment } from './config/settings.ts'
import { createAdmission } from './delivery/admission.ts'
import { createBreakers } from './delivery/breaker.ts'
import { createControl } from './delivery/control.ts'
import { createDeliveryEngine } from './delivery/engine.ts'
import { createKvQuota } from './delivery/kv-quota.ts'
import { createScheduler } from './delivery/schedules.ts'
import { HubError } from './errors.ts'
import { createHttpApp } from './http/app.ts'
import { serveHttp } from './http/serve.ts'
import { openFormCache } from './ingest/form-cache.ts'
import { openFormViews } from './ingest/form-views.ts'
import { openReceiver } from './ingest/receive.ts'
import { openBus } from './live/bus.ts'
import type { Bus } from './live/bus.ts'
import { LIMITS } from './limits.ts'
import type { Limits } from './limits.ts'
import { DEFAULT_WORKSPACE } from './model.ts'
import type { Delivery, LogEvent } from './model.ts'
import { openHealth } from './observe/health.ts'
import type { Health } from './observe/health.ts'
import type { Logger, Meter } from './observe/observe.ts'
import { openObserve } from './observe/open.ts'
import type { Observe } from './observe/open.ts'
import { createForwarding } from './pump/forwarding.ts'
import { createPump } from './pump/pump.ts'
import { createRecentEvents } from './pump/recent-events.ts'
import { createEmbeddedQueue } from './queue/embedded/queue.ts'
import { openApiKeys } from './registry/api-keys.ts'
import { assemble } from './registry/assemble.ts'
import type { Assembly } from './registry/assemble.ts'
import { openReloader } from './registry/reload.ts'
import type { Reloader } from './registry/reload.ts'
import { Roster } from './registry/roster.ts'
import { watchBreaches } from './registry/breach-watch.ts'
import { openRouteCall } from './registry/route-call.ts'
import { openRegistryView } from './registry/views.ts'
import { createSandbox } from './sandbox/pool.ts'
import { backupSqlite } from './storage/sqlite/backup.ts'
import { acceptLoss, migrationStatus, openSqliteStore, restoreSqlite } from './storage/sqlite/open.ts'
import { claimFolder } from './storage/sqlite/single-owner.ts'
import type { Store } from './storage/store.ts'
import { HUB_VERSION } from './version.ts'

export interface HubOptions {
  readonly settings: Settings
  readonly env: Environment
  /** Configuration text that stands in for a file: the demo's. */
  readonly configText?: string
}

export interface RunningHub {
  readonly url: string
  /** Made at the first start of this data folder and never shown again; null afterwards, or when the environment set one. */
  readonly newAdminKey: string | null
  /** Of this process only, all scopes; also in `<data>/hub.json` for the CLI. */
  readonly operatorKey: string
  /** Reads the configuration file again (SIGHUP). */
  reload(): void
  /** Not ready any more, takes nothing new, finishes or releases what runs, closes. */
  stop(): Promise<void>
  /** Resolves when the hub cannot go on: the process should end with a failure. */
  readonly failed: Promise<Error>
}

/** Thrown by `startHub` when the configuration is refused. */
export class ConfigRefused extends Error {
  readonly problems: readonly ConfigProblem[]
  constructor(problems: readonly ConfigProblem[]) {
    super('The configuration is not valid.')
    this.problems = problems
  }
}

const PURGE_EVERY_MS = 600_000
const FATAL_STOP_MS = 500

/** What every room is given. */
interface Ground {
  readonly clock: Clock
  readonly limits: Limits
  readonly logger: Logger
  readonly meter: Meter
  readonly store: Store
  readonly bus: Bus
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
  { settings, env, configText }: HubOptions,
  closers: AsyncDisposableStack,
): Promise<Omit<RunningHub, 'stop'>> {
  const { dataDir } = settings
  const clock = systemClock
  refuseSharedRoles(settings)
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const ownership = await claimFolder(dataDir)
  closers.defer(() => ownership.release())
  const observe = openObserve({ level: settings.logLevel })
  closers.defer(() => observe.close())
  const { logger, meter } = observe
  const file = configText === undefined ? settings.configFile : null
  const source = { file, env, dataDir, ...(configText === undefined ? {} : { text: configText }) }
  const first = await assemble({ ...source, nowMs: clock.nowMs() })
  if ('problems' in first) throw new ConfigRefused(first.problems)
  const { limits } = first.config
  const { promise: failed, resolve: fail } = Promise.withResolvers<Error>()
  const store = await openSqliteStore({ dir: dataDir, limits, logger, onFatal: fail })
  closers.defer(() => store.close())
  const bus = openBus((error) => logger.error({ err: error }, 'a listener of the live bus failed'))
  const ground: Ground = {
    clock,
    limits,
    logger,
    meter,
    store,
    bus,
    published: (events) => bus.publish(events),
    closers,
  }

  const rooms = openRooms(ground, first)
  const { roster, pump, engine, queue, sandbox } = rooms
  const reloader = openReloader({
    ...ground,
    file,
    dataDir,
    pluginDirs: first.config.pluginDirs,
    initial: first,
    load: (previous) => assemble({ ...source, previous, nowMs: clock.nowMs() }),
    apply: (assembly: Assembly) => roster.apply(assembly),
    // Not before: a configuration that was not put to work opens no network.
    applied: ({ config }: Assembly) => rooms.http.setAllow(config.network.allow),
  })
  observe.gauges({
    lagEvents: () => pump.lag(),
    queueDepth: () => queue.depth(),
    sandbox: () => sandbox.stats(),
    deliveries: () => store.laneCounts(),
    storage: () => store.stats(),
  })
  const health = openHealth({
    storage: () => store.ping(),
    configuration: () => reloader.describe(),
    installations: () => roster.summary(),
  })
  const door = openDoor(ground, { settings, rooms, reloader, health, observe })

  await roster.apply(first)
  await queue.start((lane) => {
    const key = `${lane.workspace}/${lane.installation}`
    if (lane.kind === 'pump') return pump.work(key)
    return lane.kind === 'deliver' ? engine.work(key) : rooms.scheduler.work(key)
  })
  const serving = await serveHttp({ app: door.app, host: settings.host, port: settings.port, limits, logger })
  closers.defer(() => serving.close(limits.drainGraceMs))
  await reloader.watch()
  closers.defer(() => reloader.close())
  closers.defer(announce(ground, { dataDir, url: serving.url, key: door.operatorKey }))
  closers.defer(async () => {
    health.drain('shutting down')
    // Whoever balances between hubs sees it before connections are refused.
    await sleep(limits.drainNoticeMs)
  })
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

function refuseSharedRoles({ role }: Settings): void {
  if (role === 'all') return
  const why = 'needs a database that several processes can share; with SQLite one process does everything (--role all).'
  throw new HubError('config_invalid', `--role ${role} ${why}`)
}

/** From the log to the outside, in the order data moves. */
function openRooms(ground: Ground, first: Assembly) {
  const { clock, limits, logger, meter, store, bus, closers } = ground
  const forms = openFormCache({ store, clock, stringCharsMax: limits.stringCharsMax })
  const formViews = openFormViews(store)
  const recent = createRecentEvents(limits)
  const breakers = createBreakers(limits)
  const http = createGuardedHttp({ allow: first.config.network.allow, limits })
  closers.defer(() => http.close())
  const isolates = createSandbox({ logger, limits, onRestart: (group, why) => meter.sandboxRestart(group, why) })
  const sandbox = watchBreaches(isolates, { roster: () => roster, clock, logger })
  closers.defer(() => sandbox.close())
  const queue = createEmbeddedQueue({ clock, logger, lanes: () => [], drainGraceMs: limits.drainGraceMs })
  closers.defer(() => queue.stop())
  const capabilities = createRunCapabilities({
    store,
    http,
    clock,
    limits,
    breakers: { check: (key, host) => breakers.check(key, host, clock.nowMs()) },
    formOf: (workspace, id) => formViews.newest(workspace, id),
  })
  const running = {
    ...ground,
    sandbox,
    capabilities,
    kvQuota: createKvQuota(store, limits.pluginKvKeysMax),
    queue,
    formOf: (event: LogEvent) => formViews.of(event),
    random: Math.random,
  }
  const engine = createDeliveryEngine({
    ...running,
    breakers,
    eventInMemory: recent.byId,
    disable: (key, reason) => {
      roster.move(key, 'disable', reason).catch((error: unknown) => {
        logger.error({ err: error, installation: key }, 'an installation could not be disabled')
      })
    },
  })
  closers.defer(async () => {
    const { released } = await engine.stop(limits.drainGraceMs)
    logger.info({ released }, 'deliveries stopped')
  })
  const push = (deliveries: readonly Delivery[]): void => engine.push(deliveries)
  const pump = createPump({ ...running, recent, push })
  closers.defer(() => pump.stop())
  const scheduler = createScheduler({ store, queue, push, logger, clock })
  const roster = new Roster({
    ...ground,
    sandbox,
    changed: (placed) => {
      engine.setInstallations(placed)
      pump.setInstallations(placed)
      scheduler.setInstallations(placed)
    },
  })
  // A unit that is still coming up would be told off for the sandbox going down.
  closers.defer(() => roster.loaded())
  bus.subscribe((events) => {
    forms.hear(events)
    formViews.hear(events)
    recent.add(events)
    engine.heard(events)
    pump.heard(events)
  })
  return { ...running, forms, breakers, http, engine, push, pump, scheduler, roster }
}

type Rooms = ReturnType<typeof openRooms>

interface DoorParts {
  readonly settings: Settings
  readonly rooms: Rooms
  readonly reloader: Reloader
  readonly health: Health
  readonly observe: Observe
}

/** Keys, ingest and the HTTP app. */
function openDoor(ground: Ground, { settings, rooms, reloader, health, observe }: DoorParts) {
  const { clock, limits, store, published, closers } = ground
  const { engine, pump, roster } = rooms
  const operatorKey = randomBytes(32).toString('base64url')
  const extraKeys = settings.adminKey === null ? [operatorKey] : [operatorKey, settings.adminKey]
  const keys = openApiKeys({ ...ground, extraKeys })
  closers.defer(() => keys.close())
  /** Only once everything else has come up: it can be shown a single time. */
  const firstAdminKey = async (): Promise<string | null> => {
    if (settings.adminKey !== null || (await store.listKeys(null)).length > 0) return null
    const made = await keys.create({ workspace: DEFAULT_WORKSPACE, name: 'admin', scopes: ['admin'], expiresAt: null })
    return made.key
  }
  const admission = createAdmission({
    clock,
    limits,
    lanes: () =>
      engine
        .pressure()
        .filter(({ key, healthy }) => healthy && !pump.catchingUp(key))
        .map(({ key, fresh, deliveredPerSecond }) => ({ behind: fresh + pump.behind(key), deliveredPerSecond })),
  })
  const { forwarding, stored } = createForwarding({ pump, engine, published })
  const receiver = openReceiver({ ...ground, admission: admission.wait, forwarding, onAccepted: stored })
  const app = createHttpApp({
    ...ground,
    version: HUB_VERSION,
    keys,
    forms: rooms.forms,
    receiver,
    registry: openRegistryView({ roster, store, breakers: rooms.breakers, cursorOf: pump.cursorOf }),
    engine: createControl({ ...ground, engine, pump, roster }),
    health,
    metrics: { type: observe.metricsType, text: () => observe.metricsText() },
    configStatus: () => reloader.status(),
    onEvents: published,
    trustedProxies: settings.trustedProxies,
    pluginRoute: openRouteCall(rooms),
  })
  return { app, operatorKey, firstAdminKey }
}

/** Tells the CLI where the hub is and keeps the store tidy; answers what ends both. */
function announce({ clock, logger, store }: Ground, hub: { dataDir: string; url: string; key: string }): () => void {
  const purge = setInterval(() => {
    store.purge(clock.nowMs()).catch((error: unknown) => logger.warn({ err: error }, 'old rows could not be purged'))
  }, PURGE_EVERY_MS)
  purge.unref()
  const file = join(hub.dataDir, 'hub.json')
  const { url, key } = hub
  writeFileSync(file, JSON.stringify({ url, pid: process.pid, key, startedAt: rfc3339(clock.nowMs()) }), {
    mode: 0o600,
  })
  logger.info({ url, data: hub.dataDir, version: HUB_VERSION }, 'serving')
  return () => {
    clearInterval(purge)
    rmSync(file, { force: true })
  }
}

/** The database of a data folder for commands that work on its files, with or without a running hub. */
export const storage = {
  /** Migrates and verifies it, as a start does. */
  open: (dataDir: string): Promise<Store> =>
    openSqliteStore({ dir: dataDir, limits: LIMITS, logger: silent, onFatal: () => {} }),
  migrationStatus,
  /** A consistent copy, also of a database in use. */
  backup: ({
    dataDir,
    file,
    progress,
  }: {
    dataDir: string
    file: string
    progress?: (fraction: number) => void
  }): Promise<void> => backupSqlite({ dir: dataDir, limits: LIMITS, target: file, progress }),
  restore: ({ dataDir, file }: { dataDir: string; file: string }) => restoreSqlite({ dir: dataDir, backupFile: file }),
  acceptLoss: (dataDir: string) => acceptLoss(dataDir),
} as const

const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silent }
