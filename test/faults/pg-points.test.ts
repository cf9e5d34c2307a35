/** A pause for used up points is nobody's memory: whoever takes the installation over ends it, and ends no pause of a person. */
import { expect, test } from 'vitest'
import { openFleetScene } from '../support/fleet-scene.ts'
import type { FleetScene } from '../support/fleet-scene.ts'
import type { Hub } from '../support/hub.ts'
import { FAULT_PLUGINS } from '../support/scene.ts'
import { sleep, until } from '../support/wait.ts'

const BURNERS = ['burner', 'looked-at']
const PAUSE_MS = 12_000
const EVENTS = 6
const WAIT = { timeoutMs: 60_000, everyMs: 100 }

interface Row {
  readonly id: string
  readonly state: string
  readonly reason: string | null
  readonly returns_at_ms: number | null
}

const rows = async ({ fleet }: FleetScene): Promise<ReadonlyMap<string, Row>> => {
  const all = await fleet.sql<Row>(
    'SELECT id, state, reason, returns_at_ms::double precision AS returns_at_ms FROM installations',
  )
  return new Map(all.map((row) => [row.id, row]))
}

const arePaused = (all: ReadonlyMap<string, Row>): boolean => BURNERS.every((id) => all.get(id)?.state === 'paused')

test('a paused installation whose worker is killed returns at another one in its time; a person’s pause does not', async () => {
  await using scene = await openFleetScene({
    apis: 1,
    workers: 1,
    pluginDirs: [FAULT_PLUGINS],
    beside: BURNERS.map((id) => ({ id, use: 'burner', with: { burnMs: 150 } })),
    limits: {
      pluginPointsMax: 100,
      pluginPointsPerSecond: 1,
      pluginCpuFreeMs: 20,
      pluginCpuPointsPerSecond: 20_000,
      pluginPauseMs: PAUSE_MS,
      pluginPausesMax: 1_000,
    },
  })
  const { fleet, driver } = scene
  for (let n = 0; n < EVENTS; n += 1) await driver.submit(`k${n}`)
  const paused = await until('both to be paused', () => rows(scene), { ...WAIT, accept: arePaused })
  expect(paused.get('burner')?.returns_at_ms).toBeGreaterThan(0)
  // Asked of a process that runs nothing: the owner hears of it.
  const api = fleet.apis[0] as Hub
  const looked = await api.api('POST', '/api/v2/installations/looked-at/pause', { reason: 'being looked at' })
  expect(looked.body).toMatchObject({ state: 'paused', reason: 'being looked at', returns_at: null })
  await fleet.kill(fleet.workers[0] as Hub)
  const late = await fleet.add('worker')
  await until('its return', () => rows(scene), { ...WAIT, accept: (all) => all.get('burner')?.state !== 'paused' })
  expect(Date.now()).toBeGreaterThanOrEqual(paused.get('burner')?.returns_at_ms ?? Infinity)
  expect(late.logs.some(({ installation, state }) => installation === 'burner' && state === 'degraded')).toBe(true)
  await sleep(PAUSE_MS / 6)
  expect((await rows(scene)).get('looked-at')).toMatchObject({ state: 'paused', reason: 'being looked at' })
  await scene.settled()
  expect(await scene.account()).toMatchObject({ lost: [], undelivered: [], duplicates: new Map() })
})
