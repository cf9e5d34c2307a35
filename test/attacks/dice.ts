/**
 * Chance that can be had again: every generator of attacks draws from dice with a seed. MANIFOLD_ATTACK_SEED is another
 * seed than the usual one, MANIFOLD_ATTACK_ROUNDS multiplies how much is tried (a night's run: 50).
 */

const SEED = Number(process.env['MANIFOLD_ATTACK_SEED'] ?? 20_261_126)
const FACTOR = Number(process.env['MANIFOLD_ATTACK_ROUNDS'] ?? 1)

/** For the message of every expectation: what to set to see the same again. */
export const SEEDED = `MANIFOLD_ATTACK_SEED=${SEED}`

/** How many rounds to play where `usual` are the rule. */
export const rounds = (usual: number): number => Math.max(1, Math.round(usual * FACTOR))

export interface Dice {
  /** 0 or more, less than 1. */
  next(): number
  /** 0 or more, less than `below`. */
  below(below: number): number
  pick<T>(list: readonly T[]): T
  /** `count` of the list, each at most once. */
  some<T>(list: readonly T[], count: number): T[]
}

/** Dice of its own for each use, so that one generator does not move another. */
export function dice(label: string): Dice {
  let state = Buffer.from(label).reduce((sum, byte) => Math.imul(sum ^ byte, 16_777_619), SEED | 0)
  // mulberry32
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  const below = (limit: number): number => Math.floor(next() * limit)
  return {
    next,
    below,
    pick: (list) => list[below(list.length)] as (typeof list)[number],
    some: (list, count) => {
      const left = [...list]
      const out: (typeof list)[number][] = []
      while (out.length < count && left.length > 0) out.push(...left.splice(below(left.length), 1))
      return out
    },
  }
}
