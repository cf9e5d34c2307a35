/**
 * Journeys: what visitors did one after the other within a session. The same again and again is one step. A journey begins
 * where its session does, or with the event that is asked about; or it ends with that event and is told backwards.
 */
import { Refusal } from '../query/refusal.ts'
import type { Timeline } from './timelines.ts'

export interface JourneyPlan {
  readonly stepsMax: number
  /** A pause that is longer begins another session. */
  readonly gapMs: number
  /** An event that is asked about has the lowest bit of its code; what it is stands in the bits above. */
  readonly anchor: 'none' | 'first' | 'last'
}

export interface Path {
  /** Numbers of what was done. */
  readonly steps: readonly number[]
  readonly count: number
}

/** From one step to the next, over all journeys. `to` is null where they end. */
export interface Link {
  /** Of the step that it leaves; the first is 1. */
  readonly step: number
  readonly from: number
  readonly to: number | null
  readonly count: number
}

/** Different paths that are told apart. */
const PATHS_MAX = 200_000

/** Adds up journeys, visitor by visitor. Throws a Refusal when there are too many different ones. */
export class JourneyCounter {
  readonly #plan: JourneyPlan
  readonly #paths = new Map<string, { readonly steps: readonly number[]; count: number }>()
  #journeys = 0

  constructor(plan: JourneyPlan) {
    this.#plan = plan
  }

  get journeys(): number {
    return this.#journeys
  }

  add(timeline: Timeline): void {
    const { length, atMs } = timeline
    for (let first = 0; first < length;) {
      let end = first + 1
      while (end < length && (atMs[end] as number) - (atMs[end - 1] as number) <= this.#plan.gapMs) end += 1
      this.#addSession(timeline.codes, first, end)
      first = end
    }
  }

  #addSession(codes: Int32Array, first: number, end: number): void {
    const { anchor } = this.#plan
    const isAnchor = (at: number): boolean => ((codes[at] as number) & 1) === 1
    let from = first
    let to = end
    if (anchor === 'first') {
      while (from < end && !isAnchor(from)) from += 1
      if (from === end) return
    } else if (anchor === 'last') {
      while (to > first && !isAnchor(to - 1)) to -= 1
      if (to === first) return
    }
    this.#count(anchor === 'last' ? this.#backwards(codes, from, to) : this.#forwards(codes, from, to))
  }

  #forwards(codes: Int32Array, from: number, to: number): readonly number[] {
    const steps: number[] = []
    for (let at = from; at < to && steps.length < this.#plan.stepsMax; at += 1) {
      const step = (codes[at] as number) >>> 1
      if (steps.at(-1) !== step) steps.push(step)
    }
    return steps
  }

  #backwards(codes: Int32Array, from: number, to: number): readonly number[] {
    const steps: number[] = []
    for (let at = to - 1; at >= from && steps.length < this.#plan.stepsMax; at -= 1) {
      const step = (codes[at] as number) >>> 1
      if (steps.at(-1) !== step) steps.push(step)
    }
    return steps.reverse()
  }

  #count(steps: readonly number[]): void {
    this.#journeys += 1
    const key = steps.join(' ')
    const known = this.#paths.get(key)
    if (known !== undefined) {
      known.count += 1
      return
    }
    if (this.#paths.size === PATHS_MAX)
      throw new Refusal([
        {
          pointer: '/steps',
          detail: `leads to more than ${PATHS_MAX} different journeys; ask about fewer, or a shorter time`,
        },
      ])
    this.#paths.set(key, { steps, count: 1 })
  }

  /** Most travelled first. */
  top(limit: number): readonly Path[] {
    return [...this.#paths.values()]
      .toSorted((a, b) => b.count - a.count || compareSteps(a.steps, b.steps))
      .slice(0, limit)
  }

  /** All that leave each step, most travelled first. */
  links(): readonly Link[] {
    const counts = new Map<string, { step: number; from: number; to: number | null; count: number }>()
    for (const { steps, count } of this.#paths.values()) {
      for (const [n, from] of steps.entries()) {
        const to = steps[n + 1] ?? null
        const key = `${n} ${from} ${to}`
        const known = counts.get(key)
        if (known === undefined) counts.set(key, { step: n + 1, from, to, count })
        else known.count += count
      }
    }
    return [...counts.values()].toSorted((a, b) => a.step - b.step || b.count - a.count || a.from - b.from)
  }
}

function compareSteps(a: readonly number[], b: readonly number[]): number {
  for (const [n, step] of a.entries()) {
    const other = b[n]
    if (other === undefined) return 1
    if (step !== other) return step - other
  }
  return a.length - b.length
}
