/**
 * Who came back when: visitors by the period in which they began, and of them how many did something in each period after.
 * Periods are independent of each other; whoever is away for one and back in the next counts there. The engine says of each
 * visitor in which periods they began and did something, a bit each; here they are counted, one visitor after the other.
 */
import type { Columns } from '../engine/database.ts'

export type Mode = 'first_time' | 'recurring'

export interface CohortPlan {
  /** Cohorts: periods that visitors may begin in, from 0 on. */
  readonly cohorts: number
  /** Periods after its own that a cohort is followed. */
  readonly following: number
  /** `recurring`: a visitor begins in every period in which the first event happens; else only in the very first. */
  readonly mode: Mode
  /** Whatever begins returns, and the other way round: then one column says both, and costs half. */
  readonly isSame: boolean
}

export interface Cohort {
  readonly size: number
  /** By period after the beginning, that itself is 0. */
  readonly returned: readonly number[]
}

const WORD_BITS = 32

/** Events of the engine in their periods, each an expression of SQL. */
export interface PeriodsSql {
  /** INTEGER; -1: before the first, and in none that count. */
  readonly period: string
  readonly begins: string
  readonly returns: string
}

/** Bit 0 stands for all that was before the first period, the others for the periods from the first on. */
const FIRST_BIT = 1

/**
 * What `CohortCounter` reads of each visitor, as columns of an aggregate: the bits of when they began, then of when they
 * returned; where that is the same, once.
 */
export function bitsSql(plan: CohortPlan, { period, begins, returns }: PeriodsSql): string {
  const { cohorts, following, isSame } = plan
  const bit = `greatest(${period}, -1) + ${FIRST_BIT}`
  const words = (periods: number, counts: string): readonly string[] =>
    Array.from({ length: wordsOf(periods) }, (_, word) => {
      const first = word * WORD_BITS
      const last = Math.min(periods + FIRST_BIT, first + WORD_BITS) - 1
      return `bit_or(CASE WHEN ${bit} BETWEEN ${first} AND ${last} AND ${counts}
        THEN 1::BIGINT << (${bit} - ${first}) ELSE 0 END)::UINTEGER`
    })
  return [...(isSame ? [] : words(cohorts, begins)), ...words(cohorts + following, returns)].join(', ')
}

const wordsOf = (periods: number): number => Math.ceil((periods + FIRST_BIT) / WORD_BITS)

export class CohortCounter {
  readonly #plan: CohortPlan
  readonly #sizes: Float64Array
  readonly #returned: readonly Float64Array[]

  constructor(plan: CohortPlan) {
    this.#plan = plan
    this.#sizes = new Float64Array(plan.cohorts)
    this.#returned = Array.from({ length: plan.cohorts }, () => new Float64Array(plan.following + 1))
  }

  /** Visitors as `bitsSql` tells of them, a row each. */
  add(columns: Columns, rows: number): void {
    const { cohorts, mode, isSame } = this.#plan
    const words = wordsOf(cohorts)
    const done = isSame ? columns : columns.slice(words)
    for (let row = 0; row < rows; row += 1) {
      const beganBefore = ((columns[0]?.[row] as number) & 1) === 1
      if (mode === 'first_time' && beganBefore) continue
      for (let word = 0; word < words; word += 1) {
        // The lowest bit, again and again.
        for (let left = columns[word]?.[row] as number; left !== 0; left = (left & (left - 1)) >>> 0) {
          const cohort = word * WORD_BITS + 31 - Math.clz32(left & -left) - FIRST_BIT
          if (cohort >= 0 && cohort < cohorts) this.#count(cohort, done, row)
          if (mode === 'first_time') break
        }
        if (mode === 'first_time' && columns[word]?.[row] !== 0) break
      }
    }
  }

  #count(cohort: number, done: Columns, row: number): void {
    this.#sizes[cohort] = (this.#sizes[cohort] as number) + 1
    const counts = this.#returned[cohort] as Float64Array
    for (let after = 0; after < counts.length; after += 1) {
      const bit = cohort + after + FIRST_BIT
      const word = done[bit >>> 5]?.[row] as number
      counts[after] = (counts[after] as number) + ((word >>> (bit & 31)) & 1)
    }
  }

  cohorts(): readonly Cohort[] {
    return this.#returned.map((counts, n) => ({ size: this.#sizes[n] as number, returned: [...counts] }))
  }
}
