/**
 * Funnels over timelines. A visitor enters with an event of the first step; each further step is the next event of its kind
 * after the step before. The window runs from the entry: who enters late may convert later still. Of several entries the one
 * that comes furthest counts, of equals the first. What is excluded between two steps ends the attempt there.
 */
import type { Timeline } from './timelines.ts'

/** An event that must not lie between two steps, given by their index. */
export interface Exclusion {
  readonly after: number
  readonly before: number
}

export interface FunnelPlan {
  /** The code of an event has bit `n` for step `n`, then a bit for each exclusion. */
  readonly steps: number
  /** From the entry on. `Infinity`: without end. */
  readonly windowMs: number
  readonly exclusions: readonly Exclusion[]
  /** An entry lies in here; what follows it need not. */
  readonly fromMs: number
  readonly toMs: number
  /** The bits from here on are the number of the group that an entry at this event belongs to. */
  readonly groupShift: number
}

/** How far one visitor came. */
export interface Attempt {
  /** Steps reached; 0: did not enter. */
  reached: number
  /** When each of them was. */
  readonly atMs: Float64Array
  group: number
}

/** Follows visitors through the plan, one after the other, in memory that is used again. */
export class FunnelWalker {
  readonly #plan: FunnelPlan
  /** By kind (steps, then exclusions) and event: the next event of that kind behind it. */
  #next: readonly Int32Array[] = []
  readonly #best: Attempt
  readonly #places: Int32Array

  constructor(plan: FunnelPlan) {
    this.#plan = plan
    this.#best = { reached: 0, atMs: new Float64Array(plan.steps), group: 0 }
    this.#places = new Int32Array(plan.steps)
  }

  /** What it answers is only good until the next call. */
  follow(timeline: Timeline): Attempt {
    const { steps, groupShift } = this.#plan
    const { length: end, atMs, codes } = timeline
    const best = this.#best
    best.reached = 0
    const firstEntry = this.#entryFrom(timeline, 0)
    if (firstEntry === end) return best
    this.#lookAhead(timeline)
    for (let entry = firstEntry; entry < end && best.reached < steps; entry = this.#entryFrom(timeline, entry + 1)) {
      const reached = this.#attempt(timeline, entry)
      if (reached <= best.reached) continue
      best.reached = reached
      best.group = (codes[entry] as number) >>> groupShift
      for (let step = 0; step < reached; step += 1) best.atMs[step] = atMs[this.#places[step] as number] as number
    }
    return best
  }

  #entryFrom({ length: end, atMs, codes }: Timeline, from: number): number {
    const { fromMs, toMs } = this.#plan
    for (let at = from; at < end; at += 1) {
      const when = atMs[at] as number
      if (((codes[at] as number) & 1) === 1 && when >= fromMs && when < toMs) return at
    }
    return end
  }

  /** Steps reached from this entry on; `#places` has where. */
  #attempt({ length: end, atMs }: Timeline, entry: number): number {
    const { steps, windowMs, exclusions } = this.#plan
    const untilMs = (atMs[entry] as number) + windowMs
    const nextOf = (kind: number, place: number): number => (this.#next[kind] as Int32Array)[place] as number
    this.#places[0] = entry
    for (let step = 1; step < steps; step += 1) {
      const place = nextOf(step, this.#places[step - 1] as number)
      if (place === end || (atMs[place] as number) > untilMs) return step
      for (const [n, { after, before }] of exclusions.entries())
        if (after < step && step <= before && nextOf(steps + n, this.#places[after] as number) < place) return step
      this.#places[step] = place
    }
    return steps
  }

  #lookAhead({ length: end, codes }: Timeline): void {
    const kinds = this.#plan.steps + this.#plan.exclusions.length
    if (this.#next[0] === undefined || this.#next[0].length < end)
      this.#next = Array.from({ length: kinds }, () => new Int32Array(end * 2))
    // Nothing is looked up for the first step: it is where attempts begin.
    for (let kind = 1; kind < kinds; kind += 1) {
      const column = this.#next[kind] as Int32Array
      let next = end
      for (let at = end - 1; at >= 0; at -= 1) {
        column[at] = next
        if ((((codes[at] as number) >> kind) & 1) === 1) next = at
      }
    }
  }
}
