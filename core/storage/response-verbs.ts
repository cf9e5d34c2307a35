/** The store's verbs for responses, over any driver. */
import type { Limits } from '../limits.ts'
import type { StoredResponse } from '../model.ts'
import { mapped } from './mapped.ts'
import { toResponse } from './rows.ts'
import type { ResponseQuery, SearchedPage, Store } from './store.ts'
import type { Driver } from './verbs.ts'
import { newestFirst, placeOf } from './where.ts'

interface Options {
  readonly limits: Pick<Limits, 'responseSearchRowsMax' | 'responseSearchMsMax'>
  readonly nowMs: () => number
}

/** All but `accept`. */
export function responseVerbs(
  driver: Driver,
  options: Options,
): Pick<Store, 'getResponse' | 'listResponses' | 'countResponses' | 'deleteResponse'> {
  return {
    getResponse: async (workspace, id) => mapped(await driver.read('getResponse', { workspace, id }), toResponse),
    listResponses: (workspace, query) => pageInTime(driver, options, { workspace, query }),
    countResponses: (workspace, form) => driver.read('countResponses', { workspace, form }),
    deleteResponse: async (workspace, id, event) =>
      (await driver.write('deleteResponse', { workspace, id, event })) !== null,
  }
}

/** Read at once of which few may match, so that nobody waits long for this process. */
const LOOKED_AT_ROWS = 250

/** Stretch by stretch, so that others read in between, until the page is full, everything was looked through, or time is up. */
async function pageInTime(
  driver: Driver,
  { limits: { responseSearchRowsMax: rowsMax, responseSearchMsMax: msMax }, nowMs }: Options,
  { workspace, query }: { readonly workspace: string; readonly query: ResponseQuery },
): Promise<SearchedPage<StoredResponse>> {
  const untilMs = nowMs() + msMax
  const { matches, ...known } = query
  const items: StoredResponse[] = []
  let after = query.after
  for (;;) {
    const limit = matches === undefined ? query.limit - items.length : LOOKED_AT_ROWS
    const { rows, next } = await driver.read('listResponses', { workspace, query: { ...known, after, limit }, rowsMax })
    for (const [at, row] of rows.entries()) {
      const response = toResponse(row)
      if (matches?.(response) === false) continue
      items.push(response)
      const isLast = next === null && at === rows.length - 1
      if (items.length === query.limit && !isLast) return { items, next: newestFirst(row), searchedTo: null }
    }
    if (next === null || items.length === query.limit) return { items, next, searchedTo: null }
    if (nowMs() >= untilMs) return { items, next, searchedTo: placeOf(next).created_at }
    after = next
  }
}
