/**
 * The choice of backends, part of the composition root: SQLite and everything in this process, or Postgres and a fleet.
 * What differs between the two is here and in the folders it names, and nowhere else.
 */
import { ownEventsOnly } from './backend.ts'
import type { Backend, BackendDeps, LogLine } from './backend.ts'
import { createFleetOfOne } from './fleet/alone/fleet.ts'
import type { Settings } from './config/config.ts'
import { HubError } from './errors.ts'
import type { Finding } from './finding.ts'
import type { Bus } from './live/bus.ts'
import type { Live } from './live/live.ts'
import type { Logger } from './observe/observe.ts'
import type { BackendName, MoveSource, MoveTarget } from './storage/move/port.ts'
import type { StorageOperations } from './storage/operations.ts'
import { openSqliteSource, openSqliteTarget } from './storage/sqlite/move-ports.ts'
import { sqliteOperations } from './storage/sqlite/operations.ts'
import { openSqliteStore } from './storage/sqlite/open.ts'
import { claimFolder } from './storage/sqlite/single-owner.ts'

/** Opens what the settings ask for; rejects with what is wrong with it. */
export const openBackend = (deps: BackendDeps): Promise<Backend> =>
  deps.settings.databaseUrl === null ? openAlone(deps) : openOnPostgres(deps, deps.settings.databaseUrl)

/** Its libraries are a fifth of what a hub loads, so one without Postgres does without them. */
async function openOnPostgres(deps: BackendDeps, url: string): Promise<Backend> {
  const { openShared } = await import('./on-postgres.ts')
  return await openShared(deps, url)
}

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

/** The database for commands that work on it with or without a running hub. */
export async function storageOf({
  databaseUrl,
  dataDir,
}: Pick<Settings, 'databaseUrl' | 'dataDir'>): Promise<StorageOperations> {
  if (databaseUrl === null) return sqliteOperations(dataDir, silent)
  const { postgresOperations } = await import('./storage/postgres/operations.ts')
  return postgresOperations(databaseUrl, silent)
}

const movePorts = () => import('./storage/postgres/move-ports.ts')

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
    source: async ({ databaseUrl }) => await (await movePorts()).openPostgresSource(databaseUrl),
    target: async ({ databaseUrl }) => await (await movePorts()).openPostgresTarget(databaseUrl),
  },
}

const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silent }

/** Whether Redis can be reached, for `manifold doctor`. */
export async function lookAtRedis(url: string): Promise<Finding> {
  const look = await import('./cache/redis/look.ts')
  return await look.lookAtRedis(url)
}
