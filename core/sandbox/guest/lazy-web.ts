/** Stands in for the globals of web.ts until one of them is used. */
import { WEB_QUESTION } from '../protocol.ts'
import { askText, defineProperty } from './natives.ts'
import type { install, Web, WebParts } from './web.ts'

/** Taken before a plugin can replace it. Indirect, so what it evaluates sees nothing of this script. */
// oxlint-disable-next-line no-eval -- it evaluates the sandbox's own second script, inside the isolate
const evaluate = globalThis.eval

const NAMES = [
  'AbortController',
  'AbortSignal',
  'Blob',
  'CryptoKey',
  'CustomEvent',
  'Event',
  'EventTarget',
  'File',
  'FormData',
  'Headers',
  'Request',
  'Response',
  'SubtleCrypto',
  'fetch',
  'navigator',
  'reportError',
]

let parts: WebParts
let loaded: Web | undefined

/** What the second script gives, evaluating it if need be. */
export function web(): Web {
  if (loaded !== undefined) return loaded
  const own = NAMES.map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const)
  loaded = (evaluate(askText(WEB_QUESTION)) as { readonly install: typeof install }).install(parts)
  // What the plugin has put in the place of one, or taken away, stays so.
  for (const [name, before] of own) {
    if (before === undefined) Reflect.deleteProperty(globalThis, name)
    else if (before.get !== waiting.get(name)) defineProperty(globalThis, name, before)
  }
  return loaded
}

/** The getter that stands at each name. */
const waiting = new Map<string, () => unknown>()

export function addLazyWeb(lent: WebParts): void {
  parts = lent
  for (const name of NAMES) {
    const get = (): unknown => {
      web()
      return (globalThis as Record<string, unknown>)[name]
    }
    waiting.set(name, get)
    const set = (value: unknown): void =>
      void defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true })
    defineProperty(globalThis, name, { get, set, enumerable: false, configurable: true })
  }
}
