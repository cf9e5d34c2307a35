/** Runs the store contract on every implementation there is, and makes sure that none is left out. */
import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { LIMITS } from '../../core/limits.ts'
import type { Logger } from '../../core/observe/observe.ts'
import { postgresOperations } from '../../core/storage/postgres/operations.ts'
import { openPostgresStore } from '../../core/storage/postgres/open.ts'
import { openSqliteStore, restoreSqlite } from '../../core/storage/sqlite/open.ts'
import { freshDatabase } from '../support/services.ts'
import { tempDir } from '../support/temp.ts'
import { storeContract } from './store.ts'
import type { StoreBackend } from './store.ts'

const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silent }

const BACKENDS: readonly StoreBackend[] = [
  {
    name: 'sqlite',
    place: async () => {
      const dir = await tempDir('store')
      const data = dir.file('data')
      return {
        open: () =>
          openSqliteStore({
            dir: data,
            limits: LIMITS,
            logger: silent,
            onFatal: (error) => {
              throw error
            },
          }),
        restore: async (backupFile) => void (await restoreSqlite({ backupFile, dir: data })),
        file: (name) => dir.file(name),
        remove: async () => dir[Symbol.asyncDispose](),
      }
    },
  },
  {
    name: 'postgres',
    place: async () => {
      const dir = await tempDir('store')
      const db = await freshDatabase()
      return {
        open: () => openPostgresStore({ url: db.url, connectionsMax: 5, limits: LIMITS, logger: silent }),
        restore: async (backupFile) => void (await postgresOperations(db.url, silent).restore(backupFile)),
        file: (name) => dir.file(name),
        remove: async () => {
          await db[Symbol.asyncDispose]()
          await dir[Symbol.asyncDispose]()
        },
      }
    },
  },
]

for (const backend of BACKENDS) storeContract(backend)

test('every folder of core/storage with a schema of its own is an implementation that runs here', () => {
  const folders = readdirSync(new URL('../../core/storage/', import.meta.url), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('/migrations'))
    .map((path) => path.split('/')[0])
  expect(BACKENDS.map(({ name }) => name).sort()).toEqual(folders.sort())
})
