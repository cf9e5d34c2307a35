/** How long a lane starts nothing after runs that were interrupted through no fault of theirs: longer while that goes on. */

const WAIT_MS = 100
const WAIT_MS_MAX = 5_000

export class Interruptions {
  #count = 0
  /** Unix ms; nothing starts before. */
  quietUntilMs = 0

  /** One more. What is interrupted together counts once. */
  noted(nowMs: number): void {
    if (nowMs < this.quietUntilMs) return
    this.#count += 1
    this.quietUntilMs = nowMs + Math.min(WAIT_MS * 2 ** (this.#count - 1), WAIT_MS_MAX)
  }

  /** A run came through. */
  over(): void {
    this.#count = 0
  }
}
