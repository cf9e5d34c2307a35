/** Who runs what: shares are even, everything is run, nothing goes round, whoever comes and goes. */
import { describe, expect, test } from 'vitest'
import { planShare } from '../../core/fleet/postgres/plan.ts'
import type { ProcessRow } from '../../core/fleet/postgres/leases.ts'
import type { ProcessSeen } from '../../core/fleet/postgres/plan.ts'
import { asksOf, givenTo } from '../../core/fleet/postgres/sight.ts'
import { wishesOf } from '../../core/fleet/postgres/wishes.ts'

/** Processes that plan one after the other, each from what stands there at its turn. */
class World {
  readonly wanted: readonly string[]
  readonly owners = new Map<string, string | null>()
  /** Keys that go together. */
  unit = (key: string): string => key
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
      const plan = planShare({ me, wanted: this.wanted, unit: this.unit, processes, leases, freeBefore })
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
    const plan = planShare({ me: 'me', wanted, unit: (key) => key, processes, leases, freeBefore: new Set() })
    expect(plan).toEqual({ claim: wanted, free: wanted, release: ['default/gone'] })
    const api = planShare({ me: 'api', wanted: [], unit: (key) => key, processes, leases, freeBefore: new Set() })
    expect(api).toEqual({ claim: [], free: [], release: [] })
  })

  test('what takes turns with each other runs in one process, counts as one, and is claimed nowhere while a part leaves', () => {
    for (let seed = 0; seed < 300; seed += 1) {
      const random = seeded(seed)
      const world = new World(12, 1 + Math.floor(random() * 4))
      const units = world.wanted.map(() => `unit-${Math.floor(random() * 5)}`)
      world.unit = (key) => units[world.wanted.indexOf(key)] ?? key
      const unitCount = new Set(units).size
      for (const key of world.wanted)
        if (random() < 0.7) world.owners.set(key, world.workers[Math.floor(random() * world.workers.length)] ?? null)
      for (const change of [() => {}, () => (world.workers = [...world.workers, 'worker-new'])]) {
        change()
        for (let beat = 0; beat < 6; beat += 1) world.beat(random)
        const owners = new Map(world.wanted.map((key) => [world.unit(key), world.owners.get(key)]))
        for (const key of world.wanted) expect(world.owners.get(key), `seed ${seed}`).toBe(owners.get(world.unit(key)))
        const counts = world.workers.map((id) => [...owners.values()].filter((owner) => owner === id).length)
        expect(isEven(counts, unitCount), `seed ${seed}: ${counts.join(' ')} of ${unitCount}`).toBe(true)
        const before = world.moves
        for (let beat = 0; beat < 3; beat += 1) world.beat(random)
        expect(world.moves, `seed ${seed}: it never rests`).toBe(before)
      }
    }
    const processes = ['me', 'other'].map((id) => ({ id, runsLanes: true, alive: true }))
    const leases = [
      { key: 'alone', owner: 'other' },
      { key: 'row-1', owner: null },
      { key: 'row-2', owner: 'other' },
    ]
    const wanted = leases.map(({ key }) => key)
    const unit = (key: string): string => key.slice(0, 3)
    const sight = { wanted, unit, processes, leases, freeBefore: new Set(wanted) }
    expect(planShare({ ...sight, me: 'me' })).toMatchObject({ claim: [], release: [] })
    // It has one more than it should, and gives it whole: the part that left is not taken back.
    expect(planShare({ ...sight, me: 'other' })).toMatchObject({ claim: [], release: ['row-2'] })
  })

  test('who could run all that goes together asks for the part that somebody runs who does not know the rest', () => {
    const turns = ['sheet']
    const all = wishesOf(
      new Map([
        ['w/one', turns],
        ['w/two', turns],
        ['w/other', []],
      ]),
    )
    const some = wishesOf(new Map([['w/one', turns]]))
    const rest = wishesOf(new Map([['w/two', turns]]))
    const processes = ['knows-all', 'knows-one', 'knows-two'].map((id) => ({ id }) as ProcessRow)
    const lease = (installation: string, owner: string | null, of = all) => ({
      workspace: 'w',
      installation,
      owner,
      token: 1,
      turns: of.turns(`w/${installation}`),
    })
    const leases = [lease('one', 'knows-one'), lease('other', 'knows-one')]
    const asked = (me: string, wishes: typeof all, silent: readonly string[] = []) =>
      asksOf({ leases, processes }, { me, wishes, orphans: ['w/two'], isAlive: ({ id }) => !silent.includes(id) })
    const ask = { owner: 'knows-one', orphan: 'w/two', keys: ['w/one'] }
    expect(asked('knows-all', all)).toEqual([ask])
    // Whoever could run the rest alone would only turn it round; the dead are asked for nothing.
    expect(asked('knows-two', rest)).toEqual([])
    expect(asked('knows-all', all, ['knows-one'])).toEqual([])
    const held = new Map(leases.map(({ installation }) => [`w/${installation}`, 1]))
    expect(givenTo(ask, { me: 'knows-one', wishes: some, held })).toEqual(['w/one'])
    expect(givenTo(ask, { me: 'knows-one', wishes: all, held })).toEqual([])
    expect(givenTo(ask, { me: 'another', wishes: some, held })).toEqual([])
    expect(givenTo(null, { me: 'knows-one', wishes: some, held })).toEqual([])
  })
})
