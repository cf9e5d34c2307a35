/**
 * The lines in which a lane's deliveries wait for a run: one for each kind and name, and where an action has a pace one for
 * each key that shares it. What is too much for a paced line is left to storage until the line is shorter.
 */
import type { Delivery } from '../model.ts'
import type { DuePlace } from '../storage/store.ts'
import { createAway } from './away.ts'
import { NameLine } from './name-line.ts'
import type { BatchRule, Now } from './name-line.ts'
import { isAfter } from './onward.ts'
import type { Pace } from './pace.ts'

/** What may start now, or when to look again; null: nothing waits. */
export type NextBatch =
  | { readonly kind: 'ready'; readonly deliveries: readonly Delivery[] }
  | { readonly kind: 'wait'; readonly untilMs: number }
  | null

export interface LaneLinesDeps {
  readonly isFresh: (delivery: Delivery) => boolean
  readonly paceOf: (delivery: Delivery) => Pace | null
  readonly monotonicMs: () => number
}

/** In line for one key of a pace, whole; and for all of them without taking room. The others are left to storage. */
const PACED_PER_KEY_MAX = 50
const PACED_PER_KEY_LOW = 10
const PACED_MAX = 2_000
/** With fewer lines it is not worth looking which of them nobody needs. */
const SWEEP_MIN = 64

export class LaneLines {
  readonly #deps: LaneLinesDeps
  readonly #lines = new Map<string, NameLine>()
  /** The same lines in the order in which they are asked. */
  #turns: NameLine[] = []
  /** By the key of a paced line. */
  readonly #away = createAway()
  /** The first that is left to storage without its id, by the key of a paced line. */
  readonly #passed = new Map<string, DuePlace>()
  #pacedCount = 0
  #sweepAt = SWEEP_MIN

  constructor(deps: LaneLinesDeps) {
    this.#deps = deps
  }

  /** Where such a delivery waits; made when there is none. */
  of(delivery: Delivery): NameLine {
    const pace = this.#deps.paceOf(delivery)
    const key = keyOf(delivery, pace)
    let line = this.#lines.get(key)
    if (line === undefined) {
      this.#sweep()
      line = new NameLine(this.#deps.isFresh)
      this.#lines.set(key, line)
      this.#turns.push(line)
    }
    if (pace !== null) line.setPace(pace, this.#deps.monotonicMs())
    return line
  }

  putFirst(delivery: Delivery): void {
    const line = this.of(delivery)
    if (line.isPaced) this.#pacedCount += 1
    line.putFirst(delivery)
  }

  putLast(delivery: Delivery): void {
    const line = this.of(delivery)
    if (line.isPaced) this.#pacedCount += 1
    line.putLast(delivery)
  }

  /**
   * True when it is left to storage, since enough wait for their pace here, or some that come before it are left: by its id, or
   * when even those are too many by the place of the first of its line, which is looked up again once the line is shorter.
   * `onward`: it was not read from the beginning, so others that come before it may be known by no id.
   */
  leaves(delivery: Delivery, { onward }: { readonly onward: boolean }): boolean {
    const line = this.of(delivery)
    if (!line.isPaced) return false
    const key = keyOf(delivery, this.#deps.paceOf(delivery))
    const passed = this.#passed.get(key)
    const { dueAtMs, id } = delivery
    if (onward && passed !== undefined) {
      // The head of an order key may be older than others that were left.
      if (isAfter(passed, delivery)) this.#passed.set(key, { dueAtMs, id })
      return true
    }
    const isBehind = [this.#away.firstOf(key), passed].some((place) => place !== undefined && isAfter(delivery, place))
    const isFull = line.length > 0 && (line.length >= PACED_PER_KEY_MAX || this.#pacedCount >= PACED_MAX)
    if (!isBehind && !isFull) return false
    const isAway = this.#away.add(key, { dueAtMs, id })
    // Of those known by their place alone this was the first.
    if (isAway ? passed !== undefined && isAfter(delivery, passed) : passed === undefined)
      this.#passed.set(key, { dueAtMs, id })
    return true
  }

  /** True when storage has some that are known by their place alone. */
  hasPassed(): boolean {
    return this.#passed.size > 0
  }

  isAway(id: string): boolean {
    return this.#away.has(id)
  }

  away(): Iterable<string> {
    return this.#away.ids()
  }

  /**
   * Where storage has some that were left to it and have room again: one load for all whose line is shorter. `from`: the first
   * of those known by their place alone.
   */
  recall(): { readonly from: DuePlace | null } | null {
    let room = PACED_MAX - this.#pacedCount
    const isShort = (key: string): boolean => {
      const inLine = this.#lines.get(key)?.length ?? 0
      return inLine === 0 || (inLine <= PACED_PER_KEY_LOW && room > 0)
    }
    const awayKeys = [...this.#away.keys()]
    const passed = [...this.#passed].filter(([key]) => this.#away.firstOf(key) === undefined && isShort(key))
    if (passed.length === 0 && !awayKeys.some(isShort)) return null
    for (const key of awayKeys) {
      const inLine = this.#lines.get(key)?.length ?? 0
      // One is taken into an empty line however many wait elsewhere.
      const count = Math.max(inLine === 0 ? 1 : 0, Math.min(PACED_PER_KEY_MAX - inLine, room))
      if (count > 0) this.#away.comeBack(key, count)
      room -= count
    }
    let from: DuePlace | null = null
    for (const [key, place] of passed) {
      this.#passed.delete(key)
      if (from === null || isAfter(from, place)) from = place
    }
    return { from }
  }

  /** Takes the next batch out of its line, lines in turn. */
  takeBatch(ruleOf: (delivery: Delivery) => BatchRule, now: Now): NextBatch {
    let wait: NextBatch = null
    for (const [position, line] of this.#turns.entries()) {
      const next = line.next(ruleOf, now)
      if (next === null) continue
      if (next.kind === 'wait') {
        if (wait === null || (wait.kind === 'wait' && next.untilMs < wait.untilMs)) wait = next
        continue
      }
      if (this.#turns.length > 1)
        this.#turns = [...this.#turns.slice(position + 1), ...this.#turns.slice(0, position + 1)]
      const deliveries = line.start(next.count, now.monoMs)
      if (line.isPaced) this.#pacedCount -= deliveries.length
      return { kind: 'ready', deliveries }
    }
    return wait
  }

  /** Empties the lines; what they remember of paces and hosts stays. Answers the ids that went. */
  clear(): readonly string[] {
    this.#away.clear()
    this.#passed.clear()
    this.#pacedCount = 0
    return this.#turns.flatMap((line) => line.take(line.length).map(({ id }) => id))
  }

  /** Takes those out of line; answers their ids. */
  remove(isMeant: (delivery: Delivery) => boolean): readonly string[] {
    return this.#turns.flatMap((line) => {
      const removed = line.remove(isMeant)
      if (line.isPaced) this.#pacedCount -= removed.length
      return removed
    })
  }

  /** In line. */
  queued(): number {
    return this.#turns.reduce((sum, line) => sum + line.length, 0)
  }

  /** Of those at no pace, how many are fresh. */
  fresh(): number {
    return this.#turns.reduce((sum, line) => sum + (line.isPaced ? 0 : line.fresh), 0)
  }

  /** How many are in line at a pace and take no room. */
  uncounted(): number {
    return Math.min(this.#pacedCount, PACED_MAX)
  }

  /** Pace keys are as many as a plugin likes; what their lines remember is worth nothing after a rest. */
  #sweep(): void {
    if (this.#lines.size < this.#sweepAt) return
    const monoMs = this.#deps.monotonicMs()
    for (const [key, line] of this.#lines) if (line.isForgettable(monoMs)) this.#lines.delete(key)
    this.#turns = [...this.#lines.values()]
    this.#sweepAt = Math.max(SWEEP_MIN, this.#lines.size * 2)
  }
}

const keyOf = ({ kind, name, paceKey }: Delivery, pace: Pace | null): string =>
  `${kind}:${name}${pace === null ? '' : `:${paceKey ?? ''}`}`
