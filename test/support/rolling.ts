/** A rolling restart under load, and what the fleet carries meanwhile: for the fault's test and for the bench. */
import type { Fleet } from './fleet.ts'
import type { FleetScene } from './fleet-scene.ts'
import { sleep } from './wait.ts'

/** Unless starting one takes longer. */
const REPLACE_EVERY_MS = 2_000

export interface Carried {
  readonly accepted: number
  readonly delivered: number
}

/** Submissions accepted and requests delivered per second while `work` goes on. */
export async function carriedPerSecond(scene: FleetScene, work: () => Promise<unknown>): Promise<Carried> {
  const { driver, receiver } = scene
  const begunMs = performance.now()
  const before = { accepted: driver.answers.get(201) ?? 0, delivered: receiver.requests.length }
  await work()
  const seconds = (performance.now() - begunMs) / 1_000
  return {
    accepted: ((driver.answers.get(201) ?? 0) - before.accepted) / seconds,
    delivered: (receiver.requests.length - before.delivered) / seconds,
  }
}

/** Round and round, so many times: the oldest of three workers and two APIs, in their turn, one each two seconds at most. */
export async function roll(fleet: Fleet, times: number): Promise<void> {
  for (let replaced = 0; replaced < times; replaced += 1) {
    const begunMs = performance.now()
    const oldest = replaced % 5 < 3 ? fleet.workers[0] : fleet.apis[0]
    if (oldest === undefined) throw new Error('The fleet is empty')
    await fleet.replace(oldest)
    await sleep(Math.max(0, REPLACE_EVERY_MS - (performance.now() - begunMs)))
  }
}
