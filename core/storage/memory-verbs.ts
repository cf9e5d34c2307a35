/** What plugins remember, read over a driver. */
import type { Store } from './store.ts'
import type { Driver } from './verbs.ts'

/** The reading half of the store's plugin memory. */
export function memoryVerbs(driver: Driver): Pick<Store, 'kvGet' | 'kvList' | 'kvCount' | 'tallies' | 'talliesHeld'> {
  return {
    kvGet: (query) => driver.read('kvGet', query),
    kvList: async (query) => {
      const { keys, next } = await driver.read('kvList', query)
      return { keys, next }
    },
    kvCount: (workspace, installation) => driver.read('kvCount', { workspace, installation }),
    tallies: async (query) => Object.fromEntries(await driver.read('tallies', query)),
    talliesHeld: (query) => driver.read('talliesHeld', query),
  }
}
