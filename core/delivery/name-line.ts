/** The deliveries of one kind and name that wait in a lane: first in, first out, alone or in batches. */
import type { Delivery } from '../model.ts'

/** How many may go in one run, and how long the first waits for company. */
export interface BatchRule {
  readonly max: number
  readonly waitMs: number
}

/** How many of the first may go now, or when to look again; null: none waits. */
export type NextOfLine =
  | { readonly kind: 'ready'; readonly count: number }
  | { readonly kind: 'wait'; readonly untilMs: number }
  | null

/** What was taken is cut off when there is as much of it, so that taking costs the same at any length. */
const CUT_AT = 1_024

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

  constructor(isFresh: (delivery: Delivery) => boolean) {
    this.#isFresh = isFresh
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

  next(ruleOf: (delivery: Delivery) => BatchRule, nowMs: number): NextOfLine {
    const first = this.#waiting[this.#head]
    if (first === undefined) return null
    const rule = ruleOf(first)
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
    return complete || nowMs >= untilMs ? { kind: 'ready', count } : { kind: 'wait', untilMs }
  }

  learnHost(host: string): void {
    if (this.host === host || this.#hosts === 'many') return
    this.#hosts = this.#hosts === 'none' ? 'one' : 'many'
    this.host = this.#hosts === 'one' ? host : null
  }
}
