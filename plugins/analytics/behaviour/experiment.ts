/** Results of an A/B test: who saw which variant first, and who of them reached the goal afterwards. */
import { alwaysValid, newcombe, sampleRatioP, twoProportionsP, wilson } from './statistics.ts'
import type { Interval, Sample } from './statistics.ts'
import type { Timeline } from './timelines.ts'

export interface ExperimentPlan {
  /** In the order of their numbers, which begin at 1. The first is what the others are compared with. */
  readonly variants: readonly string[]
  /** Of all visitors, what share each should see; in any unit. */
  readonly shares?: readonly number[] | undefined
  /** After the exposure. `Infinity`: without end. */
  readonly windowMs: number
  readonly fromMs: number
  readonly toMs: number
}

export interface VariantResult {
  readonly variant: string
  readonly visitors: number
  readonly converted: number
  readonly rate: number | null
  readonly interval: Interval | null
  /** Against the first variant; null for itself and where one of the two has nobody. */
  readonly comparison: {
    readonly difference: number
    readonly lift: number | null
    /** For one look at the end that was planned before. */
    readonly interval: Interval | null
    readonly p: number | null
    /** For any number of looks: once it leaves out 0, the difference is real. */
    readonly alwaysValid: Interval | null
    readonly isSignificant: boolean
  } | null
}

export interface ExperimentResult {
  readonly variants: readonly VariantResult[]
  /** Saw more than one variant, and are left out. */
  readonly mixed: number
  /** A `p` below 0.001: visitors were not divided as they should be, so the rates cannot be trusted. */
  readonly sampleRatio: { readonly p: number | null; readonly isMismatch: boolean }
}

const MISMATCH_P = 0.001

/** Event codes: the goal is the lowest bit, the number of a variant that was shown stands above it; 0 is none. */
export class ExperimentCounter {
  readonly #plan: ExperimentPlan
  readonly #seen: Float64Array
  readonly #converted: Float64Array
  #mixed = 0

  constructor(plan: ExperimentPlan) {
    this.#plan = plan
    this.#seen = new Float64Array(plan.variants.length)
    this.#converted = new Float64Array(plan.variants.length)
  }

  add({ length, atMs, codes }: Timeline): void {
    const { fromMs, toMs, windowMs } = this.#plan
    let variant = 0
    let exposedMs = 0
    let isConverted = false
    for (let at = 0; at < length; at += 1) {
      const code = codes[at] as number
      const when = atMs[at] as number
      const shown = code >>> 1
      if (shown !== 0 && when >= fromMs && when < toMs) {
        if (variant !== 0 && variant !== shown) {
          this.#mixed += 1
          return
        }
        if (variant === 0) exposedMs = when
        variant = shown
      }
      // An event that is both shows the variant first.
      if ((code & 1) === 1 && variant !== 0 && when - exposedMs <= windowMs) isConverted = true
    }
    if (variant === 0) return
    this.#seen[variant - 1] = (this.#seen[variant - 1] as number) + 1
    if (isConverted) this.#converted[variant - 1] = (this.#converted[variant - 1] as number) + 1
  }

  result(): ExperimentResult {
    const samples = this.#plan.variants.map((_, n): Sample => ({
      hits: this.#converted[n] as number,
      trials: this.#seen[n] as number,
    }))
    const control = samples[0] as Sample
    const p = sampleRatioP(
      samples.map(({ trials }) => trials),
      this.#plan.shares,
    )
    return {
      variants: this.#plan.variants.map((variant, n) => {
        const sample = samples[n] as Sample
        const { hits, trials } = sample
        const rate = trials === 0 ? null : hits / trials
        const comparison = n === 0 ? null : compared(control, sample)
        return { variant, visitors: trials, converted: hits, rate, interval: wilson(hits, trials), comparison }
      }),
      mixed: this.#mixed,
      sampleRatio: { p, isMismatch: p !== null && p < MISMATCH_P },
    }
  }
}

function compared(control: Sample, sample: Sample): VariantResult['comparison'] {
  if (control.trials === 0 || sample.trials === 0) return null
  const before = control.hits / control.trials
  const difference = sample.hits / sample.trials - before
  const sequence = alwaysValid(control, sample)
  return {
    difference,
    lift: before === 0 ? null : difference / before,
    interval: newcombe(control, sample),
    p: twoProportionsP(control, sample),
    alwaysValid: sequence,
    isSignificant: sequence !== null && (sequence.low > 0 || sequence.high < 0),
  }
}
