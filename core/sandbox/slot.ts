/** One process slot: a child that is started when first needed and again, never more than once a backoff, after it died. */
import { setPriority } from 'node:os'
import { HubError } from '../errors.ts'
import type { Limits } from '../limits.ts'
import { Child } from './process.ts'
import type { FromChild } from './protocol.ts'

/** Of -20 to 19; an ordinary process has 0. */
const NICE = 15

export interface SlotEvents {
  readonly onMessage: (slot: Slot, message: FromChild) => void
  readonly onDeath: (slot: Slot, why: string) => void
}

export interface SlotOptions {
  readonly key: string
  readonly group: 'builtin' | 'community' | 'own'
  readonly hardened: boolean
  /** Gives way to other processes when the processor is short. */
  readonly isNice: boolean
  readonly flags: (hardened: boolean) => readonly string[]
  readonly limits: Limits
  readonly events: SlotEvents
}

export class Slot {
  readonly key: string
  readonly group: SlotOptions['group']
  readonly hardened: boolean
  readonly #flags: readonly string[]
  readonly #limits: Limits
  readonly #events: SlotEvents
  readonly #isNice: boolean
  #child: Child | null = null
  #starting: Promise<Child> | null = null
  #lastStartMs = -Infinity
  #isClosed = false
  /** Units waiting for the child: it must not be closed under them. */
  builders = 0

  constructor(options: SlotOptions) {
    this.key = options.key
    this.group = options.group
    this.hardened = options.hardened
    this.#flags = options.flags(options.hardened)
    this.#limits = options.limits
    this.#isNice = options.isNice
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
    const waitMs = this.#lastStartMs + this.#limits.childRestartBackoffMs - performance.now()
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
    if (this.#isClosed) throw new HubError('unavailable', 'The sandbox is closed')
    this.#lastStartMs = performance.now()
    const child = await Child.start(
      {
        onMessage: (message) => this.#events.onMessage(this, message),
        onDeath: (why) => {
          this.#child = null
          this.#events.onDeath(this, why)
        },
      },
      { flags: this.#flags, limits: this.#limits },
    )
    if (!child.isDead) this.#child = child
    if (this.#isNice) giveWay(child.pid)
    if (this.#isClosed) {
      await child.close()
      throw new HubError('unavailable', 'The sandbox is closed')
    }
    return child
  }
}

function giveWay(pid: number): void {
  try {
    setPriority(pid, NICE)
  } catch {
    // Gone already, or a system that knows no such thing: it is alone all the same.
  }
}
