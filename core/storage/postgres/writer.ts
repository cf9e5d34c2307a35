/** Calls that come while a transaction runs wait together for the next one. */
import type { Pool } from 'pg'
import { HubError } from '../../errors.ts'
import type { AcceptInput } from '../procedures/accept.ts'
import type { TrackInput } from '../procedures/track.ts'
import { commitGroup } from './group-commit.ts'
import type { Companion, WriteCall } from './group-commit.ts'

/** Of one transaction, so that it ends within what a caller waits. */
const GROUP_CALLS_MAX = 1_000
const GROUP_ROWS_MAX = 5_000

function rowsOf(verb: string, input: unknown): number {
  if (verb === 'accept') return (input as AcceptInput).submissions.length
  return verb === 'track' ? (input as TrackInput).events.length : 1
}

interface Waiting extends WriteCall {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: HubError) => void
}

/** The writing side of the store. */
export class Writer {
  readonly #pool: Pool
  readonly #companion: Companion
  #waiting: Waiting[] = []
  #running: Promise<void> | null = null
  #closed = false

  constructor(pool: Pool, companion: Companion) {
    this.#pool = pool
    this.#companion = companion
  }

  call(verb: string, input: unknown): Promise<unknown> {
    if (this.#closed) return Promise.reject(new HubError('unavailable', 'The store is closed.'))
    return new Promise((resolve, reject) => {
      this.#waiting.push({ verb, input, resolve, reject })
      this.#running ??= this.#drain()
    })
  }

  /** Resolves when what was asked before is written. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#running
  }

  #nextCount(): number {
    let rows = 0
    const full = this.#waiting.slice(0, GROUP_CALLS_MAX).findIndex(({ verb, input }, i) => {
      rows += rowsOf(verb, input)
      return i > 0 && rows > GROUP_ROWS_MAX
    })
    return full === -1 ? GROUP_CALLS_MAX : full
  }

  async #drain(): Promise<void> {
    // What else this turn of the event loop asks for goes along.
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, this.#nextCount())
      const outcomes = await commitGroup(this.#pool, group, this.#companion)
      for (const [i, { resolve, reject }] of group.entries()) {
        const outcome = outcomes[i] ?? { error: new HubError('internal', 'A call of the store got no answer.') }
        if ('error' in outcome) reject(outcome.error)
        else resolve(outcome.value)
      }
    }
    this.#running = null
  }
}
