/** Headers (https://fetch.spec.whatwg.org), whose values may be sealed: those show as `[sealed]` and are filled in by the hub. */
import type { Sealable } from '../../contract/index.ts'
import { addClass, asText, isArray, keysOf } from './natives.ts'

type Piece = Exclude<Sealable, readonly unknown[]>

interface Entry {
  readonly name: string
  readonly text: string
  /** What the hub gets instead of `text`. */
  readonly sealed: readonly Piece[] | null
}

const SEALED = '[sealed]'
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** Headers of an answer: nobody changes them. */
export let fixed: (headers: Headers) => Headers
/** A copy that may be changed if the first may. */
export let copyOfHeaders: (headers: Headers) => Headers
/** The headers as `ctx.http` takes them, sealed values as the pieces they are. */
export let sendable: (headers: Headers) => Record<string, Sealable>

export class Headers {
  #entries: Entry[] = []
  #isFixed = false

  constructor(init?: unknown) {
    if (init === undefined) return
    if (typeof init !== 'object' || init === null) throw new TypeError('Headers takes an object or a list of pairs')
    if (init instanceof Headers) this.#entries = [...init.#entries]
    else if (Symbol.iterator in init) {
      for (const pair of init as Iterable<Iterable<unknown>>) {
        const both = [...pair]
        if (both.length !== 2) throw new TypeError('Each header must be [name, value]')
        this.append(both[0], both[1])
      }
    } else for (const name of keysOf(init)) this.append(name, (init as Record<string, unknown>)[name])
  }

  append(name: unknown, value: unknown): void {
    this.#entries.push(this.#checked(name, value))
  }

  set(name: unknown, value: unknown): void {
    const entry = this.#checked(name, value)
    const at = this.#entries.findIndex((known) => known.name === entry.name)
    if (at === -1) this.#entries.push(entry)
    else
      this.#entries = this.#entries
        .filter((known, index) => known.name !== entry.name || index === at)
        .map((known) => (known.name === entry.name ? entry : known))
  }

  delete(name: unknown): void {
    const key = nameOf(name)
    if (this.#isFixed) throw new TypeError('These headers are immutable')
    this.#entries = this.#entries.filter((known) => known.name !== key)
  }

  get(name: unknown): string | null {
    const found = this.#all(nameOf(name))
    return found.length === 0 ? null : joined(found)
  }

  getSetCookie(): string[] {
    return this.#all('set-cookie').map((entry) => entry.text)
  }

  has(name: unknown): boolean {
    return this.#all(nameOf(name)).length > 0
  }

  forEach(callback: (value: string, name: string, headers: Headers) => void, ...[self]: [unknown?]): void {
    if (typeof callback !== 'function') throw new TypeError('forEach takes a function')
    for (const [name, value] of this) callback.call(self, value, name, this)
  }

  /** Sorted by name; asked anew at each step, as a change may come in between. */
  *entries(): IterableIterator<[string, string]> {
    for (let at = 0; ; at++) {
      const pair = this.#sorted()[at]
      if (pair === undefined) return
      yield pair
    }
  }

  *keys(): IterableIterator<string> {
    for (const [name] of this) yield name
  }

  *values(): IterableIterator<string> {
    for (const [, value] of this) yield value
  }

  [Symbol.iterator](): IterableIterator<[string, string]> {
    return this.entries()
  }

  #all(name: string): Entry[] {
    return this.#entries.filter((entry) => entry.name === name)
  }

  #sorted(): [string, string][] {
    const names = [...new Set(this.#entries.map((entry) => entry.name))].sort()
    return names.flatMap((name): [string, string][] =>
      name === 'set-cookie' ? this.getSetCookie().map((value) => [name, value]) : [[name, joined(this.#all(name))]],
    )
  }

  #checked(name: unknown, value: unknown): Entry {
    const entry = entryOf(name, value)
    if (this.#isFixed) throw new TypeError('These headers are immutable')
    return entry
  }

  static {
    fixed = (headers) => {
      headers.#isFixed = true
      return headers
    }
    copyOfHeaders = (headers) => {
      const copy = new Headers(headers)
      copy.#isFixed = headers.#isFixed
      return copy
    }
    sendable = (headers) => {
      // A name may be "__proto__".
      const out = Object.create(null) as Record<string, Sealable>
      for (const name of new Set(headers.#entries.map((entry) => entry.name))) {
        const all = headers.#all(name)
        const isSealed = all.some((entry) => entry.sealed !== null)
        const pieces = all.flatMap((entry, at) => [
          ...(at === 0 ? [] : [between(name)]),
          ...(entry.sealed ?? [entry.text]),
        ])
        out[name] = isSealed ? pieces : joined(all)
      }
      return out
    }
  }
}

const between = (name: string): string => (name === 'cookie' ? '; ' : ', ')

/** Entries of one name. */
const joined = (entries: readonly Entry[]): string =>
  entries.map((entry) => entry.text).join(between((entries[0] as Entry).name))

function nameOf(name: unknown): string {
  const text = asText(name)
  if (!TOKEN.test(text)) throw new TypeError(`"${text}" is not a header name`)
  return text.toLowerCase()
}

function entryOf(name: unknown, value: unknown): Entry {
  const key = nameOf(name)
  const sealed = piecesOf(value)
  const text = sealed === null ? asText(value).replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '') : SEALED
  // oxlint-disable-next-line no-control-regex -- the three bytes that the standard forbids, and what is no byte
  if (/[\0\r\n]|[^\0-\xff]/.test(text))
    throw new TypeError(`The value of the header "${key}" has characters that are not allowed`)
  return { name: key, text, sealed }
}

/** A secret, an HMAC, or a list with one of them in it; null for what the standard would turn into text. */
export function piecesOf(value: unknown): Piece[] | null {
  if (typeof value !== 'object' || value === null) return null
  const list: unknown[] = isArray(value) ? value : [value]
  return list.some(isSealedPiece) && list.every((piece) => typeof piece === 'string' || isSealedPiece(piece))
    ? (list as Piece[])
    : null
}

const isSealedPiece = (piece: unknown): boolean =>
  typeof piece === 'object' &&
  piece !== null &&
  (typeof (piece as { $secret?: unknown }).$secret === 'string' ||
    typeof (piece as { $hmac?: unknown }).$hmac === 'object')

export const addHeaders = (): void => addClass('Headers', Headers)
