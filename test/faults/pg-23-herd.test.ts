/**
 * F-23: a fleet starts before a hundred thousand retries that are all due. It comes up, takes submissions as ever, works
 * the herd off in bounded bites, and what fails again comes again spread over time.
 */
import { expect, test } from 'vitest'
import { brokenAttempts, brokenLog, openFleetScene } from '../support/fleet-scene.ts'
import type { Fleet } from '../support/fleet.ts'
import { sleep, until } from '../support/wait.ts'

const HERD = 100_000
const HOOKS = ['honest', 'second', 'third', 'fourth']
const CONCURRENCY = 16
const RETRY_MS = 600_000
const JITTER_FRACTION = 0.2
const LOAD_MS = 12_000
/** A hang, not a benchmark: two cores do everything here. */
const ANSWER_MS_MAX = 2_000
const BUCKETS = 16
/** Chi-square for 15 degrees of freedom at one in a hundred thousand. */
const CHI_SQUARE_MAX = 50.5
/** Enough for the test of the spread to mean something. */
const FAILED_MIN = 400

test(
  'F-23 100,000 due retries at start, 2 workers: up in time, ingest answers, attempts bounded, retries spread',
  { timeout: 150_000 },
  async () => {
    let herd = false
    await using scene = await openFleetScene({
      apis: 1,
      workers: 1,
      hooks: HOOKS,
      honest: { concurrency: CONCURRENCY, retry: { schedule: [`${RETRY_MS / 1_000}s`, `${RETRY_MS / 1_000}s`] } },
      // One in four falls on the lanes by chance, so five of one lane may come in a row: an opened breaker would make
      // what waits due at once when it closes, and this is about the spread of those that nobody hurries.
      limits: { breakerFailuresMax: 1_000 },
      reply: ({ n }) => (herd && n % 4 === 0 ? { status: 503 } : {}),
    })
    const { fleet, driver, receiver } = scene
    await driver.submit('example')
    await scene.settled()
    for (const hub of fleet.workers) {
      fleet.forget(hub)
      await hub.kill('SIGTERM')
    }
    await addHerd(fleet)
    herd = true

    const workers = await Promise.all([fleet.add('worker'), fleet.add('worker')])
    // Ready is ready: whatever waits, a start takes what it takes without.
    for (const worker of workers) expect((await worker.api('GET', '/readyz')).status).toBe(200)
    const answers: { status: number; ms: number }[] = []
    const sending: Promise<unknown>[] = []
    const untilMs = performance.now() + LOAD_MS
    for (let n = 0; performance.now() < untilMs; n += 1) {
      const sentMs = performance.now()
      sending.push(
        driver.submit(`meanwhile-${n}`).then((status) => answers.push({ status, ms: performance.now() - sentMs })),
      )
      await sleep(25)
    }
    await Promise.all(sending)
    const times = answers.map(({ ms }) => ms).toSorted((a, b) => a - b)
    expect(answers.filter(({ status }) => status !== 201)).toEqual([])
    expect(times[Math.floor(times.length * 0.99)]).toBeLessThan(ANSWER_MS_MAX)
    const failed = await until('enough of the herd to have failed again', () => failedAgain(fleet), {
      accept: (each) => each.length >= FAILED_MIN,
      timeoutMs: 30_000,
      everyMs: 500,
    })
    expect(receiver.concurrencyMax).toBeLessThanOrEqual(CONCURRENCY * HOOKS.length)
    const owners = new Set((await fleet.owners()).values())
    expect(owners.size).toBe(2)

    const offsets = failed.map((afterMs) => (afterMs / RETRY_MS - (1 - JITTER_FRACTION)) / (2 * JITTER_FRACTION))
    expect(offsets.filter((at) => at < -0.01 || at > 1.01)).toEqual([])
    expect(chiSquare(offsets)).toBeLessThan(CHI_SQUARE_MAX)

    for (const worker of workers) await worker.kill('SIGTERM')
    expect(await miscounted(fleet)).toEqual([])
    expect(await brokenAttempts(fleet)).toEqual([])
    expect(await brokenLog(fleet)).toEqual([])
    const account = await scene.account()
    expect(account).toMatchObject({ lost: [], invented: [], storedTwice: [], unaccounted: [] })
  },
)

/** Copies of what was delivered, as if each had failed once and its next attempt were due by now. */
async function addHerd(fleet: Fleet): Promise<void> {
  await fleet.sql(
    `INSERT INTO deliveries (workspace, id, installation, plugin, kind, name, dedupe_key, event_seq, event_id, form_id,
        response_id, order_key, state, attempts, schedule_step, due_at_ms, created_at, input)
      SELECT workspace, id || '-' || n, installation, plugin, kind, name, dedupe_key || '-' || n, event_seq, event_id, form_id,
        response_id, order_key, 'retrying', 1, 1, (extract(epoch FROM now()) * 1000)::bigint - n, created_at, input
      FROM deliveries CROSS JOIN generate_series(1, $1::int) AS n`,
    [HERD / HOOKS.length],
  )
  // Each with the attempt that failed.
  await fleet.sql(
    `INSERT INTO attempts (workspace, delivery_id, n, at, duration_ms, outcome, exchanges, logs)
      SELECT workspace, id, 1, created_at, 1, 'retry', '[]', '[]' FROM deliveries WHERE state = 'retrying'`,
  )
  await fleet.sql('UPDATE lane_counts SET retrying = retrying + $1', [HERD / HOOKS.length])
  await fleet.sql('ANALYZE deliveries')
}

/** Of each that failed for the second time: how long after that its next attempt is due, in ms. */
async function failedAgain(fleet: Fleet): Promise<readonly number[]> {
  const rows = await fleet.sql<{ after_ms: number }>(
    `SELECT d.due_at_ms - (extract(epoch FROM a.at::timestamptz) * 1000 + a.duration_ms) AS after_ms
      FROM deliveries d JOIN attempts a ON a.workspace = d.workspace AND a.delivery_id = d.id AND a.n = 2
      WHERE d.state = 'retrying' AND d.attempts = 2`,
  )
  return rows.map(({ after_ms: afterMs }) => Number(afterMs))
}

/** Against a uniform spread over [0, 1]. */
function chiSquare(values: readonly number[]): number {
  const counts = Array<number>(BUCKETS).fill(0)
  for (const value of values) {
    const bucket = Math.min(BUCKETS - 1, Math.max(0, Math.floor(value * BUCKETS)))
    counts[bucket] = (counts[bucket] ?? 0) + 1
  }
  const expected = values.length / BUCKETS
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
}

/** Lanes whose kept numbers are not those of their rows. */
async function miscounted(fleet: Fleet): Promise<readonly unknown[]> {
  return await fleet.sql(
    `SELECT c.*, r.* FROM lane_counts c JOIN (
        SELECT workspace AS w, installation AS i, count(*) FILTER (WHERE state = 'pending') AS p,
          count(*) FILTER (WHERE state = 'retrying') AS r, count(*) FILTER (WHERE state = 'delivered') AS d,
          count(*) FILTER (WHERE state = 'dead') AS x FROM deliveries GROUP BY workspace, installation) AS r
        ON r.w = c.workspace AND r.i = c.installation
      WHERE (c.pending, c.retrying, c.delivered, c.dead) IS DISTINCT FROM (r.p, r.r, r.d, r.x)`,
  )
}
