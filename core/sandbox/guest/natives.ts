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
export const abs = Math.abs
export const defineProperty = Object.defineProperty
export const NativeError = Error
const { apply } = Reflect
const { join, slice } = Array.prototype

export const joined = (texts: readonly string[], between = ','): string => apply(join, texts, [between])
export const sliced = <Item>(list: readonly Item[], from: number, to?: number): Item[] => apply(slice, list, [from, to])

/** Asks the host a pure question (parse a URL, give random bytes); JSON in, JSON out, `''` when it will not answer. */
export type Ask = (question: string) => string

let askHost: Ask = () => ''

/** Called once, before the plugin is loaded. The function itself never becomes reachable for the plugin. */
export const setAsk = (ask: Ask): void => {
  askHost = ask
}

/** The answer as it comes. */
export const askText = (question: string): string => askHost(question)

/** Asks and parses; undefined when the host will not answer. */
export function ask(question: unknown): unknown {
  const answer = askHost(toJson(question))
  return answer === '' ? undefined : parseJson(answer)
}

/** Any value as text, the way the standards convert arguments: a symbol is a TypeError. */
export const asText = (value: unknown): string => `${value as string}`

/** Adds a web-standard global the way browsers define it. */
export const addGlobal = (name: string, value: unknown): void => {
  // The bundler may have renamed the class to keep it apart from the global it replaces.
  if (typeof value === 'function') defineProperty(value, 'name', { value: name, configurable: true })
  defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true })
}

/** Prototypes of the sandbox's own classes: what is made of them is more than its properties, and no plain data. */
let ownPrototypes = new WeakSet<object>()
export const prototypesOfOwn = (): WeakSet<object> => ownPrototypes

/** For a second copy of this file: both know the classes of both. */
export const usePrototypes = (shared: WeakSet<object>): void => {
  ownPrototypes = shared
}

/**
 * The same for a class, which names itself in `Object.prototype.toString`, shows its members, and refuses calls with
 * fewer arguments than they need.
 */
export const addClass = (name: string, value: { readonly prototype: object }): void => {
  const { prototype } = value
  addGlobal(name, value)
  for (const key of Object.getOwnPropertyNames(prototype)) {
    const member = Object.getOwnPropertyDescriptor(prototype, key) as PropertyDescriptor
    if (key === 'constructor' || member.configurable !== true) continue
    defineProperty(prototype, key, { ...member, ...counted(member.value), enumerable: true })
  }
  const entries = Object.getOwnPropertyDescriptor(prototype, 'entries')
  if (entries !== undefined) defineProperty(prototype, Symbol.iterator, { ...entries, enumerable: false })
  defineProperty(prototype, Symbol.toStringTag, { value: name, configurable: true })
  ownPrototypes.add(prototype)
}

const AsyncFunction = (async () => {}).constructor

/** Those that answer promises reject by themselves. */
function counted(method: unknown): { value?: unknown } {
  if (typeof method !== 'function' || method.length === 0 || method instanceof AsyncFunction) return {}
  const { name, length } = method
  const value = {
    [name](this: unknown, ...args: unknown[]): unknown {
      if (args.length < length) throw new TypeError(`${name} needs ${length} arguments, not ${args.length}`)
      return apply(method, this, args)
    },
  }[name] as object
  return { value: defineProperty(value, 'length', { value: length, configurable: true }) }
}
