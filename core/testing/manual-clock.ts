/** Time that stands until a test moves it: the hub's clock, and what a plugin's `Date` says. */
import type { Clock } from '../clock.ts'

export interface ManualClock extends Clock {
  /** Moves to this time (unix ms), never back; calls what is due by then, in order. */
  moveTo(atMs: number): void
}

interface Timer {
  readonly atMs: number
  readonly callback: () => void
}

/** A clock that shows `startMs`. */
export function createManualClock(startMs: number): ManualClock {
  let nowMs = startMs
  const timers = new Set<Timer>()
  const nextBy = (untilMs: number): Timer | undefined =>
    [...timers].filter(({ atMs }) => atMs <= untilMs).toSorted((a, b) => a.atMs - b.atMs)[0]
  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs - startMs,
    after: (delayMs, callback) => {
      const timer = { atMs: nowMs + Math.max(0, delayMs), callback }
      timers.add(timer)
      return () => void timers.delete(timer)
    },
    moveTo: (atMs) => {
      for (let timer = nextBy(atMs); timer !== undefined; timer = nextBy(atMs)) {
        timers.delete(timer)
        nowMs = Math.max(nowMs, timer.atMs)
        timer.callback()
      }
      nowMs = Math.max(nowMs, atMs)
    },
  }
}
