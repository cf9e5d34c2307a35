/**
 * A sum of numbers that is the same in whatever order they came and went: what rounding loses is kept beside it.
 * J. R. Shewchuk, "Adaptive Precision Floating-Point Arithmetic and Fast Robust Geometric Predicates" (1997).
 */
const HALVER = 2 ** 27 + 1

export class ExactSum {
  /** They do not overlap; the least comes first. */
  readonly #parts: number[] = []

  /** Up to `NUMBER_MAX` either way: beyond, steps in between could leave what a number can hold. Negative: takes it away. */
  add(value: number): void {
    const parts = this.#parts
    let sum = value
    let kept = 0
    for (let n = 0; n < parts.length; n += 1) {
      const part = parts[n] ?? 0
      const [large, small] = Math.abs(sum) < Math.abs(part) ? [part, sum] : [sum, part]
      sum = large + small
      const lost = small - (sum - large)
      if (lost !== 0) parts[kept++] = lost
    }
    parts.length = kept
    if (sum !== 0) parts.push(sum)
  }

  /** The same as adding it so many times, up to 2^26. */
  addTimes(value: number, count: number): void {
    const wide = HALVER * value
    const high = wide - (wide - value)
    this.add(high * count)
    this.add((value - high) * count)
  }

  /** Of so many numbers. */
  of(count: number): { readonly average: number | null; readonly sum: number | null } {
    const { value } = this
    return count === 0 ? { average: null, sum: null } : { average: value / count, sum: value }
  }

  /** Rounded once, to the nearest. */
  get value(): number {
    const parts = this.#parts
    let n = parts.length - 1
    if (n < 0) return 0
    let sum = parts[n] ?? 0
    let lost = 0
    while (n > 0 && lost === 0) {
      n -= 1
      const part = parts[n] ?? 0
      const next = sum + part
      lost = part - (next - sum)
      sum = next
    }
    // Half-way between two numbers, what lies below says which.
    if (n > 0 && Math.sign(lost) === Math.sign(parts[n - 1] ?? 0)) {
      const twice = lost * 2
      const other = sum + twice
      if (other - sum === twice) return other
    }
    return sum
  }
}
