/** DOMException as far as the sandbox's own globals throw it: a name, a message, the legacy code. */
import { addGlobal } from './natives.ts'

const LEGACY_CODES: { readonly [name: string]: number } = {
  InvalidCharacterError: 5,
  DataCloneError: 25,
  QuotaExceededError: 22,
  TypeMismatchError: 17,
}

class DOMException extends Error {
  override readonly name: string
  readonly code: number

  constructor(message = '', name = 'Error') {
    super(message)
    this.name = name
    this.code = LEGACY_CODES[name] ?? 0
  }
}

export const domException = (message: string, name: string): Error => new DOMException(message, name)

export const addDomException = (): void => addGlobal('DOMException', DOMException)
