/** DOMException as far as the sandbox's own globals throw it: a name, a message, the legacy code. */
import { addClass, asText, defineProperty } from './natives.ts'

const LEGACY_CODES: { readonly [name: string]: number } = {
  IndexSizeError: 1,
  HierarchyRequestError: 3,
  WrongDocumentError: 4,
  InvalidCharacterError: 5,
  NoModificationAllowedError: 7,
  NotFoundError: 8,
  NotSupportedError: 9,
  InUseAttributeError: 10,
  InvalidStateError: 11,
  SyntaxError: 12,
  InvalidModificationError: 13,
  NamespaceError: 14,
  InvalidAccessError: 15,
  TypeMismatchError: 17,
  SecurityError: 18,
  NetworkError: 19,
  AbortError: 20,
  URLMismatchError: 21,
  QuotaExceededError: 22,
  TimeoutError: 23,
  InvalidNodeTypeError: 24,
  DataCloneError: 25,
}

export class DOMException extends Error {
  readonly #name: string

  constructor(message: unknown = '', options: unknown = 'Error') {
    super(asText(message))
    const isObject = typeof options === 'object' && options !== null
    this.#name = asText(isObject ? ('name' in options ? options.name : 'Error') : options)
    if (isObject && 'cause' in options)
      defineProperty(this, 'cause', { value: options.cause, writable: true, configurable: true })
  }

  get code(): number {
    return Object.hasOwn(LEGACY_CODES, this.#name) ? (LEGACY_CODES[this.#name] as number) : 0
  }

  static {
    // Asked for by the engine before there is one, for the first line of the stack.
    const get = function (this: DOMException): string {
      return #name in this ? this.#name : 'Error'
    }
    defineProperty(DOMException.prototype, 'name', { get, configurable: true })
  }
}

export type DomExceptionClass = new (message?: string, name?: string) => Error

let Kind: DomExceptionClass = DOMException

/** For a second copy of this file: its errors are of the first one's class too. */
export const useDomException = (shared: DomExceptionClass): void => {
  Kind = shared
}

export const domException = (message: string, name: string): Error => new Kind(message, name)

export const addDomException = (): void => addClass('DOMException', DOMException)
