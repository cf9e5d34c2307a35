/**
 * The web-standard globals that most plugins never touch: a script of its own, evaluated when one is first used, so that
 * every other isolate pays neither its memory nor its time. It has its own copy of the small modules it imports.
 */
import { addAbort, byClock } from './abort.ts'
import { addCryptoKey } from './crypto-key.ts'
import { type DomExceptionClass, useDomException } from './dom-exception.ts'
import { addEvents } from './events.ts'
import { addFetch, type Sender } from './fetch.ts'
import { addGlobal, type Ask, freeze, setAsk, usePrototypes } from './natives.ts'
import { addSubtle, type KeyService, makeSubtle } from './subtle.ts'

/** What the first script lends to this one. */
export interface WebParts {
  readonly ask: Ask
  readonly DOMException: DomExceptionClass
  readonly prototypes: WeakSet<object>
  /** Begins a timer that no log line complains about when the run ends first. */
  readonly startTimer: (callback: () => void, delayMs: number) => void
  /** Who sends now; undefined outside any run. */
  readonly sender: () => Sender | undefined
  /** Throws outside any run. */
  readonly keys: () => KeyService
}

/** What the first script itself uses of this one. */
export interface Web {
  readonly byClock: typeof byClock
  readonly subtle: object
}

/** Defines the globals. Called once. */
export function install(parts: WebParts): Web {
  setAsk(parts.ask)
  useDomException(parts.DOMException)
  usePrototypes(parts.prototypes)
  addEvents()
  addAbort(parts.startTimer)
  addFetch(parts.sender)
  addCryptoKey()
  addSubtle()
  addGlobal('navigator', freeze({ userAgent: 'Manifold' }))
  addGlobal('reportError', function reportError(error: unknown) {
    queueMicrotask(() => {
      throw error
    })
  })
  return { byClock, subtle: makeSubtle(parts.keys) }
}
