/** The child processes of the sandbox: one slot a group, one for each unit that must be alone. Starts, kills, counts. */
import type { Limits } from '../limits.ts'
import { childFlags } from './process.ts'
import type { FromChild } from './protocol.ts'
import type { SandboxStats, Unit } from './sandbox.ts'
import { Slot } from './slot.ts'
import { isSharedSlot, isApartSlot } from './unit-state.ts'

export interface FleetOptions {
  readonly limits: Limits
  /** Node's flags for a child; default: `childFlags`. */
  readonly flags?: ((hardened: boolean) => readonly string[]) | undefined
  readonly onMessage: (slot: Slot, message: FromChild) => void
  readonly onDeath: (slot: Slot, why: string) => void
}

export class Fleet {
  readonly #options: FleetOptions
  readonly #slots = new Map<string, Slot>()
  #restarts = 0
  #kills = 0

  constructor(options: FleetOptions) {
    this.#options = options
  }

  /** The slot of that key; its child starts when somebody needs it. */
  slot(key: string, unit: Unit): Slot {
    const known = this.#slots.get(key)
    if (known !== undefined) return known
    const slot = new Slot({
      key,
      group: isSharedSlot(key, unit) ? unit.group : 'own',
      isNice: isApartSlot(key),
      hardened: unit.hardened === true,
      flags: this.#options.flags ?? childFlags,
      limits: this.#options.limits,
      events: {
        onMessage: this.#options.onMessage,
        onDeath: (from, why) => {
          this.#restarts += 1
          this.#options.onDeath(from, why)
        },
      },
    })
    this.#slots.set(key, slot)
    return slot
  }

  /** SIGKILL; its death is told before this returns. */
  kill(slot: Slot, why: string): void {
    if (slot.child === null) return
    this.#kills += 1
    slot.child.kill(why)
  }

  /** Ends a child that nobody needs any more. */
  dismiss(slot: Slot): void {
    if (slot.builders > 0) return
    if (this.#slots.get(slot.key) === slot) this.#slots.delete(slot.key)
    void slot.close()
  }

  /** Kills children that have been silent for too long. After a pause of the hub itself, silence proves nothing. */
  checkHeartbeats(nowMs: number, isHubLate: boolean): void {
    for (const slot of this.#slots.values()) {
      const { child } = slot
      if (child === null || !child.isReady) continue
      if (isHubLate) child.lastSignMs = nowMs
      else if (nowMs - child.lastSignMs > this.#options.limits.childHeartbeatMs) this.kill(slot, 'no heartbeat')
      else if (child.isDeaf(nowMs)) this.kill(slot, 'it takes nothing that it is sent')
    }
  }

  /** Living children; `unitsOf` counts what runs in one. */
  stats(unitsOf: (slot: Slot) => number): Omit<SandboxStats, 'units'> {
    const living = [...this.#slots.values()].flatMap((slot) =>
      slot.child === null ? [] : [{ slot, child: slot.child }],
    )
    return {
      children: living.map(({ slot, child }) => ({
        group: slot.group,
        hardened: slot.hardened,
        pid: child.pid,
        rssBytes: child.rssBytes,
        units: unitsOf(slot),
      })),
      restarts: this.#restarts,
      kills: this.#kills,
    }
  }

  async close(): Promise<void> {
    const slots = [...this.#slots.values()]
    this.#slots.clear()
    await Promise.all(slots.map((slot) => slot.close()))
  }
}
