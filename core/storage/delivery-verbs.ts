/** Reading, counting and repeating deliveries over any driver. */
import type { Limits } from '../limits.ts'
import { mapped, mappedPage } from './mapped.ts'
import { COUNT_SLICE_ROWS, HASTEN_SLICE_ROWS } from './procedures/replay.ts'
import { toAttempt, toDelivery } from './rows.ts'
import type { Store } from './store.ts'
import type { Driver } from './verbs.ts'

/** What bounds them. */
export type DeliveryLimits = Pick<Limits, 'deliverySearchRowsMax' | 'deadGroupRowsMax' | 'deadGroupsMax'>

/** The verbs of deliveries that are no part of running them. */
export function deliveryVerbs(
  driver: Driver,
  limits: DeliveryLimits,
): Pick<
  Store,
  | 'getDelivery'
  | 'listDeliveries'
  | 'groupDead'
  | 'listAttempts'
  | 'countDeliveries'
  | 'countReplay'
  | 'replay'
  | 'discardDeliveries'
  | 'hasten'
> {
  return {
    getDelivery: async (workspace, id) => mapped(await driver.read('getDelivery', { workspace, id }), toDelivery),
    listDeliveries: async (workspace, query) => {
      const input = { workspace, query, rowsMax: limits.deliverySearchRowsMax }
      return mappedPage(await driver.read('listDeliveries', input), toDelivery)
    },
    groupDead: (workspace, query) =>
      driver.read('groupDead', {
        workspace,
        query,
        rowsMax: limits.deadGroupRowsMax,
        groupsMax: limits.deadGroupsMax,
      }),
    listAttempts: async (workspace, deliveryId) =>
      (await driver.read('listAttempts', { workspace, deliveryId })).map(toAttempt),
    countDeliveries: (workspace, query) => driver.read('countDeliveries', { workspace, query }),
    countReplay: async (query) => {
      let counted = 0
      for (let { after } = query; ;) {
        const slice = await driver.read('countReplaySlice', { ...query, after, rowsMax: COUNT_SLICE_ROWS })
        counted += slice.n
        if (slice.next === null) return counted
        after = slice.next
      }
    },
    replay: async (query) =>
      mappedPage(await driver.write('replay', { ...query, rowsMax: limits.deliverySearchRowsMax }), toDelivery),
    discardDeliveries: (query) =>
      driver.write('discardDeliveries', { ...query, rowsMax: limits.deliverySearchRowsMax }),
    hasten: async (lane) => {
      let hastened = 0
      for (;;) {
        const slice = await driver.write('hastenSlice', lane)
        hastened += slice
        if (slice < HASTEN_SLICE_ROWS) return hastened
      }
    },
  }
}
