/** Runs the cache contract on every implementation there is, and makes sure that none is left out. */
import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { noSharedCache } from '../../core/cache/none/cache.ts'
import { openRedisCache } from '../../core/cache/redis/cache.ts'
import { systemClock } from '../../core/clock.ts'
import { connect } from '../cache/connections.ts'
import { freshPrefix } from '../support/services.ts'
import { cacheContract } from './cache.ts'
import type { CacheImplementation } from './cache.ts'

const IMPLEMENTATIONS: readonly CacheImplementation[] = [
  {
    name: 'none',
    remembers: false,
    place: async () => ({ open: async () => noSharedCache, remove: async () => {} }),
  },
  {
    name: 'redis',
    remembers: true,
    place: async () => {
      const corner = await freshPrefix()
      return {
        open: async () => {
          const connection = await connect(corner.url)
          const cache = openRedisCache({ connection, clock: systemClock, name: 'contract', prefix: corner.prefix })
          return { ...cache, close: () => connection.close() }
        },
        remove: async () => corner[Symbol.asyncDispose](),
      }
    },
  },
]

for (const implementation of IMPLEMENTATIONS) cacheContract(implementation)

test('every folder of core/cache is an implementation that runs here', () => {
  const folders = readdirSync(new URL('../../core/cache/', import.meta.url), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
  expect(IMPLEMENTATIONS.map(({ name }) => name).sort()).toEqual(folders.sort())
})
