/**
 * How far a lane has looked through storage behind what waits there for its pace, when that is more than it knows the ids of:
 * page by page, with a rest between, so that a long line costs the others a moment and the store little: a page of heads of
 * order keys costs as much as there are keys.
 */
import type { Delivery } from '../model.ts'
import type { DuePlace } from '../storage/store.ts'

const PAGE_ROWS = 500
const REST_MS = 100

/** True when it comes later in the order in which due deliveries are read. */
export const isAfter = (one: DuePlace, other: DuePlace): boolean =>
  one.dueAtMs > other.dueAtMs || (one.dueAtMs === other.dueAtMs && one.id > other.id)

export interface Onward {
  /** What lies from there on is not known: it is looked at, also when it was before. */
  lookFrom(place: DuePlace): void
  /** What lies anywhere may be another than it was: it looks once more, after it has looked to the end. */
  lookAgain(): void
  /** The lane knows all up to there. Looks from there, or once more from there, unless it is looking already. */
  begin(place: DuePlace): void
  forget(): void
  isDue(nowMs: number): boolean
  /** The next page; `againAtMs`: when the one after it may be read, null when there is none. */
  page(
    load: (query: { readonly from: DuePlace; readonly limit: number }) => Promise<readonly Delivery[]>,
    nowMs: () => number,
  ): Promise<{ readonly rows: readonly Delivery[]; readonly againAtMs: number | null }>
}

/** Everything is known. */
export function createOnward(): Onward {
  let from: DuePlace | null = null
  let atMs = 0
  let isStale = false
  /** Where to look once more. */
  let again: DuePlace | null = null
  return {
    lookFrom: ({ dueAtMs, id }) => {
      if (from === null || isAfter(from, { dueAtMs, id })) from = { dueAtMs, id }
    },
    lookAgain: () => {
      isStale = true
    },
    begin: ({ dueAtMs, id }) => {
      if (from === null) from = { dueAtMs, id }
      else if (isStale) again = { dueAtMs, id }
      isStale = false
    },
    forget: () => {
      from = null
      again = null
      isStale = false
    },
    isDue: (nowMs) => from !== null && nowMs >= atMs,
    page: async (load, nowMs) => {
      const asked = from
      if (asked === null) return { rows: [], againAtMs: null }
      const askedMs = nowMs()
      const rows = await load({ from: asked, limit: PAGE_ROWS })
      const last = rows.length === PAGE_ROWS ? rows.at(-1) : undefined
      // Otherwise something before it was left meanwhile, and it looks from there.
      if (from === asked) from = last === undefined ? null : { dueAtMs: last.dueAtMs, id: last.id }
      if (from === null) [from, again] = [again, null]
      atMs = nowMs() + Math.max(REST_MS, nowMs() - askedMs)
      return { rows, againAtMs: from === null ? null : atMs }
    },
  }
}
