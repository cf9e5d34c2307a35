/** Event, CustomEvent and EventTarget as far as they work without a tree of nodes (https://dom.spec.whatwg.org). */
import { domException } from './dom-exception.ts'
import { addClass, asText, nowMs } from './natives.ts'

interface Listener {
  readonly type: string
  readonly callback: unknown
  readonly once: boolean
  readonly capture: boolean
  readonly passive: boolean
}

/** What an event remembers of its being sent. */
interface Sending {
  target: EventTarget | null
  /** Null when it is not being sent just now. */
  current: EventTarget | null
  stopped: boolean
  prevented: boolean
  /** Who is told just now cannot prevent anything. */
  passive: boolean
}
const sent = new WeakMap<Event, Sending>()

interface EventOptions {
  readonly bubbles?: unknown
  readonly cancelable?: unknown
  readonly composed?: unknown
}

class Event {
  readonly type: string
  readonly bubbles: boolean
  readonly cancelable: boolean
  readonly composed: boolean
  readonly timeStamp = nowMs()

  constructor(type: unknown, init: EventOptions | null = null) {
    if (arguments.length === 0) throw new TypeError('An event needs a type')
    this.type = asText(type)
    this.bubbles = Boolean(init?.bubbles)
    this.cancelable = Boolean(init?.cancelable)
    this.composed = Boolean(init?.composed)
    sent.set(this, { target: null, current: null, stopped: false, prevented: false, passive: false })
  }

  get target(): EventTarget | null {
    return sent.get(this)?.target ?? null
  }

  get currentTarget(): EventTarget | null {
    return sent.get(this)?.current ?? null
  }

  get defaultPrevented(): boolean {
    return sent.get(this)?.prevented === true
  }

  preventDefault(): void {
    const state = sent.get(this)
    if (state !== undefined && this.cancelable && !state.passive) state.prevented = true
  }

  /** There is no parent to stop at. */
  stopPropagation(): void {}

  stopImmediatePropagation(): void {
    const state = sent.get(this)
    if (state !== undefined) state.stopped = true
  }
}

class CustomEvent extends Event {
  readonly detail: unknown

  constructor(type: unknown, init: (EventOptions & { readonly detail?: unknown }) | null = null) {
    if (arguments.length === 0) throw new TypeError('An event needs a type')
    super(type, init)
    this.detail = init?.detail ?? null
  }
}

/** Whether anybody listens. */
export let isHeard: (target: EventTarget, type: string) => boolean

/** What AbortSignal is made of, and plugins may extend. */
export class EventTarget {
  #listeners: Listener[] = []

  addEventListener(type: unknown, callback: unknown, options: unknown = null): void {
    if (callback === null || callback === undefined) return
    if (typeof callback !== 'function' && typeof callback !== 'object')
      throw new TypeError('A listener is a function or an object with handleEvent')
    const name = asText(type)
    const { once, passive, signal } = typeof options === 'object' ? ((options ?? {}) as ListenerOptions) : {}
    if (signal !== undefined && !(signal instanceof EventTarget)) throw new TypeError('signal is not an AbortSignal')
    const capture = captures(options)
    if (signal?.aborted === true || this.#listeners.some(isOf(name, callback, capture))) return
    const listener = { type: name, callback, once: Boolean(once), capture, passive: Boolean(passive) }
    this.#listeners = [...this.#listeners, listener]
    signal?.addEventListener('abort', () => this.removeEventListener(name, callback, capture), { once: true })
  }

  removeEventListener(type: unknown, callback: unknown, options: unknown = null): void {
    const isOne = isOf(asText(type), callback, captures(options))
    this.#listeners = this.#listeners.filter((known) => !isOne(known))
  }

  dispatchEvent(event: unknown): boolean {
    const state = event instanceof Event ? sent.get(event) : undefined
    if (state === undefined) throw new TypeError('dispatchEvent takes an Event')
    if (state.current !== null) throw domException('The event is being sent already', 'InvalidStateError')
    state.target = this
    state.current = this
    const { type } = event as Event
    for (const listener of this.#listeners) {
      if (state.stopped) break
      if (listener.type !== type || !this.#listeners.includes(listener)) continue
      if (listener.once) this.removeEventListener(type, listener.callback, listener.capture)
      state.passive = listener.passive
      tell(listener.callback, this, event as Event)
    }
    state.current = null
    state.stopped = false
    state.passive = false
    return !state.prevented
  }

  static {
    isHeard = (target, type) => target.#listeners.some((known) => known.type === type)
  }
}

/** The same callback may listen twice: while an event comes down, and while it goes up. */
const captures = (options: unknown): boolean =>
  Boolean(typeof options === 'object' && options !== null ? 'capture' in options && options.capture : options)

const isOf =
  (type: string, callback: unknown, capture: boolean) =>
  (known: Listener): boolean =>
    known.type === type && known.callback === callback && known.capture === capture

interface ListenerOptions {
  readonly once?: unknown
  readonly passive?: unknown
  readonly signal?: EventTarget & { readonly aborted: boolean }
}

/** An error of one listener is the run's, not the next listener's. */
function tell(callback: unknown, self: EventTarget, event: Event): void {
  try {
    if (typeof callback === 'function') callback.call(self, event)
    else (callback as { handleEvent(event: Event): void }).handleEvent(event)
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}

export const makeEvent = (type: string): Event => new Event(type)

export function addEvents(): void {
  addClass('Event', Event)
  addClass('CustomEvent', CustomEvent)
  addClass('EventTarget', EventTarget)
}
