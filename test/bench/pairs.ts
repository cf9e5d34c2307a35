/**
 * Two things measured one right after the other, in turns of order, so that what else the machine does meets both. A ratio is
 * the median of the pairs' own ratios: a busy minute makes both slow, not one of them.
 */
import { FOREIGN_SHARE_MAX } from './measure.ts'
import type { RunResult } from './measure.ts'
import { median } from './statistics.ts'

export interface Pair {
  readonly first: RunResult
  readonly second: RunResult
}

const foreignOf = ({ first, second }: Pair): number => Math.max(first.foreignShare, second.foreignShare)
/** A pair of which one alone was disturbed is worse than one that was disturbed throughout. */
const unfairnessOf = (pair: Pair): number =>
  foreignOf(pair) + Math.abs(pair.first.foreignShare - pair.second.foreignShare)

/** Runs pairs until so many were undisturbed, or twice as many were run and the fairest ones have to do. */
export async function measurePairs(
  wanted: number,
  measure: (which: keyof Pair) => Promise<RunResult>,
): Promise<readonly Pair[]> {
  const pairs: Pair[] = []
  const quiet = () => pairs.filter((pair) => foreignOf(pair) <= FOREIGN_SHARE_MAX)
  while (quiet().length < wanted && pairs.length < wanted * 2) {
    if (pairs.length % 2 === 0) {
      const first = await measure('first')
      pairs.push({ first, second: await measure('second') })
    } else {
      const second = await measure('second')
      pairs.push({ first: await measure('first'), second })
    }
  }
  return pairs.toSorted((a, b) => unfairnessOf(a) - unfairnessOf(b)).slice(0, wanted)
}

/**
 * Of rates, second to first. Each is taken for the share of the machine that others left: both sides use all they can get, so
 * a machine that was half busy shows half the rate.
 */
export const ratioOf = (pairs: readonly Pair[], rateOf: (run: RunResult) => number): number => {
  const whole = (run: RunResult) => rateOf(run) / (1 - run.foreignShare)
  return median(pairs.map(({ first, second }) => whole(second) / whole(first)))
}

/** Of one side. */
export const medianOf = (pairs: readonly Pair[], which: keyof Pair, pick: (run: RunResult) => number): number =>
  median(pairs.map((pair) => pick(pair[which])))
