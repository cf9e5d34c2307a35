/** Reads one answer for the guarded client: to the byte cap and the deadline, no further. */
import type { Dispatcher } from 'undici'
import { HubError } from '../errors.ts'
import { asHttpError } from './http-errors.ts'

export interface GuardedResponse {
  readonly status: number
  readonly headers: Record<string, string>
  /** Decoded as UTF-8; empty when `encoding` is set. */
  readonly body: string
  readonly bodyBytes: number
  /** True when there was more than `pluginHttpResponseBytesMax`; the rest was not read. */
  readonly truncated: boolean
  /** The Content-Encoding of a body that came encoded although none was asked for. */
  readonly encoding: string | null
}

export interface ReaderOptions {
  readonly bytesMax: number
  readonly host: string
  readonly timeoutMs: number
  readonly resolve: (response: GuardedResponse) => void
  readonly reject: (error: HubError) => void
}

/** Collects one answer up to the byte cap, then destroys the connection; settles exactly once. */
export class ResponseReader implements Dispatcher.DispatchHandler {
  readonly #options: ReaderOptions
  readonly #timer: NodeJS.Timeout
  #controller: Dispatcher.DispatchController | null = null
  #settled = false
  #status = 0
  #headers: Record<string, string> = {}
  #chunks: Buffer[] = []
  #bytes = 0

  constructor(options: ReaderOptions) {
    this.#options = options
    this.#timer = setTimeout(() => this.#timedOut(), options.timeoutMs)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    // It waited for a free connection longer than it may take altogether.
    if (this.#settled) controller.abort(stopReading)
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: object): void {
    if (status < 200) return
    this.#status = status
    this.#headers = joinHeaders(headers as Record<string, string | string[] | undefined>)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const room = this.#options.bytesMax - this.#bytes
    this.#bytes += chunk.length
    if (chunk.length <= room) {
      this.#chunks.push(chunk)
      return
    }
    this.#chunks.push(chunk.subarray(0, room))
    this.#bytes = this.#options.bytesMax
    this.#finish(true)
    controller.abort(stopReading)
  }

  onResponseEnd(): void {
    this.#finish(false)
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#fail(asHttpError(error, this.#options.host))
  }

  #timedOut(): void {
    const seconds = this.#options.timeoutMs / 1000
    const where = this.#status === 0 ? 'did not answer' : 'did not finish its answer'
    this.#fail(new HubError('http_timeout', `${this.#options.host} ${where} within ${seconds} s.`))
    this.#controller?.abort(stopReading)
  }

  #finish(truncated: boolean): void {
    if (this.#settled) return
    this.#settled = true
    clearTimeout(this.#timer)
    const encoding = contentEncoding(this.#headers)
    this.#options.resolve({
      status: this.#status,
      headers: this.#headers,
      body: encoding === null ? textOf(this.#chunks) : '',
      bodyBytes: this.#bytes,
      truncated,
      encoding,
    })
    this.#chunks = []
  }

  #fail(error: HubError): void {
    if (this.#settled) return
    this.#settled = true
    clearTimeout(this.#timer)
    this.#chunks = []
    this.#options.reject(error)
  }
}

/** Given to undici when the hub itself ends an exchange that it has already settled. */
const stopReading = new Error('The hub stopped reading this answer.')

function joinHeaders(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  for (const name in headers) {
    const value = headers[name]
    if (Array.isArray(value)) headers[name] = value.join(', ')
  }
  return headers as Record<string, string>
}

function contentEncoding(headers: Record<string, string>): string | null {
  const value = headers['content-encoding']
  return value === undefined || value === '' || value.toLowerCase() === 'identity' ? null : value
}

function textOf(chunks: readonly Buffer[]): string {
  if (chunks.length === 0) return ''
  const bytes = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)
  return bytes.toString('utf8')
}
