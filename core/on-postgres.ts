/** The part of the composition root that `DATABASE_URL` switches on: a store, a queue and a fleet that processes share. */
import { ownEventsOnly } from './backend.ts'
import type { Backend, BackendDeps } from './backend.ts'
import { createPostgresFleet } from './fleet/postgres/fleet.ts'
import { noticeOf } from './fleet/postgres/notices.ts'
import { newId } from './ids.ts'
import { createTail } from './pump/tail.ts'
import { logJob, migrateJobs } from './queue/graphile/jobs.ts'
import { createGraphileQueue } from './queue/graphile/queue.ts'
import type { GraphileQueue } from './queue/graphile/queue.ts'
import { openPool } from './storage/postgres/connect.ts'
import { fenceQuestion, passFence } from './storage/postgres/fence.ts'
import type { Companion } from './storage/postgres/group-commit.ts'
import { openPostgresStore } from './storage/postgres/open.ts'
import { HUB_VERSION } from './version.ts'

const WRITER_CONNECTIONS = 1
const FLEET_CONNECTIONS = 2

/** Opens a process of a fleet; rejects with what is wrong with the database. */
export async function openShared(deps: BackendDeps, url: string): Promise<Backend> {
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
