/** A timetable over a fleet: each time fires once, whoever runs it, also when its worker is killed in between. */
import { expect, test } from 'vitest'
import { startFleet } from '../support/fleet.ts'
import type { Fleet } from '../support/fleet.ts'
import { sceneConfig } from '../support/scene.ts'
import { sleep, until } from '../support/wait.ts'

const PLUGINS = new URL('../fixtures/flow-plugins', import.meta.url).pathname
const SECOND_MS = 1_000
const RUNS_MS = 5_000

interface Fired {
  readonly due: number
  readonly missed: number
  readonly state: string
  readonly attempts: number
}

test(
  'a schedule of every second fires once a second across three workers, and nothing is missed silently when two of them die',
  { timeout: 90_000 },
  async () => {
    const installations = [{ id: 'tour', use: 'tour', with: { url: 'http://127.0.0.1:9/nobody' } }]
    await using fleet = await startFleet({
      apis: 1,
      workers: 3,
      config: sceneConfig({ installations, pluginDirs: [PLUGINS] }),
    })
    await until('it to fire', async () => (await firedOf(fleet)).length > 2)
    await sleep(RUNS_MS)
    for (let kills = 0; kills < 2; kills += 1) {
      const owner = (await fleet.owners()).get('default/tour')
      const [row] = await fleet.sql<{ pid: number }>('SELECT pid FROM hub_processes WHERE id = $1', [owner])
      const victim = fleet.workers.find(({ pid }) => pid === row?.pid)
      if (victim === undefined) throw new Error('Nobody runs the schedule')
      const before = (await firedOf(fleet)).length
      await fleet.kill(victim)
      await until('it to fire elsewhere', async () => (await firedOf(fleet)).length > before + 2)
    }
    const fired = await until('what has fired to have run', () => firedOf(fleet), {
      accept: (all) => all.slice(0, -2).every(({ state }) => state === 'delivered'),
    })
    expect(fired.length).toBeGreaterThan(8)
    for (const [i, { due, missed }] of fired.entries()) {
      expect(due % SECOND_MS).toBe(0)
      // Each second either fired or is counted as missed by the one after it.
      if (i > 0) expect(due - (fired[i - 1]?.due ?? 0)).toBe((missed + 1) * SECOND_MS)
    }
    expect(fired.filter(({ attempts }) => attempts > 1)).toEqual([])
    const [tally] = await fleet.sql<{ ticks: number; runs: number }>(
      `SELECT (SELECT value FROM tallies WHERE name = 'ticks')::int AS ticks,
        (SELECT count(*) FROM deliveries WHERE kind = 'schedule' AND state = 'delivered')::int AS runs`,
    )
    // What a run did counts once, too.
    expect(tally?.ticks).toBe(tally?.runs)
  },
)

/** In order; the key of a delivery names the time it is for. */
async function firedOf(fleet: Fleet): Promise<readonly Fired[]> {
  const rows = await fleet.sql<{ key: string; input: string; state: string; attempts: number }>(
    "SELECT dedupe_key AS key, input, state, attempts FROM deliveries WHERE kind = 'schedule' ORDER BY dedupe_key",
  )
  return rows.map(({ key, input, state, attempts }) => ({
    due: Number(key.split(':').at(-1)),
    missed: (JSON.parse(input) as { missed: number }).missed,
    state,
    attempts,
  }))
}
