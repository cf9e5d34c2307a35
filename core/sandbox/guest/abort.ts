/** AbortController and AbortSignal, also the one that `ctx.signal` is. */
import { domException } from './dom-exception.ts'
import { EventTarget, isHeard, makeEvent } from './events.ts'
import { addClass, nowMs } from './natives.ts'

/** When a signal turns by the clock: `isOver` is asked each time, the timer (if one is needed) only tells listeners. */
export interface Deadline {
  readonly atMs: number
  readonly isOver: () => boolean
}

type StartTimer = (callback: () => void, delayMs: number) => void

const PRIVATE = Symbol('made by the sandbox')
let startTimer: StartTimer
let nextTurn = 1

// Set in AbortSignal's static block: the only code that may touch its private parts.
let turn: (signal: AbortSignal, reason: unknown) => AbortSignal
/** A signal that turns at a time, and says so even where no timer can fire. */
export let byClock: (deadline: Deadline) => AbortSignal
/** When it will turn by the clock, if that is known. */
export let deadlineOf: (signal: AbortSignal) => number | undefined

export class AbortSignal extends EventTarget {
  #reason: unknown
  #aborted = false
  #deadline: Deadline | null = null
  #armed = false
  /** Those it was made of by `any`. It asks them when it is asked, so that they hold nothing of it. */
  #sources: readonly AbortSignal[] = []
  /** Signals made of this one to which somebody listens; they turn in the same moment. */
  readonly #followers = new Set<AbortSignal>()
  /** The order in which signals turned. */
  #turnedAs = 0
  #handler: unknown = null
  readonly #tellHandler = (event: unknown): void => {
    if (typeof this.#handler === 'function') this.#handler.call(this, event)
  }

  constructor(token?: unknown) {
    super()
    if (token !== PRIVATE) throw new TypeError('Illegal constructor; use AbortController or AbortSignal.timeout')
  }

  static abort(reason: unknown = domException('This operation was aborted', 'AbortError')): AbortSignal {
    return turn(new AbortSignal(PRIVATE), reason)
  }

  static timeout(delay: unknown): AbortSignal {
    const ms = Number(delay)
    if (!(ms >= 0 && ms <= Number.MAX_SAFE_INTEGER)) throw new RangeError('The delay must be 0 or more milliseconds')
    const atMs = nowMs() + Math.floor(ms)
    const signal = byClock({ atMs, isOver: () => nowMs() >= atMs })
    signal.#arm()
    return signal
  }

  static any(signals: Iterable<unknown>): AbortSignal {
    const joined = new AbortSignal(PRIVATE)
    const sources: unknown[] = [...signals]
    for (const source of sources) {
      if (!(source instanceof AbortSignal)) throw new TypeError('AbortSignal.any takes AbortSignals')
    }
    for (const source of sources as AbortSignal[]) {
      if (source.aborted) return turn(joined, source.reason)
    }
    joined.#sources = sources as AbortSignal[]
    for (const source of joined.#sources) joined.#takeDeadline(source.#deadline)
    return joined
  }

  get aborted(): boolean {
    if (this.#aborted) return true
    const turned = this.#sources.filter((source) => source.aborted)
    const first = turned.reduce<AbortSignal | undefined>(
      (one, other) => (one === undefined || other.#turnedAs < one.#turnedAs ? other : one),
      undefined,
    )
    if (first !== undefined) this.#turn(first.#reason)
    else if (this.#sources.length === 0 && this.#deadline?.isOver() === true) this.#turnByClock()
    return this.#aborted
  }

  get reason(): unknown {
    return this.aborted ? this.#reason : undefined
  }

  get onabort(): unknown {
    return this.#handler
  }

  set onabort(handler: unknown) {
    // Another one takes the place of the first among the listeners.
    this.#handler = typeof handler === 'function' ? handler : null
    if (this.#handler === null) this.removeEventListener('abort', this.#tellHandler)
    else this.addEventListener('abort', this.#tellHandler)
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.#reason
  }

  override addEventListener(type: unknown, callback: unknown, options: unknown = null): void {
    super.addEventListener(type, callback, options)
    if (type !== 'abort' || !callback || this.aborted) return
    this.#arm()
    for (const source of this.#sources) source.#lead(this)
  }

  override removeEventListener(type: unknown, callback: unknown, options: unknown = null): void {
    super.removeEventListener(type, callback, options)
    this.#leave()
  }

  #lead(follower: AbortSignal): void {
    this.#followers.add(follower)
    for (const source of this.#sources) source.#lead(this)
  }

  /** Nobody would hear of it any more. */
  #leave(): void {
    if (this.#followers.size > 0 || isHeard(this, 'abort')) return
    for (const source of this.#sources) {
      source.#followers.delete(this)
      source.#leave()
    }
  }

  #takeDeadline(other: Deadline | null): void {
    if (other !== null && !(this.#deadline !== null && this.#deadline.atMs <= other.atMs)) this.#deadline = other
  }

  #arm(): void {
    if (this.#armed || this.#deadline === null || this.aborted) return
    this.#armed = true
    startTimer(() => void this.aborted, this.#deadline.atMs - nowMs())
  }

  #turnByClock(): void {
    this.#turn(domException('The operation was aborted due to timeout', 'TimeoutError'))
  }

  #turn(reason: unknown): void {
    // First all of them, then their listeners: none sees a signal that should have turned with it.
    for (const signal of this.#mark(reason, [])) signal.dispatchEvent(makeEvent('abort'))
  }

  #mark(reason: unknown, marked: AbortSignal[]): readonly AbortSignal[] {
    if (this.#aborted) return marked
    this.#aborted = true
    this.#reason = reason
    this.#turnedAs = nextTurn++
    marked.push(this)
    for (const follower of this.#followers) follower.#mark(reason, marked)
    this.#followers.clear()
    this.#sources = []
    return marked
  }

  static {
    turn = (signal, reason) => {
      signal.#turn(reason)
      return signal
    }
    byClock = (deadline) => {
      const signal = new AbortSignal(PRIVATE)
      signal.#deadline = deadline
      return signal
    }
    deadlineOf = (signal) => signal.#deadline?.atMs
  }
}

class AbortController {
  readonly #signal = new AbortSignal(PRIVATE)

  get signal(): AbortSignal {
    return this.#signal
  }

  abort(reason: unknown = domException('This operation was aborted', 'AbortError')): void {
    turn(this.#signal, reason)
  }
}

/** `start` begins a timer that no log line complains about when the run ends first. */
export function addAbort(start: StartTimer): void {
  startTimer = start
  addClass('AbortSignal', AbortSignal)
  addClass('AbortController', AbortController)
}
