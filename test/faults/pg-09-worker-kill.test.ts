/**
 * F-09: workers die by kill -9 in the middle of their attempts, seen by the others at once, or not seen at all: on another
 * machine (another pid namespace), or standing still. Their lanes and their locks on jobs go to the others.
 */
import { expect, test } from 'vitest'
import { brokenAttempts, brokenLog, openFleetScene, repeatsOf } from '../support/fleet-scene.ts'
import type { FleetScene } from '../support/fleet-scene.ts'
import type { Hub } from '../support/hub.ts'
import { until } from '../support/wait.ts'

/** Of those that are seen; fifty by hand (`MANIFOLD_FAULT_ROUNDS`). */
const ROUNDS = Number(process.env['MANIFOLD_FAULT_ROUNDS'] ?? 4)
const HOOKS = Array.from({ length: 8 }, (_, n) => `hook-${n}`)
const TAKEN_OVER_MS_MAX = 15_000
/** Of the fleet: who is silent for so long is dead, seen or not. */
const SILENT_MS_MAX = 8_000
const CONCURRENCY = 4
/** Long enough to be killed in the middle of. */
const ATTEMPT_MS = 300

type Death = 'seen' | 'hidden' | 'stopped'

test(
  `F-09 four workers, kill -9 each at random, ${ROUNDS} rounds: lanes and jobs taken over within 15 s, one attempt counted`,
  { timeout: ROUNDS * 20_000 + 150_000 },
  async () => {
    await using scene = await openFleetScene({
      apis: 1,
      workers: 4,
      hooks: HOOKS,
      honest: { concurrency: CONCURRENCY },
      reply: () => ({ delayMs: ATTEMPT_MS }),
    })
    const { fleet, receiver } = scene
    const deaths: readonly Death[] = [...Array<Death>(ROUNDS).fill('seen'), 'hidden', 'stopped']
    const took: Record<Death, number[]> = { seen: [], hidden: [], stopped: [] }
    for (const [round, death] of deaths.entries()) {
      const victim = death === 'hidden' ? await hiddenWorker(scene) : await someOwner(scene)
      took[death].push(await killInTheMiddle(scene, { round, death, victim }))
      if (fleet.workers.length < 4) await fleet.add('worker')
    }
    await scene.settled()

    const account = await scene.account()
    expect(account).toMatchObject({ lost: [], storedTwice: [], undelivered: [], unaccounted: [], idChanged: [] })
    // What a killed process had begun counts as never begun: each delivery has the one attempt that ended.
    const counts = await fleet.sql<{ attempts: number; count: number }>(
      'SELECT attempts, count(*)::int AS count FROM deliveries GROUP BY attempts',
    )
    expect(counts).toEqual([{ attempts: 1, count: deaths.length * HOOKS.length }])
    expect(await brokenAttempts(fleet)).toEqual([])
    expect(await brokenLog(fleet)).toEqual([])
    expect(repeatsOf(receiver)).toBeLessThanOrEqual(deaths.length * HOOKS.length)
    for (const times of Object.values(took)) expect(Math.max(...times)).toBeLessThan(TAKEN_OVER_MS_MAX)
  },
)

/** A worker that runs something, at random. */
async function someOwner({ fleet }: FleetScene): Promise<Hub> {
  const owner = await until('a worker with installations', async () => {
    const owners = new Set((await fleet.owners()).values())
    const rows = await fleet.sql<{ id: string; pid: number }>('SELECT id, pid FROM hub_processes')
    const pids = new Set(rows.filter(({ id }) => owners.has(id)).map(({ pid }) => pid))
    const able = fleet.workers.filter(({ pid }) => pids.has(pid))
    return able[Math.floor(Math.random() * able.length)]
  })
  return owner as Hub
}

/** One whose death nobody else can see, since its process number means nothing to them; it runs something. */
async function hiddenWorker({ fleet }: FleetScene): Promise<Hub> {
  const hidden = await fleet.add('worker', {
    launcher: ['unshare', '--pid', '--fork', '--kill-child=SIGKILL', '--mount-proc'],
  })
  await until('it to run something', () => idOf(fleet, hidden, 'hidden').then(({ owns }) => owns > 0))
  return hidden
}

interface Known {
  readonly id: string
  readonly jobPool: string
  readonly owns: number
  readonly hooks: readonly string[]
}

async function idOf(fleet: FleetScene['fleet'], hub: Hub, death: Death): Promise<Known> {
  // In a pid namespace of its own it is number 1.
  const pid = death === 'hidden' ? 1 : hub.pid
  const rows = await fleet.sql<{ id: string; job_pool: string; hooks: string[] }>(
    `SELECT id, job_pool, ARRAY(SELECT installation FROM leases WHERE owner = id) AS hooks FROM hub_processes
      WHERE pid = $1 ORDER BY started_at DESC LIMIT 1`,
    [pid],
  )
  const [row] = rows
  if (row === undefined) throw new Error('That worker is not in the database')
  return { id: row.id, jobPool: row.job_pool, owns: row.hooks.length, hooks: row.hooks }
}

/** Answers how long it took until everything of its lanes was done and its jobs were free, in ms. */
async function killInTheMiddle(
  { fleet, receiver, driver }: FleetScene,
  { round, death, victim }: { readonly round: number; readonly death: Death; readonly victim: Hub },
): Promise<number> {
  const { id, jobPool, hooks } = await idOf(fleet, victim, death)
  const paths = new Set(hooks.map((hook) => `/${hook}`))
  const key = `round-${round}`
  const before = receiver.requests.length
  expect(await driver.submit(key)).toBe(201)
  await until('an attempt of the victim to be under way', () =>
    receiver.requests.slice(before).some(({ path }) => paths.has(path)),
  )
  await holdJobs(fleet, jobPool)
  if (death === 'stopped') victim.signal('SIGSTOP')
  else await fleet.kill(victim)
  const killedMs = performance.now()
  await until(
    `everything of ${key} to be done and the locks of the dead to be undone`,
    async () =>
      (
        await fleet.sql<{ open: number; locked: number }>(
          `SELECT ($2 - (SELECT count(*) FROM deliveries d JOIN responses r ON r.workspace = d.workspace AND r.id = d.response_id
              WHERE r.data::json ->> 'key' = $1 AND d.state = 'delivered'))::int AS open,
            ((SELECT count(*) FROM graphile_worker._private_jobs WHERE locked_by = $3)
              + (SELECT count(*) FROM graphile_worker._private_job_queues WHERE locked_by = $3))::int AS locked`,
          [key, HOOKS.length, jobPool],
        )
      )[0],
    { timeoutMs: TAKEN_OVER_MS_MAX, everyMs: 50, accept: (row) => row?.open === 0 && row.locked === 0 },
  )
  const tookMs = performance.now() - killedMs
  const burials = fleet.workers
    .concat(fleet.apis)
    .flatMap(({ logs }) => logs)
    .filter(({ msg, process }) => msg === 'a process of the hub is gone' && process === id)
  expect(burials.length).toBeGreaterThan(0)
  for (const { silent_ms: silentMs } of burials) {
    // Seen to die, or only not heard of any more.
    if (death === 'seen') expect(silentMs).toBeLessThan(SILENT_MS_MAX)
    else expect(silentMs).toBeGreaterThanOrEqual(SILENT_MS_MAX)
  }
  if (death === 'stopped') await fleet.kill(victim)
  return tookMs
}

/** As if the victim had just begun a job on its own and one of a named queue: locks that nobody ever gives back. */
async function holdJobs(fleet: FleetScene['fleet'], jobPool: string): Promise<void> {
  const payload = JSON.stringify({ kind: 'deliver', workspace: 'default', installation: HOOKS[0] })
  await fleet.sql(
    `WITH made AS (
        SELECT (graphile_worker.add_job('manifold lane', $1::json, queue_name => q, run_at => now() + interval '1 hour')).id
        FROM (VALUES (NULL), ('in order')) AS queues (q))
      SELECT count(*) FROM made`,
    [payload],
  )
  await fleet.sql(
    `UPDATE graphile_worker._private_jobs SET locked_by = $1, locked_at = now(), run_at = now()
      WHERE locked_by IS NULL AND run_at > now() + interval '30 minutes'`,
    [jobPool],
  )
  await fleet.sql(
    "UPDATE graphile_worker._private_job_queues SET locked_by = $1, locked_at = now() WHERE queue_name = 'in order'",
    [jobPool],
  )
}
