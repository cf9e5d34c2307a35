/**
 * How messages lie on the pipe between the hub and a sandbox child. Not Node's own channel: what that cannot read, it
 * throws in the hub. One message, one frame:
 *
 *   bytes of the head (u32, little-endian) │ bytes of the text (same) │ head: JSON list │ text: UTF-8
 *
 * The text is the long last part of the kinds that have one; it crosses unescaped. The sizes come first, so that nothing is
 * stored or parsed that is longer than it may be.
 */
import { isAscii } from 'node:buffer'
import type { FromChild, ToChild } from './protocol.ts'

type Message = FromChild | ToChild

/** Kinds whose last part is a text outside the head. */
const WITH_TEXT: ReadonlySet<unknown> = new Set<Message[0]>(['guest', 'step', 'out', 'loaded', 'stuck'])
const SIZES_BYTES = 8
/** A child's head: numbers of lanes and units, or one cut error. Short, so that parsing it is nothing. */
export const HEAD_BYTES_MAX = 262_144

/** The messages of one turn as one piece of bytes. */
export function encodeFrames(messages: readonly Message[]): Buffer {
  const parts = messages.map((message) => {
    const hasText = WITH_TEXT.has(message[0])
    const head = JSON.stringify(hasText ? message.slice(0, -1) : message)
    const text = hasText ? (message.at(-1) as string) : ''
    return { head, text, headBytes: Buffer.byteLength(head), textBytes: Buffer.byteLength(text) }
  })
  const bytes = Buffer.allocUnsafe(
    parts.reduce((sum, { headBytes, textBytes }) => sum + SIZES_BYTES + headBytes + textBytes, 0),
  )
  let at = 0
  for (const { head, text, headBytes, textBytes } of parts) {
    bytes.writeUInt32LE(headBytes, at)
    bytes.writeUInt32LE(textBytes, at + 4)
    bytes.write(head, at + SIZES_BYTES)
    bytes.write(text, at + SIZES_BYTES + headBytes)
    at += SIZES_BYTES + headBytes + textBytes
  }
  return bytes
}

/** Nearly all of it is ASCII, which need not be decoded. */
const textOf = (bytes: Buffer): string => bytes.toString(isAscii(bytes) ? 'latin1' : 'utf8')

export interface FrameLimits {
  readonly headBytesMax: number
  readonly textBytesMax: number
}

/** Puts frames together from chunks as they come, and never holds more than one frame. */
export class FrameReader {
  readonly #limits: FrameLimits
  readonly #sizes = Buffer.alloc(SIZES_BYTES)
  #sizesFilled = 0
  #frame: { readonly bytes: Buffer; readonly headBytes: number; filled: number } | null = null
  #isBroken = false

  constructor(limits: FrameLimits) {
    this.#limits = limits
  }

  /**
   * The messages that are whole with this chunk, their shapes unchecked; null when the bytes are no frames. From then on
   * nothing is read any more, since nobody knows where the next one begins.
   */
  read(chunk: Buffer): readonly unknown[] | null {
    const messages: unknown[] = []
    for (let at = 0; at < chunk.length && !this.#isBroken;) {
      if (this.#frame === null) {
        const copied = chunk.copy(this.#sizes, this.#sizesFilled, at)
        at += copied
        this.#sizesFilled += copied
        if (this.#sizesFilled === SIZES_BYTES) this.#open()
        continue
      }
      const copied = chunk.copy(this.#frame.bytes, this.#frame.filled, at)
      at += copied
      this.#frame.filled += copied
      if (this.#frame.filled === this.#frame.bytes.length) messages.push(this.#close(this.#frame))
    }
    return this.#isBroken ? null : messages
  }

  #open(): void {
    this.#sizesFilled = 0
    const headBytes = this.#sizes.readUInt32LE(0)
    const textBytes = this.#sizes.readUInt32LE(4)
    const { headBytesMax, textBytesMax } = this.#limits
    if (headBytes === 0 || headBytes > headBytesMax || textBytes > textBytesMax) this.#isBroken = true
    else this.#frame = { bytes: Buffer.allocUnsafe(headBytes + textBytes), headBytes, filled: 0 }
  }

  #close({ bytes, headBytes }: { readonly bytes: Buffer; readonly headBytes: number }): unknown {
    this.#frame = null
    try {
      const head: unknown = JSON.parse(textOf(bytes.subarray(0, headBytes)))
      const isList = Array.isArray(head)
      if (isList && WITH_TEXT.has(head[0])) head.push(textOf(bytes.subarray(headBytes)))
      else if (!isList || bytes.length > headBytes) this.#isBroken = true
      return head
    } catch {
      this.#isBroken = true
      return null
    }
  }
}
