/**
 * The composition root: the only file that names concrete backends. Rooms are opened in the order data moves and closed
 * in the reverse of it, so that whatever was accepted is either finished or still written down.
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createGuardedHttp } from './capabilities/guarded-http.ts'
import { createRunCapabilities } from './capabilities/run-capabilities.ts'
import { rfc3339, systemClock } from './clock.ts'
import type { ConfigProblem, Settings } from './config/config.ts'
import type { Environment } from './config/settings.ts'
import { createAdmission } from './delivery/admission.ts'
import { createBreakers } from './delivery/breaker.ts'
import { createControl } from './delivery/control.ts'
import { createDeliveryEngine } from './delivery/engine.ts'
import { createKvQuota } from './delivery/kv-quota.ts'
import { createRateWindow } from './delivery/rate-window.ts'
import { createScheduler } from './delivery/schedules.ts'
import { HubError } from './errors.ts'
import { createHttpApp } from './http/app.ts'
import { serveHttp } from './http/serve.ts'
import { openFormCache } from './ingest/form-cache.ts'
import { openFormViews } from './ingest/form-views.ts'
import { openReceiver } from './ingest/receive.ts'
import { openBus } from './live/bus.ts'
import { LIMITS } from './limits.ts'
import { DEFAULT_WORKSPACE } from './model.ts'
import type { LogEvent } from './model.ts'
import { openHealth } from './observe/health.ts'
import type { Logger } from './observe/observe.ts'
import { openObserve } from './observe/open.ts'
import { createPump } from './pump/pump.ts'
import { createRecentEvents } from './pump/recent-events.ts'
import { createEmbeddedQueue } from './queue/embedded/queue.ts'
import { openApiKeys } from './registry/api-keys.ts'
import { assemble } from './registry/assemble.ts'
import type { Assembly } from './registry/assemble.ts'
import { openReloader } from './registry/reload.ts'
import { Roster } from './registry/roster.ts'
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

/** Resolves when it serves. */
export async function startHub({ settings, env, configText }: HubOptions): Promise<RunningHub> {
  const clock = systemClock
  if (settings.role !== 'all') {
    throw new HubError('config_invalid', `--role ${settings.role} needs a database that several processes can share; with SQLite one process does everything (--role all).`)
  }
  const { dataDir } = settings
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const ownership = await claimFolder(dataDir)
  const observe = openObserve({ level: settings.logLevel })
  const { logger, meter } = observe
  const source = { file: configText === undefined ? settings.configFile : null, env, dataDir, ...(configText === undefined ? {} : { text: configText }) }
  const first = await assemble({ ...source, nowMs: clock.nowMs() })
  if ('problems' in first) throw new ConfigRefused(first.problems)
  const { limits } = first.config

  let fail: (error: Error) => void = () => {}
  const failed = new Promise<Error>((resolve) => {
    fail = resolve
  })
  const store = await openSqliteStore({
    dir: dataDir,
    limits,
    logger,
    onFatal: (error) => {
      health.drain('the database failed')
      fail(error)
    },
  })

  const bus = openBus((error) => logger.error({ err: error }, 'a listener of the live bus failed'))
  const published = (events: readonly LogEvent[]): void => bus.publish(events)
  const forms = openFormCache({ store, clock, stringCharsMax: limits.stringCharsMax })
  const formViews = openFormViews(store)
  const recent = createRecentEvents(limits)
  const breakers = createBreakers(limits)
  const kvQuota = createKvQuota(store, limits.pluginKvKeysMax)
  const http = createGuardedHttp({ allow: first.config.network.allow, limits })
  const sandbox = createSandbox({ logger, limits, onRestart: (group, why) => meter.sandboxRestart(group, why) })
  const capabilities = createRunCapabilities({
    store,
    http,
    clock,
    limits,
    breakers: { check: (key, host) => breakers.check(key, host, clock.nowMs()) },
    formOf: (workspace, id) => formViews.newest(workspace, id),
  })
  const queue = createEmbeddedQueue({ clock, logger, lanes: () => [] })
  const formOf = (event: LogEvent) => formViews.of(event)
  const engine = createDeliveryEngine({
    store,
    sandbox,
    capabilities,
    breakers,
    kvQuota,
    queue,
    formOf,
    eventInMemory: recent.byId,
    published,
    disable: (key, reason) => {
      roster.move(key, 'disable', reason).catch((error: unknown) => logger.error({ err: error, installation: key }, 'an installation could not be disabled'))
    },
    logger,
    meter,
    clock,
    limits,
    random: Math.random,
  })
  const pump = createPump({ store, sandbox, capabilities, kvQuota, queue, recent, formOf, push: engine.push.bind(engine), published, logger, meter, clock, limits, random: Math.random })
  const scheduler = createScheduler({ store, queue, push: engine.push.bind(engine), logger, clock })
  const roster = new Roster({
    store,
    sandbox,
    clock,
    logger,
    published,
    changed: (placed) => {
      engine.setInstallations(placed)
      pump.setInstallations(placed)
      scheduler.setInstallations(placed)
    },
  })
  bus.subscribe((events) => {
    forms.hear(events)
    formViews.hear(events)
    recent.add(events)
    engine.heard(events)
    pump.heard(events)
  })

  const accepted = createRateWindow()
  const onAccepted = (events: readonly LogEvent[]): void => {
    accepted.add(events.length, clock.monotonicMs())
    published(events)
  }
  const admission = createAdmission({
    clock,
    limits,
    sample: () => ({
      acceptedPerSecond: accepted.perSecond(clock.monotonicMs()),
      lanes: engine.pressure().filter(({ healthy }) => healthy).map((lane) => ({
        behind: lane.runnable + pump.behind(lane.key),
        deliveredPerSecond: lane.deliveredPerSecond,
      })),
    }),
  })
  const operatorKey = randomBytes(32).toString('base64url')
  const keys = openApiKeys({ store, clock, logger, extraKeys: settings.adminKey === null ? [operatorKey] : [operatorKey, settings.adminKey] })
  const newAdminKey = settings.adminKey === null && (await store.listKeys(null)).length === 0
    ? (await keys.create({ workspace: DEFAULT_WORKSPACE, name: 'admin', scopes: ['admin'], expiresAt: null })).key
    : null
  const reloader = openReloader({
    file: source.file,
    dataDir,
    pluginDirs: first.config.pluginDirs,
    initial: first,
    load: (previous) => assemble({ ...source, previous, nowMs: clock.nowMs() }),
    apply: async (assembly: Assembly) => {
      http.setAllow(assembly.config.network.allow)
      await roster.apply(assembly)
    },
    clock,
    logger,
    meter,
  })
  const health = openHealth({
    storage: () => store.ping(),
    configuration: () => reloader.describe(),
    installations: () => roster.summary(),
  })
  const app = createHttpApp({
    version: HUB_VERSION,
    store,
    limits,
    clock,
    logger,
    meter,
    keys,
    forms,
    receiver: openReceiver({ store, clock, limits, meter, logger, admission: admission.wait, onAccepted }),
    registry: openRegistryView({ roster, store, breakers, cursorOf: pump.cursorOf }),
    engine: createControl({ store, engine, pump, roster, clock, limits }),
    health,
    metrics: { type: observe.metricsType, text: () => observe.metricsText() },
    configStatus: () => reloader.status(),
    onEvents: published,
    trustedProxies: settings.trustedProxies,
    pluginRoute: openRouteCall({ roster, sandbox, capabilities, kvQuota, store, push: (deliveries) => engine.push(deliveries), published, clock, limits }),
  })
  observe.gauges({
    lagEvents: () => pump.lag(),
    queueDepth: () => queue.depth(),
    sandbox: () => sandbox.stats(),
    deliveries: () => store.laneCounts(),
    storage: () => store.stats(),
  })

  await roster.apply(first)
  await queue.start((lane) => {
    const key = `${lane.workspace}/${lane.installation}`
    if (lane.kind === 'pump') return pump.work(key)
    return lane.kind === 'deliver' ? engine.work(key) : scheduler.work(key)
  })
  const serving = await serveHttp({ app, host: settings.host, port: settings.port, limits, logger })
  await reloader.watch()
  const purge = setInterval(() => {
    store.purge(clock.nowMs()).catch((error: unknown) => logger.warn({ err: error }, 'old rows could not be purged'))
  }, PURGE_EVERY_MS)
  purge.unref()
  const hubFile = join(dataDir, 'hub.json')
  writeFileSync(hubFile, JSON.stringify({ url: serving.url, pid: process.pid, key: operatorKey, startedAt: rfc3339(clock.nowMs()) }), { mode: 0o600 })
  logger.info({ url: serving.url, data: dataDir, version: HUB_VERSION }, 'serving')

  const stop = async (graceMs: number): Promise<void> => {
    health.drain('shutting down')
    clearInterval(purge)
    rmSync(hubFile, { force: true })
    reloader.close()
    await serving.close(graceMs)
    await pump.stop()
    const { released } = await engine.stop(graceMs)
    await queue.stop()
    // A unit that is still coming up would be told off for the sandbox going down.
    await roster.loaded()
    await sandbox.close()
    await http.close()
    await keys.close()
    await store.close()
    await ownership.release()
    logger.info({ released }, 'stopped')
    observe.close()
  }
  let stopping: Promise<void> | null = null
  void failed.then(() => serving.close(FATAL_STOP_MS))
  return {
    url: serving.url,
    newAdminKey,
    operatorKey,
    reload: () => reloader.poke(),
    stop: () => (stopping ??= stop(limits.drainGraceMs)),
    failed,
  }
}

/** The database of a data folder for commands that work on its files, with or without a running hub. */
export const storage = {
  /** Migrates and verifies it, as a start does. */
  open: (dataDir: string): Promise<Store> => openSqliteStore({ dir: dataDir, limits: LIMITS, logger: silent, onFatal: () => {} }),
  migrationStatus,
  /** A consistent copy, also of a database in use. */
  backup: ({ dataDir, file, progress }: { dataDir: string; file: string; progress?: (fraction: number) => void }): Promise<void> =>
    backupSqlite({ dir: dataDir, limits: LIMITS, target: file, progress }),
  restore: ({ dataDir, file }: { dataDir: string; file: string }) => restoreSqlite({ dir: dataDir, backupFile: file }),
  acceptLoss: (dataDir: string) => acceptLoss(dataDir),
} as const

const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silent }
