/** The deliveries a lane holds in memory: those that wait in line, those held by a breaker, and the ids of all. */
import type { Delivery } from '../model.ts'
import { createHeldBack } from './held-back.ts'
import { NameLine } from './name-line.ts'
import type { BatchRule } from './name-line.ts'

/** What may start now, or when to look again; null: nothing waits. */
export type NextBatch =
  | { readonly kind: 'ready'; readonly deliveries: readonly Delivery[] }
  | { readonly kind: 'wait'; readonly untilMs: number }
  | null

export interface LaneMemory {
  /** Ignored when it is here already, or known to wait in storage for its host. */
  add(delivery: Delivery): void
  addFirst(delivery: Delivery): void
  /** It waits for its host; beyond some of each host only its id stays. */
  hold(delivery: Delivery, host: string): void
  heldHosts(): readonly string[]
  /** True when storage has more of that host, which may be loaded from now on. */
  release(host: string): boolean
  releaseOne(host: string): boolean
  /** Takes the next batch out of the line, names in turn. What is taken stays known until `forget`. */
  takeBatch(ruleOf: (delivery: Delivery) => BatchRule, nowMs: number): NextBatch
  forget(id: string): void
  /** Everything that waits goes; ids of what runs stay. Answers the ids that went. */
  clear(): readonly string[]
  /** What takes room: waiting, running, ending. Those held for a host do not, or one dead host would starve the others. */
  size(): number
  /** In line. */
  queued(): number
  /** In line, never attempted, of an event with a greater id than the one given. */
  fresh(): number
  /** All known, and those that storage keeps until their host is tried: what a load must leave out. */
  ids(): readonly string[]
  /** Where it went last, or where all of its kind go; null when that is not known. */
  hostOf(delivery: Delivery): string | null
  learnHost(delivery: Delivery, host: string): void
}

/** Empty. */
export function createLaneMemory(freshFrom: string): LaneMemory {
  const known = new Set<string>()
  const isFresh = ({ attempts, eventId }: Delivery): boolean =>
    attempts === 0 && eventId !== null && eventId > freshFrom
  const held = createHeldBack()
  const lines = new Map<string, NameLine>()
  /** The same lines in the order in which they are asked. */
  let turns: NameLine[] = []

  const lineOf = ({ kind, name }: Delivery): NameLine => {
    const key = `${kind}:${name}`
    const line = lines.get(key)
    if (line !== undefined) return line
    const made = new NameLine(isFresh)
    lines.set(key, made)
    turns.push(made)
    return made
  }

  return {
    add: (delivery) => {
      if (known.has(delivery.id) || held.isAway(delivery.id)) return
      known.add(delivery.id)
      lineOf(delivery).putLast(delivery)
    },
    addFirst: (delivery) => {
      known.add(delivery.id)
      lineOf(delivery).putFirst(delivery)
    },
    hold: (delivery, host) => {
      if (held.add(delivery, host) === 'held') known.add(delivery.id)
      else known.delete(delivery.id)
    },
    heldHosts: held.hosts,
    release: (host) => {
      const { deliveries, more } = held.release(host)
      for (const delivery of deliveries) lineOf(delivery).putLast(delivery)
      return more
    },
    releaseOne: (host) => {
      const { first, more } = held.releaseOne(host)
      if (first !== undefined) lineOf(first).putFirst(first)
      return more
    },
    takeBatch: (ruleOf, nowMs) => {
      let wait: NextBatch = null
      for (const [position, line] of turns.entries()) {
        const next = line.next(ruleOf, nowMs)
        if (next === null) continue
        if (next.kind === 'wait') {
          if (wait === null || (wait.kind === 'wait' && next.untilMs < wait.untilMs)) wait = next
          continue
        }
        if (turns.length > 1) turns = [...turns.slice(position + 1), ...turns.slice(0, position + 1)]
        return { kind: 'ready', deliveries: line.take(next.count) }
      }
      return wait
    },
    forget: (id) => void known.delete(id),
    clear: () => {
      const waiting: string[] = []
      for (const line of turns) for (const { id } of line.take(line.length)) waiting.push(id)
      waiting.push(...held.clear())
      for (const id of waiting) known.delete(id)
      return waiting
    },
    size: () => known.size - held.uncounted(),
    queued: () => turns.reduce((sum, line) => sum + line.length, 0),
    fresh: () => turns.reduce((sum, line) => sum + line.fresh, 0),
    ids: () => [...known, ...held.away()],
    hostOf: (delivery) => delivery.host ?? lineOf(delivery).host,
    learnHost: (delivery, host) => lineOf(delivery).learnHost(host),
  }
}
