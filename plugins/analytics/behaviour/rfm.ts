/** Recency, frequency and money as marks from 1 to 5, and the segments that they are commonly read as. */

export const SEGMENTS = ['champions', 'loyal', 'new', 'promising', 'cannot_lose', 'at_risk', 'lost'] as const
export type Segment = (typeof SEGMENTS)[number]

export interface Marks {
  readonly recency: Uint8Array
  readonly frequency: Uint8Array
  readonly money: Uint8Array
}

/** Fifths by rank; who is equal gets the same mark, the lower one. */
export function marksOf(values: Float64Array): Uint8Array {
  const sorted = Float64Array.from(values).sort()
  const below = (value: number): number => {
    let low = 0
    let high = sorted.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((sorted[middle] as number) < value) low = middle + 1
      else high = middle
    }
    return low
  }
  const others = Math.max(1, values.length - 1)
  return Uint8Array.from(values, (value) => Math.min(5, 1 + Math.floor((5 * below(value)) / others)))
}

export function segmentOf(recency: number, frequency: number, money: number): Segment {
  const worth = Math.round((frequency + money) / 2)
  if (recency >= 4) return worth >= 4 ? 'champions' : worth === 3 ? 'loyal' : 'new'
  if (recency === 3) return worth >= 3 ? 'loyal' : 'promising'
  return worth >= 4 ? 'cannot_lose' : worth === 3 ? 'at_risk' : 'lost'
}
