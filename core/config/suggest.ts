/** "Did you mean": the known word nearest to what was written, if it is near at all. */

const LENGTH_MAX = 64

/** The nearest candidate, or undefined when none is within a third of the word's length (at least one edit). */
export function nearest(written: string, candidates: Iterable<string>): string | undefined {
  if (written.length > LENGTH_MAX) return undefined
  const word = written.toLowerCase()
  const allowed = Math.max(1, Math.floor(word.length / 3))
  let best: string | undefined
  let bestDistance = allowed + 1
  for (const candidate of candidates) {
    if (candidate.length > LENGTH_MAX) continue
    const distance = editDistance(word, candidate.toLowerCase())
    if (distance >= bestDistance) continue
    best = candidate
    bestDistance = distance
  }
  return best
}

/** `did you mean "x"?`, or null. */
export function didYouMean(written: string, candidates: Iterable<string>): string | null {
  const found = nearest(written, candidates)
  return found === undefined ? null : meantHint(found)
}

/** The question about a word that may have been meant. */
export const meantHint = (word: string): string => `did you mean "${word}"?`

/** Insertions, deletions, substitutions and swaps of neighbours each count one (optimal string alignment). */
function editDistance(a: string, b: string): number {
  const width = b.length + 1
  const cells = new Uint16Array((a.length + 1) * width)
  const at = (row: number, column: number): number => cells[row * width + column] as number
  for (let row = 0; row <= a.length; row++) {
    for (let column = 0; column <= b.length; column++) {
      let value = row === 0 ? column : row
      if (row > 0 && column > 0) {
        const same = a[row - 1] === b[column - 1]
        value = Math.min(at(row - 1, column) + 1, at(row, column - 1) + 1, at(row - 1, column - 1) + (same ? 0 : 1))
        const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
        if (swapped) value = Math.min(value, at(row - 2, column - 2) + 1)
      }
      cells[row * width + column] = value
    }
  }
  return at(a.length, b.length)
}
