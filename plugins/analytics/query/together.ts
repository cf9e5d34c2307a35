/** What several ask for at once is made once: whoever asks for what is being made waits for it. */
import { Busy } from '../engine/line.ts'

interface Making<Made> {
  readonly result: Promise<Made>
  readonly end: AbortController
  waiting: number
}

export class Together<Made> {
  readonly #making = new Map<string, Making<Made>>()

  /**
   * `make` ends early only once nobody waits for it any more; its signal has the reason of whoever went last. Whoever goes while
   * others wait is told to ask again: it will be there.
   */
  async of(
    key: string,
    signal: AbortSignal,
    make: (signal: AbortSignal) => Promise<Made>,
  ): Promise<{ readonly made: Made; readonly isJoined: boolean }> {
    const known = this.#making.get(key)
    const making = known ?? this.#begin(key, make)
    making.waiting += 1
    const gone = Promise.withResolvers<never>()
    const leave = (): void => {
      making.waiting -= 1
      if (making.waiting > 0) return gone.reject(new Busy('The question is being answered. Ask again in a moment.'))
      // Nobody joins what ends. What it throws says why.
      this.#forget(key, making)
      making.end.abort(signal.reason)
    }
    if (signal.aborted) leave()
    else signal.addEventListener('abort', leave, { once: true })
    try {
      return { made: await Promise.race([making.result, gone.promise]), isJoined: known !== undefined }
    } finally {
      signal.removeEventListener('abort', leave)
    }
  }

  #begin(key: string, make: (signal: AbortSignal) => Promise<Made>): Making<Made> {
    const end = new AbortController()
    const making = { result: make(end.signal).finally(() => this.#forget(key, making)), end, waiting: 0 }
    this.#making.set(key, making)
    return making
  }

  #forget(key: string, making: Making<Made>): void {
    if (this.#making.get(key) === making) this.#making.delete(key)
  }
}
