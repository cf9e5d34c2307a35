/** Runs the bus contract on every way events reach who listens: in one process, and between two. */
import { Pool } from 'pg'
import { systemClock } from '../../core/clock.ts'
import { openBackend } from '../../core/backends.ts'
import { readSettings } from '../../core/config/settings.ts'
import type { FleetHooks } from '../../core/fleet/fleet.ts'
import { LIMITS } from '../../core/limits.ts'
import { openBus } from '../../core/live/bus.ts'
import type { Logger } from '../../core/observe/observe.ts'
import { freshDatabase } from '../support/services.ts'
import { tempDir } from '../support/temp.ts'
import { busContract } from './bus.ts'

const quiet: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => quiet }

/** A process's part in it, as the composition root puts it together. */
async function openEnd(closers: AsyncDisposableStack, flags: { readonly role: string }, env: Record<string, string>) {
  const read = readSettings(flags, env)
  if (!('settings' in read)) throw new Error(read.problems.join('; '))
  const { settings } = read
  const backend = await openBackend({
    settings,
    limits: LIMITS,
    clock: systemClock,
    logger: quiet,
    onFatal: () => {},
    closers,
  })
  const bus = openBus(() => {})
  const log = backend.log(bus, () => {})
  await log.start()
  const hooks: FleetHooks = {
    changed: () => {},
    drained: () => Promise.resolve(),
    doubt: () => {},
    unattended: () => {},
    breakers: () => [],
    heard: (news) => {
      if (news.head !== null) log.reach(news.head)
      if (news.missed) void backend.store.headSeq().then((head) => log.reach(head))
    },
    pace: () => [],
  }
  await backend.fleet.start(hooks, { url: 'http://127.0.0.1:9', key: 'key' })
  return { backend, bus, log }
}

busContract({
  name: 'one process',
  place: async () => {
    const closers = new AsyncDisposableStack()
    const dir = closers.use(await tempDir('bus'))
    const { backend, bus, log } = await openEnd(closers, { role: 'all' }, { MANIFOLD_DATA: dir.path })
    return {
      commit: async (events) => {
        const committed = await backend.store.appendEvents('default', events)
        log.published(committed)
        return committed
      },
      listen: (listener) => bus.subscribe(listener),
      interrupt: () => Promise.resolve(),
      remove: () => closers.disposeAsync(),
    }
  },
})

busContract({
  name: 'two processes on Postgres',
  place: async () => {
    const closers = new AsyncDisposableStack()
    const database = closers.use(await freshDatabase())
    const env = { DATABASE_URL: database.url }
    const sender = await openEnd(closers, { role: 'api' }, env)
    const hearer = await openEnd(closers, { role: 'worker' }, env)
    return {
      commit: async (events) => {
        const committed = await sender.backend.store.appendEvents('default', events)
        sender.log.published(committed)
        return committed
      },
      listen: (listener) => hearer.bus.subscribe(listener),
      interrupt: async () => {
        const pool = new Pool({ connectionString: database.url, max: 1 })
        await pool.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND application_name = 'manifold news'`)
        await pool.end()
      },
      remove: () => closers.disposeAsync(),
    }
  },
})
