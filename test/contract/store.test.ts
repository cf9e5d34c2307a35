/** Runs the store contract on every implementation there is. */
import { LIMITS } from '../../core/limits.ts'
import type { Logger } from '../../core/observe/observe.ts'
import { openSqliteStore, restoreSqlite } from '../../core/storage/sqlite/open.ts'
import { tempDir } from '../support/temp.ts'
import { storeContract } from './store.ts'

const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silent }

storeContract({
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
})
