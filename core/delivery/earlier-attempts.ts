/**
 * What a lane knows of attempts before the next one: `item.delivery.repeat` and `sentBefore`. Nothing of it is stored. What
 * this lane did not see itself (another process, this one before it died) counts as sent until the lane began, and in a fleet
 * until what another process was at is over, unless its event came after that.
 */
import type { Delivery } from '../model.ts'
import { isTerminal } from './states.ts'

/** Ids remembered of each kind; beyond that the lane forgets what it knew, and more counts as sent. */
const IDS_MAX = 20_000
/** The usual case. */
const NO_REPEATS: ReadonlyMap<string, number> = new Map()

export interface EarlierAttempts {
  /** Just committed: nobody can have tried it. */
  born(delivery: Delivery): void
  /** How far the log reached when this lane was the only one to run its deliveries already. The first call counts. */
  begunAt(headSeq: number): void
  /** False before `begunAt`. */
  hasBegun(): boolean
  /** Unix ms after which no earlier attempt of it was or will be under way; null when none can have reached the receiver. */
  sentBeforeMs(delivery: Delivery): number | null
  /** That time by id, of those of them that have one. */
  repeatsIn(deliveries: readonly Delivery[]): ReadonlyMap<string, number>
  /** A run of it is over and its end will not be written: the attempt is made again. `left`: something may have gone out. */
  uncounted(delivery: Delivery, left: boolean): void
  /** An attempt of it ended, with this next state; `written`: false when the store could not take the end. */
  ended(delivery: Delivery, end: AttemptTrace): void
}

/** What is left of an attempt that ended. */
export interface AttemptTrace {
  /** When it ended: its next attempt is not due before the wait that it asked for, counted from here. */
  readonly atMs: number
  readonly written: boolean
  readonly left: boolean
  readonly state: Delivery['state']
}

/**
 * Knows nothing yet: what is read from storage counts as sent, just now. `overlapMs`: so long after the lane began another
 * process may be at an attempt that it started while it had the lane.
 */
export function createEarlierAttempts(nowMs: () => number, overlapMs = 0): EarlierAttempts {
  let begunSeq: number | null = null
  /** Everything that is not in `leftMs` was sent before. */
  let restLeftMs = nowMs()
  /** Id → end of its last attempt that may have gone out. */
  const leftMs = new Map<string, number>()
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
  const sentBeforeMs = (delivery: Delivery): number | null =>
    mayRepeat(delivery) ? (leftMs.get(delivery.id) ?? restLeftMs) : null
  const remember = (id: string, attempts: number): void => {
    if (clean.size < IDS_MAX) clean.set(id, attempts)
  }
  const noteLeft = (id: string, atMs: number): void => {
    if (leftMs.size >= IDS_MAX && !leftMs.has(id)) {
      leftMs.clear()
      restLeftMs = Math.max(restLeftMs, nowMs())
    }
    leftMs.set(id, atMs)
  }

  const uncounted = (delivery: Delivery, left: boolean): void => {
    if (!left) return
    noteLeft(delivery.id, nowMs())
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
    begunAt: (headSeq) => {
      if (begunSeq !== null) return
      begunSeq = headSeq
      restLeftMs = nowMs() + overlapMs
    },
    hasBegun: () => begunSeq !== null,
    sentBeforeMs,
    repeatsIn: (deliveries) => {
      const repeats = deliveries.flatMap((delivery): [string, number][] => {
        const atMs = sentBeforeMs(delivery)
        return atMs === null ? [] : [[delivery.id, atMs]]
      })
      return repeats.length === 0 ? NO_REPEATS : new Map(repeats)
    },
    uncounted,
    ended: (delivery, { written, left, state, atMs }) => {
      if (!written) return uncounted(delivery, left)
      const { id, attempts } = delivery
      const over = isTerminal(state)
      // What was taken needs no time: whoever looks for it finds it.
      if (state === 'delivered') leftMs.delete(id)
      else if (left) noteLeft(id, atMs)
      // A dead one may be replayed.
      if (state !== 'delivered' && !left && !mayRepeat(delivery)) return remember(id, attempts + 1)
      clean.delete(id)
      if (over) doubtful.delete(id)
    },
  }
}
