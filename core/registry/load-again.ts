/**
 * Units that could not be loaded through no fault of their own (their process died with a neighbour, none could be started)
 * are tried again by themselves, later each time; what a plugin's own code makes fail waits for other code.
 */
import type { Clock } from '../clock.ts'
import { HubError } from '../errors.ts'

const DELAYS_MS = [1_000, 2_000, 5_000, 10_000, 30_000, 60_000] as const

/** The plugin itself cannot be loaded: trying once more would end as this did. */
export const isOwnFault = (error: unknown): boolean => error instanceof HubError && error.code === 'plugin_load'

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

interface Waiting {
  readonly tries: number
  readonly reason: string
  readonly cancel: () => void
}

export class LoadAgain {
  readonly #clock: Pick<Clock, 'after'>
  readonly #waiting = new Map<string, Waiting>()
  #isClosed = false

  constructor(clock: Pick<Clock, 'after'>) {
    this.#clock = clock
  }

  /** Calls back once, later the more often it was asked for the same key; answers after how long. */
  later(key: string, error: unknown, load: () => void): number {
    const tries = this.#waiting.get(key)?.tries ?? 0
    const delayMs = DELAYS_MS[Math.min(tries, DELAYS_MS.length - 1)] as number
    this.#waiting.get(key)?.cancel()
    if (this.#isClosed) return delayMs
    const cancel = this.#clock.after(delayMs, load)
    this.#waiting.set(key, { tries: tries + 1, reason: messageOf(error), cancel })
    return delayMs
  }

  /** Those that are not up yet. */
  keys(): readonly string[] {
    return [...this.#waiting.keys()]
  }

  reasonOf(key: string): string | undefined {
    return this.#waiting.get(key)?.reason
  }

  /** It is up, or something else is to be loaded, or nothing. */
  forget(key: string): void {
    this.#waiting.get(key)?.cancel()
    this.#waiting.delete(key)
  }

  /** Nothing is tried any more. */
  close(): void {
    this.#isClosed = true
    for (const { cancel } of this.#waiting.values()) cancel()
    this.#waiting.clear()
  }
}
