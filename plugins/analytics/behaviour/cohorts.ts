/**
 * Who came back when: visitors by the period in which they began, and of them how many did something in each period after.
 * Periods are independent of each other; whoever is away for one and back in the next counts there. Bits of a visitor stand
 * for periods, so millions of events cost a few bytes a visitor.
 */
import { Refusal } from '../query/refusal.ts'

export type Mode = 'first_time' | 'recurring'

export interface CohortPlan {
  /** Visitors have numbers below this. */
  readonly visitors: number
  /** Cohorts: periods that visitors may begin in, from 0 on. */
  readonly cohorts: number
  /** Periods after its own that a cohort is followed. */
  readonly following: number
  /** `recurring`: a visitor begins in every period in which the first event happens; else only in the very first. */
  readonly mode: Mode
}

export interface Cohort {
  readonly size: number
  /** By period after the beginning, that itself is 0. */
  readonly returned: readonly number[]
}

const WORD_BITS = 32
const BYTES_MAX = 256 * 2 ** 20

/** Throws a Refusal where there is no room for so many periods of so many visitors. */
export class CohortCounter {
  readonly #plan: CohortPlan
  readonly #words: number
  readonly #begun: Uint32Array
  readonly #done: Uint32Array
  /** Began before the first cohort. */
  readonly #early: Uint8Array

  constructor(plan: CohortPlan) {
    const { visitors, cohorts, following } = plan
    this.#plan = plan
    this.#words = Math.ceil((cohorts + following) / WORD_BITS)
    if (visitors * this.#words * 8 > BYTES_MAX)
      throw new Refusal([
        {
          pointer: '/following',
          detail: `and the cohorts are too many periods for ${visitors} visitors; ask about fewer`,
        },
      ])
    this.#begun = new Uint32Array(visitors * this.#words)
    this.#done = new Uint32Array(visitors * this.#words)
    this.#early = new Uint8Array(visitors)
  }

  /** An event in this period, which may lie before the first; `begins` and `returns` say which of the two it is. */
  add(visitor: number, period: number, { begins, returns }: { begins: boolean; returns: boolean }): void {
    if (period < 0) {
      if (begins) this.#early[visitor] = 1
      return
    }
    const { cohorts, following } = this.#plan
    if (period >= cohorts + following) return
    const word = visitor * this.#words + Math.floor(period / WORD_BITS)
    const bit = 1 << (period % WORD_BITS)
    if (begins) this.#begun[word] = (this.#begun[word] as number) | bit
    if (returns) this.#done[word] = (this.#done[word] as number) | bit
  }

  cohorts(): readonly Cohort[] {
    const { visitors, cohorts, following, mode } = this.#plan
    const sizes = new Float64Array(cohorts)
    const returned = Array.from({ length: cohorts }, () => new Float64Array(following + 1))
    for (let visitor = 0; visitor < visitors; visitor += 1) {
      if (mode === 'first_time' && this.#early[visitor] === 1) continue
      for (let period = 0; period < cohorts; period += 1) {
        if (!this.#has(this.#begun, visitor, period)) continue
        sizes[period] = (sizes[period] as number) + 1
        const counts = returned[period] as Float64Array
        for (let after = 0; after <= following; after += 1)
          if (this.#has(this.#done, visitor, period + after)) counts[after] = (counts[after] as number) + 1
        if (mode === 'first_time') break
      }
    }
    return returned.map((counts, n) => ({ size: sizes[n] as number, returned: [...counts] }))
  }

  /** Of each visitor the cohort of the very first time; -1: of none of these. */
  firsts(): Int16Array {
    const { visitors, cohorts } = this.#plan
    const firsts = new Int16Array(visitors).fill(-1)
    for (let visitor = 0; visitor < visitors; visitor += 1) {
      if (this.#early[visitor] === 1) continue
      for (let period = 0; period < cohorts && firsts[visitor] === -1; period += 1)
        if (this.#has(this.#begun, visitor, period)) firsts[visitor] = period
    }
    return firsts
  }

  #has(bits: Uint32Array, visitor: number, period: number): boolean {
    const word = bits[visitor * this.#words + Math.floor(period / WORD_BITS)] as number
    return ((word >>> (period % WORD_BITS)) & 1) === 1
  }
}
