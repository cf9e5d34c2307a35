/** Where the stream of a page begins: at the end of the log as it was before the page asked for anything else. */
import { withQuery } from './api.ts'
import type { Page, Query } from './api.ts'
import type { LiveSource, Visit } from './visit.ts'

/** The place of the newest event; 0: there is none. Needs `responses:read`. */
export async function endOfLog({ api }: Pick<Visit, 'api'>): Promise<number> {
  const { items } = await api.get<Page<{ readonly seq: number }>>('/api/v2/events', { order: 'newest', limit: 1 })
  return items[0]?.seq ?? 0
}

/** Events behind that place; `asked` narrows them down. */
export const liveSource = (after: number, asked: Query = {}): LiveSource => ({
  from: withQuery('/events/live', { ...asked, after }),
})

/** What happens from here on; null: the key hears of nothing. */
export const follow = async (visit: Pick<Visit, 'api' | 'may'>, asked: Query): Promise<LiveSource | null> =>
  visit.may('responses:read') ? liveSource(await endOfLog(visit), asked) : null
