/** Request (https://fetch.spec.whatwg.org). Its URL may be sealed: it then shows as `[sealed]`. */
import type { Sealable } from '../../contract/index.ts'
import { AbortSignal } from './abort.ts'
import { Body, contentIn, type Content, copyOf, extract, setContent, take } from './body.ts'
import { Headers, piecesOf } from './headers.ts'
import { addClass, asText } from './natives.ts'

/** As `RequestInit`, but it comes from a plugin. */
export interface RequestOptions {
  readonly method?: unknown
  readonly headers?: unknown
  readonly body?: unknown
  readonly signal?: unknown
  readonly redirect?: unknown
}

const REDIRECTS: ReadonlySet<unknown> = new Set(['follow', 'error', 'manual'])
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** Properties that mean something to browsers only: what Node answers. */
const BROWSER_PARTS = {
  cache: 'default',
  credentials: 'same-origin',
  destination: '',
  duplex: 'half',
  integrity: '',
  keepalive: false,
  mode: 'cors',
  referrer: 'about:client',
  referrerPolicy: '',
} as const

/** The URL as `ctx.http` takes it. */
export let targetIn: (request: Request) => Sealable

export class Request extends Body {
  readonly #target: Sealable
  readonly #shown: string
  readonly #method: string
  readonly #headers: Headers
  readonly #redirect: string
  readonly #signal: AbortSignal

  constructor(input: unknown, options: RequestOptions | null = null) {
    super()
    if (arguments.length === 0) throw new TypeError('A Request needs a URL')
    const init = options ?? {}
    const from = input instanceof Request ? input : null
    const { target, shown } = from === null ? targetOf(input) : { target: from.#target, shown: from.#shown }
    this.#target = target
    this.#shown = shown
    this.#method = init.method === undefined ? (from === null ? 'GET' : from.#method) : methodOf(init.method)
    this.#headers = new Headers(init.headers === undefined && from !== null ? from.#headers : init.headers)
    this.#redirect = redirectOf(init.redirect ?? (from === null ? 'follow' : from.#redirect))
    this.#signal = signalOf(init.signal === undefined && from !== null ? from.#signal : init.signal)
    this.#fill(init, from)
  }

  #fill(init: RequestOptions, from: Request | null): void {
    const isGiven = init.body !== undefined && init.body !== null
    const inherited = from === null ? null : contentIn(from)
    if ((isGiven || inherited !== null) && (this.#method === 'GET' || this.#method === 'HEAD'))
      throw new TypeError('Request with GET/HEAD method cannot have body.')
    if (isGiven) {
      const { content, type } = extract(init.body)
      setContent(this, content)
      if (type !== null && !this.#headers.has('content-type')) this.#headers.append('content-type', type)
    } else if (inherited !== null) {
      const moved: Content = { ...inherited }
      take(inherited)
      setContent(this, moved)
    }
  }

  get url(): string {
    return this.#shown
  }

  get method(): string {
    return this.#method
  }

  get headers(): Headers {
    return this.#headers
  }

  get redirect(): string {
    return this.#redirect
  }

  get signal(): AbortSignal {
    return this.#signal
  }

  clone(): Request {
    const content = copyOf(contentIn(this))
    const { method, headers, redirect, signal } = this
    const copy = new Request(this.#target, { method, headers, redirect, signal })
    setContent(copy, content)
    return copy
  }

  static {
    for (const [name, value] of Object.entries(BROWSER_PARTS))
      Object.defineProperty(Request.prototype, name, { get: () => value, enumerable: true, configurable: true })
    targetIn = (request) => request.#target
  }
}

function targetOf(input: unknown): { target: Sealable; shown: string } {
  const pieces = piecesOf(input)
  if (pieces !== null) return { target: pieces, shown: '[sealed]' }
  const text = asText(input)
  const url = URL.parse(text)
  if (url === null) throw new TypeError(`Failed to parse URL from ${text}`)
  if (url.username !== '' || url.password !== '')
    throw new TypeError('A URL of a request carries no user name or password; use a header')
  return { target: url.href, shown: url.href }
}

function methodOf(value: unknown): string {
  const text = asText(value)
  const upper = text.toUpperCase()
  if (!TOKEN.test(text) || upper === 'CONNECT' || upper === 'TRACE' || upper === 'TRACK')
    throw new TypeError(`'${text}' is not a valid HTTP method.`)
  return /^(?:DELETE|GET|HEAD|OPTIONS|POST|PUT)$/.test(upper) ? upper : text
}

function redirectOf(value: unknown): string {
  if (!REDIRECTS.has(value)) throw new TypeError('redirect is "follow", "error" or "manual"')
  return value as string
}

function signalOf(value: unknown): AbortSignal {
  if (value === undefined || value === null) return AbortSignal.any([])
  if (!(value instanceof AbortSignal)) throw new TypeError('signal is not an AbortSignal')
  return AbortSignal.any([value])
}

export const addRequest = (): void => addClass('Request', Request)
