/** structuredClone for what lives in the sandbox: plain data, the collections, dates, errors, buffers and views. */
import { DOMException, domException } from './dom-exception.ts'
import { addGlobal, defineProperty, isArray, keysOf, prototypesOfOwn } from './natives.ts'

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
    return copyOwn(value, copy, seen)
  }
  if (value instanceof Date) return keep(new Date(value.getTime()))
  if (value instanceof RegExp) return keep(new RegExp(value.source, value.flags))
  if (value instanceof Boolean || value instanceof Number || value instanceof String || value instanceof BigInt)
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
  if (isMoreThanData(value)) return refuse('This kind of object')
  return copyOwn(value, keep({}), seen)
}

const KINDS_OF_MORE = [Promise, WeakMap, WeakSet, WeakRef, Symbol]

/** A copy of its properties would be an empty shell: a Headers without headers. */
function isMoreThanData(value: object): boolean {
  if (KINDS_OF_MORE.some((Kind) => value instanceof Kind)) return true
  for (let at: object | null = value; at !== null; at = Object.getPrototypeOf(at) as object | null)
    if (prototypesOfOwn().has(at)) return true
  return false
}

/** What a getter takes away on the way is not there any more. */
function copyOwn<T extends object>(value: object, copy: T, seen: Map<object, unknown>): T {
  for (const key of keysOf(value)) {
    if (!Object.hasOwn(value, key)) continue
    const item = clone((value as Record<string, unknown>)[key], seen)
    // Assigned, "__proto__" would be the copy's prototype.
    defineProperty(copy, key, { value: item, writable: true, enumerable: true, configurable: true })
  }
  return copy
}

const TYPED = Object.getPrototypeOf(Uint8Array.prototype) as object
const kindOf = Object.getOwnPropertyDescriptor(TYPED, Symbol.toStringTag)?.get as (this: unknown) => string
/** By what they are, whatever a subclass or a property calls itself. */
const TYPED_ARRAYS = new Map(
  ['Int8', 'Uint8', 'Uint8Clamped', 'Int16', 'Uint16', 'Int32', 'Uint32', 'BigInt64', 'BigUint64']
    .concat('Float16', 'Float32', 'Float64')
    .map((name) => [`${name}Array`, Reflect.get(globalThis, `${name}Array`) as Uint8ArrayConstructor]),
)

function cloneView(view: ArrayBufferView, seen: Map<object, unknown>): unknown {
  const buffer = clone(view.buffer, seen) as ArrayBuffer
  if (view instanceof DataView) return new DataView(buffer, view.byteOffset, view.byteLength)
  const Kind = TYPED_ARRAYS.get(kindOf.call(view)) ?? refuse('This kind of array')
  return new Kind(buffer, view.byteOffset, (view as Uint8Array).length)
}

function cloneError(error: Error, keep: <T>(copy: T) => T, seen: Map<object, unknown>): Error {
  const message = String(error.message)
  const isDom = error instanceof DOMException
  const copy = keep(isDom ? new DOMException(message, error.name) : new (ERRORS[error.name] ?? Error)(message))
  Object.defineProperty(copy, 'stack', { value: String(error.stack), writable: true, configurable: true })
  if ('cause' in error)
    Object.defineProperty(copy, 'cause', { value: clone(error.cause, seen), writable: true, configurable: true })
  return copy
}

export const addStructuredClone = (): void => {
  addGlobal('structuredClone', function structuredClone(value: unknown, options: { transfer?: unknown } | null = null) {
    if (arguments.length === 0) throw new TypeError('structuredClone needs a value')
    const { transfer = [] } = options ?? {}
    if (!isArray(transfer) || transfer.length > 0) refuse('Nothing can be transferred in the sandbox: this')
    return clone(value, new Map())
  })
}
