/** setTimeout, setInterval and queueMicrotask. The host only wakes the lane; what is due, runs inside a timed slice. */
import { addGlobal, nowMs } from './natives.ts'
import type { GuestRun } from './run.ts'

interface Timer {
  readonly id: number
  readonly run: GuestRun
  readonly callback: (...args: unknown[]) => void
  readonly args: readonly unknown[]
  readonly everyMs: number | null
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

export function addTimers(owner: TimerOwner): void {
  const start = (callback: unknown, delay: unknown, rest: { args: readonly unknown[]; repeat: boolean }): number => {
    if (typeof callback !== 'function') throw new TypeError('A timer needs a function')
    const run = owner.current()
    if (run === undefined) throw new Error('Timers work only while the plugin runs, not while it is being loaded')
    if (timers.size >= owner.max()) throw new RangeError(`At most ${owner.max()} timers may wait`)
    const delayMs = Math.min(Math.max(1, Number(delay) || 0), DELAY_MS_MAX)
    const id = nextId++
    const everyMs = rest.repeat ? delayMs : null
    timers.set(id, {
      id,
      run,
      callback: callback as Timer['callback'],
      args: rest.args,
      everyMs,
      dueMs: nowMs() + delayMs,
    })
    return id
  }
  const stop = (id: unknown): void => void timers.delete(Number(id))
  addGlobal('setTimeout', function setTimeout(callback: unknown, delay?: unknown, ...args: unknown[]) {
    return start(callback, delay, { args, repeat: false })
  })
  addGlobal('setInterval', function setInterval(callback: unknown, delay?: unknown, ...args: unknown[]) {
    return start(callback, delay, { args, repeat: true })
  })
  addGlobal('clearTimeout', stop)
  addGlobal('clearInterval', stop)
  addGlobal('queueMicrotask', function queueMicrotask(callback: unknown) {
    if (typeof callback !== 'function') throw new TypeError('queueMicrotask needs a function')
    const run = owner.current()
    void Promise.resolve().then(() => guarded(owner, run, callback as () => void))
  })
}

/** Runs what is due in this lane, oldest first, and lets a paused lane go on. */
export function fireTimers(lane: number, owner: TimerOwner): void {
  const resume = pauses.get(lane)
  pauses.delete(lane)
  resume?.()
  const now = nowMs()
  const due = [...timers.values()]
    .filter((timer) => timer.run.lane === lane && timer.dueMs <= now)
    .sort((a, b) => a.dueMs - b.dueMs || a.id - b.id)
  for (const timer of due) {
    if (!timers.has(timer.id)) continue
    if (timer.everyMs === null) timers.delete(timer.id)
    else timer.dueMs = now + timer.everyMs
    owner.enter(timer.run)
    guarded(owner, timer.run, () => timer.callback(...timer.args))
  }
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

/** Nothing runs any more: whatever a finished run left behind ends too. */
export const clearTimers = (): void => {
  timers.clear()
}
