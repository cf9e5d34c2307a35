/** Answers that were computed, for as long as nothing changed and there is room: bounded by what they take, not by how many. */

/** Of a letter in memory, and of what is around an entry. */
const BYTES_PER_CHAR = 2
const ENTRY_BYTES = 500

interface Entry<Answer> {
  readonly answer: Answer
  readonly bytes: number
  readonly madeMs: number
}

export class Kept<Answer> {
  readonly #bytesMax: number
  /** The one asked for last is last. */
  readonly #entries = new Map<string, Entry<Answer>>()
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** What all of them take, about. */
  get bytes(): number {
    return this.#bytes
  }

  /** With its age. */
  get(key: string, nowMs: number): { readonly answer: Answer; readonly ageMs: number } | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return { answer: entry.answer, ageMs: nowMs - entry.madeMs }
  }

  /**
   * Those asked for longest ago make room; one that is too much by itself is not kept. `chars`: how many letters the answer has as
   * JSON, where that is known.
   */
  set(
    key: string,
    answer: Answer,
    { nowMs, chars }: { readonly nowMs: number; readonly chars?: number | undefined },
  ): void {
    this.#drop(key)
    const bytes = (key.length + (chars ?? JSON.stringify(answer).length)) * BYTES_PER_CHAR + ENTRY_BYTES
    if (bytes > this.#bytesMax) return
    this.#entries.set(key, { answer, bytes, madeMs: nowMs })
    this.#bytes += bytes
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#bytesMax) return
      this.#drop(oldest)
    }
  }

  #drop(key: string): void {
    this.#bytes -= this.#entries.get(key)?.bytes ?? 0
    this.#entries.delete(key)
  }
}
