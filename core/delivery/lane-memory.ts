/** The deliveries a lane holds in memory: those that wait in line, those held by a breaker, and the ids of all. */
import type { Delivery } from '../model.ts'
import type { DuePlace } from '../storage/store.ts'
import { createHeldBack } from './held-back.ts'
import { LaneLines } from './lane-lines.ts'
import type { LaneLinesDeps, NextBatch } from './lane-lines.ts'
import type { BatchRule, Now } from './name-line.ts'

export interface LaneMemory {
  /**
   * Ignored when it is here already, or known to wait in storage for its host or its pace. `onward`: as in `LaneLines.leaves`.
   */
  add(delivery: Delivery, how?: { readonly onward: boolean }): void
  addFirst(delivery: Delivery): void
  /** It waits for its host; beyond some of each host only its id stays. */
  hold(delivery: Delivery, host: string): void
  heldHosts(): readonly string[]
  /** True when storage has more of that host, which may be loaded from now on. */
  release(host: string): boolean
  releaseOne(host: string): boolean
  /** Takes the next batch out of the line, names in turn. What is taken stays known until `forget`. */
  takeBatch(ruleOf: (delivery: Delivery) => BatchRule, now: Now): NextBatch
  /** The run of those is over, or did not begin after all. */
  ended(batch: readonly Delivery[]): void
  forget(id: string): void
  /** Everything that waits goes; ids of what runs stay. Answers the ids that went. */
  clear(): readonly string[]
  /** Takes out of those that wait; false: there were none. */
  remove(isMeant: (delivery: Delivery) => boolean): boolean
  /** Some that were left to storage for their pace have room again and may be loaded; as in `LaneLines.recall`. */
  recall(): { readonly from: DuePlace | null } | null
  /** True when storage has some that wait for their pace and are known by their place alone. */
  hasPassed(): boolean
  /**
   * What takes room: waiting, running, ending. Those held for a host or in line at a pace do not, or one dead host or one
   * slow line would starve the others.
   */
  size(): number
  /** In line. */
  queued(): number
  /** In line at no pace, never attempted, of an event with a greater id than the one given. */
  fresh(): number
  /** All known, and those that storage keeps until their host is tried or their line is shorter: what a load must leave out. */
  ids(): readonly string[]
  /** Where it went last, or where all of its kind go; null when that is not known. */
  hostOf(delivery: Delivery): string | null
  learnHost(delivery: Delivery, host: string): void
}

/** Empty. */
export function createLaneMemory(deps: Omit<LaneLinesDeps, 'isFresh'> & { readonly freshFrom: string }): LaneMemory {
  const known = new Set<string>()
  const isFresh = ({ attempts, eventId }: Delivery): boolean =>
    attempts === 0 && eventId !== null && eventId > deps.freshFrom
  const held = createHeldBack()
  const lines = new LaneLines({ ...deps, isFresh })

  return {
    add: (delivery, how = { onward: false }) => {
      const { id } = delivery
      if (known.has(id) || held.isAway(id) || lines.isAway(id) || lines.leaves(delivery, how)) return
      known.add(id)
      lines.putLast(delivery)
    },
    addFirst: (delivery) => {
      known.add(delivery.id)
      lines.putFirst(delivery)
    },
    hold: (delivery, host) => {
      if (held.add(delivery, host) === 'held') known.add(delivery.id)
      else known.delete(delivery.id)
    },
    heldHosts: held.hosts,
    release: (host) => {
      const { deliveries, more } = held.release(host)
      for (const delivery of deliveries) lines.putLast(delivery)
      return more
    },
    releaseOne: (host) => {
      const { first, more } = held.releaseOne(host)
      if (first !== undefined) lines.putFirst(first)
      return more
    },
    takeBatch: (ruleOf, now) => lines.takeBatch(ruleOf, now),
    ended: ([first]) => {
      if (first !== undefined) lines.of(first).ended()
    },
    forget: (id) => void known.delete(id),
    clear: () => {
      const waiting = [...lines.clear(), ...held.clear()]
      for (const id of waiting) known.delete(id)
      return waiting
    },
    remove: (isMeant) => {
      const removed = [...lines.remove(isMeant), ...held.remove(isMeant)]
      for (const id of removed) known.delete(id)
      return removed.length > 0
    },
    recall: () => lines.recall(),
    hasPassed: () => lines.hasPassed(),
    size: () => known.size - held.uncounted() - lines.uncounted(),
    queued: () => lines.queued(),
    fresh: () => lines.fresh(),
    ids: () => [...known, ...held.away(), ...lines.away()],
    hostOf: (delivery) => delivery.host ?? lines.of(delivery).host,
    learnHost: (delivery, host) => lines.of(delivery).learnHost(host),
  }
}
