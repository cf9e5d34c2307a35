/**
 * The choice of backends, part of the composition root: SQLite and everything in this process, or Postgres and a fleet.
 * What differs between the two is here and in the folders it names, and nowhere else.
 */
import { createFleetOfOne } from './fleet/alone/fleet.ts'
import type { Fleet } from './fleet/fleet.ts'
import { createPostgresFleet } from './fleet/postgres/fleet.ts'
import { noticeOf } from './fleet/postgres/notices.ts'
import type { Clock } from './clock.ts'
import type { Settings } from './config/config.ts'
import { HubError } from './errors.ts'
import { newId } from './ids.ts'
import type { Limits } from './limits.ts'
import type { Bus } from './live/bus.ts'
import type { Live } from './live/live.ts'
import type { LogEvent } from './model.ts'
import type { Logger } from './observe/observe.ts'
import { createTail } from './pump/tail.ts'
import { logJob, migrateJobs } from './queue/graphile/jobs.ts'
import { createGraphileQueue } from './queue/graphile/queue.ts'
import type { GraphileQueue } from './queue/graphile/queue.ts'
import type { Queue } from './queue/queue.ts'
import type { BackendName, MoveSource, MoveTarget } from './storage/move/port.ts'
import type { StorageOperations } from './storage/operations.ts'
import { openPostgresSource, openPostgresTarget } from './storage/postgres/move-ports.ts'
import { postgresOperations } from './storage/postgres/operations.ts'
import { openSqliteSource, openSqliteTarget } from './storage/sqlite/move-ports.ts'
import { sqliteOperations } from './storage/sqlite/operations.ts'
import { openPool } from './storage/postgres/connect.ts'
import { fenceQuestion, passFence } from './storage/postgres/fence.ts'
import type { Companion } from './storage/postgres/group-commit.ts'
import { openPostgresStore } from './storage/postgres/open.ts'
import { openSqliteStore } from './storage/sqlite/open.ts'
import { claimFolder } from './storage/sqlite/single-owner.ts'
import type { Store } from './storage/store.ts'
import { HUB_VERSION } from './version.ts'

/** The log as this process follows it. */
export interface LogLine {
  /** Tells everybody here of events that this process committed. */
  readonly published: (events: readonly LogEvent[]) => void
  /** The log reaches so far, whoever wrote it. */
  readonly reach: (head: number) => void
  start(): Promise<void>
}

export interface Backend {
  readonly store: Store
  readonly fleet: Fleet
  /** `local` is the queue inside the process. */
  queue(local: Queue, hooks: { readonly logGrew: () => Promise<void> | void }): Queue
  /** `grown` is told when others made the log longer than memory knows. */
  log(bus: Bus, grown: (head: number) => void): LogLine
}

export interface BackendDeps {
  readonly settings: Settings
  readonly limits: Limits
  readonly clock: Clock
  readonly logger: Logger
  /** The store can no longer keep its promise. */
  readonly onFatal: (error: Error) => void
  /** What is opened is closed by it. */
  readonly closers: AsyncDisposableStack
}

/** Opens what the settings ask for; rejects with what is wrong with it. */
export const openBackend = (deps: BackendDeps): Promise<Backend> =>
  deps.settings.databaseUrl === null ? openAlone(deps) : openShared(deps, deps.settings.databaseUrl)

async function openAlone({ settings, limits, logger, onFatal, closers }: BackendDeps): Promise<Backend> {
  const { role, dataDir } = settings
  if (role !== 'all') {
    const why = 'needs a database that several processes can share: set DATABASE_URL=postgres://…, or use --role all.'
    throw new HubError('config_invalid', `--role ${role} ${why}`)
  }
  const ownership = await claimFolder(dataDir)
  closers.defer(() => ownership.release())
  const store = await openSqliteStore({ dir: dataDir, limits, logger, onFatal })
  closers.defer(() => store.close())
  return {
    store,
    fleet: createFleetOfOne(),
    queue: (local) => local,
    log: ownEventsOnly,
  }
}

/** Live connections hear how far the log reaches also in a process that runs no lanes and so does not read it. */
export function openLogLine(to: {
  readonly backend: Backend
  readonly bus: Bus
  readonly pump: () => { reach(head: number): void }
  readonly live: () => Pick<Live, 'feed'>
}): LogLine {
  const line = to.backend.log(to.bus, (head) => to.pump().reach(head))
  return {
    ...line,
    reach: (head) => {
      line.reach(head)
      to.live().feed.grown(head)
    },
  }
}

const ownEventsOnly = (bus: Bus): LogLine => ({
  published: (events) => bus.publish(events),
  reach: () => {},
  start: () => Promise.resolve(),
})

const WRITER_CONNECTIONS = 1
const FLEET_CONNECTIONS = 2

async function openShared(deps: BackendDeps, url: string): Promise<Backend> {
  const { settings, limits, clock, logger, closers } = deps
  const { role, databaseConnectionsMax: connectionsMax } = settings
  const id = newId('process', clock.nowMs())
  // Neither the writer nor the beats wait for a connection behind somebody's long list.
  const open = (count: number, name: string) => openPool({ url, connectionsMax: count, name, logger })
  const pool = open(connectionsMax - WRITER_CONNECTIONS - FLEET_CONNECTIONS, `manifold ${role}`)
  const writerPool = open(WRITER_CONNECTIONS, 'manifold writer')
  const fleetPool = open(FLEET_CONNECTIONS, 'manifold fleet')
  for (const each of [pool, writerPool, fleetPool]) closers.defer(() => each.end())
  let jobs: GraphileQueue | null = null
  const fleet = createPostgresFleet({
    pool: fleetPool,
    url,
    id,
    role,
    version: HUB_VERSION,
    advertiseUrl: settings.advertiseUrl,
    jobPool: () => jobs?.jobPool() ?? null,
    clock,
    logger,
  })
  const companion: Companion = {
    question: (calls) => fenceQuestion(fleet, calls),
    admit: (calls, rows) => passFence(fleet, calls, rows),
    doubt: () => fleet.doubt(),
    announce: (calls, head) => [logJob(head), noticeOf(id, calls, head)],
  }
  const store = await openPostgresStore({
    pool,
    writerPool,
    url,
    replicaUrl: settings.databaseReplicaUrl,
    connectionsMax,
    limits,
    logger,
    companion,
  })
  closers.defer(() => store.close())
  await migrateJobs(pool, logger)
  closers.defer(() => fleet.stop())
  return {
    store,
    fleet,
    queue: (local, { logGrew }) => {
      jobs = createGraphileQueue({
        pool,
        clock,
        logger,
        local,
        holds: ({ workspace, installation }) => fleet.holds(`${workspace}/${installation}`),
        relay: (lane) => fleet.relay(lane),
        logGrew,
        runsLanes: role !== 'api',
      })
      return jobs
    },
    log: (bus, grown) => {
      // Nobody in such a process listens for events of others; of what changed it hears by the news.
      if (role === 'api') return ownEventsOnly(bus)
      const tail = createTail({ store, publish: (events) => bus.publish(events), grown, logger })
      closers.defer(() => tail.stop())
      return { published: tail.own, reach: tail.reach, start: tail.start }
    },
  }
}

/** The database for commands that work on it with or without a running hub. */
export const storageOf = ({ databaseUrl, dataDir }: Pick<Settings, 'databaseUrl' | 'dataDir'>): StorageOperations =>
  databaseUrl === null ? sqliteOperations(dataDir, silent) : postgresOperations(databaseUrl, silent)

/** The ends of a move: the file of a data folder, or a database. */
export const MOVE_ENDS: {
  readonly [Name in BackendName]: {
    source(at: { readonly dataDir: string; readonly databaseUrl: string }): Promise<MoveSource>
    target(at: { readonly dataDir: string; readonly databaseUrl: string }): Promise<MoveTarget>
  }
} = {
  sqlite: {
    source: ({ dataDir }) => openSqliteSource(dataDir),
    target: async ({ dataDir }) => openSqliteTarget(dataDir),
  },
  postgres: {
    source: ({ databaseUrl }) => openPostgresSource(databaseUrl),
    target: ({ databaseUrl }) => openPostgresTarget(databaseUrl),
  },
}

const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silent }

export { lookAtRedis } from './cache/redis/look.ts'
