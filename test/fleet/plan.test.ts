/** Who runs what: shares are even, everything is run, nothing goes round, whoever comes and goes. */
import { describe, expect, test } from 'vitest'
import { planShare } from '../../core/fleet/postgres/plan.ts'
import type { ProcessSeen } from '../../core/fleet/postgres/plan.ts'

/** Processes that plan one after the other, each from what stands there at its turn. */
class World {
  readonly wanted: readonly string[]
  readonly owners = new Map<string, string | null>()
  readonly #freeBefore = new Map<string, ReadonlySet<string>>()
  workers: readonly string[]
  moves = 0

  constructor(keys: number, workers: number) {
    this.wanted = Array.from({ length: keys }, (_, n) => `default/hook-${n}`)
    this.workers = Array.from({ length: workers }, (_, n) => `worker-${n}`)
  }

  /** One beat of everybody, in any order. */
  beat(random: () => number): void {
    const processes: readonly ProcessSeen[] = [
      { id: 'api', runsLanes: false, alive: true },
      ...this.workers.map((id) => ({ id, runsLanes: true, alive: true })),
    ]
    for (const me of this.workers.toSorted(() => random() - 0.5)) {
      const leases = [...this.owners].map(([key, owner]) => ({ key, owner }))
      const freeBefore = this.#freeBefore.get(me) ?? new Set()
      const plan = planShare({ me, wanted: this.wanted, processes, leases, freeBefore })
      this.#freeBefore.set(me, new Set(plan.free))
      for (const key of plan.claim) {
        this.owners.set(key, me)
        this.moves += 1
      }
      for (const key of plan.release) this.owners.set(key, null)
    }
  }

  counts(): readonly number[] {
    const owned = [...this.owners.values()]
    return this.workers.map((id) => owned.filter((owner) => owner === id).length)
  }

  lose(worker: string): void {
    this.workers = this.workers.filter((id) => id !== worker)
    for (const [key, owner] of this.owners) if (owner === worker) this.owners.set(key, null)
  }
}

function seeded(seed: number): () => number {
  let state = seed + 1
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}

const isEven = (counts: readonly number[], keys: number): boolean =>
  Math.max(...counts) - Math.min(...counts) <= 1 && counts.reduce((sum, count) => sum + count, 0) === keys

describe('shares', () => {
  test('even after a start, one more worker and one less, in few beats, and then nothing moves', () => {
    for (let seed = 0; seed < 300; seed += 1) {
      const random = seeded(seed)
      const keys = 1 + Math.floor(random() * 30)
      const world = new World(keys, 1 + Math.floor(random() * 6))
      // However they came to what they have.
      for (const key of world.wanted) {
        const owner = world.workers[Math.floor(random() * (world.workers.length + 1))] ?? null
        if (random() < 0.7) world.owners.set(key, owner)
      }
      const change = (what: string, act: () => void): void => {
        act()
        for (let beat = 0; beat < 4; beat += 1) world.beat(random)
        expect(isEven(world.counts(), keys), `seed ${seed}, ${what}: ${world.counts().join(' ')} of ${keys}`).toBe(true)
        const before = world.moves
        for (let beat = 0; beat < 3; beat += 1) world.beat(random)
        expect(world.moves, `seed ${seed}, ${what}: it never rests`).toBe(before)
      }
      change('start', () => {})
      change('one more', () => (world.workers = [...world.workers, 'worker-new']))
      change('one less', () => world.lose(world.workers[Math.floor(random() * world.workers.length)] as string))
    }
  })

  test('a fifth worker gets something although nobody has more than the share rounded up', () => {
    const world = new World(8, 4)
    world.beat(seeded(1))
    expect(world.counts()).toEqual([2, 2, 2, 2])
    world.workers = [...world.workers, 'worker-4']
    for (let beat = 0; beat < 3; beat += 1) world.beat(seeded(beat))
    expect(world.counts().toSorted()).toEqual([1, 1, 2, 2, 2])
  })

  test('what cannot be run here any more is given up, what is of the dead is free, and an API plans nothing', () => {
    const processes: readonly ProcessSeen[] = [
      { id: 'me', runsLanes: true, alive: true },
      { id: 'dead', runsLanes: true, alive: false },
    ]
    const leases = [
      { key: 'default/gone', owner: 'me' },
      { key: 'default/theirs', owner: 'dead' },
    ]
    const wanted = ['default/theirs', 'default/new']
    const plan = planShare({ me: 'me', wanted, processes, leases, freeBefore: new Set() })
    expect(plan).toEqual({ claim: wanted, free: wanted, release: ['default/gone'] })
    const api = planShare({ me: 'api', wanted: [], processes, leases, freeBefore: new Set() })
    expect(api).toEqual({ claim: [], free: [], release: [] })
  })
})
