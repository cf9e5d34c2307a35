/** Time and randomness as parameters, so that everything that waits can be tested without waiting. */

/** `nowMs` is wall time (it may jump); `monotonicMs` never goes back and is the one to measure durations with. */
export interface Clock {
  readonly nowMs: () => number
  readonly monotonicMs: () => number
  /** Calls back once after `delayMs` of monotonic time; the answer cancels it. */
  readonly after: (delayMs: number, callback: () => void) => () => void
}

const TIMEOUT_MS_MAX = 2 ** 31 - 1

/** The machine's own clock. Its timers do not keep the process alive: owners of work do. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, Math.min(Math.max(0, delayMs), TIMEOUT_MS_MAX))
    timer.unref()
    return () => clearTimeout(timer)
  },
}

/** RFC 3339 UTC with milliseconds, the only form of time on the wire. */
export function rfc3339(atMs: number): string {
  // Under load many things happen in the same millisecond.
  if (atMs !== lastAtMs) {
    lastText = new Date(atMs).toISOString()
    lastAtMs = atMs
  }
  return lastText
}

/** Whether it is the IANA name of a time zone, as this Node knows them. */
export function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone })
    return true
  } catch {
    return false
  }
}

let lastAtMs = Number.NaN
let lastText = ''
