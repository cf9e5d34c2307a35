/** What Request and Response share: a body that is read once. Bodies are in memory; streams of them have one chunk. */
import { Blob, blobBytes, FormData, multipart } from './blob.ts'
import { asText, parseJson } from './natives.ts'
import { bytesOf, utf8Of } from './text.ts'

/** A body, or what is left of it. Shared by its owner and the stream of it. */
export interface Content {
  readonly data: string | Uint8Array
  /** Why it cannot be read as it came; null when it can. */
  readonly broken: string | null
  /** From outside, where bodies are text: what was not UTF-8 has lost its bytes. */
  readonly isForeign: boolean
  used: boolean
  locked: boolean
}

export const contentOf = (data: string | Uint8Array, isForeign = false): Content => ({
  data,
  broken: null,
  isForeign,
  used: false,
  locked: false,
})

/** Body init → content and the content type that follows from it (https://fetch.spec.whatwg.org/#bodyinit-unions). */
export function extract(init: unknown): { content: Content | null; type: string | null } {
  if (init === undefined || init === null) return { content: null, type: null }
  if (init instanceof URLSearchParams)
    return { content: contentOf(init.toString()), type: 'application/x-www-form-urlencoded;charset=UTF-8' }
  if (init instanceof Blob) return { content: contentOf(blobBytes(init)), type: init.type || null }
  if (init instanceof FormData) {
    const { bytes, type } = multipart(init)
    return { content: contentOf(bytes), type }
  }
  if (init instanceof BodyStream) return { content: passOn(init), type: null }
  if (ArrayBuffer.isView(init) || init instanceof ArrayBuffer)
    return { content: contentOf(bytesOf(init).slice()), type: null }
  return { content: contentOf(asText(init).toWellFormed()), type: 'text/plain;charset=UTF-8' }
}

/** Gives a Request or Response its body. */
export let setContent: (body: Body, content: Content | null) => void
/** Its body, for the sandbox's own code. */
export let contentIn: (body: Body) => Content | null

export class Body {
  #content: Content | null = null
  #stream: BodyStream | null = null

  get body(): BodyStream | null {
    if (this.#content === null) return null
    this.#stream ??= new BodyStream(this.#content)
    return this.#stream
  }

  get bodyUsed(): boolean {
    return this.#content?.used === true
  }

  async text(): Promise<string> {
    return textOf(take(this.#content))
  }

  async json(): Promise<unknown> {
    return parseJson(await this.text())
  }

  async bytes(): Promise<Uint8Array> {
    return chunkOf(take(this.#content))
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return (await this.bytes()).buffer as ArrayBuffer
  }

  async blob(): Promise<Blob> {
    return new Blob([await this.bytes()], { type: typeOf(this) ?? '' })
  }

  async formData(): Promise<FormData> {
    const type = typeOf(this) ?? ''
    if (!/^application\/x-www-form-urlencoded(?:;|$)/i.test(type))
      throw new TypeError(`The sandbox reads forms as application/x-www-form-urlencoded only, not "${type}"`)
    const form = new FormData()
    for (const [name, value] of new URLSearchParams(`?${await this.text()}`)) form.append(name, value)
    return form
  }

  static {
    setContent = (body, content) => {
      body.#content = content
    }
    contentIn = (body) => body.#content
  }
}

const typeOf = (body: Body): string | null =>
  (body as unknown as { headers: { get(name: string): string | null } }).headers.get('content-type')

/** The body for its one reader. */
export function take(content: Content | null): Content | null {
  if (content === null) return null
  if (content.used || content.locked) throw new TypeError('Body is unusable: Body has already been read')
  content.used = true
  content.locked = true
  if (content.broken !== null) throw new TypeError(content.broken)
  return content
}

/** A second body of the same data, for `clone`. */
export function copyOf(content: Content | null): Content | null {
  if (content === null) return null
  if (content.used || content.locked) throw new TypeError('Response.clone: Body has already been consumed.')
  return { ...content }
}

export function textOf(content: Content | null): string {
  if (content === null) return ''
  const { data } = content
  if (typeof data !== 'string') return new TextDecoder().decode(data)
  return data.startsWith('\uFEFF') ? data.slice(1) : data
}

function chunkOf(content: Content | null): Uint8Array {
  if (content === null) return new Uint8Array(0)
  const { data, isForeign } = content
  if (typeof data !== 'string') return data.slice()
  if (isForeign && data.includes('\uFFFD'))
    throw new TypeError('The answer is not UTF-8 text; the sandbox gives bodies of answers as text only')
  return utf8Of(data)
}

let passOn: (stream: BodyStream) => Content

interface BodyReader {
  read(): Promise<{ done: boolean; value: Uint8Array | undefined }>
  cancel(): Promise<void>
  releaseLock(): void
}

/** The whole body as one chunk: what a ReadableStream of it would be to its reader. Cannot be made by hand. */
class BodyStream {
  readonly #content: Content

  constructor(content: Content) {
    this.#content = content
  }

  get locked(): boolean {
    return this.#content.locked
  }

  getReader(): BodyReader {
    const content = this.#content
    if (content.locked) throw new TypeError('The stream is locked to a reader')
    content.locked = true
    const wasUsed = content.used
    let isOver = wasUsed || content.data.length === 0
    return {
      read: async () => {
        if (isOver) return { done: true, value: undefined }
        isOver = true
        content.used = true
        if (content.broken !== null) throw new TypeError(content.broken)
        return { done: false, value: chunkOf(content) }
      },
      cancel: async () => {
        isOver = true
        content.used = true
      },
      releaseLock: () => {
        content.locked = false
      },
    }
  }

  async cancel(): Promise<void> {
    if (this.#content.locked) throw new TypeError('The stream is locked to a reader')
    this.#content.used = true
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const reader = this.getReader()
    try {
      const { value } = await reader.read()
      if (value !== undefined) yield value
    } finally {
      reader.releaseLock()
    }
  }

  static {
    passOn = (stream) => {
      const content = stream.#content
      if (content.used || content.locked) throw new TypeError('The stream was read already or is locked')
      return content
    }
  }
}
