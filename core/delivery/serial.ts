/** Actions of which one run at a time is made: what they share that with, and whose turn it is. */
import type { Delivery } from '../model.ts'
import type { Installation } from '../registry/installation.ts'
import { capturedBy } from '../registry/with-schema.ts'

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
    this.#keys = serialKeysOf(installation)
  }

  /** As the installation is from now on. */
  follow(installation: Serial): void {
    this.#keys = serialKeysOf(installation)
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
  ended({ kind, name }: Named): void {
    if (kind === 'action') this.#busy.delete(name)
  }
}

type Named = Pick<Delivery, 'kind' | 'name'>

/**
 * By action, whatever has to be alone while it runs: the installation's own action (`serial: true`), or what all
 * installations of the plugin in the workspace call the same in that setting. Actions that are not serial are left out.
 */
function serialKeysOf({ key, workspace, plugin, config }: Serial): ReadonlyMap<string, string> {
  const { id, actions, config: schema } = plugin.manifest
  const keys = new Map<string, string>()
  for (const [name, { serial = false }] of Object.entries(actions)) {
    if (serial === true) keys.set(name, JSON.stringify([key, name]))
    if (typeof serial !== 'string') continue
    const setting = serial.slice(SETTING.length)
    // The manifest is refused when that setting could be anything but a text.
    const text = config[setting] as string
    const { pattern } = (schema as unknown as Described).properties[setting] as { readonly pattern?: string }
    const shared = pattern === undefined ? text : capturedBy(pattern, text)
    keys.set(name, JSON.stringify([workspace, id, setting, shared]))
  }
  return keys
}

/** How a manifest names a setting. */
const SETTING = '@config.'

interface Described {
  readonly properties: Readonly<Record<string, object>>
}
