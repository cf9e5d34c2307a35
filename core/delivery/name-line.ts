/** The deliveries of one kind and name (and pace) that wait in a lane: first in, first out, alone or in batches. */
import type { Delivery } from '../model.ts'
import type { Pace } from './pace.ts'
import { createTokenBucket } from './token-bucket.ts'
import type { TokenBucket } from './token-bucket.ts'

/** How many may go in one run, and how long the first waits for company. */
export interface BatchRule {
  readonly max: number
  readonly waitMs: number
  /** None of them may go now: another run has to end first. */
  readonly blocked?: true
  /** More are being read from storage: one that is not full is no end of the line yet. */
  readonly awaited?: true
}

/** It goes by itself. */
export const ALONE: BatchRule = { max: 1, waitMs: 0 }
export const BLOCKED: BatchRule = { max: 1, waitMs: 0, blocked: true }

/** The same moment by both clocks, one that tells the time and one that never goes back; and the lane as it is then. */
export interface Now {
  readonly nowMs: number
  readonly monoMs: number
  /** So many more runs may be under way. */
  readonly free: number
}

/** How many of the first may go now, or when to look again; null: none waits. */
export type NextOfLine =
  | { readonly kind: 'ready'; readonly count: number }
  | { readonly kind: 'wait'; readonly untilMs: number }
  | null

/** What was taken is cut off when there is as much of it, so that taking costs the same at any length. */
const CUT_AT = 1_024
const NO_IDS: readonly string[] = []

export class NameLine {
  #waiting: Delivery[] = []
  #head = 0
  /** Since when the first waits for company. */
  #sinceMs: number | null = null
  #hosts: 'none' | 'one' | 'many' = 'none'
  /** Where all of them went so far; null when nowhere or to several. */
  host: string | null = null
  /** How many of those in line are fresh. */
  fresh = 0
  readonly #isFresh: (delivery: Delivery) => boolean
  #pace: Pace | null = null
  #bucket: TokenBucket | null = null
  /** Runs under way. */
  #running = 0

  constructor(isFresh: (delivery: Delivery) => boolean) {
    this.#isFresh = isFresh
  }

  /** From now on; what was started at another pace is not looked at. */
  setPace(pace: Pace, monoMs: number): void {
    const before = this.#pace
    this.#pace = pace
    if (before?.perSecond === pace.perSecond && before.burst === pace.burst) return
    this.#bucket = createTokenBucket(pace.perSecond, monoMs, pace.burst)
  }

  get isPaced(): boolean {
    return this.#pace !== null
  }

  /** Nothing waits or runs, and its pace does not remember that anything ever started. */
  isForgettable(monoMs: number): boolean {
    return this.length === 0 && this.#running === 0 && this.#bucket?.isFull(monoMs) === true
  }

  get length(): number {
    return this.#waiting.length - this.#head
  }

  putLast(delivery: Delivery): void {
    this.#waiting.push(delivery)
    if (this.#isFresh(delivery)) this.fresh += 1
  }

  putFirst(delivery: Delivery): void {
    if (this.#head > 0) this.#waiting[--this.#head] = delivery
    else this.#waiting.unshift(delivery)
    if (this.#isFresh(delivery)) this.fresh += 1
  }

  /** Takes the first for a run. */
  start(count: number, monoMs: number): readonly Delivery[] {
    this.#bucket?.take(monoMs)
    this.#running += 1
    return this.take(count)
  }

  /** A run is over, or did not begin after all. */
  ended(): void {
    this.#running = Math.max(0, this.#running - 1)
  }

  take(count: number): readonly Delivery[] {
    const taken = this.#waiting.slice(this.#head, this.#head + count)
    this.#head += taken.length
    for (const delivery of taken) if (this.#isFresh(delivery)) this.fresh -= 1
    this.#sinceMs = null
    if (this.#head === this.#waiting.length || (this.#head > CUT_AT && this.#head * 2 > this.#waiting.length)) {
      this.#waiting = this.#waiting.slice(this.#head)
      this.#head = 0
    }
    return taken
  }

  /** Those go; who stays has waited for company as long as before. Answers the ids that went. */
  remove(isMeant: (delivery: Delivery) => boolean): readonly string[] {
    const inLine = this.#waiting.slice(this.#head)
    const going = inLine.filter(isMeant)
    if (going.length === 0) return NO_IDS
    const sinceMs = this.#sinceMs
    this.take(inLine.length)
    for (const delivery of inLine) if (!isMeant(delivery)) this.putLast(delivery)
    this.#sinceMs = this.length === 0 ? null : sinceMs
    return going.map(({ id }) => id)
  }

  next(ruleOf: (delivery: Delivery) => BatchRule, { nowMs, monoMs, free }: Now): NextOfLine {
    const first = this.#waiting[this.#head]
    if (first === undefined) return null
    // The end of a run makes the lane look again.
    if (this.#running >= this.#share(free)) return null
    const waitMs = this.#bucket?.waitMs(monoMs) ?? 0
    if (waitMs > 0) return { kind: 'wait', untilMs: nowMs + waitMs }
    const rule = ruleOf(first)
    if (rule.blocked === true) {
      // Who waits for the end of a run waits for company meanwhile.
      this.#sinceMs ??= nowMs
      return null
    }
    if (rule.max === 1) return { kind: 'ready', count: 1 }
    let count = 1
    while (count < rule.max) {
      const next = this.#waiting[this.#head + count]
      if (next === undefined || ruleOf(next).max === 1) break
      count += 1
    }
    this.#sinceMs ??= nowMs
    const untilMs = this.#sinceMs + rule.waitMs
    // Complete, or cut short by one that goes alone: nobody more can join.
    const complete = count === rule.max || count < this.length
    if (!complete && rule.awaited === true) return null
    return complete || nowMs >= untilMs ? { kind: 'ready', count } : { kind: 'wait', untilMs }
  }

  /**
   * How many it may have under way. One that leaves room for others has never more than are free still: however many such lines
   * are slow at a time, one that is not finds a place, and the fuller the lane is the fewer each of them has.
   */
  #share(free: number): number {
    const atOnce = this.#pace?.atOnce ?? Infinity
    return atOnce === Infinity ? Infinity : Math.min(atOnce, free)
  }

  learnHost(host: string): void {
    if (this.host === host || this.#hosts === 'many') return
    this.#hosts = this.#hosts === 'none' ? 'one' : 'many'
    this.host = this.#hosts === 'one' ? host : null
  }
}
