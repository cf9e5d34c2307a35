/** URL and URLSearchParams (https://url.spec.whatwg.org). Parsing is the host's own parser, so both sides always agree. */
import { addClass, ask, asText } from './natives.ts'

interface UrlParts {
  href: string
  origin: string
  protocol: string
  username: string
  password: string
  host: string
  hostname: string
  port: string
  pathname: string
  search: string
  hash: string
}
type PartName = Exclude<keyof UrlParts, 'origin'>

const parse = (input: string, base: string | undefined): UrlParts | undefined =>
  ask({ op: 'url', input, ...(base === undefined ? {} : { base }) }) as UrlParts | undefined

const attach = Symbol('attach')

class URLSearchParams {
  #pairs: [string, string][] = []
  #changed: (() => void) | undefined

  constructor(init: unknown = '') {
    if (typeof init === 'object' && init !== null) {
      const pairs = Symbol.iterator in init ? [...(init as Iterable<[unknown, unknown]>)] : Object.entries(init)
      this.#pairs = pairs.map((pair) => {
        const both = [...(pair as Iterable<unknown>)]
        if (both.length !== 2) throw new TypeError('Each query pair must be [name, value]')
        return [toText(both[0]), toText(both[1])]
      })
    } else {
      const text = toText(init)
      this.#pairs = parseQuery(text.startsWith('?') ? text.slice(1) : text)
    }
  }

  /** Ties the list to a URL: `changed` is told of every change here, `query` replaces the list after a change there. */
  [attach](query: string, changed: () => void): this {
    this.#pairs = parseQuery(query.slice(1))
    this.#changed = changed
    return this
  }

  get size(): number {
    return this.#pairs.length
  }

  append(name: unknown, value: unknown): void {
    this.#pairs.push([toText(name), toText(value)])
    this.#changed?.()
  }

  delete(name: unknown, ...[value]: [unknown?]): void {
    const [key, wanted] = [toText(name), value === undefined ? undefined : toText(value)]
    this.#pairs = this.#pairs.filter((pair) => pair[0] !== key || (wanted !== undefined && pair[1] !== wanted))
    this.#changed?.()
  }

  get(name: unknown): string | null {
    const key = toText(name)
    return this.#pairs.find((pair) => pair[0] === key)?.[1] ?? null
  }

  getAll(name: unknown): string[] {
    const key = toText(name)
    return this.#pairs.filter((pair) => pair[0] === key).map((pair) => pair[1])
  }

  has(name: unknown, ...[value]: [unknown?]): boolean {
    const [key, wanted] = [toText(name), value === undefined ? undefined : toText(value)]
    return this.#pairs.some((pair) => pair[0] === key && (wanted === undefined || pair[1] === wanted))
  }

  set(name: unknown, value: unknown): void {
    const [key, text] = [toText(name), toText(value)]
    const at = this.#pairs.findIndex((pair) => pair[0] === key)
    if (at === -1) this.#pairs.push([key, text])
    else
      this.#pairs = this.#pairs
        .filter((pair, index) => pair[0] !== key || index === at)
        .map((pair) => (pair[0] === key ? [key, text] : pair))
    this.#changed?.()
  }

  sort(): void {
    this.#pairs.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0))
    this.#changed?.()
  }

  forEach(callback: (value: string, name: string, params: URLSearchParams) => void, ...[self]: [unknown?]): void {
    for (const [name, value] of this) callback.call(self, value, name, this)
  }

  *entries(): IterableIterator<[string, string]> {
    for (let at = 0; at < this.#pairs.length; at++) yield [...(this.#pairs[at] as [string, string])]
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

  toString(): string {
    return this.#pairs.map(([name, value]) => `${encodeQuery(name)}=${encodeQuery(value)}`).join('&')
  }
}

const toText = (value: unknown): string => asText(value).toWellFormed()

const encodeQuery = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()~]|%20/g, (part) =>
    part === '%20' ? '+' : `%${part.charCodeAt(0).toString(16).toUpperCase()}`,
  )

const parseQuery = (text: string): [string, string][] =>
  text
    .split('&')
    .filter((part) => part !== '')
    .map((part) => {
      const at = part.indexOf('=')
      return at === -1 ? [decodeQuery(part), ''] : [decodeQuery(part.slice(0, at)), decodeQuery(part.slice(at + 1))]
    })

/** Percent-decodes bytes and reads them as UTF-8; what is no escape stays as it is. */
function decodeQuery(text: string): string {
  const spaced = text.replaceAll('+', ' ')
  if (!spaced.includes('%')) return spaced
  const bytes: number[] = []
  const raw = new TextEncoder().encode(spaced)
  for (let at = 0; at < raw.length; at++) {
    const hex = raw[at] === 0x25 ? String.fromCharCode(raw[at + 1] ?? 0, raw[at + 2] ?? 0) : ''
    if (/^[0-9a-f]{2}$/i.test(hex)) {
      bytes.push(Number.parseInt(hex, 16))
      at += 2
    } else bytes.push(raw[at] as number)
  }
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(new Uint8Array(bytes))
}

class URL {
  #parts: UrlParts
  #params: URLSearchParams | undefined

  constructor(input: unknown, ...[base]: [unknown?]) {
    const parts = parse(toText(input), base === undefined ? undefined : toText(base))
    if (parts === undefined)
      throw Object.assign(new TypeError('Invalid URL'), {
        code: 'ERR_INVALID_URL',
        input: toText(input),
        ...(base === undefined ? {} : { base: toText(base) }),
      })
    this.#parts = parts
  }

  static canParse(input: unknown, base?: unknown): boolean {
    return parse(toText(input), base === undefined ? undefined : toText(base)) !== undefined
  }

  static parse(input: unknown, base?: unknown): URL | null {
    return URL.canParse(input, base) ? new URL(input, base) : null
  }

  get searchParams(): URLSearchParams {
    this.#params ??= this.#tie(new URLSearchParams())
    return this.#params
  }

  get origin(): string {
    return this.#parts.origin
  }

  toString(): string {
    return this.#parts.href
  }

  toJSON(): string {
    return this.#parts.href
  }

  static {
    const names: PartName[] = [
      'href',
      'protocol',
      'username',
      'password',
      'host',
      'hostname',
      'port',
      'pathname',
      'search',
      'hash',
    ]
    for (const name of names) {
      Object.defineProperty(URL.prototype, name, {
        get(this: URL) {
          return this.#parts[name]
        },
        set(this: URL, value: unknown) {
          this.#set(name, toText(value))
          if ((name === 'href' || name === 'search') && this.#params) this.#tie(this.#params)
        },
        enumerable: true,
        configurable: true,
      })
    }
  }

  #tie(params: URLSearchParams): URLSearchParams {
    return params[attach](this.#parts.search, () => this.#set('search', params.toString()))
  }

  #set(name: PartName, value: string): void {
    const parts = ask({ op: 'url', input: this.#parts.href, set: name, value }) as UrlParts | undefined
    if (parts === undefined) throw new TypeError('Invalid URL')
    this.#parts = parts
  }
}

export function addUrl(): void {
  addClass('URL', URL)
  addClass('URLSearchParams', URLSearchParams)
}
