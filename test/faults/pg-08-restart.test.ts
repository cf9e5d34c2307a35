/**
 * F-08: Postgres crashes, is away for ten seconds, and cuts every connection again and again. Whoever submits meanwhile
 * is told so in the API's own words and soon; when it is back the hub is back, nothing is lost, and news is heard again.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { brokenAttempts, brokenLog, openFleetScene, repeatsOf } from '../support/fleet-scene.ts'
import type { FleetScene } from '../support/fleet-scene.ts'
import type { Answer } from '../support/hub.ts'
import { DECK } from '../support/scene.ts'
import { privatePostgres } from '../support/services.ts'
import type { PrivatePostgres } from '../support/services.ts'
import { sleep, until } from '../support/wait.ts'

const CONCURRENCY = 4
const AWAY_MS = 10_000
const HEALED_MS_MAX = 5_000
/** What the longest answer may take while nothing answers the hub. */
const ANSWER_MS_MAX = 15_000
/** Less than a lane's or the fleet's next look of its own. */
const PROMPT_MS = 1_500

interface Problem {
  readonly code?: string
}

let server: PrivatePostgres
beforeAll(async () => {
  server = await privatePostgres()
})
afterAll(() => server?.[Symbol.asyncDispose]())

const openScene = (): Promise<FleetScene> =>
  openFleetScene({
    apis: 1,
    workers: 2,
    hooks: ['honest', 'second'],
    honest: { concurrency: CONCURRENCY },
    database: { url: server.url },
    driver: { perSecond: 30, timeoutMs: ANSWER_MS_MAX + 5_000 },
  })

describe('F-08 Postgres restarts', () => {
  test(
    'F-08 crashed, away for 10 s, every connection cut: 503 meanwhile, back within 5 s, nothing lost',
    { timeout: 150_000 },
    async () => {
      await using scene = await openScene()
      const { fleet, receiver, driver } = scene
      const [api] = fleet.apis
      if (api === undefined) throw new Error('There is no API')
      driver.start()
      await receiver.received(40)
      const faults: readonly [name: string, fault: () => Promise<void>][] = [
        ['crash', () => server.crash()],
        [
          'away',
          async () => {
            await server.stop()
            await refusedMeanwhile(scene)
            await server.start()
          },
        ],
        ['cut', () => cutAll(scene)],
      ]
      for (const [name, fault] of faults) {
        await fault()
        await until(
          `a submission to be taken after "${name}"`,
          async () => await scene.driver.submit(`after-${name}-${performance.now()}`),
          { accept: (status) => status === 201, everyMs: 100, timeoutMs: HEALED_MS_MAX },
        )
        await driver.stop()
        await driver.resendOpen()
        await scene.settled()
        await heardAtOnce(scene)
        driver.start()
      }
      await driver.stop()
      await driver.resendOpen()
      await scene.settled()
      const statuses = [...driver.answers.keys()]
      expect(statuses.filter((status) => ![200, 201, 503].includes(status))).toEqual([])
      const account = await scene.account()
      expect(account).toMatchObject({ lost: [], invented: [], storedTwice: [], undelivered: [], unaccounted: [] })
      expect(account.idChanged).toEqual([])
      expect(await brokenLog(fleet)).toEqual([])
      expect(await brokenAttempts(fleet)).toEqual([])
      // The ends of attempts wait for the database; nothing is sent again that was sent.
      expect(repeatsOf(receiver)).toBe(0)
      for (const hub of fleet.workers) expect(hub.logs.filter(({ msg }) => msg === 'the job runner ended')).toEqual([])
    },
  )
})

/** While it is away: every submission is answered, soon, with a 503 that says what to do. */
async function refusedMeanwhile({ fleet }: FleetScene): Promise<void> {
  const [api] = fleet.apis
  const asked: Promise<{ answer: Answer<Problem>; ms: number }>[] = []
  const untilMs = performance.now() + AWAY_MS
  for (let n = 0; performance.now() < untilMs; n += 1) {
    const sentMs = performance.now()
    const asking = api?.api<Problem>(
      'POST',
      `/api/v2/forms/${DECK}/responses`,
      { data: { key: 'down' } },
      { headers: { 'idempotency-key': `down-${n}` } },
    )
    if (asking !== undefined) asked.push(asking.then((answer) => ({ answer, ms: performance.now() - sentMs })))
    await sleep(100)
  }
  for (const { answer, ms } of await Promise.all(asked)) {
    expect([answer.status, answer.headers['content-type'], answer.body.code]).toEqual([
      503,
      'application/problem+json',
      'storage_busy',
    ])
    expect(ms).toBeLessThan(ANSWER_MS_MAX)
  }
  expect((await api?.api('GET', '/readyz'))?.status).toBe(503)
}

/** Every connection to the hub's database but our own, ten times; each time as soon as some are back. */
async function cutAll({ fleet }: FleetScene): Promise<void> {
  for (let round = 0; round < 10; round += 1) {
    await until(
      'connections to cut',
      () =>
        fleet.sql(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name <> 'manifold test' AND pid <> pg_backend_pid()",
        ),
      { accept: (cut) => cut.length > 0, everyMs: 50 },
    )
    await sleep(200)
  }
}

/** Jobs are taken again; and what others store is told by NOTIFY, so it arrives sooner than anybody looks. */
async function heardAtOnce({ fleet, receiver, driver }: FleetScene): Promise<void> {
  await until('every process to listen', () =>
    fleet
      .sql<{ count: number }>(
        "SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = 'manifold news'",
      )
      .then(([row]) => row?.count === fleet.apis.length + fleet.workers.length),
  )
  await fleet.sql("SELECT graphile_worker.add_job('manifold log', job_key => 'of the test')")
  await until(
    'a job to be done',
    () => fleet.sql("SELECT 1 FROM graphile_worker.jobs WHERE key = 'of the test' OR locked_at IS NOT NULL"),
    { accept: (jobs) => jobs.length === 0 },
  )
  // The middle of some: one alone may meet the hub's own look by chance, or a machine that stands still.
  const tries: number[] = []
  for (let n = 0; n < 5; n += 1) {
    const before = receiver.requests.length
    const sentMs = performance.now()
    expect(await driver.submit(`prompt-${performance.now()}`)).toBe(201)
    await receiver.received(before + 2)
    tries.push(performance.now() - sentMs)
  }
  tries.sort((a, b) => a - b)
  expect(tries[2]).toBeLessThan(PROMPT_MS)
}
