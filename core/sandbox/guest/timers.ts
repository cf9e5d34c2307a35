/** setTimeout, setInterval and queueMicrotask. The host only wakes the lane; what is due, runs inside a timed slice. */
import { addGlobal, nowMs } from './natives.ts'
import type { GuestRun } from './run.ts'

interface Timer {
  readonly id: number
  readonly run: GuestRun
  readonly callback: (...args: unknown[]) => void
  readonly args: readonly unknown[]
  readonly everyMs: number | null
  /** Ends with its run, and nobody misses it. */
  readonly isQuiet: boolean
  dueMs: number
}

const DELAY_MS_MAX = 2 ** 31 - 1
const timers = new Map<number, Timer>()
const pauses = new Map<number, () => void>()
let nextId = 1

/** Who pays for a timer: the run that is being executed; undefined outside any run. */
export interface TimerOwner {
  readonly current: () => GuestRun | undefined
  readonly enter: (run: GuestRun) => void
  readonly fail: (run: GuestRun, error: unknown) => void
  readonly max: () => number
}

function start(owner: TimerOwner, callback: unknown, how: TimerKind): number {
  if (typeof callback !== 'function') throw new TypeError('A timer needs a function')
  const run = owner.current()
  if (run === undefined) throw new Error('Timers work only while the plugin runs, not while it is being loaded')
  if (timers.size >= owner.max()) throw new RangeError(`At most ${owner.max()} timers may wait`)
  const delayMs = Math.min(Math.max(1, Number(how.delay) || 0), DELAY_MS_MAX)
  const id = nextId++
  timers.set(id, {
    id,
    run,
    callback: callback as Timer['callback'],
    args: how.args ?? [],
    everyMs: how.repeat === true ? delayMs : null,
    isQuiet: how.quiet === true,
    dueMs: nowMs() + delayMs,
  })
  return id
}

interface TimerKind {
  readonly delay: unknown
  readonly args?: readonly unknown[]
  readonly repeat?: boolean
  readonly quiet?: boolean
}

/** A timer of the sandbox's own: it ends with the run, without a word. */
export const startQuiet = (owner: TimerOwner, callback: () => void, delay: number): void =>
  void start(owner, callback, { delay, quiet: true })

export function addTimers(owner: TimerOwner): void {
  addGlobal('setTimeout', function setTimeout(callback: unknown, delay?: unknown, ...args: unknown[]) {
    return start(owner, callback, { delay, args })
  })
  addGlobal('setInterval', function setInterval(callback: unknown, delay?: unknown, ...args: unknown[]) {
    return start(owner, callback, { delay, args, repeat: true })
  })
  for (const name of ['clearTimeout', 'clearInterval'])
    addGlobal(name, (id: unknown): void => {
      if (typeof id !== 'symbol') timers.delete(Number(id))
    })
  addGlobal('queueMicrotask', function queueMicrotask(callback: unknown) {
    if (typeof callback !== 'function') throw new TypeError('queueMicrotask needs a function')
    const run = owner.current()
    void Promise.resolve().then(() => guarded(owner, run, callback as () => void))
  })
}

/**
 * Runs the oldest of what is due in this lane, and lets a paused lane go on. One at a time: what its callback leaves to
 * microtasks comes before the next one, which is woken for at once.
 */
export function fireTimers(lane: number, owner: TimerOwner): void {
  const resume = pauses.get(lane)
  pauses.delete(lane)
  resume?.()
  const now = nowMs()
  let due: Timer | undefined
  for (const timer of timers.values()) {
    if (timer.run.lane !== lane || timer.dueMs > now) continue
    if (due === undefined || timer.dueMs < due.dueMs) due = timer
  }
  if (due === undefined) return
  const { id, run, everyMs, callback, args } = due
  if (everyMs === null) timers.delete(id)
  else due.dueMs = now + everyMs
  owner.enter(run)
  guarded(owner, run, () => callback(...args))
}

function guarded(owner: TimerOwner, run: GuestRun | undefined, callback: () => void): void {
  try {
    callback()
  } catch (error) {
    if (run === undefined) throw error
    owner.fail(run, error)
  }
}

/** Resolves in the lane's next slice. */
export const pause = (lane: number): Promise<void> =>
  new Promise((resolve) => {
    pauses.set(lane, resolve)
  })

/** When the host must wake each lane: [lane, delayMs]; null when nothing waits. */
export function wakeTimes(): [number, number][] | null {
  if (timers.size === 0 && pauses.size === 0) return null
  const now = nowMs()
  const byLane = new Map<number, number>()
  for (const { run, dueMs } of timers.values())
    byLane.set(run.lane, Math.min(byLane.get(run.lane) ?? Infinity, Math.max(0, dueMs - now)))
  for (const lane of pauses.keys()) byLane.set(lane, 0)
  return [...byLane]
}

/** How many timers of this run still wait. Its quiet ones end here. */
export function timersOf(run: GuestRun): number {
  let count = 0
  for (const timer of timers.values()) {
    if (timer.run !== run) continue
    if (timer.isQuiet) timers.delete(timer.id)
    else count += 1
  }
  return count
}

/** Nothing runs any more: whatever a finished run left behind ends too. */
export const clearTimers = (): void => {
  timers.clear()
}
