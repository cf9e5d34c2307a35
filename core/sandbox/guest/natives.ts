/**
 * The isolate's own built-ins, taken before any plugin code runs, so that a plugin (or a library in it) that patches
 * `JSON` or `Promise` breaks neither its own results nor the messages of the bridge.
 */
export const parseJson = JSON.parse
export const toJson = JSON.stringify
export const nowMs = Date.now
export const isArray = Array.isArray
export const freeze = Object.freeze
export const keysOf = Object.keys
export const defineProperty = Object.defineProperty

/** Asks the host a pure question (parse a URL, give random bytes); JSON in, JSON out, `''` when it will not answer. */
export type Ask = (question: string) => string

let askHost: Ask = () => ''

/** Called once, before the plugin is loaded. The function itself never becomes reachable for the plugin. */
export const setAsk = (ask: Ask): void => {
  askHost = ask
}

/** Asks and parses; undefined when the host will not answer. */
export function ask(question: unknown): unknown {
  const answer = askHost(toJson(question))
  return answer === '' ? undefined : parseJson(answer)
}

/** Adds a web-standard global the way browsers define it. */
export const addGlobal = (name: string, value: unknown): void => {
  // The bundler may have renamed the class to keep it apart from the global it replaces.
  if (typeof value === 'function') defineProperty(value, 'name', { value: name, configurable: true })
  defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true })
}
