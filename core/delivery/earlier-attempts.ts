/**
 * What a lane knows of attempts before the next one: `item.delivery.repeat`. Nothing of it is stored. What this lane did
 * not see itself (another process, this one before it died) counts as sent, unless its event came after the lane began.
 */
import type { Delivery } from '../model.ts'

/** Ids remembered of each kind; beyond that the lane forgets what it knew, and more counts as sent. */
const IDS_MAX = 20_000

export interface EarlierAttempts {
  /** Just committed: nobody can have tried it. */
  born(delivery: Delivery): void
  /** How far the log reached when this lane was the only one to run its deliveries already. The first call counts. */
  begunAt(headSeq: number): void
  /** False before `begunAt`. */
  hasBegun(): boolean
  /** True when an earlier attempt of it may have reached the receiver. */
  mayRepeat(delivery: Delivery): boolean
  /** A run of it is over and its end will not be written: the attempt is made again. `left`: something may have gone out. */
  uncounted(delivery: Delivery, left: boolean): void
  /** An attempt of it ended. `over`: it is delivered or dead; `written`: false when the store could not take the end. */
  ended(delivery: Delivery, end: { readonly written: boolean; readonly left: boolean; readonly over: boolean }): void
}

/** Knows nothing yet: what is read from storage counts as sent. */
export function createEarlierAttempts(): EarlierAttempts {
  let begunSeq: number | null = null
  /** Id → attempts it had, none of which left the hub. */
  const clean = new Map<string, number>()
  /** May have gone out in an attempt that was not counted. */
  const doubtful = new Set<string>()

  const isAfterBegin = ({ eventSeq }: Delivery): boolean =>
    begunSeq !== null && eventSeq !== null && eventSeq > begunSeq
  const mayRepeat = (delivery: Delivery): boolean => {
    if (doubtful.has(delivery.id)) return true
    if (clean.get(delivery.id) === delivery.attempts) return false
    return delivery.attempts > 0 || !isAfterBegin(delivery)
  }
  const remember = (id: string, attempts: number): void => {
    if (clean.size < IDS_MAX) clean.set(id, attempts)
  }

  const uncounted = (delivery: Delivery, left: boolean): void => {
    if (!left) return
    if (doubtful.size >= IDS_MAX) {
      // Which they were is forgotten, so nothing that this lane knew may be held against them.
      doubtful.clear()
      clean.clear()
      begunSeq = Number.MAX_SAFE_INTEGER
    }
    doubtful.add(delivery.id)
  }

  return {
    born: (delivery) => {
      if (delivery.attempts === 0 && !isAfterBegin(delivery)) remember(delivery.id, 0)
    },
    begunAt: (headSeq) => void (begunSeq ??= headSeq),
    hasBegun: () => begunSeq !== null,
    mayRepeat,
    uncounted,
    ended: (delivery, { written, left, over }) => {
      if (!written) return uncounted(delivery, left)
      const { id, attempts } = delivery
      if (!over && !left && !mayRepeat(delivery)) return remember(id, attempts + 1)
      clean.delete(id)
      if (over) doubtful.delete(id)
    },
  }
}
