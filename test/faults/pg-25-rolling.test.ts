/**
 * F-25: every process of a fleet is replaced, one after the other, under load and with SIGTERM; and a newer program
 * brings a newer schema while older ones work on.
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { openPool } from '../../core/storage/postgres/connect.ts'
import { migrate, migrationStatus } from '../../core/storage/postgres/migrate.ts'
import { brokenAttempts, brokenLog, changedIds, openFleetScene, repeatsOf } from '../support/fleet-scene.ts'
import { HubDidNotStart } from '../support/hub.ts'
import { roll } from '../support/rolling.ts'
import { tempDir } from '../support/temp.ts'

/** Each process twice, looked at request by request. */
const PACED_TIMES = 10
/** Each once (more by hand: `MANIFOLD_FAULT_ROLLS`); what the fleet carries meanwhile is the bench's (`--only rolling`). */
const FULL_LOAD_TIMES = Number(process.env['MANIFOLD_FAULT_ROLLS'] ?? 5)
const CONCURRENCY = 4
/** As many as keep both cores busy. */
const CLIENTS = 16
const WARM = 500
/** Longer than any answer of the store may take. */
const STEP_S = 13

test(
  'F-25 rolling restart of 3 workers and 2 APIs under load: no 5xx through the balancer, 0 lost, duplicates within what was in flight',
  { timeout: 240_000 },
  async () => {
    const hooks = ['honest', 'second', 'third', 'fourth']
    await using scene = await openFleetScene({
      apis: 2,
      workers: 3,
      hooks,
      honest: { concurrency: CONCURRENCY },
      // Attempts are under way at every moment.
      reply: () => ({ delayMs: 20 }),
      driver: { perSecond: 50 },
    })
    const { fleet, receiver, driver } = scene
    driver.start()
    await receiver.received(40)
    await roll(fleet, PACED_TIMES)
    await driver.stop()
    expect([...driver.answers.keys()].filter((status) => status >= 300)).toEqual([])
    // A door that closes between two looks of the balancer, when the machine stands still for longer than the notice.
    expect(driver.answers.get(0) ?? 0).toBeLessThanOrEqual(PACED_TIMES / 2)
    await driver.resendOpen()
    await scene.settled()
    const account = await scene.account()
    expect(account).toMatchObject({ lost: [], invented: [], storedTwice: [], undelivered: [], unaccounted: [] })
    expect(account.acknowledged).toBe(account.sent)
    expect(await brokenLog(fleet)).toEqual([])
    expect(await brokenAttempts(fleet)).toEqual([])
    // What is in flight at a SIGTERM is waited for.
    expect(repeatsOf(receiver)).toBe(0)
    const honest = receiver.requests.filter(({ path }) => path === '/honest')
    expect(changedIds({ ...receiver, requests: honest })).toEqual([])
  },
)

test('F-25 rolling restart at full load: no 5xx, and all that was accepted arrives', { timeout: 240_000 }, async () => {
  await using scene = await openFleetScene({ apis: 2, workers: 3 })
  const { fleet, driver, receiver } = scene
  driver.startClosed(CLIENTS)
  await receiver.received(WARM)
  await roll(fleet, FULL_LOAD_TIMES)
  await driver.stop()
  expect(driver.answers.get(201) ?? 0).toBeGreaterThan(WARM)
  expect([...driver.answers.keys()].filter((status) => status >= 500)).toEqual([])
  await driver.resendOpen()
  await scene.settled(120_000)
  expect(await scene.account()).toMatchObject({ lost: [], storedTwice: [], undelivered: [], unaccounted: [] })
})

test(
  'F-25 a newer schema under older programs: they go on, and one older than the schema needs does not start',
  { timeout: 90_000 },
  async () => {
    await using steps = await tempDir('steps')
    const folder = await withStep(
      steps.path,
      `SELECT pg_sleep(${STEP_S}); ALTER TABLE responses ADD COLUMN colour text;`,
    )
    await using scene = await openFleetScene({ apis: 2, workers: 1, driver: { perSecond: 50 } })
    const { fleet, driver, receiver } = scene
    const logger = { debug: noop, info: noop, warn: noop, error: noop, child: () => logger }
    const pool = openPool({ url: fleet.databaseUrl, connectionsMax: 2, name: 'manifold newer', logger })
    try {
      driver.start()
      await receiver.received(20)
      const { latest } = await migrationStatus(pool, folder)
      // Two new processes at once: one runs the step, the other waits for it and finds it done.
      const ran = await Promise.all([migrate(pool, folder), migrate(pool, folder)])
      expect(ran.flat()).toHaveLength(1)
      await receiver.received(receiver.requests.length + 50)
      // One of the old version can still start and work.
      const late = await fleet.add('all')
      expect((await late.api('GET', '/readyz')).status).toBe(200)
      await fleet.replace(fleet.apis[0] ?? late)
      await driver.stop()
      expect([...driver.answers.keys()].filter((status) => status !== 201)).toEqual([])
      await scene.settled()
      expect(await scene.account()).toMatchObject({ lost: [], storedTwice: [], undelivered: [], unaccounted: [] })
      expect(await brokenLog(fleet)).toEqual([])

      const contracted = await withStep(steps.path, `-- needs: ${latest}\nALTER TABLE responses DROP COLUMN colour;`)
      expect(await migrate(pool, contracted)).toHaveLength(1)
      const refused = await fleet.add('api').catch((error: unknown) => error)
      expect(refused).toBeInstanceOf(HubDidNotStart)
      expect((refused as Error).message).toMatch(
        new RegExp(
          `The database needs programs that know schema ${latest}, this one knows ${latest - 1}: start a newer Manifold`,
        ),
      )
    } finally {
      await pool.end()
    }
  },
)

const noop = (): void => {}

/** The steps there are and one more, in a folder of their own. */
async function withStep(root: string, sql: string): Promise<URL> {
  const folder = `${root}/steps`
  await mkdir(folder, { recursive: true })
  const real = new URL('../../core/storage/postgres/migrations/', import.meta.url)
  for (const name of await readdir(real)) await writeFile(`${folder}/${name}`, await readFile(new URL(name, real)))
  const number = String((await readdir(folder)).length + 1).padStart(4, '0')
  await writeFile(`${folder}/${number}-of-a-test.sql`, sql)
  return pathToFileURL(`${folder}/`)
}
