/** The SQLite store: a writer's thread, a reader's thread, and the shared verbs over both. */
import { mkdirSync, statSync } from 'node:fs'
import { HubError } from '../../errors.ts'
import type { Limits } from '../../limits.ts'
import type { Logger } from '../../observe/observe.ts'
import { resumeErasures, storeOver } from '../over-driver.ts'
import type { FatalListener, Store } from '../store.ts'
import type { Driver } from '../verbs.ts'
import { backupSqlite } from './backup.ts'
import { Channel } from './channel.ts'
import { databaseFile } from './files.ts'
import type { ThreadData } from './messages.ts'

export { acceptLoss } from './accept-loss.ts'
export { migrationStatus } from './migrate.ts'
export { restoreSqlite } from './restore.ts'

export interface SqliteStoreOptions {
  /** Holds `manifold.db`, SQLite's files beside it, and `watermark`. Made when missing. */
  readonly dir: string
  readonly limits: Limits
  readonly onFatal: FatalListener
  readonly logger: Logger
  /** Wall time for the creation times that no caller gives; the machine's by default. */
  readonly nowMs?: () => number
}

/** Opens, migrates and verifies the database; rejects with what is wrong and what to do when it cannot be trusted. */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const { dir, limits, logger } = options
  const nowMs = options.nowMs ?? Date.now
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const data: ThreadData = { dir, limits }
  let fatal = false
  const onFatal = (error: HubError): void => {
    if (fatal) return
    fatal = true
    logger.error({ code: error.code, cause: String(error.cause) }, error.message)
    for (const channel of channels) channel.refuse(error)
    options.onFatal(error)
  }
  const writer = new Channel(new URL('./writer-thread.ts', import.meta.url), { name: 'writer', data, onFatal })
  const reader = new Channel(new URL('./reader-thread.ts', import.meta.url), { name: 'reader', data, onFatal })
  const channels = [writer, reader]
  try {
    for (const note of await writer.open()) logger.info({ dir }, note)
    await reader.open()
  } catch (error) {
    await Promise.all(channels.map((channel) => channel.close()))
    throw error
  }
  const driver = {
    write: (verb, input) => writer.call(verb, input),
    read: (verb, input) => reader.call(verb, input),
  } as Driver
  const store = sqliteStore({ driver, writer, channels, dir, limits, nowMs })
  resumeErasures(driver, { nowMs, logger })
  return store
}

function sqliteStore(parts: {
  readonly driver: Driver
  readonly writer: Channel
  readonly channels: readonly Channel[]
  readonly dir: string
  readonly limits: Limits
  readonly nowMs: () => number
}): Store {
  const { driver, writer, channels, dir, limits, nowMs } = parts
  const file = databaseFile(dir)
  return {
    ...storeOver(driver, { limits, nowMs }),
    // Nobody else writes to the file, so what this process was told last is the end.
    headSeq: async () => {
      if (writer.refusal !== null) throw writer.refusal
      return writer.head
    },
    backup: async (target, progress) => {
      // A failed or closed store refuses here instead of copying what it no longer vouches for.
      await driver.read('totals', undefined)
      await backupSqlite({ dir, limits, target, progress })
    },
    stats: async () => ({
      bytes: sizeBytes(file.path),
      walBytes: sizeBytes(file.wal),
      ...(await driver.read('totals', undefined)),
    }),
    ping: async () => {
      try {
        await driver.write('ping', undefined)
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error)
        throw new HubError('unavailable', `Nothing can be stored right now: ${why}`, { cause: error })
      }
    },
    close: async () => {
      // The writer last: the last connection to leave tidies the WAL away.
      for (const channel of channels.toReversed()) await channel.close()
    },
  }
}

const sizeBytes = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0
