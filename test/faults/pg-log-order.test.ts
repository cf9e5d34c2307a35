/**
 * The log's order over several writers: a transaction that took a place in the log and does not end holds everybody up
 * or is waited for, but nobody reads past it; and one that is undone leaves no gap.
 */
import { Client } from 'pg'
import { expect, test } from 'vitest'
import { brokenLog, openFleetScene } from '../support/fleet-scene.ts'
import type { Fleet } from '../support/fleet.ts'
import { sleep } from '../support/wait.ts'

/** Less than what a writer waits for a lock, so that all who wait are served. */
const HELD_MS = 2_500
/** More than twice that: they are told to come again, and must be able to. */
const HELD_TOO_LONG_MS = 14_000

test(
  'a transaction held open: no reader passes it, what waits comes in order, undone it leaves no gap, and too long means 503',
  { timeout: 90_000 },
  async () => {
    await using scene = await openFleetScene({
      apis: 2,
      workers: 2,
      honest: { order: 'fifo', concurrency: 1 },
      driver: { perSecond: 20, timeoutMs: 20_000 },
    })
    const { fleet, receiver, driver, ledger } = scene
    driver.start()
    await receiver.received(20)
    for (const end of ['COMMIT', 'ROLLBACK'] as const) {
      const key = `held-${end}`
      await using stranger = await holdLog(fleet, key)
      const before = driver.answers.get(201) ?? 0
      await sleep(HELD_MS)
      // Some were committed just before; whoever came after it waits with it. (Deliveries may be behind and go on.)
      const meanwhile = (driver.answers.get(201) ?? 0) - before
      expect(meanwhile).toBeLessThan(HELD_MS / 100)
      if (end === 'COMMIT') {
        ledger.sent(key)
        ledger.acknowledged(key, `by-hand-${key}`)
      }
      await stranger.query(end)
      await sleep(500)
    }
    await using stranger = await holdLog(fleet, 'held-long')
    await sleep(HELD_TOO_LONG_MS)
    await stranger.query('ROLLBACK')
    await sleep(1_000)
    await driver.stop()
    expect(driver.answers.get(503)).toBeGreaterThan(0)
    await driver.resendOpen()
    await scene.settled()

    expect([...driver.answers.keys()].filter((status) => ![200, 201, 503].includes(status))).toEqual([])
    const account = await scene.account()
    expect(account).toMatchObject({ lost: [], storedTwice: [], undelivered: [], unaccounted: [] })
    expect(await brokenLog(fleet)).toEqual([])
    // Each event in the order of the log, the stranger's in its place: a cursor that passed it would have left it out.
    const log = await fleet.sql<{ key: string }>(
      `SELECT r.data::json ->> 'key' AS key FROM events e JOIN responses r ON r.workspace = e.workspace AND r.id = e.response_id
        WHERE e.type = 'response.submitted' ORDER BY e.seq`,
    )
    const keys = log.map(({ key }) => key)
    expect(keys).toContain('held-COMMIT')
    expect(keys).not.toContain('held-ROLLBACK')
    const made = await fleet.sql<{ event_seq: string }>('SELECT event_seq FROM deliveries ORDER BY id')
    expect(made.map(({ event_seq: seq }) => Number(seq))).toEqual(
      made.map(({ event_seq: seq }) => Number(seq)).toSorted((a, b) => a - b),
    )
    expect(new Set(receiver.requests.map((request) => request.json<{ key: string }>().key))).toEqual(new Set(keys))
  },
)

/** Takes the next place of the log by hand, stores a submission there, and commits nothing. */
async function holdLog(fleet: Fleet, key: string): Promise<Client & AsyncDisposable> {
  const client = new Client({ connectionString: fleet.databaseUrl, application_name: 'manifold test' })
  await client.connect()
  await client.query('BEGIN')
  await client.query('UPDATE log_head SET seq = seq + 1, responses = responses + 1')
  const at = new Date().toISOString()
  await client.query(
    `INSERT INTO responses (workspace, id, form_id, form_version, status, submitted_at, created_at, updated_at, meta, data)
      SELECT workspace, $1, form_id, form_version, status, $2, $2, $2, meta, $3 FROM responses LIMIT 1`,
    [`by-hand-${key}`, at, JSON.stringify({ key })],
  )
  await client.query(
    `INSERT INTO events (seq, id, workspace, type, at, form_id, response_id, hops, form_version, meta)
      SELECT (SELECT seq FROM log_head), $1, workspace, type, $2, form_id, $3, 0, form_version, meta
      FROM events WHERE type = 'response.submitted' LIMIT 1`,
    [`event-by-hand-${key}`, at, `by-hand-${key}`],
  )
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() })
}
