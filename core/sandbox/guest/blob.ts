/** Blob, File and FormData (https://w3c.github.io/FileAPI, https://xhr.spec.whatwg.org): small ones, held in memory. */
import { addClass, asText, nowMs } from './natives.ts'
import { bytesOf, utf8Of } from './text.ts'

/** The bytes themselves, for what sends them. */
export let blobBytes: (blob: Blob) => Uint8Array

export class Blob {
  readonly #bytes: Uint8Array
  readonly #type: string

  constructor(parts: unknown = [], options: { type?: unknown } | null = null) {
    if (typeof parts !== 'object' || parts === null || !(Symbol.iterator in parts))
      throw new TypeError('A Blob is made of a list of parts')
    this.#bytes = joined([...(parts as Iterable<unknown>)].map(partBytes))
    const type = asText(options?.type ?? '')
    this.#type = /^[\x20-\x7e]*$/.test(type) ? type.toLowerCase() : ''
  }

  get size(): number {
    return this.#bytes.length
  }

  get type(): string {
    return this.#type
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return this.#bytes.slice().buffer
  }

  async bytes(): Promise<Uint8Array> {
    return this.#bytes.slice()
  }

  async text(): Promise<string> {
    return new TextDecoder().decode(this.#bytes)
  }

  slice(start = 0, end = this.size, type: unknown = ''): Blob {
    return new Blob([this.#bytes.slice(start, end)], { type })
  }

  static {
    blobBytes = (blob) => blob.#bytes
  }
}

function partBytes(part: unknown): Uint8Array {
  if (part instanceof Blob) return blobBytes(part)
  if (ArrayBuffer.isView(part) || part instanceof ArrayBuffer) return bytesOf(part).slice()
  return utf8Of(asText(part).toWellFormed())
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

class File extends Blob {
  readonly name: string
  readonly lastModified: number

  constructor(parts: unknown, name: unknown, options: { type?: unknown; lastModified?: unknown } | null = null) {
    if (arguments.length < 2) throw new TypeError('A File needs parts and a name')
    super(parts, options)
    this.name = asText(name).toWellFormed()
    this.lastModified = options?.lastModified === undefined ? nowMs() : Math.trunc(Number(options.lastModified)) || 0
  }
}

type FormEntry = [name: string, value: string | File]

export class FormData {
  #entries: FormEntry[] = []

  constructor(form?: unknown) {
    if (form !== undefined) throw new TypeError('There are no form elements in the sandbox')
  }

  append(name: unknown, value: unknown, ...[fileName]: [unknown?]): void {
    this.#entries.push(formEntry(name, value, fileName))
  }

  set(name: unknown, value: unknown, ...[fileName]: [unknown?]): void {
    const entry = formEntry(name, value, fileName)
    const at = this.#entries.findIndex((known) => known[0] === entry[0])
    if (at === -1) this.#entries.push(entry)
    else
      this.#entries = this.#entries
        .filter((known, index) => known[0] !== entry[0] || index === at)
        .map((known) => (known[0] === entry[0] ? entry : known))
  }

  delete(name: unknown): void {
    const key = String(name).toWellFormed()
    this.#entries = this.#entries.filter((known) => known[0] !== key)
  }

  get(name: unknown): string | File | null {
    return this.getAll(name)[0] ?? null
  }

  getAll(name: unknown): (string | File)[] {
    const key = String(name).toWellFormed()
    return this.#entries.filter((known) => known[0] === key).map((known) => known[1])
  }

  has(name: unknown): boolean {
    return this.getAll(name).length > 0
  }

  forEach(callback: (value: string | File, name: string, form: FormData) => void, ...[self]: [unknown?]): void {
    for (const [name, value] of this) callback.call(self, value, name, this)
  }

  *entries(): IterableIterator<FormEntry> {
    for (let at = 0; at < this.#entries.length; at++) yield [...(this.#entries[at] as FormEntry)]
  }

  *keys(): IterableIterator<string> {
    for (const [name] of this) yield name
  }

  *values(): IterableIterator<string | File> {
    for (const [, value] of this) yield value
  }

  [Symbol.iterator](): IterableIterator<FormEntry> {
    return this.entries()
  }
}

function formEntry(name: unknown, value: unknown, fileName: unknown): FormEntry {
  const key = asText(name).toWellFormed()
  if (!(value instanceof Blob)) {
    if (fileName !== undefined) throw new TypeError('Only a Blob has a file name')
    return [key, asText(value).toWellFormed()]
  }
  if (!(value instanceof File)) return [key, new File([value], fileName ?? 'blob', { type: value.type })]
  if (fileName === undefined) return [key, value]
  return [key, new File([value], fileName, { type: value.type, lastModified: value.lastModified })]
}

/** The form as a multipart body (RFC 7578). */
export function multipart(form: FormData): { bytes: Uint8Array; type: string } {
  const boundary = `----manifold-${crypto.randomUUID()}`
  const parts: unknown[] = []
  for (const [name, value] of form) {
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${quoted(lines(name))}"`
    if (typeof value === 'string') parts.push(`${head}\r\n\r\n${lines(value)}\r\n`)
    else {
      const type = value.type || 'application/octet-stream'
      parts.push(`${head}; filename="${quoted(value.name)}"\r\nContent-Type: ${type}\r\n\r\n`, value, '\r\n')
    }
  }
  parts.push(`--${boundary}--\r\n`)
  return { bytes: joined(parts.map(partBytes)), type: `multipart/form-data; boundary=${boundary}` }
}

const lines = (text: string): string => text.replace(/\r\n|\r|\n/g, '\r\n')
const quoted = (text: string): string => text.replaceAll('\n', '%0A').replaceAll('\r', '%0D').replaceAll('"', '%22')

export function addBlob(): void {
  addClass('Blob', Blob)
  addClass('File', File)
  addClass('FormData', FormData)
}
