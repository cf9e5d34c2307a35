/** Response (https://fetch.spec.whatwg.org). */
import { Body, contentIn, contentOf, type Content, copyOf, extract, setContent } from './body.ts'
import { copyOfHeaders, fixed, Headers } from './headers.ts'
import { addClass, asText, toJson } from './natives.ts'

export interface ResponseOptions {
  readonly status?: unknown
  readonly statusText?: unknown
  readonly headers?: unknown
}

const NULL_BODY_STATUSES: ReadonlySet<number> = new Set([101, 103, 204, 205, 304])
const REDIRECT_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
const REASON = /^[\t\x20-\x7e\x80-\xff]*$/

/** What only the sandbox's own code may set. */
interface Origin {
  readonly type: string
  readonly url: string
}

/** What came from outside, as a Response that nobody changes. */
export let answered: (answer: {
  readonly status: number
  readonly headers: { readonly [name: string]: string }
  readonly content: Content | null
  readonly url: string
}) => Response

export class Response extends Body {
  #status: number
  #statusText: string
  #headers: Headers
  #origin: Origin = { type: 'default', url: '' }

  constructor(body: unknown = null, init: ResponseOptions | null = {}) {
    super()
    const { status = 200, statusText = '', headers } = init ?? {}
    this.#status = Number(status) & 0xffff
    this.#statusText = asText(statusText)
    if (this.#status < 200 || this.#status > 599)
      throw new RangeError('init["status"] must be in the range of 200 to 599, inclusive.')
    if (!REASON.test(this.#statusText)) throw new TypeError('Invalid statusText')
    this.#headers = new Headers(headers)
    const { content, type } = extract(body)
    if (content !== null && NULL_BODY_STATUSES.has(this.#status))
      throw new TypeError(`Response constructor: Invalid response status code ${this.#status}`)
    setContent(this, content)
    if (type !== null && !this.#headers.has('content-type')) this.#headers.append('content-type', type)
  }

  static error(): Response {
    const response = new Response()
    response.#status = 0
    response.#origin = { type: 'error', url: '' }
    fixed(response.#headers)
    return response
  }

  static json(data: unknown, init: ResponseOptions = {}): Response {
    const text: string | undefined = toJson(data)
    if (text === undefined) throw new TypeError('The data is not JSON serializable')
    const headers = new Headers(init.headers)
    if (!headers.has('content-type')) headers.set('content-type', 'application/json')
    return new Response(text, { ...init, headers })
  }

  static redirect(url: unknown, status: unknown = 302): Response {
    const target = URL.parse(asText(url))
    if (target === null) throw new TypeError(`Failed to parse URL from ${String(url)}`)
    if (!REDIRECT_STATUSES.has(Number(status))) throw new RangeError(`Invalid status code ${String(status)}`)
    const response = new Response(null, { status, headers: { location: target.href } })
    fixed(response.#headers)
    return response
  }

  get type(): string {
    return this.#origin.type
  }

  get url(): string {
    return this.#origin.url
  }

  /** The hub follows no redirects. */
  get redirected(): boolean {
    return false
  }

  get status(): number {
    return this.#status
  }

  get ok(): boolean {
    return this.#status >= 200 && this.#status <= 299
  }

  get statusText(): string {
    return this.#statusText
  }

  get headers(): Headers {
    return this.#headers
  }

  clone(): Response {
    const copy = new Response(null, { statusText: this.#statusText })
    copy.#headers = copyOfHeaders(this.#headers)
    copy.#status = this.#status
    copy.#origin = this.#origin
    setContent(copy, copyOf(contentIn(this)))
    return copy
  }

  static {
    answered = ({ status, headers, content, url }) => {
      const response = new Response(null, { headers })
      response.#status = status
      response.#origin = { type: 'basic', url }
      setContent(response, content)
      fixed(response.#headers)
      return response
    }
  }
}

/** The content of an answer: none where the status has none. */
export function answerContent(status: number, text: string, broken: string | null): Content | null {
  if (NULL_BODY_STATUSES.has(status)) return null
  return { ...contentOf(text, true), broken }
}

export const addResponse = (): void => addClass('Response', Response)
