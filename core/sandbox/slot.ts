/** One process slot: a child that is started when first needed and again, never more than once a backoff, after it died. */
import { HubError } from '../errors.ts'
import { Child } from './process.ts'
import type { FromChild } from './protocol.ts'

export interface SlotEvents {
  readonly onMessage: (slot: Slot, message: FromChild) => void
  readonly onDeath: (slot: Slot, why: string) => void
}

export class Slot {
  readonly key: string
  readonly group: 'builtin' | 'community' | 'own'
  readonly #events: SlotEvents
  readonly #backoffMs: number
  #child: Child | null = null
  #starting: Promise<Child> | null = null
  #lastStartMs = -Infinity
  #isClosed = false
  /** Units waiting for the child: it must not be closed under them. */
  builders = 0

  constructor(options: { key: string; group: Slot['group']; backoffMs: number; events: SlotEvents }) {
    this.key = options.key
    this.group = options.group
    this.#backoffMs = options.backoffMs
    this.#events = options.events
  }

  /** The living child, if any. */
  get child(): Child | null {
    return this.#child
  }

  /** The living child; starts one when there is none. */
  async ensure(): Promise<Child> {
    if (this.#child !== null) return this.#child
    this.#starting ??= this.#start().finally(() => {
      this.#starting = null
    })
    return this.#starting
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#starting?.catch(() => undefined)
    const child = this.#child
    this.#child = null
    await child?.close()
  }

  async #start(): Promise<Child> {
    const waitMs = this.#lastStartMs + this.#backoffMs - performance.now()
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
    if (this.#isClosed) throw new HubError('unavailable', 'The sandbox is closed')
    this.#lastStartMs = performance.now()
    const child = await Child.start({
      onMessage: (message) => this.#events.onMessage(this, message),
      onDeath: (why) => {
        this.#child = null
        this.#events.onDeath(this, why)
      },
    })
    if (!child.isDead) this.#child = child
    if (this.#isClosed) {
      await child.close()
      throw new HubError('unavailable', 'The sandbox is closed')
    }
    return child
  }
}
