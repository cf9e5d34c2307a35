/** F-25's figure: what a fleet carries while its processes are replaced one by one, beside what it carries when nobody touches it. */
import { openFleetScene } from '../support/fleet-scene.ts'
import { carriedPerSecond, roll } from '../support/rolling.ts'
import type { Carried } from '../support/rolling.ts'
import { sleep } from '../support/wait.ts'
import { benchDatabase } from './fleet-target.ts'
import { figure, printTable } from './report.ts'
import type { Scenario } from './run.ts'

const RATIO_MIN = 0.6
/** As many as keep both cores busy. */
const CLIENTS = 16
const WARM = 500

export const rolling: Scenario = async ({ quick }) => {
  await using database = await benchDatabase()
  await using scene = await openFleetScene({ apis: 2, workers: 3, database: { url: database.url } })
  const { fleet, driver, receiver } = scene
  driver.startClosed(CLIENTS)
  await receiver.received(WARM)
  const calmMs = quick ? 5_000 : 15_000
  // Before and after: a machine that others use swings more than a restart costs.
  const before = await carriedPerSecond(scene, () => sleep(calmMs))
  const during = await carriedPerSecond(scene, () => roll(fleet, quick ? 10 : 30))
  const after = await carriedPerSecond(scene, () => sleep(calmMs))
  await driver.stop()
  await driver.resendOpen()
  await scene.settled(120_000)
  const { lost } = await scene.account()
  const line = (name: string, { accepted, delivered }: Carried): string[] => [name, figure(accepted), figure(delivered)]
  printTable(
    `Three workers and two APIs, ${CLIENTS} clients in a closed loop, a process replaced every 2 s`,
    ['when', 'accepted/s', 'delivered/s'],
    [line('before', before), line('meanwhile', during), line('after', after)],
  )
  const ratio = (of: (carried: Carried) => number): number => (2 * of(during)) / (of(before) + of(after))
  const atLeast = { budget: RATIO_MIN, sense: 'min', unit: '' } as const
  return [
    { what: 'accepted/s, rolling restart : untouched', value: ratio(({ accepted }) => accepted), ...atLeast },
    { what: 'delivered/s, rolling restart : untouched', value: ratio(({ delivered }) => delivered), ...atLeast },
    { what: 'accepted and lost', value: lost.length, budget: 0, sense: 'max', unit: '' },
  ]
}
