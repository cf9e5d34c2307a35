/** TextEncoder and TextDecoder (UTF-8, as https://encoding.spec.whatwg.org says), atob and btoa. */
import { addGlobal } from './natives.ts'
import { domException } from './dom-exception.ts'

const REPLACEMENT = 0xfffd
const CHUNK_UNITS = 4096

class TextEncoder {
  get encoding(): string {
    return 'utf-8'
  }

  encode(input: unknown = ''): Uint8Array {
    const text = String(input).toWellFormed()
    const bytes = new Uint8Array(text.length * 3)
    return bytes.slice(0, writeUtf8(text, bytes).written)
  }

  encodeInto(input: unknown, target: Uint8Array): { read: number; written: number } {
    return writeUtf8(String(input).toWellFormed(), target)
  }
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

class TextDecoder {
  readonly encoding: string = 'utf-8'
  readonly fatal: boolean
  readonly ignoreBOM: boolean
  readonly #state = freshState()
  #started = false

  constructor(label: unknown = 'utf-8', options: { fatal?: boolean; ignoreBOM?: boolean } = {}) {
    const name = String(label).trim().toLowerCase()
    if (name !== 'utf-8' && name !== 'utf8' && name !== 'unicode-1-1-utf-8') {
      throw new RangeError(`The encoding "${name}" is not supported; only utf-8 is`)
    }
    this.fatal = options.fatal === true
    this.ignoreBOM = options.ignoreBOM === true
  }

  decode(input?: ArrayBuffer | ArrayBufferView, options: { stream?: boolean } = {}): string {
    const bytes = bytesOf(input)
    const state = this.#state
    const units: number[] = []
    let text = ''
    const put = (point: number): void => {
      if (!this.#started) {
        this.#started = true
        if (point === 0xfeff && !this.ignoreBOM) return
      }
      if (point > 0xffff) units.push(0xd800 + ((point - 0x10000) >> 10), 0xdc00 + ((point - 0x10000) & 0x3ff))
      else units.push(point)
      if (units.length >= CHUNK_UNITS) text += String.fromCharCode(...units.splice(0))
    }
    const bad = (): void => {
      Object.assign(state, freshState())
      if (this.fatal) throw new TypeError('The encoded data was not valid for encoding utf-8')
      put(REPLACEMENT)
    }
    for (let at = 0; at < bytes.length; at++) {
      const inside = state.needed > 0
      if (step(state, bytes[at] as number, put) === 'ok') continue
      bad()
      // The byte that broke a sequence may begin the next one.
      if (inside) at -= 1
    }
    if (options.stream !== true) {
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
  if (input === undefined) return new Uint8Array(0)
  if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength)
  if (input instanceof ArrayBuffer) return new Uint8Array(input)
  throw new TypeError('Expected an ArrayBuffer or a view of one')
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

function btoa(input: unknown): string {
  const text = String(input)
  let out = ''
  for (let at = 0; at < text.length; at += 3) {
    const [a, b, c] = [text.charCodeAt(at), text.charCodeAt(at + 1), text.charCodeAt(at + 2)] as [
      number,
      number,
      number,
    ]
    if (a > 255 || b > 255 || c > 255)
      throw domException('btoa takes characters up to U+00FF only', 'InvalidCharacterError')
    const bits = (a << 16) | ((b || 0) << 8) | (c || 0)
    const chars = [bits >> 18, (bits >> 12) & 63, (bits >> 6) & 63, bits & 63].map((index) => ALPHABET[index]).join('')
    const left = text.length - at
    out += left === 1 ? `${chars.slice(0, 2)}==` : left === 2 ? `${chars.slice(0, 3)}=` : chars
  }
  return out
}

function atob(input: unknown): string {
  let text = String(input).replace(/[\t\n\f\r ]+/g, '')
  if (text.length % 4 === 0) text = text.replace(/={1,2}$/, '')
  if (text.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(text))
    throw domException('The text is not valid base64', 'InvalidCharacterError')
  let out = ''
  let bits = 0
  let count = 0
  for (const char of text) {
    bits = ((bits << 6) | ALPHABET.indexOf(char)) & 0xffffff
    count += 6
    if (count < 8) continue
    count -= 8
    out += String.fromCharCode((bits >> count) & 0xff)
  }
  return out
}

export function addText(): void {
  addGlobal('TextEncoder', TextEncoder)
  addGlobal('TextDecoder', TextDecoder)
  addGlobal('btoa', btoa)
  addGlobal('atob', atob)
}
