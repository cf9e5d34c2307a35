/** Takes away what escapes the isolate's memory limit or its clocks. Runs before everything else. */
import { addGlobal, defineProperty } from './natives.ts'

/**
 * WebAssembly memories, shared memory and resizable buffers are not counted by the heap limit; waits of Atomics and
 * callbacks of FinalizationRegistry run outside the timed slices.
 */
const REMOVED_GLOBALS = ['WebAssembly', 'SharedArrayBuffer', 'Atomics', 'FinalizationRegistry']
const REMOVED_BUFFER_METHODS = ['resize', 'resizable', 'maxByteLength', 'transfer', 'transferToFixedLength']

export function harden(): void {
  for (const name of REMOVED_GLOBALS) Reflect.deleteProperty(globalThis, name)
  for (const name of REMOVED_BUFFER_METHODS) Reflect.deleteProperty(ArrayBuffer.prototype, name)
  replaceArrayBuffer()
  // A looping prepareStackTrace runs while the host copies an error out, where no limit applies.
  defineProperty(Error, 'prepareStackTrace', { get: () => undefined, set: () => undefined, configurable: false })
}

/** The same constructor without its second parameter; subclasses and species reach this one too. */
function replaceArrayBuffer(): void {
  const Native = ArrayBuffer
  const Fixed = function ArrayBuffer(this: unknown, length: number, options?: { maxByteLength?: number }) {
    if (new.target === undefined) throw new TypeError("Constructor ArrayBuffer requires 'new'")
    if (options?.maxByteLength !== undefined) throw new RangeError('Resizable buffers do not exist in the sandbox')
    return Reflect.construct(Native, [length], new.target) as ArrayBuffer
  }
  defineProperty(Fixed, 'prototype', { value: Native.prototype, writable: false })
  defineProperty(Fixed, 'isView', { value: Native.isView, writable: true, configurable: true })
  defineProperty(Fixed, Symbol.species, {
    get(this: unknown) {
      return this
    },
    configurable: true,
  })
  defineProperty(Native.prototype, 'constructor', { value: Fixed, writable: true, configurable: true })
  addGlobal('ArrayBuffer', Fixed)
}
