/** Actions of which one run at a time is made: what they share that with, and whose turn it is. */
import type { Delivery } from '../model.ts'
import type { Installation } from '../registry/installation.ts'
import { turnsOf } from '../registry/turns.ts'

type Serial = Pick<Installation, 'key' | 'workspace' | 'plugin' | 'config'>

/** Somebody with deliveries that may have to wait for a run of somebody else. */
export interface TakesTurns {
  /** Starts what may start now. */
  turn(): void
}

/** Whose turn it is, by key. Whoever was refused is asked before whoever ran last, in the order in which they were refused. */
export interface SerialTurns {
  /** True when no run under that key is under way; else it is asked (`turn`) once that is over. */
  mayBegin(key: string, who: TakesTurns): boolean
  begin(key: string, who: TakesTurns): void
  /** The run is over: whoever waits has its turn. */
  end(key: string): void
}

export function createSerialTurns(): SerialTurns {
  const running = new Map<string, TakesTurns>()
  const waiting = new Map<string, Set<TakesTurns>>()
  return {
    mayBegin: (key, who) => {
      const owner = running.get(key)
      if (owner === undefined) return true
      // Who runs looks for more by itself when it is through, after the others.
      if (owner !== who) waiting.set(key, (waiting.get(key) ?? new Set()).add(who))
      return false
    },
    begin: (key, who) => void running.set(key, who),
    end: (key) => {
      running.delete(key)
      const next = waiting.get(key) ?? []
      waiting.delete(key)
      for (const who of next) who.turn()
    },
  }
}

/** The serial actions of one lane. */
export class SerialActions {
  readonly #turns: SerialTurns
  readonly #who: TakesTurns
  #keys: ReadonlyMap<string, string>
  /** With a run under way, maybe one of the settings before. */
  readonly #busy = new Set<string>()

  constructor(turns: SerialTurns, who: TakesTurns, installation: Serial) {
    this.#turns = turns
    this.#who = who
    this.#keys = turnsOf(installation)
  }

  /** As the installation is from now on. */
  follow(installation: Serial): void {
    this.#keys = turnsOf(installation)
  }

  mayBegin({ kind, name }: Named): boolean {
    const key = kind === 'action' ? this.#keys.get(name) : undefined
    return key === undefined || (!this.#busy.has(name) && this.#turns.mayBegin(key, this.#who))
  }

  /** Its run begins; answers under which key it keeps others waiting, null when it keeps none. */
  begin({ kind, name }: Named): string | null {
    const key = kind === 'action' ? this.#keys.get(name) : undefined
    if (key === undefined) return null
    this.#busy.add(name)
    this.#turns.begin(key, this.#who)
    return key
  }

  /** Its run is over; that of its key is when `SerialTurns.end` is called. */
  ended([first]: readonly Named[]): void {
    if (first?.kind === 'action') this.#busy.delete(first.name)
  }
}

type Named = Pick<Delivery, 'kind' | 'name'>
