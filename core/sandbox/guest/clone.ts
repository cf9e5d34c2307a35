/** structuredClone for what lives in the sandbox: plain data, the collections, dates, errors, buffers and views. */
import { domException } from './dom-exception.ts'
import { addGlobal, isArray, keysOf } from './natives.ts'

const ERRORS: { readonly [name: string]: ErrorConstructor } = {
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
}

const refuse = (what: string): never => {
  throw domException(`${what} cannot be cloned`, 'DataCloneError')
}

function clone(value: unknown, seen: Map<object, unknown>): unknown {
  if (typeof value === 'function' || typeof value === 'symbol') return refuse(`A ${typeof value}`)
  if (typeof value !== 'object' || value === null) return value
  const known = seen.get(value)
  if (known !== undefined) return known
  const keep = <T>(copy: T): T => {
    seen.set(value, copy)
    return copy
  }
  if (isArray(value)) {
    const copy: unknown[] = keep([])
    copy.length = value.length
    for (const key of keysOf(value)) copy[key as unknown as number] = clone(value[key as unknown as number], seen)
    return copy
  }
  if (value instanceof Date) return keep(new Date(value.getTime()))
  if (value instanceof RegExp) return keep(new RegExp(value.source, value.flags))
  if (value instanceof Boolean || value instanceof Number || value instanceof String)
    return keep(Object(value.valueOf()))
  if (value instanceof ArrayBuffer) return keep(value.slice(0))
  if (ArrayBuffer.isView(value)) return keep(cloneView(value, seen))
  if (value instanceof Map) {
    const copy = keep(new Map<unknown, unknown>())
    for (const [key, item] of Array.from(value)) copy.set(clone(key, seen), clone(item, seen))
    return copy
  }
  if (value instanceof Set) {
    const copy = keep(new Set<unknown>())
    for (const item of Array.from(value)) copy.add(clone(item, seen))
    return copy
  }
  if (value instanceof Error) return cloneError(value, keep, seen)
  if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet || value instanceof WeakRef) {
    return refuse('This kind of object')
  }
  const copy: Record<string, unknown> = keep({})
  for (const key of keysOf(value)) copy[key] = clone((value as Record<string, unknown>)[key], seen)
  return copy
}

function cloneView(view: ArrayBufferView, seen: Map<object, unknown>): unknown {
  const buffer = clone(view.buffer, seen) as ArrayBuffer
  if (view instanceof DataView) return new DataView(buffer, view.byteOffset, view.byteLength)
  const typed = view as Uint8Array
  const Kind = Object.getPrototypeOf(typed).constructor as Uint8ArrayConstructor
  return new Kind(buffer, typed.byteOffset, typed.length)
}

function cloneError(error: Error, keep: <T>(copy: T) => T, seen: Map<object, unknown>): Error {
  const Kind = ERRORS[error.name] ?? Error
  const copy = keep(new Kind(String(error.message)))
  Object.defineProperty(copy, 'stack', { value: String(error.stack), writable: true, configurable: true })
  if ('cause' in error)
    Object.defineProperty(copy, 'cause', { value: clone(error.cause, seen), writable: true, configurable: true })
  return copy
}

export const addStructuredClone = (): void => {
  addGlobal('structuredClone', function structuredClone(value: unknown) {
    return clone(value, new Map())
  })
}
