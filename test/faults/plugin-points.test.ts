/** A plugin that breaks no limit and uses more than its share: held back by points, back by itself, and nobody else feels it. */
import { expect, test } from 'vitest'
import { manifold } from '../support/cli.ts'
import { settled } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { allItems, storedKeys } from '../support/pages.ts'
import { startReceiver } from '../support/receiver.ts'
import { DECK, FAULT_PLUGINS, openScene } from '../support/scene.ts'
import type { Scene } from '../support/scene.ts'
import { until } from '../support/wait.ts'

/** Few points, and a millisecond costs many: some events are enough, however little of the machine they get; to load is not. */
const TIGHT = {
  pluginPointsMax: 1_000,
  pluginPointsPerSecond: 200,
  pluginCpuFreeMs: 20,
  pluginCpuPointsPerSecond: 20_000,
  pluginPausesMax: 1_000,
}
const KEYS = Array.from({ length: 12 }, (_, n) => `k${n}`)
const LATE = ['late1', 'late2', 'late3']
/** In each event, far above what is free; and still no limit is broken. */
const BURNER = { id: 'burner', use: 'burner', with: { burnMs: 150 } }
const SLOW = { timeout: 180_000 }
const WAIT = { timeoutMs: 90_000, everyMs: 50 }

interface Shown {
  readonly state: string
  readonly reason: string | null
  readonly returns_at: string | null
  readonly usage: { readonly points: number; readonly runs: number; readonly failed: number; readonly cpu_ms: number }
}

const shown = async (hub: Hub): Promise<Shown> => (await hub.api<Shown>('GET', '/api/v2/installations/burner')).body

const paused = (hub: Hub): Promise<Shown> =>
  until('its pause', () => shown(hub), { ...WAIT, accept: ({ state }) => state === 'paused' })

async function alertsOf(hub: Hub): Promise<readonly string[]> {
  const alerts = await allItems<{ data: { kind: string; installation: string } }>(
    hub,
    '/api/v2/events?type=alert.raised',
  )
  return alerts.filter(({ data }) => data.installation === 'burner').map(({ data }) => data.kind)
}

/** All that were sent are handled, and it runs as before. */
async function recovered(hub: Hub, runs: number): Promise<Shown> {
  const probe = async () => ({ alerts: await alertsOf(hub), ...(await shown(hub)) })
  return await until('it to be through and well', probe, {
    ...WAIT,
    accept: ({ alerts, state, usage }) =>
      state === 'ready' && alerts.at(-1) === 'installation_ready' && usage.runs >= runs,
  })
}

async function expectHonestWhole({ hub, ledger }: Scene): Promise<void> {
  expect(ledger.account(await storedKeys(hub, DECK))).toMatchObject({
    lost: [],
    undelivered: [],
    unaccounted: [],
    duplicates: new Map(),
  })
}

test(
  'a burner is held back and paused, comes back by itself and has lost nothing; its neighbours deliver all, once',
  SLOW,
  async () => {
    const carried: string[] = []
    await using receiver = await startReceiver((request) => {
      carried.push(request.json<{ key: string }>().key)
      return {}
    })
    // In the same process with it, until it is put apart.
    const courier = { id: 'courier', use: 'courier', with: { url: receiver.url } }
    await using scene = await openScene({
      pluginDirs: [FAULT_PLUGINS],
      beside: [BURNER, courier],
      limits: { ...TIGHT, pluginPauseMs: 1_000 },
    })
    const { hub, driver } = scene
    for (const key of KEYS) await driver.submit(key)
    await paused(hub)
    // They wait in the log.
    for (const key of LATE) await driver.submit(key)
    const all = [...KEYS, ...LATE]
    const end = await recovered(hub, all.length)
    expect(end.usage).toMatchObject({ runs: all.length, failed: 0 })
    expect(await hub.metric('manifold_events_handled_total', { installation: 'burner' })).toBe(all.length)
    const alerts = await alertsOf(hub)
    const pausedAt = alerts.indexOf('installation_paused')
    expect(alerts.slice(pausedAt, pausedAt + 2)).toEqual(['installation_paused', 'installation_degraded'])
    await settled(hub)
    await expectHonestWhole(scene)
    expect(carried.toSorted()).toEqual(all.toSorted())
    const metric = (name: string, installation: string) => hub.metric(`manifold_plugin_${name}`, { installation })
    expect(await metric('runs_total', 'burner')).toBe(all.length)
    expect(await metric('cpu_seconds_total', 'burner')).toBeCloseTo(end.usage.cpu_ms / 1_000, 1)
    // Its handler enqueues, its action asks the hub to send.
    expect([await metric('runs_total', 'courier'), await metric('http_calls_total', 'courier')]).toEqual([
      all.length * 2,
      all.length,
    ])
    const top = await manifold(hub, ['plugin', 'top', '--json'])
    const [first] = top.json<{ items: readonly { id: string; cpu_share: number }[] }>().items
    expect(first).toMatchObject({ id: 'burner', cpu_share: expect.closeTo(1, 0) })
  },
)

test('a pause is told with its reason and its end, outlives a kill, and a person may end it', SLOW, async () => {
  await using scene = await openScene({ pluginDirs: [FAULT_PLUGINS], beside: [BURNER], limits: TIGHT })
  const { hub, driver } = scene
  for (const key of KEYS) await driver.submit(key)
  const before = await paused(hub)
  expect(before.reason).toMatch(
    /^paused until \d\d:\d\d UTC: used [\d,]+ points in \d+ seconds?, mostly CPU in handler response\.submitted$/,
  )
  await settledHonest(scene)
  await hub.kill('SIGKILL')
  await hub.restart()
  expect(await shown(hub)).toMatchObject({ state: 'paused', reason: before.reason, returns_at: before.returns_at })
  const status = await manifold(hub, ['status'])
  expect(status.stdout).toContain(`burner: ${before.reason}`)
  const top = await manifold(hub, ['plugin', 'top'])
  expect(top.stdout).toMatch(/^burner +burner +paused +\d+\/1000/m)
  const resumed = await hub.api('POST', '/api/v2/installations/burner/resume')
  expect(resumed.body).toMatchObject({ state: 'ready', returns_at: null, usage: { points: 1_000 } })
  await expectHonestWhole(scene)
})

/** The honest one delivers while the other stands still. */
const settledHonest = ({ receiver }: Scene): Promise<unknown> =>
  until('the neighbour to have delivered all', () => receiver.requests.length >= KEYS.length, WAIT)
