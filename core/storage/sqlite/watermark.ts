/**
 * The last committed event sequence, kept beside the database. A database that lost its tail (a damaged WAL, an old
 * copy put in place) is whole in itself; only something outside it can tell that there was more.
 */
import { closeSync, constants, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const DIGITS = 20

export const watermarkFile = (dir: string): string => join(dir, 'watermark')

/** The recorded sequence; null when there is no readable record, which is no proof of anything. */
export function readWatermark(dir: string): number | null {
  let text: string
  try {
    text = readFileSync(watermarkFile(dir), 'latin1')
  } catch {
    return null
  }
  return /^\d{20}\n$/.test(text) ? Number(text) : null
}

/** Overwrites the same bytes in place after each commit, without fsync: it may lag behind, never run ahead. */
export class Watermark {
  readonly #fd: number
  #seq: number

  constructor(dir: string, seq: number) {
    this.#fd = openSync(watermarkFile(dir), constants.O_RDWR | constants.O_CREAT, 0o600)
    this.#seq = -1
    this.advance(seq)
    ftruncateSync(this.#fd, DIGITS + 1)
    fsyncSync(this.#fd)
  }

  advance(seq: number): void {
    if (seq === this.#seq) return
    writeSync(this.#fd, `${String(seq).padStart(DIGITS, '0')}\n`, 0, 'latin1')
    this.#seq = seq
  }

  close(): void {
    closeSync(this.#fd)
  }
}
