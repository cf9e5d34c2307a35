/** Random numbers that can be had again: a failure names its seed. */

export interface Seeded {
  readonly seed: number
  /** From 0 up to 1. */
  next(): number
}

/** `seed` as text (an environment variable); without it, another one each time. */
export function seeded(seed: string | undefined): Seeded {
  const begin = seed === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(seed)
  let state = begin >>> 0
  return {
    seed: begin,
    // mulberry32, Tommy Ettinger, public domain.
    next: () => {
      state = (state + 0x6d2b79f5) >>> 0
      let mixed = Math.imul(state ^ (state >>> 15), state | 1)
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
    },
  }
}
