/** The deliveries a lane holds in memory: those that wait in line, those held by a breaker, and the ids of all. */
import type { Delivery } from '../model.ts'

/** What may start now, or when to look again; null: nothing waits. */
export type NextBatch =
  | { readonly kind: 'ready'; readonly deliveries: readonly Delivery[] }
  | { readonly kind: 'wait'; readonly untilMs: number }
  | null

/** How many may go in one run, and how long the first waits for company. */
export interface BatchRule {
  readonly max: number
  readonly waitMs: number
}

export interface LaneMemory {
  /** Ignored when it is here already. */
  add(delivery: Delivery): void
  addFirst(delivery: Delivery): void
  hold(delivery: Delivery, host: string): void
  heldHosts(): readonly string[]
  release(host: string): void
  releaseOne(host: string): void
  /** Takes the next batch out of the line, names in turn. What is taken stays known until `forget`. */
  takeBatch(ruleOf: (delivery: Delivery) => BatchRule, nowMs: number): NextBatch
  forget(id: string): void
  /** Everything that waits goes; ids of what runs stay. Answers the ids that went. */
  clear(): readonly string[]
  /** All known: waiting, held, running, ending. */
  size(): number
  /** In line. */
  queued(): number
  ids(): readonly string[]
  /** Where it went last, or where all of its kind go; null when that is not known. */
  hostOf(delivery: Delivery): string | null
  learnHost(delivery: Delivery, host: string): void
}

/** The line of one kind and name, with what was learnt of it. */
interface Group {
  line: Delivery[]
  head: number
  /** Since when its head waits for company. */
  sinceMs: number | null
  /** Where all of them went so far; null when nowhere or to several hosts. */
  host: string | null
  hosts: 0 | 1 | 2
}

const NO_HOSTS: readonly string[] = []

/** Empty. */
export function createLaneMemory(): LaneMemory {
  const known = new Set<string>()
  const held = new Map<string, Delivery[]>()
  const groups = new Map<string, Group>()
  /** The same groups in the order in which they are asked. */
  let turns: Group[] = []
  let queued = 0

  const groupOf = ({ kind, name }: Delivery): Group => {
    const key = `${kind}:${name}`
    const group = groups.get(key)
    if (group !== undefined) return group
    const made: Group = { line: [], head: 0, sinceMs: null, host: null, hosts: 0 }
    groups.set(key, made)
    turns.push(made)
    return made
  }
  const putLast = (delivery: Delivery): void => {
    groupOf(delivery).line.push(delivery)
    queued += 1
  }
  const putFirst = (delivery: Delivery): void => {
    const group = groupOf(delivery)
    if (group.head > 0) group.line[--group.head] = delivery
    else group.line.unshift(delivery)
    queued += 1
  }
  const takeFrom = (group: Group, count: number): readonly Delivery[] => {
    const taken = group.line.slice(group.head, group.head + count)
    group.head += count
    queued -= count
    group.sinceMs = null
    if (group.head >= group.line.length) {
      group.line = []
      group.head = 0
    } else if (group.head > 1024 && group.head * 2 > group.line.length) {
      group.line = group.line.slice(group.head)
      group.head = 0
    }
    return taken
  }

  return {
    add: (delivery) => {
      if (known.has(delivery.id)) return
      known.add(delivery.id)
      putLast(delivery)
    },
    addFirst: (delivery) => {
      known.add(delivery.id)
      putFirst(delivery)
    },
    hold: (delivery, host) => {
      known.add(delivery.id)
      const waiting = held.get(host)
      const named = delivery.host === host ? delivery : { ...delivery, host }
      if (waiting === undefined) held.set(host, [named])
      else waiting.push(named)
    },
    heldHosts: () => (held.size === 0 ? NO_HOSTS : [...held.keys()]),
    release: (host) => {
      const waiting = held.get(host) ?? []
      held.delete(host)
      for (const delivery of waiting) putLast(delivery)
    },
    releaseOne: (host) => {
      const waiting = held.get(host)
      const first = waiting?.shift()
      if (waiting?.length === 0) held.delete(host)
      if (first !== undefined) putFirst(first)
    },
    takeBatch: (ruleOf, nowMs) => {
      let wait: NextBatch = null
      for (const [position, group] of turns.entries()) {
        const next = nextOf(group, ruleOf, nowMs)
        if (next === null) continue
        if (next.kind === 'wait') {
          if (wait === null || (wait.kind === 'wait' && next.untilMs < wait.untilMs)) wait = next
          continue
        }
        if (turns.length > 1) turns = [...turns.slice(position + 1), ...turns.slice(0, position + 1)]
        return { kind: 'ready', deliveries: takeFrom(group, next.count) }
      }
      return wait
    },
    forget: (id) => void known.delete(id),
    clear: () => {
      const waiting: string[] = []
      for (const group of turns) {
        for (const { id } of group.line.slice(group.head)) waiting.push(id)
        group.line = []
        group.head = 0
        group.sinceMs = null
      }
      for (const list of held.values()) for (const { id } of list) waiting.push(id)
      held.clear()
      queued = 0
      for (const id of waiting) known.delete(id)
      return waiting
    },
    size: () => known.size,
    queued: () => queued,
    ids: () => [...known],
    hostOf: (delivery) => delivery.host ?? groupOf(delivery).host,
    learnHost: (delivery, host) => {
      const group = groupOf(delivery)
      if (group.host === host || group.hosts === 2) return
      group.hosts = group.hosts === 0 ? 1 : 2
      group.host = group.hosts === 1 ? host : null
    },
  }
}

type NextOfGroup = { readonly kind: 'ready'; readonly count: number } | { readonly kind: 'wait'; readonly untilMs: number } | null

/** Pure but for the note since when the head waits. */
function nextOf(group: Group, ruleOf: (delivery: Delivery) => BatchRule, nowMs: number): NextOfGroup {
  const first = group.line[group.head]
  if (first === undefined) return null
  const rule = ruleOf(first)
  if (rule.max === 1) return { kind: 'ready', count: 1 }
  let count = 1
  while (count < rule.max) {
    const next = group.line[group.head + count]
    if (next === undefined || ruleOf(next).max === 1) break
    count += 1
  }
  group.sinceMs ??= nowMs
  const untilMs = group.sinceMs + rule.waitMs
  const complete = count === rule.max || group.head + count < group.line.length
  return complete || nowMs >= untilMs ? { kind: 'ready', count } : { kind: 'wait', untilMs }
}
