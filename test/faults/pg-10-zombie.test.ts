/**
 * F-10: a worker stands still in the middle of an attempt for longer than its lease, others take over, and it comes back
 * and says how its attempt ended. The fence refuses that; the receiver saw the delivery once more at most.
 */
import { expect, test } from 'vitest'
import { brokenAttempts, brokenLog, openFleetScene, repeatsOf } from '../support/fleet-scene.ts'
import type { FleetScene } from '../support/fleet-scene.ts'
import type { Hub } from '../support/hub.ts'
import type { Reply } from '../support/receiver.ts'
import { sleep, until } from '../support/wait.ts'

const TAKEN_OVER_MS_MAX = 15_000
/** So far off that the zombie speaks in between. */
const RETRY_S = 10
/** What a zombie needs to say what it has to say. */
const SPEAKS_MS = 2_500

test(
  'F-10 SIGSTOP in the middle of an attempt, SIGCONT after the lease: the late end is refused, one duplicate at most',
  { timeout: 120_000 },
  async () => {
    const held: ((reply: Reply) => void)[] = []
    let tries = 0
    await using scene = await openFleetScene({
      apis: 1,
      workers: 2,
      honest: { retry: { schedule: [`${RETRY_S}s`, `${RETRY_S}s`] } },
      limits: { httpTimeoutMs: 60_000, pluginActionWallMs: 120_000 },
      reply: (request) => {
        if (request.json<{ key: string }>().key !== 'held') return {}
        tries += 1
        // First the one that is held until its sender is a zombie, then a failure of the new owner's, then success.
        if (tries === 1) return new Promise<Reply>((resolve) => held.push(resolve))
        return { status: tries === 2 ? 503 : 200 }
      },
    })
    const { fleet, receiver, driver } = scene
    await driver.submit('first')
    await scene.settled()
    await driver.submit('held')
    await until('the attempt to be under way', () => held.length === 1)
    const zombie = await ownerOf(scene)
    zombie.signal('SIGSTOP')
    await until('the attempt to be made again, and its end to be written', () => attemptsOf(scene), {
      timeoutMs: TAKEN_OVER_MS_MAX,
      accept: ({ outcomes }) => outcomes.length === 1,
    })
    expect(await attemptsOf(scene)).toEqual({ state: 'retrying', outcomes: ['retry'] })
    await driver.submit('meanwhile')
    await until('new work to go on without it', () =>
      receiver.requests.some((request) => request.json<{ key: string }>().key === 'meanwhile'),
    )
    // It did come through, the zombie says now. But it is not its to say any more.
    held[0]?.({ status: 200 })
    zombie.signal('SIGCONT')
    await sleep(SPEAKS_MS)
    expect(await attemptsOf(scene)).toEqual({ state: 'retrying', outcomes: ['retry'] })
    expect(zombie.stderr).toContain('"msg":"the database does not answer; lanes stand still until it does"')

    await driver.submit('after')
    await scene.settled()
    expect(await attemptsOf(scene)).toEqual({ state: 'delivered', outcomes: ['retry', 'delivered'] })
    // The retry that its owner made, and the one that the zombie had begun.
    expect(repeatsOf(receiver)).toBe(2)
    expect(new Set(receiver.requests.map(({ id }) => id)).size).toBe(4)
    expect(await scene.account()).toMatchObject({ lost: [], storedTwice: [], undelivered: [], unaccounted: [] })
    expect(await brokenAttempts(fleet)).toEqual([])
    expect(await brokenLog(fleet)).toEqual([])
    // It is a worker like any other again.
    const rows = await fleet.sql<{ count: number }>(
      "SELECT count(*)::int AS count FROM hub_processes WHERE role = 'worker'",
    )
    expect(rows[0]?.count).toBe(2)
  },
)

async function ownerOf({ fleet }: FleetScene): Promise<Hub> {
  const rows = await fleet.sql<{ pid: number }>(
    "SELECT p.pid FROM hub_processes p JOIN leases l ON l.owner = p.id WHERE l.installation = 'honest'",
  )
  const hub = fleet.workers.find(({ pid }) => pid === rows[0]?.pid)
  if (hub === undefined) throw new Error('No worker runs it')
  return hub
}

async function attemptsOf({ fleet }: FleetScene): Promise<{ state: string; outcomes: readonly string[] }> {
  const rows = await fleet.sql<{ state: string; outcome: string | null }>(
    `SELECT d.state, a.outcome FROM deliveries d JOIN responses r ON r.workspace = d.workspace AND r.id = d.response_id
      LEFT JOIN attempts a ON a.workspace = d.workspace AND a.delivery_id = d.id
      WHERE r.data::json ->> 'key' = 'held' ORDER BY a.n`,
  )
  return {
    state: rows[0]?.state ?? 'missing',
    outcomes: rows.flatMap(({ outcome }) => (outcome === null ? [] : [outcome])),
  }
}
