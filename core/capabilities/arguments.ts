/** Reads the argument of a capability call, which comes from the guest and may be anything. Pure. */
import type { Json } from '../contract/index.ts'
import { HubError } from '../errors.ts'

/** Typed access to named arguments; whatever does not fit throws `capability_input`. */
export interface Args {
  readonly all: { readonly [key: string]: Json }
  text(name: string, charsMax?: number): string
  optionalText(name: string, charsMax?: number): string | undefined
  optionalNumber(name: string): number | undefined
  object(name: string): { readonly [key: string]: Json }
  optionalObject(name: string): { readonly [key: string]: Json } | undefined
  wrong(what: string): HubError
}

/** `value` is an object of named arguments, or a list or single text of them in the order of `names`. */
export function argumentReader(capability: string, value: Json | undefined, names: readonly string[]): Args {
  const wrong = (what: string): HubError => new HubError('capability_input', `${capability}: ${what}.`)
  const all = namedArguments(value, names)
  if (all === undefined) throw wrong('the argument has to be an object')
  const optionalText = (name: string, charsMax = Infinity): string | undefined => {
    const found = all[name]
    if (found === undefined || found === null) return undefined
    if (typeof found !== 'string') throw wrong(`${name} has to be text`)
    if (found.length > charsMax) throw wrong(`${name} is longer than ${charsMax} characters`)
    return found
  }
  const optionalObject = (name: string): { readonly [key: string]: Json } | undefined => {
    const found = all[name]
    if (found === undefined || found === null) return undefined
    if (!isObject(found)) throw wrong(`${name} has to be an object`)
    return found
  }
  return {
    all,
    wrong,
    optionalText,
    optionalObject,
    text: (name, charsMax) => optionalText(name, charsMax) ?? missing(name),
    object: (name) => optionalObject(name) ?? missing(name),
    optionalNumber(name) {
      const found = all[name]
      if (found === undefined || found === null) return undefined
      if (typeof found !== 'number' || !(found > 0)) throw wrong(`${name} has to be a positive number`)
      return found
    },
  }

  function missing(name: string): never {
    throw wrong(`${name} is missing`)
  }
}

function namedArguments(
  value: Json | undefined,
  names: readonly string[],
): { readonly [key: string]: Json } | undefined {
  if (value === undefined || value === null) return {}
  if (isObject(value)) return value
  const list = isList(value) ? value : [value]
  if (list.length === 1 && isObject(list[0])) return list[0]
  if (list.length > names.length) return undefined
  return Object.fromEntries(list.map((item, i) => [names[i] as string, item]))
}

const isObject = (value: Json | undefined): value is { readonly [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isList = (value: Json): value is readonly Json[] => Array.isArray(value)
