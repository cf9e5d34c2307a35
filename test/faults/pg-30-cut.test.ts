/**
 * F-30: the network between the hub and Postgres is cut without a word: connections stay open and carry nothing, and
 * afterwards the old ones stay dead. Only timeouts can tell.
 */
import { expect, test } from 'vitest'
import { brokenAttempts, brokenLog, openFleetScene, repeatsOf } from '../support/fleet-scene.ts'
import { DECK } from '../support/scene.ts'
import { freshDatabase } from '../support/services.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'
import { sleep, until } from '../support/wait.ts'

const CUT_MS = 14_000
const HEALED_MS_MAX = 5_000
const ANSWER_MS_MAX = 16_000

test(
  'F-30 network cut to Postgres, half-open: 503 within 16 s, back within 5 s of the wire, nothing lost or doubled',
  { timeout: 120_000 },
  async () => {
    await using database = await freshDatabase()
    const there = new URL(database.url)
    await using wire = await startTcpProxy({ port: Number(there.port) })
    const through = new URL(database.url)
    through.port = String(wire.port)
    await using scene = await openFleetScene({
      apis: 1,
      workers: 2,
      honest: { concurrency: 4 },
      database: { url: database.url, hubUrl: through.href },
      driver: { perSecond: 20, timeoutMs: ANSWER_MS_MAX + 20_000 },
    })
    const { fleet, receiver, driver } = scene
    const [api] = fleet.apis
    if (api === undefined) throw new Error('There is no API')
    driver.start()
    await receiver.received(60)
    await driver.stop()
    await scene.settled()
    // As many connections as there may be: each of them will be dead afterwards, and nobody may have to find out of each.
    await Promise.all(Array.from({ length: 40 }, () => api.api('GET', `/api/v2/forms/${DECK}/responses?limit=200`)))
    // What is on its way when the wire is cut may have arrived; what is sent later has not.
    driver.start()
    await sleep(500)
    wire.cut()
    await driver.stop()
    const answers: { status: number; type: string | undefined; ms: number }[] = []
    const asking: Promise<unknown>[] = []
    const untilMs = performance.now() + CUT_MS
    for (let n = 0; performance.now() < untilMs; n += 1) {
      const sentMs = performance.now()
      const options = { headers: { 'idempotency-key': `cut-${n}` }, timeoutMs: 60_000 }
      asking.push(
        api.api('POST', `/api/v2/forms/${DECK}/responses`, { data: { key: 'cut' } }, options).then((answer) => {
          answers.push({
            status: answer.status,
            type: answer.headers['content-type'],
            ms: performance.now() - sentMs,
          })
        }),
      )
      await sleep(200)
    }
    await Promise.all(asking)
    for (const { status, type, ms } of answers) {
      expect([status, type]).toEqual([503, 'application/problem+json'])
      expect(ms).toBeLessThan(ANSWER_MS_MAX)
    }
    expect((await api.api('GET', '/readyz')).status).toBe(503)

    wire.heal()
    await until('a submission to be taken', () => driver.submit(`after-${performance.now()}`), {
      accept: (status) => status === 201,
      everyMs: 100,
      timeoutMs: HEALED_MS_MAX,
    })
    await driver.resendOpen()
    await scene.settled()
    const account = await scene.account()
    expect(account).toMatchObject({ lost: [], storedTwice: [], undelivered: [], unaccounted: [], idChanged: [] })
    expect(repeatsOf(receiver)).toBeLessThanOrEqual(4)
    expect(await brokenLog(fleet)).toEqual([])
    expect(await brokenAttempts(fleet)).toEqual([])
  },
)
