/** Runs the queue contract on every implementation there is, and makes sure that none is left out. */
import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { systemClock } from '../../core/clock.ts'
import type { Logger } from '../../core/observe/observe.ts'
import { createEmbeddedQueue } from '../../core/queue/embedded/queue.ts'
import { migrateJobs } from '../../core/queue/graphile/jobs.ts'
import { createGraphileQueue } from '../../core/queue/graphile/queue.ts'
import { openPool } from '../../core/storage/postgres/connect.ts'
import { freshDatabase } from '../support/services.ts'
import { queueContract } from './queue.ts'
import type { QueueImplementation, QueuePlace } from './queue.ts'

const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silent }

const IMPLEMENTATIONS: readonly QueueImplementation[] = [
  {
    name: 'embedded',
    place: async () => ({
      open: async (lanes) => createEmbeddedQueue({ clock: systemClock, logger: silent, lanes: () => lanes }),
      remove: async () => {},
    }),
  },
  { name: 'graphile', place: graphilePlace },
]

/** Lanes that this process does not run: each wake-up is a job, and the one that gets the job has it looked at here. */
async function graphilePlace(): Promise<QueuePlace> {
  const db = await freshDatabase()
  const pool = openPool({ url: db.url, connectionsMax: 8, name: 'queue test', logger: silent })
  await migrateJobs(pool, silent)
  return {
    open: async () => {
      const local = createEmbeddedQueue({ clock: systemClock, logger: silent, lanes: () => [] })
      return createGraphileQueue({
        pool,
        clock: systemClock,
        logger: silent,
        local,
        holds: () => false,
        relay: async (lane) => (local.wake(lane), true),
        logGrew: () => {},
        runsLanes: true,
      })
    },
    remove: async () => {
      await pool.end()
      await db[Symbol.asyncDispose]()
    },
  }
}

for (const implementation of IMPLEMENTATIONS) queueContract(implementation)

test('every folder of core/queue is an implementation that runs here', () => {
  const folders = readdirSync(new URL('../../core/queue/', import.meta.url), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
  expect(IMPLEMENTATIONS.map(({ name }) => name).sort()).toEqual(folders.sort())
})

test('embedded: a wall clock that jumps back delays no wake-up', async () => {
  let wallMs = 1_000_000
  const clock = { ...systemClock, nowMs: () => wallMs }
  const queue = createEmbeddedQueue({ clock, logger: silent, lanes: () => [] })
  const worked = Promise.withResolvers<void>()
  await queue.start(async () => (worked.resolve(), null))
  queue.wake({ kind: 'pump', workspace: 'default', installation: 'a' }, wallMs + 30)
  wallMs -= 7_200_000
  await worked.promise
  await queue.stop()
})

test('embedded: stop goes on without a lane that does not end within the grace', async () => {
  const warned: string[] = []
  const logger = { ...silent, warn: (_fields: object, message: string) => void warned.push(message) }
  const queue = createEmbeddedQueue({ clock: systemClock, logger, lanes: () => [], drainGraceMs: 20 })
  const begun = Promise.withResolvers<void>()
  const end = Promise.withResolvers<null>()
  await queue.start(async () => {
    begun.resolve()
    return end.promise
  })
  queue.wake({ kind: 'pump', workspace: 'default', installation: 'a' })
  await begun.promise
  await queue.stop()
  expect(warned).toHaveLength(1)
  end.resolve(null)
})
