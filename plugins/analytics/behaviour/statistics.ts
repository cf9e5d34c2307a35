/** The statistics of experiments, each by its published formula. */

/** Of the standard normal distribution: 95 % lie within. */
const Z_95 = 1.959963984540054
const ALPHA = 0.05

export interface Interval {
  readonly low: number
  readonly high: number
}

/** Score interval of a proportion. E. B. Wilson (1927), "Probable inference". Null where there are no trials. */
export function wilson(hits: number, trials: number): Interval | null {
  if (trials === 0) return null
  const rate = hits / trials
  const z2 = Z_95 * Z_95
  const middle = (rate + z2 / (2 * trials)) / (1 + z2 / trials)
  const half = (Z_95 / (1 + z2 / trials)) * Math.sqrt((rate * (1 - rate)) / trials + z2 / (4 * trials * trials))
  return { low: Math.max(0, middle - half), high: Math.min(1, middle + half) }
}

export interface Sample {
  readonly hits: number
  readonly trials: number
}

/** Of the difference of two proportions (b - a). R. G. Newcombe (1998), method 10. Null where one has no trials. */
export function newcombe(a: Sample, b: Sample): Interval | null {
  const ofA = wilson(a.hits, a.trials)
  const ofB = wilson(b.hits, b.trials)
  if (ofA === null || ofB === null) return null
  const rateA = a.hits / a.trials
  const rateB = b.hits / b.trials
  return {
    low: rateB - rateA - Math.hypot(rateB - ofB.low, ofA.high - rateA),
    high: rateB - rateA + Math.hypot(ofB.high - rateB, rateA - ofA.low),
  }
}

/** The sample for which the sequence below is tightest. */
const TUNED_FOR = 5_000

/**
 * Interval of the difference (b - a) that may be looked at after every event: the chance that it ever leaves out the truth
 * is 5 % in all. Asymptotic confidence sequence, Waudby-Smith et al. (2021), "Time-uniform central limit theory".
 */
export function alwaysValid(a: Sample, b: Sample): Interval | null {
  if (a.trials === 0 || b.trials === 0) return null
  const rateA = a.hits / a.trials
  const rateB = b.hits / b.trials
  const n = a.trials + b.trials
  const variance = ((rateA * (1 - rateA)) / a.trials + (rateB * (1 - rateB)) / b.trials) * n
  const rho2 = (-2 * Math.log(ALPHA) + Math.log(-2 * Math.log(ALPHA) + 1)) / TUNED_FOR
  const spread = ((2 * (n * rho2 + 1)) / (n * n * rho2)) * Math.log(Math.sqrt(n * rho2 + 1) / ALPHA)
  const half = Math.sqrt(variance * spread)
  return { low: rateB - rateA - half, high: rateB - rateA + half }
}

/** Of a two-sided test of two proportions with pooled variance. Null where nothing can be told. */
export function twoProportionsP(a: Sample, b: Sample): number | null {
  const pooled = (a.hits + b.hits) / (a.trials + b.trials)
  const variance = pooled * (1 - pooled) * (1 / a.trials + 1 / b.trials)
  if (!(variance > 0) || !Number.isFinite(variance)) return null
  const difference = b.hits / b.trials - a.hits / a.trials
  return chiSquareP((difference * difference) / variance, 1)
}

/** How likely counts this far from equal shares (or from `shares`) are by chance: Pearson's test. Null with nothing counted. */
export function sampleRatioP(counts: readonly number[], shares?: readonly number[]): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total === 0 || counts.length < 2) return null
  const whole = shares?.reduce((sum, share) => sum + share, 0) ?? counts.length
  const statistic = counts
    .map((count, n) => {
      const expected = (total * (shares?.[n] ?? 1)) / whole
      return (count - expected) ** 2 / expected
    })
    .reduce((sum, part) => sum + part, 0)
  return chiSquareP(statistic, counts.length - 1)
}

/** Upper tail of the chi-square distribution: the regularised incomplete gamma function Q(k/2, x/2), DLMF 8.2.4. */
export function chiSquareP(statistic: number, degrees: number): number {
  const a = degrees / 2
  const x = statistic / 2
  if (x <= 0) return 1
  return x < a + 1 ? 1 - lowerSeries(a, x) : upperFraction(a, x)
}

const STEPS_MAX = 500
const PRECISION = 1e-15

/** DLMF 8.11.4. */
function lowerSeries(a: number, x: number): number {
  let term = 1 / a
  let sum = term
  for (let n = 1; n < STEPS_MAX && term > sum * PRECISION; n += 1) {
    term *= x / (a + n)
    sum += term
  }
  return sum * Math.exp(a * Math.log(x) - x - logGamma(a))
}

/** DLMF 8.9.2, from the front by Lentz's method. */
function upperFraction(a: number, x: number): number {
  let b = x + 1 - a
  let c = Number.MAX_VALUE
  let d = 1 / b
  let fraction = d
  for (let n = 1; n < STEPS_MAX; n += 1) {
    const factor = -n * (n - a)
    b += 2
    d = 1 / (factor * d + b)
    c = b + factor / c
    fraction *= d * c
    if (Math.abs(d * c - 1) < PRECISION) break
  }
  return fraction * Math.exp(a * Math.log(x) - x - logGamma(a))
}

/** Stirling's series after the argument was raised to where it is exact to the last digits, DLMF 5.11.1. */
function logGamma(a: number): number {
  let shift = 0
  let x = a
  for (; x < 15; x += 1) shift += Math.log(x)
  const inverse2 = 1 / (x * x)
  const series = (1 / 12 - inverse2 * (1 / 360 - inverse2 * (1 / 1260 - inverse2 / 1680))) / x
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + series - shift
}
