/** TextEncoder and TextDecoder (UTF-8, as https://encoding.spec.whatwg.org says), atob and btoa. */
import { fromBase64, toBase64 } from './base64.ts'
import { addClass, addGlobal, asText } from './natives.ts'
import { domException } from './dom-exception.ts'

const REPLACEMENT = 0xfffd
const CHUNK_UNITS = 4096

class TextEncoder {
  get encoding(): string {
    return 'utf-8'
  }

  encode(input: unknown = ''): Uint8Array {
    return utf8Of(asText(input).toWellFormed())
  }

  encodeInto(input: unknown, target: Uint8Array): { read: number; written: number } {
    if (!(target instanceof Uint8Array)) throw new TypeError('encodeInto writes into a Uint8Array')
    return writeUtf8(asText(input).toWellFormed(), target)
  }
}

/** The text, which has to be well-formed, as bytes. */
export function utf8Of(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 3)
  return bytes.slice(0, writeUtf8(text, bytes).written)
}

function writeUtf8(text: string, target: Uint8Array): { read: number; written: number } {
  let written = 0
  let read = 0
  while (read < text.length) {
    const point = text.codePointAt(read) as number
    const size = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4
    if (written + size > target.length) break
    if (size === 1) target[written++] = point
    else {
      const lead = size === 2 ? 0xc0 : size === 3 ? 0xe0 : 0xf0
      target[written++] = lead | (point >> (6 * (size - 1)))
      for (let rest = size - 2; rest >= 0; rest--) target[written++] = 0x80 | ((point >> (6 * rest)) & 0x3f)
    }
    read += size === 4 ? 2 : 1
  }
  return { read, written }
}

interface DecoderState {
  point: number
  needed: number
  lower: number
  upper: number
}

const freshState = (): DecoderState => ({ point: 0, needed: 0, lower: 0x80, upper: 0xbf })

const LABELS = ['utf-8', 'utf8', 'unicode-1-1-utf-8', 'unicode11utf8', 'unicode20utf8', 'x-unicode20utf8']

class TextDecoder {
  readonly #isFatal: boolean
  readonly #keepsBom: boolean
  readonly #state = freshState()
  #started = false

  constructor(label: unknown = 'utf-8', options: { fatal?: unknown; ignoreBOM?: unknown } | null = null) {
    const name = asText(label).replace(/^[\t\n\f\r ]+|[\t\n\f\r ]+$/g, '')
    if (!LABELS.includes(name.toLowerCase()))
      throw new RangeError(`The encoding "${name}" is not supported; only utf-8 is`)
    this.#isFatal = Boolean(options?.fatal)
    this.#keepsBom = Boolean(options?.ignoreBOM)
  }

  get encoding(): string {
    return 'utf-8'
  }

  get fatal(): boolean {
    return this.#isFatal
  }

  get ignoreBOM(): boolean {
    return this.#keepsBom
  }

  decode(...[input, options]: [unknown?, ({ stream?: unknown } | null)?]): string {
    const bytes = input === undefined ? new Uint8Array(0) : bytesOf(input)
    const state = this.#state
    const units: number[] = []
    let text = ''
    const put = (point: number): void => {
      if (!this.#started) {
        this.#started = true
        if (point === 0xfeff && !this.#keepsBom) return
      }
      if (point > 0xffff) units.push(0xd800 + ((point - 0x10000) >> 10), 0xdc00 + ((point - 0x10000) & 0x3ff))
      else units.push(point)
      if (units.length >= CHUNK_UNITS) text += String.fromCharCode(...units.splice(0))
    }
    const bad = (): void => {
      Object.assign(state, freshState())
      if (this.#isFatal) this.#started = false
      if (this.#isFatal) throw new TypeError('The encoded data was not valid for encoding utf-8')
      put(REPLACEMENT)
    }
    for (let at = 0; at < bytes.length; at++) {
      const inside = state.needed > 0
      if (step(state, bytes[at] as number, put) === 'ok') continue
      bad()
      // The byte that broke a sequence may begin the next one.
      if (inside) at -= 1
    }
    if (!options?.stream) {
      if (state.needed > 0) bad()
      this.#started = false
    }
    return text + String.fromCharCode(...units)
  }
}

function step(state: DecoderState, byte: number, put: (point: number) => void): 'ok' | 'bad' {
  if (state.needed === 0) {
    if (byte < 0x80) put(byte)
    else if (byte >= 0xc2 && byte <= 0xdf) begin(state, { needed: 1, point: byte & 0x1f, lower: 0x80, upper: 0xbf })
    else if (byte >= 0xe0 && byte <= 0xef) {
      begin(state, {
        needed: 2,
        point: byte & 0xf,
        lower: byte === 0xe0 ? 0xa0 : 0x80,
        upper: byte === 0xed ? 0x9f : 0xbf,
      })
    } else if (byte >= 0xf0 && byte <= 0xf4) {
      begin(state, {
        needed: 3,
        point: byte & 0x7,
        lower: byte === 0xf0 ? 0x90 : 0x80,
        upper: byte === 0xf4 ? 0x8f : 0xbf,
      })
    } else return 'bad'
    return 'ok'
  }
  if (byte < state.lower || byte > state.upper) return 'bad'
  begin(state, { needed: state.needed - 1, point: (state.point << 6) | (byte & 0x3f), lower: 0x80, upper: 0xbf })
  if (state.needed === 0) put(state.point)
  return 'ok'
}

const begin = (state: DecoderState, next: DecoderState): void => {
  Object.assign(state, next)
}

/** The bytes behind any buffer or view, without copying. */
export function bytesOf(input: unknown): Uint8Array {
  if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength)
  if (input instanceof ArrayBuffer) return new Uint8Array(input)
  throw new TypeError('Expected an ArrayBuffer or a view of one')
}

function btoa(input: unknown): string {
  if (arguments.length === 0) throw new TypeError('btoa needs a text')
  const text = asText(input)
  // oxlint-disable-next-line no-control-regex -- every byte is one
  if (/[^\0-\xff]/.test(text)) throw domException('btoa takes characters up to U+00FF only', 'InvalidCharacterError')
  const bytes = new Uint8Array(text.length)
  for (let at = 0; at < bytes.length; at++) bytes[at] = text.charCodeAt(at)
  return toBase64(bytes)
}

function atob(input: unknown): string {
  if (arguments.length === 0) throw new TypeError('atob needs a text')
  const bytes = fromBase64(asText(input).replace(/[\t\n\f\r ]+/g, ''))
  if (bytes === undefined) throw domException('The text is not valid base64', 'InvalidCharacterError')
  let out = ''
  for (const byte of bytes) out += String.fromCharCode(byte)
  return out
}

export function addText(): void {
  addClass('TextEncoder', TextEncoder)
  addClass('TextDecoder', TextDecoder)
  addGlobal('btoa', btoa)
  addGlobal('atob', atob)
}
