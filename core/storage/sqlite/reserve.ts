/** Keeps the last of the disk for finishing what was accepted: new submissions are refused a little before it is full. */
import { statfsSync } from 'node:fs'

const CHECK_MS = 250
const RESERVE_BYTES_MAX = 8 * 1_048_576
/** Of a small file system a smaller part is kept. */
const RESERVE_FRACTION = 1 / 16

/** Verbs that bring new work in; everything else may use the reserve. */
const BRINGING = new Set(['accept'])

/** Looks at the free space now and then. */
export class Reserve {
  readonly #dir: string
  #checkedMs = -Infinity
  #low = false

  constructor(dir: string) {
    this.#dir = dir
  }

  /** True when this verb has to wait until space is freed. */
  refuses(verb: string): boolean {
    return BRINGING.has(verb) && this.#isLow(performance.now())
  }

  #isLow(nowMs: number): boolean {
    if (nowMs - this.#checkedMs < CHECK_MS) return this.#low
    this.#checkedMs = nowMs
    const { bavail, blocks, bsize } = statfsSync(this.#dir)
    this.#low = bavail * bsize < Math.min(RESERVE_BYTES_MAX, blocks * bsize * RESERVE_FRACTION)
    return this.#low
  }
}
