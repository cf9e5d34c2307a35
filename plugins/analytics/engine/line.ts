/** A line before places that are few: bounded, and left by whoever does not wait any longer. */

/** Others are being answered; ask again in a moment. */
export class Busy extends Error {
  override readonly name = 'Busy'
}

export class Line<Place> {
  readonly #idle: Place[]
  readonly #places: number
  readonly #waitingMax: number
  readonly #waiting = new Set<(place: Place) => void>()

  constructor(places: readonly Place[], waitingMax: number) {
    this.#idle = [...places]
    this.#places = places.length
    this.#waitingMax = waitingMax
  }

  /** Throws Busy where too many wait already, and once the signal fires. */
  async take(signal: AbortSignal): Promise<Place> {
    const idle = signal.aborted ? undefined : this.#idle.pop()
    if (idle !== undefined) return idle
    if (signal.aborted || this.#waiting.size >= this.#waitingMax) throw this.#busy()
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(enter)
        reject(this.#busy())
      }
      const enter = (place: Place): void => {
        signal.removeEventListener('abort', leave)
        resolve(place)
      }
      this.#waiting.add(enter)
      signal.addEventListener('abort', leave, { once: true })
    })
  }

  give(place: Place): void {
    const [next] = this.#waiting
    if (next === undefined) this.#idle.push(place)
    else {
      this.#waiting.delete(next)
      next(place)
    }
  }

  #busy(): Busy {
    const many = this.#places === 1 ? 'One question is' : `${this.#places} questions are`
    return new Busy(`${many} being answered, and ${this.#waiting.size} more wait. Ask again in a moment.`)
  }
}
